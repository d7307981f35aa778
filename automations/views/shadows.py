"""A version that runs in shadow: begun and ended here, and compared with what acts."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from automations.models.documents import Activation, Document
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.queries.rules import live_document, shadow_of
from automations.services import approvals, shadow_trials
from automations.services.errors import AutomationError
from automations.simulation.shadow import Comparison, compare
from automations.views.drafting import rule_or_404, signed_in
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from backoffice import subjects
from backoffice.actors import person
from backoffice.counting import counted
from backoffice.models import User
from backoffice.versions import whole
from backoffice.workbench import respond

# How long a shadow runs unless told otherwise.
DAYS = 7
KINDS = {
    "live": ("warn", "Only the live version matched", "bolt"),
    "shadow": ("info", "Only the shadow matched", "eye"),
    "differs": ("bad", "Both matched, and did not do the same", "file-diff"),
}


def may_shadow(user: User) -> bool:
    """A shadow takes no effect: who may submit or approve a version may let it run so."""
    wanted = ("automations.submit_rule", "automations.approve_document")
    return any(user.has_perm(name) for name in wanted)


def _checked(request: HttpRequest) -> User:
    user = signed_in(request)
    if not may_shadow(user):
        raise PermissionDenied
    return user


@permission_required("automations.view_rule", raise_exception=True)
@require_GET
def rule_shadow(request: HttpRequest, slug: str) -> HttpResponse:
    """The shadow that runs, else the last one that ran, beside what acts."""
    rule = rule_or_404(slug)
    periods = Activation.objects.filter(rule=rule, mode=Activation.Mode.SHADOW)
    period = shadow_of(rule) or periods.select_related("document").order_by("-from_at").first()
    found = compare(period) if period else None
    context = {
        "rule": rule,
        "period": period,
        "period_words": _period_words(period) if period else "",
        "live": live_document(rule),
        "found": found,
        "lines": _lines(found) if found else [],
        "may_shadow": may_shadow(signed_in(request)),
        "runs_url": reverse("run_list"),
        "trial": getattr(period, "trial", None),
    }
    return render(request, "automations/rule_shadow.html", context)


def _period_words(period: Activation) -> str:
    runs = "runs" if period.is_in_shadow else "ran"
    return f"v{period.document.version} {runs} in shadow"


def _lines(found: Comparison) -> list[dict[str, Any]]:
    """Differing events with the numbers people know their records by."""
    wanted: dict[str, set[int]] = {}
    for line in found.lines:
        wanted.setdefault(line.subject, set()).add(line.subject_id)
    numbers = {label: _numbers(label, ids) for label, ids in wanted.items()}
    ids = [pk for line in found.lines for pk in (line.live_id, line.shadow_id) if pk is not None]
    ended = dict(Run.objects.filter(pk__in=ids).values_list("pk", "outcome"))
    lines = []
    for line in found.lines:
        number = numbers[line.subject].get(line.subject_id, "")
        lines.append(
            {
                "line": line,
                "kind": KINDS[line.kind],
                "words": f"{noun(line.subject)} {number or 'gone'}",
                "url": subject_url(line.subject, number) if number else "",
                "live": ended.get(line.live_id or 0, ""),
                "shadow": ended.get(line.shadow_id or 0, ""),
            }
        )
    return lines


def _numbers(label: str, ids: set[int]) -> dict[int, str]:
    try:
        return subjects.get(label).numbers(ids)
    except KeyError:
        return {}


def _answer(request: HttpRequest, rule: Rule, refusal: str, said: str) -> HttpResponse:
    if refusal:
        return respond.toast(refusal, level="bad", refresh=False)
    return respond.go(request, reverse("rule_shadow", args=[rule.slug]), said)


@require_POST
def shadow_begin(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Let a submitted or approved version run beside what acts, without effects."""
    user, rule = _checked(request), rule_or_404(slug)
    document = get_object_or_404(Document, rule=rule, version=version)
    refusal, days = "", whole(request.POST.get("days", "")) or DAYS
    try:
        shadow_trials.begin(document.pk, days=days, actor=person(user))
    except AutomationError as error:
        refusal = str(error)
    span = counted(days, "day")
    said = f"Version {version} runs in shadow for {span}. Then it is compared, and you are told."
    return _answer(request, rule, refusal, said)


@require_POST
def shadow_end(request: HttpRequest, slug: str) -> HttpResponse:
    """End the shadow; what it noted stays."""
    user, rule = _checked(request), rule_or_404(slug)
    refusal = ""
    try:
        approvals.end_shadow(rule.pk, actor=person(user))
    except AutomationError as error:
        refusal = str(error)
    return _answer(request, rule, refusal, "The shadow is ended. What it noted stays.")
