"""The yearly review as a walk: one rule after the other, with what there is to know about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.reviews import KeepForm, ReasonForm
from automations.models.rules import Rule
from automations.queries import inventory, reviews
from automations.queries import rules as queries
from automations.rules.parsing import read_document
from automations.services import reviews as service
from automations.services.errors import AutomationError
from automations.services.reviews import Due
from automations.tables import risk_pill
from automations.views.drafting import signed_in
from automations.views.inventory import PILLS, flags_of, hours
from automations.views.phrases import told
from backoffice import ui
from backoffice.actors import Actor, person
from backoffice.dialogs import ask
from backoffice.models import User

may_view = permission_required("automations.view_rule", raise_exception=True)
# Whoever works with rules: those who change them, and those who approve or stop them.
REVIEWERS = ("automations.change_rule", "automations.approve_document", "automations.stop_rule")


@may_view
@require_GET
def walk(request: HttpRequest) -> HttpResponse:
    """Go on where the walk stands: the first rule that is due, or that nothing is."""
    due = service.walk(signed_in(request))
    ready = [each for each in due if each.asked is None]
    if ready:
        return HttpResponseRedirect(reverse("review_rule", args=[ready[0].rule.slug]))
    context = {**_progress(due), "due": due, "list_url": reverse("rule_list")}
    return render(request, "automations/review_done.html", context)


def _progress(due: list[Due]) -> dict[str, Any]:
    """How far the walk is: what was looked at in its round, of all that it has."""
    done, left = reviews.reviewed_lately(), sum(each.asked is None for each in due)
    return {"done": done, "left": left, "total": done + left}


def _found(user: User, slug: str) -> tuple[list[Due], Due]:
    due = service.walk(user)
    here = next((each for each in due if each.rule.slug == slug), None)
    if here is None:
        raise Http404
    return due, here


@may_view
@require_GET
def review_rule(request: HttpRequest, slug: str) -> HttpResponse:
    """One rule of the walk: what it does in words, how it does, and the three verdicts."""
    user = signed_in(request)
    due = service.walk(user)
    here = next((each for each in due if each.rule.slug == slug), None)
    if here is None:  # someone was faster, or it was never due
        return HttpResponseRedirect(reverse("rule_review"))
    order = [each.rule.slug for each in due]
    later = order[(order.index(slug) + 1) % len(order)]
    context = {
        **_progress(due),
        "rule": here.rule,
        "here": here,
        "due": due,
        "later": later if later != slug else "",
        "told": told(read_document(here.document.text)),
        "risk": risk_pill(here.document.risk),
        "flags": [PILLS[flag] for flag in flags_of(_with_standing(here.rule))],
        "shown": _shown(here),
        "before": list(reviews.reviews_of(here.rule)[:5]),
        "history": list(queries.versions(here.rule)[:5]),
        "stop": queries.open_stop(here.rule),
        "may_act": may_review(user),
        "list_url": reverse("rule_list"),
    }
    return render(request, "automations/review_rule.html", context)


def may_review(user: User) -> bool:
    return any(user.has_perm(name) for name in REVIEWERS)


def _with_standing(rule: Rule) -> Rule:
    found: Rule = inventory.with_cells(Rule.objects.filter(pk=rule.pk)).get()
    return found


def _shown(here: Due) -> dict[str, Any]:
    """The figures beside a verdict, as they are shown."""
    rule = _with_standing(here.rule)
    standing = inventory.standing_of(rule)
    saved = inventory.saved(rule, standing)
    return {
        "standing": standing,
        "saved": hours(saved) if saved else "",
        "says_minutes": bool(rule.minutes_saved),
        "open_cases": getattr(rule, "open_cases", 0),
        "flags": flags_of(rule),
    }


def _figures(here: Due) -> dict[str, Any]:
    """The same, as the review keeps them."""
    shown = _shown(here)
    at = shown["standing"]
    told_of = ("at", "last_fired_at", "runs_day", "runs_month", "done_month", "usual")
    kept = {name: getattr(at, name) for name in told_of} if at is not None else {}
    return {
        **kept,
        "saved": shown["saved"],
        "open_cases": shown["open_cases"],
        "flags": shown["flags"],
        "due_on": here.due_on,
    }


# --- the verdicts -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asking:
    """How one verdict is asked for."""

    title: str
    word: str
    text: str
    form: type[forms.Form]
    act: Callable[[Due, dict[str, Any], Actor], str]
    danger: bool = False


def _keep(here: Due, given: dict[str, Any], actor: Actor) -> str:
    service.keep(
        here.rule.pk,
        document_id=here.document.pk,
        sha256=given["sha256"],
        next_on=given["next_on"],
        note=given["note"],
        figures=_figures(here),
        actor=actor,
    )
    return f"“{here.rule.name}” stays until {ui.short_day(given['next_on'])}."


def _change(here: Due, given: dict[str, Any], actor: Actor) -> str:
    service.ask_change(
        here.rule.pk,
        document_id=here.document.pk,
        sha256=given["sha256"],
        note=given["note"],
        figures=_figures(here),
        actor=actor,
    )
    return f"“{here.rule.name}” is to be changed. What is live stays until then."


def _retire(here: Due, given: dict[str, Any], actor: Actor) -> str:
    service.retire(
        here.rule.pk,
        document_id=here.document.pk,
        sha256=given["sha256"],
        note=given["note"],
        figures=_figures(here),
        actor=actor,
    )
    return f"“{here.rule.name}” is retired."


VERDICTS = {
    "keep": Asking(
        "Keep this rule",
        "Keep it",
        "You say that what it does is still right.",
        KeepForm,
        _keep,
    ),
    "change": Asking(
        "Change this rule",
        "Ask for the change",
        "What is live stays. The draft opens where you may edit it; else its owner is told.",
        ReasonForm,
        _change,
    ),
    "retire": Asking(
        "Retire this rule",
        "Retire it",
        "It ends now and for good, by you alone. Its history stays.",
        ReasonForm,
        _retire,
        danger=True,
    ),
}


@may_view
@require_http_methods(["GET", "HEAD", "POST"])
def review_verdict(request: HttpRequest, slug: str, verdict: str) -> HttpResponse:
    """Ask for a verdict and give it; then the walk goes on with the next rule."""
    user, asking = signed_in(request), VERDICTS.get(verdict)
    if asking is None:
        raise Http404
    if not may_review(user):
        raise PermissionDenied
    _, here = _found(user, slug)
    posted = request.POST if request.method == "POST" else None
    form = asking.form(posted, initial={"sha256": here.document.sha256})
    return ask(
        request,
        form,
        title=f"{asking.title}: {here.rule.name}",
        word=asking.word,
        text=asking.text,
        danger=asking.danger,
        back=_next(user, here, verdict),
        refusals=(AutomationError,),
        act=lambda given: asking.act(here, given, person(user)),
    )


def _next(user: User, here: Due, verdict: str) -> str:
    """Where the walk goes on: the draft where that is what was asked for."""
    if verdict == "change" and user.has_perm("automations.change_draft"):
        return reverse("rule_edit", args=[here.rule.slug])
    return reverse("rule_review")


@permission_required("automations.approve_document", raise_exception=True)
@require_GET
def review_home(request: HttpRequest) -> HttpResponse:
    """Rules whose review is due and that this person could keep."""
    due = [each for each in service.walk(signed_in(request)) if each.why_not is None]
    ready = [each for each in due if each.asked is None]
    context = {"rows": ready[:6], "count": len(ready), "url": reverse("rule_review")}
    return render(request, "automations/_home_reviews.html", context)
