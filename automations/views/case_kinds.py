"""What a case shows and offers besides, by what stopped it: a table, one entry a kind of error.

A new kind adds a partial to PARTIALS, which stands first among the acts, and a function to SHOWN,
which gives the partial what it needs. Both are keyed by `Failure.Error`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from django.urls import reverse

from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services.answers import PARKED
from automations.services.handing import is_theirs, may_answer
from automations.simulation.again import Again
from automations.simulation.parked import parked
from backoffice.models import User
from backoffice.money import Money

Shown = dict[str, Any]
LOOKED_AT = 10

PARTIALS: Mapping[str, str] = {
    Failure.Error.QUESTION: "automations/_case_question.html",
    Failure.Error.UNSURE: "automations/_case_draft.html",
    Failure.Error.LIMIT: "automations/_case_parked.html",
    Failure.Error.FIRST_LOOK: "automations/_case_parked.html",
    Failure.Error.DOUBT: "automations/_case_doubt.html",
}


def question(case: Failure, user: User, again: Again | None) -> Shown:
    """Who is asked, and whether this person may answer."""
    return {"answers": may_answer(user, case), "consents": again.words if again else ""}


def draft(case: Failure, user: User, again: Again | None) -> Shown:
    """What an unsure action would do, and how sure it is."""
    if again is None:
        return {}
    form = again.action.form()
    fields = [
        (form.fields[name].label or name, value)
        for name, value in again.given.items()
        if name in form.fields
    ]
    return {"draft": fields, "confidence": _percent(case.detail.get("confidence", ""))}


def _percent(raw: str) -> str:
    try:
        return f"{Decimal(raw) * 100:.0f} %"
    except InvalidOperation:
        return ""


def kept_back(case: Failure, user: User, again: Again | None) -> Shown:
    """The runs that a limit or a first look keeps back, and those to look at."""
    if case.rule is None:
        return {}
    why = PARKED[Failure.Error(case.error)]
    kept = parked(case.rule.pk, why)
    looks = case.error == Failure.Error.FIRST_LOOK
    runs = f"{reverse('run_list')}?rule={case.rule.slug}"
    return {
        "kept": kept,
        "kept_sums": [Money(amount, code) for code, amount in sorted(kept.sums.items())],
        "kept_url": f"{runs}&parked={why.value}",
        "looks": looks,
        "decides": user.has_perm("automations.work_failure") or is_theirs(user, case),
        "reviews": looks and case.owner_id in (None, user.pk),
        "looked_at": _to_look_at(case) if looks else [],
        "version_url": f"{runs}&state=done",
    }


def _to_look_at(case: Failure) -> list[Run]:
    """The runs that the version has done, for the one who takes the first look."""
    version = {"rule_id": case.rule_id or 0, "document_id": case.document_id or 0}
    done = Run.objects.filter(**version, shadow=False)
    return list(done.exclude(state=Run.State.PARKED).order_by("-pk")[:LOOKED_AT])


def nothing(case: Failure, user: User, again: Again | None) -> Shown:
    return {}


SHOWN: Mapping[str, Callable[[Failure, User, Again | None], Shown]] = {
    Failure.Error.QUESTION: question,
    Failure.Error.UNSURE: draft,
    Failure.Error.LIMIT: kept_back,
    Failure.Error.FIRST_LOOK: kept_back,
    Failure.Error.DOUBT: nothing,
}


def shown_of(case: Failure, user: User, again: Again | None) -> Shown:
    """The partial of this kind of case and what it shows; empty for the common kinds."""
    if case.state == Failure.State.RESOLVED or case.error not in PARTIALS:
        return {}
    return {"partial": PARTIALS[case.error], **SHOWN[case.error](case, user, again)}
