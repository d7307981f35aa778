"""Stopping a rule or all of them, and starting again: what stands behind a stop is shown first."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.rules import StartForm, WhyForm
from automations.models.documents import Stop
from automations.models.rules import Rule
from automations.queries import rules as queries
from automations.queries.stops import load_of, released_by, situation
from automations.services import stops
from automations.services.errors import AutomationError
from automations.simulation.parked import kept
from automations.views.drafting import rule_or_404, signed_in
from backoffice.actors import person
from backoffice.money import Money
from backoffice.workbench import respond

may_view = permission_required("automations.view_rule", raise_exception=True)
may_stop = permission_required("automations.stop_rule", raise_exception=True)


@may_view
@require_GET
def stop_page(request: HttpRequest) -> HttpResponse:
    """What is stopped, what runs, and what is queued, waiting and under way behind either."""
    context = {"now": situation(), "list_url": reverse("rule_list")}
    return render(request, "automations/stop_page.html", context)


def _named(slug: str | None) -> Rule | None:
    return rule_or_404(slug) if slug else None


def _back(rule: Rule | None) -> str:
    return reverse("rule_detail", args=[rule.slug]) if rule else reverse("stop_page")


@may_stop
@require_http_methods(["GET", "POST"])
def rule_stop(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """Stop a rule, or all of them, before the next effect. One person, at once."""
    rule = _named(slug)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        pk = rule.pk if rule else None
        stops.stop_rule(pk, reason=form.cleaned_data["why"], actor=person(signed_in(request)))
        words = f"Stopped “{rule.name}”." if rule else "Everything is stopped."
        return respond.go(request, _back(rule), words)
    context = {
        "form": form,
        "rule": rule,
        "action": request.path,
        "load": load_of(rule),
    }
    status = 422 if form.errors else 200
    return render(request, "automations/_stop.html", context, status=status)


@may_stop
@require_http_methods(["GET", "POST"])
def rule_start(request: HttpRequest, slug: str | None = None) -> HttpResponse:
    """Ask that something stopped starts again, or agree to what someone else asked."""
    rule = _named(slug)
    stop = queries.open_stop(rule)
    if stop is None:
        return respond.go(request, _back(rule), "It is not stopped any more.")
    user = signed_in(request)
    agrees = stop.asked_by_id is not None and stop.asked_by_id != user.pk
    form = StartForm(request.POST if request.method == "POST" else None)
    refusal = ""
    if request.method == "POST" and (form.is_valid() or not agrees):
        try:
            if not agrees:
                stops.ask_start(stop.pk, actor=person(user))
                words = "Asked. Someone else has to agree before it starts."
            else:
                queued = form.cleaned_data["queued"]
                stops.start_again(stop.pk, queued=queued, actor=person(user))
                words = "It runs again."
            return respond.go(request, _back(rule), words)
        except AutomationError as error:
            refusal = str(error)
    context = {
        "form": form if agrees else None,
        "rule": rule,
        "stop": stop,
        "agrees": agrees,
        "why_not": stops.why_not_agree(stop, user) if agrees else "",
        "refusal": refusal,
        "action": request.path,
        **_behind(stop, rule),
    }
    status = 422 if refusal or (agrees and form.errors) else 200
    return render(request, "automations/_start.html", context, status=status)


def _behind(stop: Stop, rule: Rule | None) -> dict[str, Any]:
    """What starting again would release, and what would stay where it is."""
    released = kept(released_by(stop))
    runs = f"{reverse('run_list')}?parked=stop"
    return {
        "released": released,
        "released_sums": [Money(amount, code) for code, amount in sorted(released.sums.items())],
        "released_url": f"{runs}&rule={rule.slug}" if rule else runs,
        "load": load_of(rule),
    }
