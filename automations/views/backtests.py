"""Backtests on screen: asked for, watched while they count, cancelled, and read."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from automations.models.backtests import Backtest
from automations.rules.parsing import DocumentInvalid
from automations.services import backtests
from automations.services.errors import NotPossible
from automations.simulation.backtests import backtest_slice
from automations.views.drafting import Drafting, may_edit, rule_or_404, signed_in
from automations.views.evidence import found_context
from automations.views.unfinished import finished
from backoffice.actors import person
from backoffice.models import User
from backoffice.workbench import respond

may_view = permission_required("automations.view_rule", raise_exception=True)


def may_ask(user: User) -> bool:
    """Counting changes nothing: who may submit or approve a version may have it counted."""
    wanted = ("automations.submit_rule", "automations.approve_document")
    return any(user.has_perm(name) for name in wanted)


def days_of(request: HttpRequest, default: int = 90) -> int:
    """The period that was asked for, one of those there are."""
    asked = request.POST.get("days") or request.GET.get("days", "")
    return int(asked) if asked in map(str, backtests.PERIODS) else default


def begin(job: Backtest) -> Backtest:
    """Count the first slice here and now: for most companies it is the whole."""
    backtest_slice(only=job.pk)
    job.refresh_from_db()
    return job


def panel_context(
    job: Backtest | None, user: User, *, poll: str, ask: str, days: int
) -> dict[str, Any]:
    """What the panel takes: `poll` shows it again, `ask` has it counted anew."""
    context: dict[str, Any] = {
        "job": job,
        "days": days,
        "periods": backtests.PERIODS,
        "poll": poll,
        "ask": ask,
        "may_ask": may_ask(user),
    }
    return context | found_context(job) if job is not None else context


@may_edit
@require_http_methods(["GET", "POST"])
def draft_backtest(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft as it stands beside what is live, over months of events; POST has it counted."""
    drafting, user, days = Drafting.of(slug), signed_in(request), days_of(request)
    own = reverse("draft_backtest", args=[slug])
    body, left_out = finished(drafting)
    if not left_out:
        # As it would be submitted, without what the editor adds: its figures then count for that.
        body = drafting.draft.body
    job, refusal = None, ""
    try:
        if request.method == "POST":
            asked = backtests.ask_for_draft(drafting.rule, body, days=days, actor=person(user))
            job = begin(asked)
        else:
            job = backtests.of_draft(drafting.rule, body, days)
    except (DocumentInvalid, NotPossible) as error:
        refusal = str(error) if isinstance(error, NotPossible) else "Finish what is marked first."
    context = panel_context(job, user, poll=f"{own}?days={days}", ask=own, days=days)
    context |= {
        "rule": drafting.rule,
        "before": drafting.live,
        "refusal": refusal,
        "left_out": left_out,
        "compact": True,
        "title": "Backtest against what is live" if drafting.live else "Backtest",
    }
    return render(request, "automations/_backtest.html", context)


def _job(slug: str, pk: int) -> Backtest:
    rows = Backtest.objects.select_related("rule", "live", "asked_by")
    return get_object_or_404(rows, pk=pk, rule=rule_or_404(slug))


def _own_context(job: Backtest, user: User) -> dict[str, Any]:
    slug = job.rule.slug
    return {
        **panel_context(
            job,
            user,
            poll=reverse("backtest_part", args=[slug, job.pk]),
            ask="",
            days=job.days,
        ),
        "rule": job.rule,
        "before": job.live,
        "title": "What it would have done",
    }


@may_view
@require_GET
def backtest_detail(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """One backtest on a page of its own."""
    job = _job(slug, pk)
    context = _own_context(job, signed_in(request))
    return render(request, "automations/backtest.html", context)


@may_view
@require_GET
def backtest_part(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """The moving part of that page."""
    job = _job(slug, pk)
    context = _own_context(job, signed_in(request))
    return render(request, "automations/_backtest.html", context)


@require_POST
def backtest_cancel(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Stop it; what is counted so far stays to be read."""
    if not may_ask(signed_in(request)):
        raise PermissionDenied
    job = _job(slug, pk)
    try:
        backtests.cancel(job.pk)
    except NotPossible as refusal:
        return respond.toast(str(refusal), level="bad", refresh=False)
    return respond.toast("Cancelled. Nothing of it counts as evidence.", refresh=False)
