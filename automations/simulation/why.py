"""Why did it fire, and why didn't it? For every rule that an event could concern."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from django.db.models import Q

from automations.conditions.explaining import Explained
from automations.conditions.rechecking import Seen
from automations.engine import telling
from automations.engine.compiled import Compiled, compiled
from automations.engine.in_force import Active, Moment, business_zone, moment
from automations.models.documents import Activation, Stop
from automations.models.events import Event, PendingEvent
from automations.models.rules import Rule
from automations.models.runs import Run, run_id
from automations.models.schedules import ScheduleSlot, slot_key
from automations.rules.canonical import start_of
from automations.rules.document import Every
from automations.simulation import stored
from automations.simulation.records import Standing, as_it_stands
from automations.triggers import scans

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
    if not isinstance(rule, Compiled):
        return None
    return _explained(rule, event, run.created_at.astimezone(business_zone()))


def _explained(rule: Compiled, event: Event, at: datetime) -> Explained:
    seen = stored.of_event(event)
    return rule.explain(Seen(seen.facts, seen.lists, at))


def explain_subject(label: str, subject_id: int, *, most: int = MOST_EVENTS) -> list[EventStory]:
    """The latest events of a record, and what each rule of their triggers made of them."""
    events = Event.objects.filter(subject=label, subject_id=subject_id).order_by("-id")[:most]
    return _told(list(events))


@dataclass(frozen=True, slots=True)
class SlotStory:
    """A scheduled rule and one record at the rule's last slot.

    `event` is what the slot wrote for the record; None: it was not picked, and `explanation` tells
    the record as it stands now. `slot` None: the rule has not come round yet.
    """

    rule: Rule
    version: int
    slot: ScheduleSlot | None
    says: str
    event: Event | None
    run: Run | None
    explanation: Explained | None


def explain_schedules(label: str, subject_id: int) -> list[SlotStory]:
    """What the last slot of each live scheduled rule of this kind of record made of this one."""
    at, scan = moment(), scans.get(label)
    found = [
        active
        for actives in at.rules.by_rule.values()
        for active in actives
        if not active.shadow
        and isinstance(active.compiled.document.trigger, Every)
        and active.compiled.source is scan
    ]
    if scan is None or not found:
        return []
    names = Rule.objects.in_bulk([active.rule_id for active in found])
    standing = as_it_stands(scan, subject_id)
    stories = [_at_last_slot(names[each.rule_id], each, subject_id, standing, at) for each in found]
    return sorted(stories, key=lambda story: (story.rule.position, story.rule.name))


def _at_last_slot(
    rule: Rule, active: Active, subject_id: int, standing: Standing | None, at: Moment
) -> SlotStory:
    slots = ScheduleSlot.objects.filter(rule=rule, shadow=False)
    slot = slots.exclude(state=ScheduleSlot.State.MISSED).order_by("-fire_at").first()
    version = active.compiled.version
    if slot is None:
        return SlotStory(rule, version, None, "It has not come round yet.", None, None, None)
    key = slot_key(rule.pk, slot.fire_at, subject_id, shadow=False)
    event = Event.objects.filter(key=key).first()
    if event is not None:
        run = Run.objects.filter(pk=run_id(event.pk, rule.pk)).first()
        says = _of_run(run) if run else "It was picked and is being matched."
        told = explain_run(run) if run else None
        return SlotStory(rule, version, slot, says, event, run, told)
    if slot.state != ScheduleSlot.State.DONE:
        words = (
            f"{slot.get_state_display()}: {slot.says}" if slot.says else "The scan is under way."
        )
        return SlotStory(rule, version, slot, words, None, None, None)
    if standing is None:
        return SlotStory(rule, version, slot, "No rule goes over it.", None, None, None)
    told = active.compiled.explain(Seen(standing.facts, standing.lists, at.now))
    return SlotStory(rule, version, slot, _not_picked(told), None, None, told)


def _not_picked(told: Explained) -> str:
    """Of a record that was not picked nothing is stored, so it is told as it stands now."""
    if told.verdict == "no":
        return f"Not picked. As it stands now: {_not_met(told)}"
    if told.verdict == "unknown":
        return f"Not picked. As it stands now: {telling.unknown(told)}"
    return "Not picked then. As it stands now it would be."


def _not_met(told: Explained) -> str:
    failed = [leaf for leaf in telling.leaves(told) if leaf.verdict == "no"]
    words = [f"Not met: {leaf.words} (was {leaf.seen})." for leaf in failed]
    return " ".join(words) or "No match."


def _told(events: list[Event]) -> list[EventStory]:
    around = _Around(events)
    return [EventStory(event, around.stories(event)) for event in events]


class _Around:
    """All that a set of events met: rules, versions in force, runs and stops, read at once."""

    def __init__(self, events: list[Event]) -> None:
        self.zone = business_zone()
        self.told = {event.trigger for event in events if event.rule_id is None}
        addressed = {event.rule_id for event in events} - {None}
        concerned = Q(trigger__in=self.told) | Q(pk__in=addressed | self._then(events))
        self.rules = list(Rule.objects.filter(concerned).order_by("position", "name"))
        # A run's key holds its event and its rule.
        keys = [run_id(event.pk, rule.pk) for event in events for rule in self.rules]
        self.runs = Run.objects.in_bulk(keys)
        ids = [event.pk for event in events]
        pending = PendingEvent.objects.filter(pk__in=ids)
        self.pending = set(pending.values_list("pk", flat=True))
        periods = Activation.objects.filter(rule__in=self.rules)
        periods = periods.exclude(mode=Activation.Mode.SHADOW)
        self.periods = list(periods.order_by("from_at"))
        self.stops = list(Stop.objects.filter(Q(rule__in=self.rules) | Q(rule=None, lane="")))
        documents = {period.document_id for period in self.periods}
        self.documents = compiled(documents | {run.document_id for run in self.runs.values()})

    def _then(self, events: list[Event]) -> set[int]:
        """Rules that start on something else by now, and started on one of these then."""
        if not events:
            return set()
        written = [Q(document__text__contains=start_of(trigger)) for trigger in self.told]
        periods = Activation.objects.filter(
            Q(until_at=None) | Q(until_at__gt=min(event.recorded_at for event in events)),
            reduce(or_, written, Q(pk=None)),
            from_at__lte=max(event.recorded_at for event in events),
            mode=Activation.Mode.LIVE,
            rule__isnull=False,
        )
        return {rule_id for rule_id in periods.values_list("rule_id", flat=True) if rule_id}

    def stories(self, event: Event) -> list[RuleStory]:
        return [self._story(rule, event) for rule in self.rules if self._concerns(event, rule)]

    def _concerns(self, event: Event, rule: Rule) -> bool:
        """An event of a slot or of a press is for one rule, any other for those of its trigger."""
        if event.rule_id is not None:
            return event.rule_id == rule.pk
        version = self._version(rule, event, self.runs.get(run_id(event.pk, rule.pk)))
        if version is None:
            # Drafts, and what was made after the event, could not have concerned it.
            return rule.trigger == event.trigger and self._began_before(rule, event)
        return event.trigger in (rule.trigger, version.source.key)

    def _began_before(self, rule: Rule, event: Event) -> bool:
        return any(
            period.rule_id == rule.pk and period.from_at <= event.recorded_at
            for period in self.periods
        )

    def _version(self, rule: Rule, event: Event, run: Run | None) -> Compiled | None:
        """The version the run is bound to, else the one that was in force."""
        document_id = run.document_id if run else None
        for period in self.periods:
            if run is None and period.rule_id == rule.pk and _held(period, event.recorded_at):
                document_id = period.document_id
        found = self.documents[document_id] if document_id is not None else None
        return found if isinstance(found, Compiled) else None

    def _story(self, rule: Rule, event: Event) -> RuleStory:
        run = self.runs.get(run_id(event.pk, rule.pk))
        version = self._version(rule, event, run)
        if version is None:
            return RuleStory(rule, None, "no", "No version was in force then.", run, None)
        if version.source.key != event.trigger:
            says = f"It started on something else then: {version.source.label}."
            return RuleStory(rule, version.version, "no", says, run, None)
        at = run.created_at if run else event.recorded_at
        told = _explained(version, event, at.astimezone(self.zone))
        says = _of_run(run) if run is not None else self._why_not(rule, event, told)
        return RuleStory(rule, version.version, told.verdict, says, run, told)

    def _why_not(self, rule: Rule, event: Event, told: Explained) -> str:
        if event.history:
            return "The event is history, and history never acts."
        if event.pk in self.pending:
            return "The event has not been matched yet."
        if told.verdict == "no":
            return _not_met(told)
        if told.verdict == "unknown":
            return telling.unknown(told)
        if any(_stopped(stop, rule, event.recorded_at) for stop in self.stops):
            return "The rule was stopped then."
        return "It matches as it is read today, but no run was started."


def _held(period: Activation, at: datetime) -> bool:
    ends = period.until_at or period.expires_at
    return period.from_at <= at and (ends is None or ends > at)


def _stopped(stop: Stop, rule: Rule, at: datetime) -> bool:
    lifted = stop.lifted_at is not None and stop.lifted_at <= at
    return stop.rule_id in (None, rule.pk) and stop.stopped_at <= at and not lifted


def _of_run(run: Run) -> str:
    state = Run.State(run.state).label
    return f"{state}: {run.outcome}" if run.outcome else f"{state}."
