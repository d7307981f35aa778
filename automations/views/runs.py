"""A run's page, and why rules did or didn't act on a record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.display import seen
from automations.engine.telling import leaves
from automations.models.events import Event
from automations.models.rules import Rule
from automations.models.runs import Effect, Run, run_number
from automations.models.schedules import PRESS, SHADOW_SLOT, SLOT
from automations.queries import failures as failure_queries
from automations.queries.runs import RunDetail, caused_by
from automations.queries.runs import run_detail as detail_of
from automations.simulation import stored
from automations.simulation.again import plain_label
from automations.simulation.why import (
    RuleStory,
    explain_run,
    explain_schedules,
    explain_subject,
)
from automations.triggers import source
from automations.views.case_page import rule_url
from automations.views.failure_list import stake
from automations.views.run_filters import noun
from automations.views.run_list import STATES, subject_url
from automations.views.trace import VERDICTS, clauses, steps_of
from backoffice import subjects
from backoffice.models import User

MOST_EVENTS = 8
MOST_CAUSED = 10


def facts_of(event: Event) -> list[tuple[str, str]]:
    """What an event told, in words; empty when no app offers its trigger or scan any more."""
    known = source(event.trigger)
    if known is None:
        return []
    facts = stored.of_event(event).facts
    fields = catalogue_for(known).fields.values()
    return [(plain_label(known), seen(known, facts)) for known in fields if known.keys[0] in facts]


def trigger_words(event: Event) -> str:
    """What happened: a trigger's label, or that a schedule came round or a button was pressed."""
    if event.key.startswith((SLOT, SHADOW_SLOT)):
        return "Schedule came round"
    if event.key.startswith(PRESS):
        return "Started by hand"
    known = source(event.trigger)
    return known.label if known is not None else event.trigger


def _rule_page(rule: Rule) -> str:
    try:
        return reverse("rule_detail", args=[rule.slug])
    except NoReverseMatch:
        return ""


def _about(label: str, pk: int) -> dict[str, str]:
    try:
        number = subjects.get(label).numbers([pk]).get(pk, "")
    except KeyError:
        number = ""
    if not number:
        return {"words": f"{noun(label)}, gone", "url": ""}
    return {"words": f"{noun(label)} {number}", "url": subject_url(label, number)}


@permission_required("automations.view_run", raise_exception=True)
@require_GET
def run_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One run: its event, why it started, its steps, and what stands around it."""
    try:
        found = detail_of(pk)
    except Run.DoesNotExist as error:
        raise Http404 from error
    return render(request, "automations/run_detail.html", _context(found))


def _context(found: RunDetail) -> dict[str, Any]:
    run, event = found.run, found.event
    told = explain_run(run)
    facts = facts_of(event)
    steps = steps_of(run, found.steps, found.effects)
    return {
        "run": run,
        "rule": found.rule,
        "rule_url": _rule_page(found.rule),
        "document": found.document,
        "event": event,
        "trigger": trigger_words(event),
        "about": _about(run.subject, run.subject_id),
        "state": STATES[run.state],
        "facts": facts,
        "clauses": clauses(told, run.overtaken),
        "verdict": (told.verdict, *VERDICTS[told.verdict]) if told else None,
        "steps": steps,
        "tries": sum(len(step.attempts) for step in steps),
        "done": sum(1 for step in steps if step.token == "ok"),  # noqa: S105 (a colour)
        "effects": [(effect, _effect_words(effect)) for effect in found.effects],
        "case": found.case,
        "stake": stake(found.case) if found.case is not None else None,
        "cause_run": _cause(event),
        "caused": [(each, trigger_words(each)) for each in _caused(run)],
        "others": _others(run),
        "list_url": reverse("run_list"),
    }


def _effect_words(effect: Effect) -> str:
    action = actions.get(effect.action)
    return action.label if action is not None else effect.action


def _cause(event: Event) -> dict[str, Any] | None:
    if event.cause_run_id is None:
        return None
    return {"pk": event.cause_run_id, "number": run_number(event.cause_run_id)}


def _caused(run: Run) -> list[Event]:
    return list(caused_by(run.pk)[:MOST_CAUSED])


def _others(run: Run) -> dict[str, Any]:
    """The rule's other runs of the last day, by state."""
    since = timezone.now() - timedelta(days=1)
    same = Run.objects.filter(rule_id=run.rule_id, created_at__gte=since).exclude(pk=run.pk)
    states = list(same.values_list("state", flat=True)[:1000])
    words = dict(Run.State.choices)
    return {
        "count": len(states),
        "states": [f"{states.count(state)} {words[state].lower()}" for state in sorted({*states})],
    }


# --- why did or didn't it fire? -----------------------------------------------------------------


def _story(story: RuleStory) -> dict[str, Any]:
    """One rule's line: its verdict, and the clauses that kept it from firing."""
    told = story.explanation
    deciding = [leaf for leaf in leaves(told) if leaf.verdict != "yes"] if told else []
    token, sign = VERDICTS[story.verdict]
    return {
        "story": story,
        "token": token,
        "sign": sign,
        "url": _rule_page(story.rule),
        "deciding": deciding if story.run is None else [],
        "clauses": clauses(told),
    }


@permission_required("automations.view_run", raise_exception=True)
@require_GET
def why_panel(request: HttpRequest, pk: int, *, label: str) -> HttpResponse:
    """A part of a record's page: its cases, and what every rule made of its latest events."""
    user = request.user
    if not isinstance(user, User) or not user.has_perm(subjects.get(label).view_permission):
        raise PermissionDenied
    events = [
        {
            "event": found.event,
            "trigger": trigger_words(found.event),
            "rules": [_story(story) for story in found.rules],
            "fired": sum(1 for story in found.rules if story.run is not None),
        }
        for found in explain_subject(label, pk, most=MOST_EVENTS)
    ]
    cases = failure_queries.cases_of_subject(label, pk)[:5]
    context = {
        "events": [each for each in events if each["rules"]],
        "cases": [(case, rule_url(case)) for case in cases],
        "slots": [(story, _rule_page(story.rule)) for story in explain_schedules(label, pk)],
        "list_id": f"why-{label.replace('.', '-')}",
    }
    return render(request, "automations/_why_panel.html", context)
