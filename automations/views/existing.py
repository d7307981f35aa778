"""The question at a verdict whether a version is also applied to the records that are there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.existing import starts_on_fact, why_not
from automations.models.documents import Approval, Document
from automations.models.existing import ExistingRecords
from automations.services.approving import agreed
from automations.services.errors import NotPossible
from automations.simulation.preview_existing import preview_existing
from automations.triggers import scans
from automations.views.drafting import signed_in
from automations.views.money import sums
from automations.views.preview import found_examples
from backoffice.models import User

SHOWN_SECONDS = 3600
PILLS = {
    ExistingRecords.State.DUE: ("info", "Waits for its turn", "hourglass"),
    ExistingRecords.State.SCANNING: ("info", "Under way", "player-play"),
    ExistingRecords.State.DONE: ("ok", "Done", "circle-check"),
    ExistingRecords.State.SKIPPED: ("wait", "The rest was left alone", "player-skip-forward"),
    ExistingRecords.State.FAILED: ("bad", "Broken", "alert-circle"),
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What a verdict's dialog asks. `says`: why it does not ask; empty: it asks."""

    says: str


def _rule(document: Document) -> Compiled | None:
    """A version that starts on a fact; None for any other, and for one that can't be read."""
    if document.rule_id is None:
        return None
    rule = compiled([document.pk])[document.pk]
    return None if isinstance(rule, Unusable) or not starts_on_fact(rule) else rule


def asked(document: Document) -> Asked | None:
    """Whether the dialog asks about this version; None: nothing is to be said of it."""
    rule = _rule(document)
    if rule is None:
        return None
    return Asked(why_not(rule) or _refused_before(document))


def _refused_before(document: Document) -> str:
    """Where two have to agree, the first one's no stands."""
    noes = [each.approver for each in agreed(document).select_related("approver")
            if not each.existing]  # fmt: skip
    return f"{noes[0]} agreed to it on these terms." if noes else ""


def said_yes(data: QueryDict) -> bool:
    """Whether the person chose it; whatever else was sent is a no.

    A verdict asks what was posted: a link must not answer for whoever follows it.
    """
    return data.get("existing") == "yes"


def _key(document: Document, user: User) -> str:
    return f"approval-existing:{document.pk}:{user.pk}"


def shown_to(document: Document, user: User, *, yes: bool) -> dict[str, Any]:
    """What an approval keeps of the question: the answer and what was shown beside it.

    Empty when it was not asked. Raises NotPossible for a yes to what the person has not seen.
    """
    shown: dict[str, Any] | None = cache.get(_key(document, user))
    if yes and shown is None:
        raise NotPossible("Look at the records it would be applied to first, then decide.")
    if shown is None:
        return {}
    return {"existing": {**shown, "answer": "yes" if yes else "no"}}


@permission_required("automations.approve_document", raise_exception=True)
@require_GET
def approval_existing(request: HttpRequest, pk: int) -> HttpResponse:
    """A part of the dialog of a yes: the records it could be applied to, and the choice."""
    document = get_object_or_404(Document.objects.select_related("rule"), pk=pk)
    rule, question = _rule(document), asked(document)
    if rule is None or question is None or question.says:
        raise Http404
    found = preview_existing(rule)
    shown = {**found.as_evidence(), "at": timezone.now().isoformat()}
    cache.set(_key(document, signed_in(request)), shown, SHOWN_SECONDS)
    context = {
        "document": document,
        "found": found,
        "kind": _kind(scans[rule.source.subject].label),
        "sums": sums(found.at_stake),
        "examples": found_examples(found.examples),
        "more": found.matched - len(found.examples),
        "nothing": found.exact and not found.matched and not (found.held and found.unknown),
        "agreed": [each.approver for each in agreed(document).select_related("approver")],
        "yes": said_yes(request.GET),
    }
    return render(request, "automations/_existing.html", context)


def _kind(label: str) -> str:
    """A label inside a sentence: `orders`, but `SKUs`."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def answered(verdict: Approval) -> str:
    """What a yes says of the records that were there, after a comma; empty where not asked."""
    if verdict.existing:
        return ", also for the records that were there"
    return ", records that were there left alone" if "existing" in verdict.evidence else ""


def standing(document: Document) -> dict[str, Any] | None:
    """How far a version has come with the records that were there; None when it has none to do."""
    row: ExistingRecords | None = getattr(document, "existing", None)
    if row is None or document.rule is None:
        return None
    runs = f"?view=all&rule={document.rule.slug}&version={document.version}"
    return {
        "row": row,
        "pill": PILLS[ExistingRecords.State(row.state)],
        "runs_url": reverse("run_list") + runs,
    }


def with_standing(documents: Iterable[Document]) -> dict[int, dict[str, Any]]:
    """How far some versions have come, by their key; those with nothing to do are left out."""
    found = {document.pk: standing(document) for document in documents}
    return {pk: each for pk, each in found.items() if each is not None}
