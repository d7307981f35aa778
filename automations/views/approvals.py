"""The page of one version that waits for a verdict: verdict first, difference, evidence."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from automations.conditions.operands import ConditionInvalid
from automations.forms.rules import VerdictForm
from automations.forms.starts import shape_of, start_of
from automations.models.connectors import SCOPE
from automations.models.documents import Document
from automations.queries import approvals as queries
from automations.queries import rules as rule_queries
from automations.rules.parsing import DocumentInvalid
from automations.services import approvals
from automations.services.approvals import SUITABLE, why_not
from automations.services.errors import AutomationError
from automations.simulation.preview import Preview, preview
from automations.simulation.preview_now import NowPreview, preview_now
from automations.tables import RISK_PILLS, STATE_PILLS, waiting_for
from automations.views.drafting import signed_in
from automations.views.money import sums
from automations.views.phrases import differences, read, told
from automations.views.preview import examples, found_examples
from automations.views.rules import text_of_version
from automations.views.scopes import scope_context, scope_evidence
from backoffice.actors import person
from backoffice.charts import Bar, every_day
from backoffice.models import User
from backoffice.workbench import respond

PERIODS = (30, 60, 90)
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
        context = {**_around(document, user), **scope_context(document)}
        return render(request, "automations/approval_scope.html", context)
    before = _before(document)
    now = read(json.loads(document.text))
    was = read(json.loads(before.text)) if before else None
    context = {
        **_around(document, user),
        "rule": document.rule,
        "changes": differences(was, now) if now else [],
        "told": told(now) if now else None,
        "signed_text": text_of_version(document),
    }
    return render(request, "automations/approval_detail.html", context)


def _around(document: Document, user: User) -> dict[str, Any]:
    """What stands around every document that waits for a verdict."""
    before = _before(document)
    previous, following, place = _neighbours(document, user)
    return {
        "document": document,
        "state": STATE_PILLS[document.state],
        "risk": RISK_PILLS[document.risk],
        "before": before,
        "version_words": _version_words(document, before),
        "why_not": _refusal(document, user),
        "deciders": " or ".join(SUITABLE[document.risk]),
        "editors": [each.user for each in document.editors.all()],
        "verdicts": list(document.approvals.all()),
        "in_force": [each for each in document.activations.all() if each.is_in_force],
        "previous": previous,
        "following": following,
        "place": place,
        "waits": document.state == Document.State.SUBMITTED,
    }


def _version_words(document: Document, before: Document | None) -> str:
    if before is None:
        return f"v{document.version}, nothing in force before"
    return f"v{document.version} beside v{before.version}"


def _preview(document: Document, days: int) -> Preview | NowPreview | None:
    """Over the events of the last days; of a schedule or a button, over the records there are."""
    before, body = _before(document), json.loads(document.text)
    live = json.loads(before.text) if before else None
    try:
        if shape_of(start_of(body)) != "on":
            return preview_now(body, live=live)
        return preview(body, days=days, live=live)
    except (DocumentInvalid, ConditionInvalid, KeyError):
        return None


def _evidence_key(document: Document, days: int) -> str:
    return f"approval-evidence:{document.pk}:{days}"


def evidence_of(document: Document, days: int) -> dict[str, Any]:
    """What an approver was shown; made now when nobody has looked within the hour."""
    if document.kind == SCOPE:
        return scope_evidence(document)
    known: dict[str, Any] | None = cache.get(_evidence_key(document, days))
    if known is None:
        found = _preview(document, days)
        known = _kept(found, document) if found else {"days": days, "unreadable": True}
        cache.set(_evidence_key(document, days), known, EVIDENCE_SECONDS)
    return known


def _kept(found: Preview | NowPreview, document: Document) -> dict[str, Any]:
    now = timezone.now().isoformat()
    return {**found.as_evidence(), "sha256": document.sha256, "computed_at": now}


@may_view
@require_GET
def approval_evidence(request: HttpRequest, pk: int) -> HttpResponse:
    """The version on the events of the last days, beside what is live."""
    document = _document_or_404(pk)
    asked = request.GET.get("days", "90")
    days = int(asked) if asked in map(str, PERIODS) else 90
    found, before = _preview(document, days), _before(document)
    context: dict[str, Any] = {
        "document": document,
        "before": before,
        "days": days,
        "periods": PERIODS,
        "found": found,
    }
    if found is not None:
        cache.set(_evidence_key(document, days), _kept(found, document), EVIDENCE_SECONDS)
    if isinstance(found, NowPreview):
        return render(request, "automations/_evidence_now.html", context | _of_now(found, before))
    if found is not None:
        bars = [Bar(day, count) for day, count in found.by_day.items()]
        today = timezone.localdate()
        context |= {
            "sums": sums(found.at_stake),
            "bars": every_day(bars, days, today),
            "since": today - timedelta(days=days - 1),
            "unchanged": found.matched - found.gained,
            "per_day": round(found.matched / days, 1),
            "examples": examples(found.examples),
            "gained": examples(found.gained_examples) if before else [],
            "lost": examples(found.lost_examples),
        }
    return render(request, "automations/_evidence.html", context)


def _of_now(found: NowPreview, before: Document | None) -> dict[str, Any]:
    return {
        "sums": sums(found.at_stake),
        "examples": found_examples(found.examples),
        "gained": found_examples(found.gained_examples) if before else [],
        "lost": found_examples(found.lost_examples),
    }


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
    asked = request.POST.get("days") or request.GET.get("days", "90")
    days = int(asked) if asked in map(str, PERIODS) else 90
    form = VerdictForm(
        request.POST if request.method == "POST" else None,
        initial={"sha256": document.sha256},
        reason=verdict != "approve",
    )
    evidence, refusal = evidence_of(document, days), ""
    status = 422 if form.is_bound else 200
    if form.is_valid():
        try:
            _decide(verdict, document, form.cleaned_data, evidence, signed_in(request))
        except AutomationError as error:
            refusal = str(error)
        else:
            url = reverse("approval_detail", args=[pk])
            return respond.go(request, url, _done(verdict, document))
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
        "refusal": refusal,
        "days": days,
        "action": request.path,
    }
    return render(request, "automations/_verdict.html", context, status=status)


def _decide(
    verdict: str, document: Document, given: dict[str, Any], evidence: dict[str, Any], user: User
) -> None:
    act = {
        "approve": approvals.approve,
        "changes": approvals.request_changes,
        "reject": approvals.reject,
    }[verdict]
    act(
        document.pk,
        sha256=given["sha256"],
        actor=person(user),
        comment=given["comment"],
        evidence=evidence,
    )


def _done(verdict: str, document: Document) -> str:
    words = {
        "approve": f"Approved. Version {document.version} is live.",
        "changes": "Sent back with what to change.",
        "reject": f"Rejected version {document.version}.",
    }
    return words[verdict]
