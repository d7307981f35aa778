"""The page of one version that waits for a verdict: verdict first, difference, evidence."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from automations.actions import Risk
from automations.conditions.operands import ConditionInvalid
from automations.engine import moving
from automations.engine.moving import Waiting
from automations.forms.rules import FIRST_RUNS, ApproveForm, VerdictForm
from automations.forms.starts import shape_of, start_of
from automations.models.backtests import Backtest
from automations.models.connectors import SCOPE
from automations.models.documents import Document
from automations.queries import approvals as queries
from automations.queries import rules as rule_queries
from automations.rules.parsing import DocumentInvalid
from automations.services import approvals, backtests, policies
from automations.services.approvals import FirstLook
from automations.services.approving import SUITABLE, agreed, deciders, why_not
from automations.services.errors import AutomationError
from automations.simulation.preview_now import NowPreview, preview_now
from automations.tables import RISK_PILLS, STATE_PILLS, waiting_for
from automations.views import existing
from automations.views.backtests import begin, days_of, may_ask, panel_context
from automations.views.drafting import signed_in
from automations.views.emergencies import context_of as emergency_context
from automations.views.evidence import kept_evidence
from automations.views.looking import as_evidence, changes_of, looked_at, ticked, with_viewers
from automations.views.meetings import kept_meetings
from automations.views.money import sums
from automations.views.phrases import read, told
from automations.views.preview import found_examples
from automations.views.rules import text_of_version
from automations.views.scopes import scope_context, scope_evidence
from automations.views.shadows import may_shadow
from backoffice.actors import person
from backoffice.models import User
from backoffice.workbench import respond

EVIDENCE_SECONDS = 3600

may_view = permission_required("automations.view_document", raise_exception=True)


def _document_or_404(pk: int) -> Document:
    try:
        return queries.document_detail(pk)
    except Document.DoesNotExist as error:
        raise Http404 from error


def _before(document: Document) -> Document | None:
    """What the version is compared with: what is live, else what was in force before it."""
    live = rule_queries.live_document(document.rule) if document.rule else None
    if live is not None and live.pk != document.pk:
        return live
    return queries.version_before(document)


def _neighbours(document: Document, user: User) -> tuple[str, str, str]:
    """Addresses of the previous and next one for this person, and the place among them."""
    ids = list(waiting_for(user).values_list("pk", flat=True)[:500])

    def url(at: int) -> str:
        return reverse("approval_detail", args=[ids[at]]) if 0 <= at < len(ids) else ""

    if document.pk not in ids:
        return "", url(0), f"{len(ids)} wait for you"
    at = ids.index(document.pk)
    return (url(at - 1) if at else ""), url(at + 1), f"{at + 1} of {len(ids)} for you"


def _refusal(document: Document, user: User) -> str | None:
    """Why this person can't decide, said to them; None when they can."""
    if not user.has_perm("automations.approve_document"):
        deciders = " or ".join(SUITABLE[document.risk])
        return f"You can read this. Someone of {deciders} decides."
    return why_not(document, user)


@may_view
@require_GET
def approval_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """All that a verdict needs, on one page."""
    document, user = _document_or_404(pk), signed_in(request)
    if document.kind == SCOPE:
        context = {**scope_context(document), **_around(document, user)}
        return render(request, "automations/approval_scope.html", context)
    now = read(json.loads(document.text))
    context = {
        **_around(document, user),
        **emergency_context(document, user),
        "rule": document.rule,
        "told": told(now) if now else None,
        "signed_text": text_of_version(document),
    }
    return render(request, "automations/approval_detail.html", context)


def _around(document: Document, user: User) -> dict[str, Any]:
    """What stands around every document that waits for a verdict."""
    before = _before(document)
    previous, following, place = _neighbours(document, user)
    waits = document.state == Document.State.SUBMITTED
    verdicts = list(document.approvals.all())
    return {
        "document": document,
        "changes": with_viewers(changes_of(document, before), [] if waits else verdicts),
        "state": STATE_PILLS[document.state],
        "risk": RISK_PILLS[document.risk],
        "before": before,
        "version_words": _version_words(document, before),
        "why_not": _refusal(document, user),
        "deciders": " or ".join(SUITABLE[document.risk]),
        "editors": [each.user for each in document.editors.all()],
        "verdicts": [looked_at(each) for each in verdicts],
        "in_force": [each for each in document.activations.all() if each.is_in_force],
        "in_shadow": [each for each in document.activations.all() if each.is_in_shadow],
        "may_shadow": may_shadow(user) and document.state in ("submitted", "approved"),
        "standing": existing.standing(document),
        "has_acted": document.rule_id is not None
        and any(each.mode == "live" for each in document.activations.all()),
        "waiting_runs": moving.count_waiting(document.rule_id) if document.rule_id else 0,
        "previous": previous,
        "following": following,
        "place": place,
        "waits": waits,
        "quorum": policies.quorum(document.risk),
        "agreed": list(agreed(document).select_related("approver")) if waits else [],
        "nobody": waits and not deciders(document),
        "lapsed": document.state == Document.State.APPROVED
        and not any(each.mode == "live" for each in document.activations.all())
        and not agreed(document).exists(),
    }


def _version_words(document: Document, before: Document | None) -> str:
    if before is None:
        return f"v{document.version}, nothing in force before"
    return f"v{document.version} beside v{before.version}"


def _now(document: Document) -> NowPreview | None:
    """A schedule's or a button's version on the records there are; None when it can't be told."""
    before, body = _before(document), json.loads(document.text)
    try:
        return preview_now(body, live=json.loads(before.text) if before else None)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        return None


def _starts_on_fact(document: Document) -> bool:
    return bool(shape_of(start_of(json.loads(document.text))) == "on")


def _evidence_key(document: Document) -> str:
    return f"approval-evidence:{document.pk}"


def evidence_of(document: Document, days: int) -> dict[str, Any]:
    """What an approver was shown: the finished backtest of exactly this content.

    Of a schedule or a button, the records as they stood when they were last looked at, made now
    when that is more than an hour ago. Empty when nothing was counted.
    """
    if document.kind == SCOPE:
        return scope_evidence(document)
    if _starts_on_fact(document):
        job = backtests.evidence_for(document, days) or backtests.evidence_for(document)
        return kept_evidence(job) if job is not None else {}
    known: dict[str, Any] | None = cache.get(_evidence_key(document))
    if known is None:
        found = _now(document)
        known = _kept(found, document) if found else {"unreadable": True}
        cache.set(_evidence_key(document), known, EVIDENCE_SECONDS)
    return known


def _kept(found: NowPreview, document: Document) -> dict[str, Any]:
    now = timezone.now().isoformat()
    return {**found.as_evidence(), "sha256": document.sha256, "computed_at": now}


@may_view
@require_GET
def approval_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The version on the events of the last days, beside what is live."""
    document = _document_or_404(pk)
    if _starts_on_fact(document):
        return _backtest(request, document, None)
    found, before = _now(document), _before(document)
    if found is None:
        return render(request, "automations/_evidence_now.html", {"document": document})
    cache.set(_evidence_key(document), _kept(found, document), EVIDENCE_SECONDS)
    context = {
        "document": document,
        "before": before,
        "found": found,
        "sums": sums(found.at_stake),
        "examples": found_examples(found.examples),
        "gained": found_examples(found.gained_examples) if before else [],
        "lost": found_examples(found.lost_examples),
    }
    return render(request, "automations/_evidence_now.html", context)


@may_view
@require_POST
def evidence_count(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the version counted over past events, beside what is live now."""
    document, user = _document_or_404(pk), signed_in(request)
    if not may_ask(user):
        raise PermissionDenied
    if document.rule is None or not _starts_on_fact(document):
        raise Http404
    job = backtests.ask_for_document(document, days=days_of(request), actor=person(user))
    return _backtest(request, document, begin(job))


def _backtest(request: HttpRequest, document: Document, job: Backtest | None) -> HttpResponse:
    days, user = days_of(request), signed_in(request)
    own = reverse("approval_evidence", args=[document.pk])
    assert document.rule is not None  # noqa: S101 (a rule's version names its rule)
    live = backtests.beside(document.rule, document.pk)
    if job is None:
        job = backtests.newest(document.rule, document.sha256, live, days)
    count = reverse("evidence_count", args=[document.pk])
    context = panel_context(job, user, poll=f"{own}?days={days}", ask=count, days=days)
    context |= {
        "rule": document.rule,
        "document": document,
        "before": live,
        "own": own,
        "exact": True,
        "title": "Evidence: real events, replayed",
        "select_id": "evidence-days",
        "at_once": document.state == Document.State.SUBMITTED,
    }
    return render(request, "automations/_backtest.html", context)


# What the button says, the dialog's heading, and the button's look.
VERDICTS = {
    "approve": ("Approve", "Approve version {}", "approve"),
    "changes": ("Request changes", "Request changes to version {}", "primary"),
    "reject": ("Reject", "Reject version {}", "danger-solid"),
}


@permission_required("automations.approve_document", raise_exception=True)
@require_http_methods(["GET", "POST"])
def approval_verdict(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """The dialog of one verdict, and the verdict itself."""
    if verdict not in VERDICTS:
        raise Http404
    document = get_object_or_404(Document.objects.select_related("rule"), pk=pk)
    days = days_of(request)
    form = _form(verdict, document, request)
    evidence, refusal = evidence_of(document, days), ""
    yes = existing.said_yes(request.POST)
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            looked = as_evidence(changes_of(document, _before(document)), ticked(request.POST))
            given = {**form.cleaned_data, "existing": verdict == "approve" and yes}
            shown = {**evidence, **looked, **_asked_and_shown(verdict, document, request)}
            _decide(verdict, document, given, shown, signed_in(request))
        except AutomationError as error:
            refusal = str(error)
        else:
            url = reverse("approval_detail", args=[pk])
            document.refresh_from_db(fields=["state"])
            return respond.go(request, url, _done(verdict, document, given))
    word, title, look = VERDICTS[verdict]
    context = {
        "document": document,
        "rule": document.rule or scope_context(document)["account"],
        "verdict": verdict,
        "form": form,
        "title": title.format(document.version),
        "word": word,
        "button_class": look,
        "evidence": evidence,
        "ground": backtests.ground_of(document),
        "asked": existing.asked(document) if verdict == "approve" else None,
        "yes_to_existing": yes,
        "second_needed": policies.quorum(document.risk) > agreed(document).count() + 1,
        "refusal": refusal,
        "days": days,
        "viewed": ticked(request.POST if form.is_bound else request.GET),
        "action": request.path,
    }
    return render(request, "automations/_verdict.html", context, status=status)


def _form(verdict: str, document: Document, request: HttpRequest) -> VerdictForm:
    """The verdict's form; a yes to money or customers proposes a first look by the approver."""
    data = request.POST if request.method == "POST" else None
    initial: dict[str, Any] = {"sha256": document.sha256}
    if verdict != "approve":
        return VerdictForm(data, initial=initial, reason=True)
    initial |= {
        "first_look": document.risk in (Risk.MONEY, Risk.CUSTOMER),
        "after": FIRST_RUNS,
        "reviewer": signed_in(request).pk,
        "waiting": "finish",
    }
    waits = moving.count_waiting(document.rule_id) if document.rule_id is not None else 0
    form = ApproveForm(data, initial=initial, waiting_runs=waits)
    if "sha256" in request.GET:
        # Looked at again, for evidence that was not there yet: what was filled in stays.
        form.initial.update({name: request.GET.get(name, "") for name in form.fields})
        form.initial["sha256"] = document.sha256
    return form


def _asked_and_shown(verdict: str, document: Document, request: HttpRequest) -> dict[str, Any]:
    if verdict != "approve":
        return {}
    yes = existing.said_yes(request.POST)
    return existing.shown_to(document, signed_in(request), yes=yes)


def _first_look(given: dict[str, Any]) -> FirstLook | None:
    if not given.get("first_look"):
        return None
    return FirstLook(given["reviewer"].pk, given.get("after"), given.get("since"))


def _decide(
    verdict: str, document: Document, given: dict[str, Any], evidence: dict[str, Any], user: User
) -> None:
    said: dict[str, Any] = {
        "sha256": given["sha256"],
        "actor": person(user),
        "comment": given["comment"],
        "evidence": evidence,
    }
    if (met := kept_meetings(document)) is not None:
        said["evidence"] = {**evidence, "meets": met}
    if verdict == "approve":
        waiting: Waiting = given.get("waiting") or "finish"
        first_look, there = _first_look(given), given["existing"]
        approvals.approve(
            document.pk, **said, first_look=first_look, waiting=waiting, existing=there
        )
    else:
        turn_back = approvals.reject if verdict == "reject" else approvals.request_changes
        turn_back(document.pk, **said)


def _done(verdict: str, document: Document, given: dict[str, Any]) -> str:
    there = " It goes over the records that are there." if given["existing"] else ""
    words = {
        "approve": f"Approved. Version {document.version} is live.{there}"
        if document.state == Document.State.APPROVED
        else "You agreed. A second person has to as well.",
        "changes": "Sent back with what to change.",
        "reject": f"Rejected version {document.version}.",
    }
    return words[verdict]
