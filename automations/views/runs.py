"""A run's page, and why rules did or didn't act on a record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
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
from automations.conditions.fields import Facts, Field, Kind
from automations.conditions.values import read
from automations.engine import blocks
from automations.engine.flow import target_of
from automations.engine.stake import stake_of
from automations.engine.telling import leaves
from automations.engine.undo import MARK, uid_of, version_left
from automations.models.documents import Stop
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.rules import RULE_SPAN, Rule
from automations.models.runs import Effect, Run, StepRun, run_number
from automations.models.schedules import EXISTING, PRESS, SHADOW_SLOT, SLOT
from automations.queries import failures as failure_queries
from automations.queries.runs import RunDetail, caused_by
from automations.queries.runs import run_detail as detail_of
from automations.services import ending, undo
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
from automations.views.changes import since
from automations.views.failure_list import stake
from automations.views.run_acts import undo_lines
from automations.views.run_filters import noun
from automations.views.run_list import STATES, subject_url
from automations.views.run_steps import Trace, trace_of, walk
from automations.views.trace import VERDICTS, clauses, rule_of
from backoffice import subjects, ui
from backoffice.models import User
from backoffice.money import Money
from backoffice.views.me import signed_in

MOST_EVENTS = 8
MOST_CAUSED = 10


def facts_of(event: Event) -> list[tuple[str, str]]:
    """What an event told, in words; empty when no app offers its trigger or scan any more."""
    known = source(event.trigger)
    if known is None:
        return []
    facts = stored.of_event(event).facts
    fields = catalogue_for(known).fields.values()
    return [(plain_label(known), _seen(known, facts)) for known in fields if known.keys[0] in facts]


def _seen(known: Field, facts: Facts) -> str:
    """What an event told of a field; a moment in the zone that the rest of the page is in."""
    value = read(known, facts) if known.kind is Kind.DATETIME else None
    return ui.absolute(value) if value is not None else seen(known, facts)


def trigger_words(event: Event) -> str:
    """What happened: a trigger's label, or that a schedule came round or a button was pressed."""
    if event.key.startswith((SLOT, SHADOW_SLOT)):
        return "Schedule came round"
    if event.key.startswith(PRESS):
        return "Started by hand"
    if event.key.startswith(EXISTING):
        return "Was there when the version went live"
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
        return _let_go(request, pk, error)
    every = request.GET.get("items") == "all"
    context = _context(found, signed_in(request), every=every)
    return render(request, "automations/run_detail.html", context)


def _let_go(request: HttpRequest, pk: int, error: Run.DoesNotExist) -> HttpResponse:
    """A run is known by its event and its rule: where only the rule is left, it had its time."""
    event_id, rule_id = divmod(abs(pk), RULE_SPAN)
    rule = Rule.objects.filter(pk=rule_id).first()
    if rule is None or Event.objects.filter(pk=event_id).exists():
        raise Http404 from error
    context = {
        "number": run_number(pk),
        "rule": rule,
        "rule_url": _rule_page(rule),
        "days": settings.KEEP_DAYS,
    }
    return render(request, "automations/run_let_go.html", context, status=404)


def _context(found: RunDetail, user: User, *, every: bool) -> dict[str, Any]:
    run, event = found.run, found.event
    told = explain_run(run)
    trace = trace_of(run, found.steps, found.effects, every=every, event=event, user=user)
    return {
        "run": run,
        "rule": found.rule,
        "rule_url": _rule_page(found.rule),
        "document": found.document,
        "event": event,
        "trigger": trigger_words(event),
        "about": _about(run.subject, run.subject_id),
        "state": STATES[run.state],
        "facts": facts_of(event),
        "clauses": clauses(told, run.overtaken),
        "verdict": (told.verdict, *VERDICTS[told.verdict]) if told else None,
        "trace": trace,
        "every": every,
        "written": _written(found, trace),
        "case": found.case,
        "parked_case": _parked_case(run),
        "stake": stake(found.case) if found.case is not None else None,
        "about_money": _about_money(found),
        "cause_run": _cause(event),
        "caused": [(each, trigger_words(each)) for each in _caused(run)],
        "others": _others(run),
        "twin": Run.objects.filter(pk=-run.pk).first(),
        "is_stopped": Stop.objects.filter(rule_id=run.rule_id, lifted_at=None).exists(),
        "list_url": reverse("run_list"),
        **_acts(found, user),
    }


def _about_money(found: RunDetail) -> Money | None:
    """The amount its event was about; None when it had none, or can't be read any more."""
    rule = rule_of(found.run)
    if rule is None or source(found.event.trigger) is None:
        return None
    return stake_of(rule.catalogue, stored.of_event(found.event).facts)


def _acts(found: RunDetail, user: User) -> dict[str, Any]:
    """What may be done about the run, by this person."""
    run = found.run
    works = user.has_perm("automations.work_failure")
    tries = user.has_perm("automations.view_rule") and not found.rule.retired_at
    shown = undo.preview(run, user) if not run.shadow else None
    return {
        "ends": works and not ending.why_not(run),
        "draft_url": reverse("run_try", args=[run.pk]) if tries else "",
        "undo": shown,
        "undo_lines": undo_lines(shown) if shown else [],
        "undo_words": f"{shown.can} of {shown.effects} can be" if shown else "",
        "changed_by": _changed_by(run, shown) if shown else "",
    }


def _changed_by(run: Run, shown: undo.Preview) -> str:
    """Who changed the record after the run's last effect; empty when nobody did."""
    at = max((piece.at for piece in shown.pieces if piece.at is not None), default=None)
    left = version_left(shown.pieces)
    if at is None:
        return ""
    if left is not None and _version(run) == left:
        return ""
    return since(run.subject, run.subject_id, at, run.pk).who


def _version(run: Run) -> int | None:
    try:
        rows = subjects.get(run.subject).model._default_manager.filter(pk=run.subject_id)
    except KeyError:
        return None
    return rows.values_list("version", flat=True).first()


def _parked_case(run: Run) -> Failure | None:
    """The case that says why the run is kept back; None for a stop, which says so itself."""
    if run.parked_for == Run.Parked.CASE:
        block = blocks.blocked({run.subject: [run.subject_id]}).get((run.subject, run.subject_id))
        return Failure.objects.filter(pk=block.case_id).first() if block is not None else None
    kinds = {Run.Parked.LIMIT: Failure.Error.LIMIT, Run.Parked.FIRST_LOOK: Failure.Error.FIRST_LOOK}
    if run.parked_for not in kinds:
        return None
    error = kinds[Run.Parked(run.parked_for)]
    found = Failure.objects.filter(rule_id=run.rule_id, error=error)
    return found.exclude(state=Failure.State.RESOLVED).order_by("-pk").first()


EFFECTS = {
    Effect.State.CONFIRMED: ("ok", "circle-check"),
    Effect.State.INTENT: ("info", "player-play"),
    Effect.State.FAILED: ("wait", "circle-x"),
    Effect.State.IN_DOUBT: ("unk", "help-circle"),
}


def _written(found: RunDetail, trace: Trace) -> list[dict[str, Any]]:
    """Each effect of the run in words, with the page of what it made."""
    said = {
        (node.cursor, attempt.row.outcome): attempt
        for node in walk(trace.nodes)
        for attempt in node.attempts
    }
    by_key = {
        (uid_of(cursor), target_of(cursor), outcome): attempt
        for (cursor, outcome), attempt in said.items()
    }
    lines = []
    for effect in sorted(found.effects, key=lambda each: each.at):
        back = effect.uid.startswith(MARK)
        outcomes = [StepRun.Outcome.UNDONE] if back else DID
        keys = [(effect.uid.removeprefix(MARK), effect.target, outcome) for outcome in outcomes]
        attempt = next((by_key[key] for key in keys if key in by_key), None)
        token, sign = EFFECTS[Effect.State(effect.state)]
        words = attempt.row.says if attempt else effect.says or _effect_words(effect)
        lines.append(
            {
                "effect": effect,
                "words": words,
                "made": attempt,
                "token": "wait" if back else token,
                "sign": "arrow-back-up" if back else sign,
                "state": "Taken back" if back else effect.get_state_display(),
            }
        )
    return lines


DID = [StepRun.Outcome.DONE, StepRun.Outcome.BY_HAND, StepRun.Outcome.IN_DOUBT]


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
