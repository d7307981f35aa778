"""Why did it fire, and why didn't it? For every rule that an event could concern."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from automations.conditions.explaining import Explained
from automations.conditions.rechecking import Seen
from automations.engine import telling
from automations.engine.compiled import Compiled, compiled
from automations.engine.in_force import business_zone
from automations.models.documents import Activation, Stop
from automations.models.events import Event, PendingEvent
from automations.models.rules import RULE_SPAN, Rule
from automations.models.runs import Run
from automations.simulation import stored

MOST_EVENTS = 20


@dataclass(frozen=True, slots=True)
class RuleStory:
    """One rule and one event. `run` None: it did not start; `says` is why, in a sentence.

    `verdict` is yes, no or unknown; `version` and `explanation` are None when no version was in
    force then.
    """

    rule: Rule
    version: int | None
    verdict: str
    says: str
    run: Run | None
    explanation: Explained | None


@dataclass(frozen=True, slots=True)
class EventStory:
    """One event and what every rule of its trigger made of it."""

    event: Event
    rules: Sequence[RuleStory]


def explain_run(run: Run) -> Explained | None:
    """Why this run started; None when its version can't be read any more."""
    event = Event.objects.get(pk=run.event_id)
    rule = compiled([run.document_id])[run.document_id]
    return _explained(rule, event, run.created_at) if isinstance(rule, Compiled) else None


def _explained(rule: Compiled, event: Event, at: datetime) -> Explained:
    seen = stored.of_event(event)
    return rule.explain(Seen(seen.facts, seen.lists, at.astimezone(business_zone())))


def explain_subject(label: str, subject_id: int, *, most: int = MOST_EVENTS) -> list[EventStory]:
    """The latest events of a record, and what each rule of their triggers made of them."""
    events = list(Event.objects.filter(subject=label, subject_id=subject_id).order_by("-id")[:most])
    return [EventStory(event, _stories(event)) for event in events]


def explain_event(event: Event) -> EventStory:
    """What each rule of its trigger made of one event."""
    return EventStory(event, _stories(event))


def _stories(event: Event) -> list[RuleStory]:
    rules = Rule.objects.filter(trigger=event.trigger).order_by("position", "name")
    runs = {run.rule_id: run for run in Run.objects.filter(event_id=event.pk, **_range(event))}
    waits = PendingEvent.objects.filter(pk=event.pk).exists()
    periods = _in_force_at(rules, event.recorded_at)
    documents = compiled({*periods.values(), *(run.document_id for run in runs.values())})
    stories = []
    for rule in rules:
        run = runs.get(rule.pk)
        document_id = run.document_id if run else periods.get(rule.pk)
        version = documents[document_id] if document_id else None
        known = version if isinstance(version, Compiled) else None
        stories.append(_story(rule, event, run, known, waits))
    return stories


def _range(event: Event) -> dict[str, int]:
    """Runs are found by their key, which begins with the event's id."""
    first = event.pk * RULE_SPAN
    return {"pk__gte": first, "pk__lt": first + RULE_SPAN}


def _in_force_at(rules: Iterable[Rule], at: datetime) -> dict[int, int]:
    periods = Activation.objects.filter(rule__in=rules, from_at__lte=at)
    found: dict[int, int] = {}
    for period in periods.order_by("from_at"):
        if period.until_at is None or period.until_at > at:
            found[period.rule_id] = period.document_id
    return found


def _story(
    rule: Rule, event: Event, run: Run | None, version: Compiled | None, waits: bool
) -> RuleStory:
    if version is None:
        return RuleStory(rule, None, "no", "No version was in force then.", run, None)
    told = _explained(version, event, run.created_at if run else event.recorded_at)
    if run is not None:
        return RuleStory(rule, version.version, told.verdict, _of_run(run), run, told)
    return RuleStory(
        rule, version.version, told.verdict, _why_not(rule, event, told, waits), None, told
    )


def _of_run(run: Run) -> str:
    state = Run.State(run.state).label
    return f"{state}: {run.outcome}" if run.outcome else f"{state}."


def _why_not(rule: Rule, event: Event, told: Explained, waits: bool) -> str:
    if event.history:
        return "The event is history, and history never acts."
    if waits:
        return "The event has not been matched yet."
    if told.verdict == "no":
        failed = [leaf for leaf in telling.leaves(told) if leaf.verdict == "no"]
        return (
            " ".join(f"Not met: {leaf.words} (was {leaf.seen})." for leaf in failed) or "No match."
        )
    if told.verdict == "unknown":
        return telling.unknown(told)
    if Stop.objects.filter(rule=rule, stopped_at__lte=event.recorded_at).exists():
        return "The rule was stopped then."
    return "It matches today's reading of it, but no run was started."
