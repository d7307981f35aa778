"""Figures over the runs that ended in a window, told from what `engine.measure` counted.

The window ends where counting stands, so each figure is exact, stays true, and is the total of the
list of runs with the same bounds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import accumulate
from typing import Any

from django.db.models import Count, Max, QuerySet, Sum
from django.utils import timezone

from automations.models.documents import Activation
from automations.models.failures import Failure
from automations.models.figures import Measured, Overrun, RunHour, RunMinute, RunReach
from automations.models.progress import EngineHour
from automations.models.rules import Rule
from automations.models.runs import Run

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
# A run that stopped here for one of these did fail; other cases of runs ask people something.
BROKEN = (
    Failure.Error.REJECTED,
    Failure.Error.BUG,
    Failure.Error.RETRIES,
    Failure.Error.CRASH,
    Failure.Error.MISSING,
    Failure.Error.LOOP,
    Failure.Error.DOUBT,
)
ENDED = (Run.State.DONE, Run.State.OVERTAKEN, Run.State.SKIPPED, Run.State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Window:
    """From a full hour to the moment up to which runs are counted, both included."""

    since: datetime
    upto: datetime
    hours: int


@dataclass(frozen=True, slots=True)
class Spell:
    """Ended runs of an hour or a minute."""

    since: datetime
    until: datetime
    runs: int


@dataclass(frozen=True, slots=True)
class Longest:
    """The run that waited longest for its first step, in seconds."""

    run_id: int
    seconds: float


@dataclass(slots=True)
class OfRule:
    """One rule in the window. `p50` and `p95` are seconds from event to done; None: none was done.

    `latency` is what the version in force declares; empty when none is in force.
    """

    rule: Rule
    latency: str = ""
    ended: int = 0
    failures: int = 0
    late: int = 0
    p50: float | None = None
    p95: float | None = None
    longest: float = 0.0

    @property
    def error_rate(self) -> float:
        """Failures among what ended or failed, from 0 to 1."""
        return rate(self.failures, self.ended)


@dataclass(frozen=True, slots=True)
class Uptime:
    """Minutes in which the sweep ran and nothing stood still, of those since `since`."""

    since: datetime
    up: int
    minutes: int

    @property
    def share(self) -> float:
        return self.up / self.minutes if self.minutes else 1.0


@dataclass(slots=True)
class Figures:
    """The window in figures."""

    window: Window
    by_state: dict[str, int] = field(default_factory=dict)
    failures: int = 0
    late: int = 0
    hours: list[Spell] = field(default_factory=list)
    minutes: list[Spell] = field(default_factory=list)
    busiest_hour: Spell | None = None
    busiest_minute: Spell | None = None
    longest: Longest | None = None
    rules: list[OfRule] = field(default_factory=list)
    uptime: Uptime | None = None

    @property
    def ended(self) -> int:
        return sum(self.by_state.values())

    @property
    def error_rate(self) -> float:
        """Failures among what ended or failed, from 0 to 1."""
        return rate(self.failures, self.ended)


def rate(failures: int, ended: int) -> float:
    return failures / (failures + ended) if failures else 0.0


def counted_upto() -> datetime:
    """The moment up to which ended runs are counted."""
    return Measured.objects.get().upto


def window(hours: int) -> Window:
    """The last hours, the one under way among them, up to where counting stands."""
    upto = counted_upto()
    start = upto.replace(minute=0, second=0, microsecond=0) - (hours - 1) * HOUR
    return Window(start, upto, hours)


def figures(hours: int) -> Figures:
    """Everything the page of the engine's health shows of the last hours."""
    found = Figures(window(hours))
    at = found.window
    _count_states(found)
    _count_spells(found)
    found.failures = failures(at).count()
    found.late = late(at).count()
    found.uptime = uptime(at.since)
    found.rules = by_rule(at)
    return found


def failures(at: Window) -> QuerySet[Failure]:
    """Runs that failed for the first time in the window, as cases."""
    return Failure.objects.filter(
        kind="run", error__in=BROKEN, opened_at__gte=at.since, opened_at__lte=at.upto
    )


def late(at: Window) -> QuerySet[Overrun]:
    """Runs found to begin later than their rule declares."""
    return Overrun.objects.filter(
        kind=Overrun.Kind.START, noticed_at__gte=at.since, noticed_at__lte=at.upto
    )


def _count_states(found: Figures) -> None:
    rows = RunHour.objects.filter(hour__gte=found.window.since)
    found.by_state = dict.fromkeys((str(state) for state in ENDED), 0)
    for row in rows.order_by().values("state").annotate(n=Sum("runs")):
        found.by_state[row["state"]] = row["n"]
    longest = rows.order_by("-longest").values_list("longest_run_id", "longest").first()
    found.longest = Longest(*longest) if longest else None


def _count_spells(found: Figures) -> None:
    at = found.window
    hours = RunHour.objects.filter(hour__gte=at.since).order_by().values("hour")
    by_hour = {row["hour"]: row["n"] for row in hours.annotate(n=Sum("runs"))}
    found.hours = [
        _spell(at.since + number * HOUR, HOUR, by_hour, at.upto) for number in range(at.hours)
    ]
    minutes = RunMinute.objects.filter(minute__gte=at.since)
    this_minute = at.upto.replace(second=0, microsecond=0)
    recent = minutes.filter(minute__gt=this_minute - 60 * MINUTE)
    by_minute = dict(recent.values_list("minute", "runs"))
    found.minutes = [
        _spell(this_minute - back * MINUTE, MINUTE, by_minute, at.upto)
        for back in range(59, -1, -1)
    ]
    found.busiest_hour = max(found.hours, key=lambda spell: spell.runs, default=None)
    top = minutes.order_by("-runs", "minute").values_list("minute", "runs").first()
    found.busiest_minute = _spell(top[0], MINUTE, {top[0]: top[1]}, at.upto) if top else None


def _spell(since: datetime, length: timedelta, known: dict[datetime, int], upto: datetime) -> Spell:
    """What ended in a spell; its last moment is still inside it."""
    until = since + length - timedelta(microseconds=1)
    return Spell(since, min(until, upto), known.get(since, 0))


def uptime(since: datetime) -> Uptime | None:
    """How much of the time since then the engine was up; None when it was never seen."""
    rows = list(EngineHour.objects.filter(hour__gte=since).order_by("hour"))
    if not rows:
        return None
    first = rows[0]
    known = first.swept | first.stalled
    begun = first.hour + MINUTE * ((known & -known).bit_length() - 1)
    if EngineHour.objects.filter(hour__lt=since).exists():
        begun = since
    this_minute = timezone.now().replace(second=0, microsecond=0)
    up = sum((row.swept & ~row.stalled).bit_count() for row in rows)
    minutes = int((this_minute - begun) / MINUTE)
    last = rows[-1]
    if last.hour == this_minute.replace(minute=0) and last.swept >> this_minute.minute & 1:
        minutes += 1  # the minute under way, once it is known to be good
    return Uptime(begun, min(up, minutes), minutes)


def by_rule(at: Window) -> list[OfRule]:
    """Every rule that did or failed anything in the window, the busiest first."""
    rows = RunHour.objects.filter(hour__gte=at.since).order_by().values("rule_id")
    ended = {row["rule_id"]: row for row in rows.annotate(n=Sum("runs"), longest=Max("longest"))}
    failed = _by_rule(failures(at), "pk")
    began_late = _by_rule(late(at), "run_id")
    rules = Rule.objects.in_bulk({*ended, *failed, *began_late})
    found = {rule_id: OfRule(rule) for rule_id, rule in rules.items()}
    for rule_id, each in found.items():
        if rule_id in ended:
            each.ended, each.longest = ended[rule_id]["n"], ended[rule_id]["longest"]
        each.failures, each.late = failed.get(rule_id, 0), began_late.get(rule_id, 0)
    _tell_reach(at, found)
    _tell_latency(found)
    return sorted(found.values(), key=lambda each: (-each.ended, -each.failures, each.rule.name))


def _by_rule(rows: QuerySet[Any], counted: str) -> dict[int, int]:
    grouped = rows.order_by().values("rule_id").annotate(n=Count(counted))
    return {row["rule_id"]: row["n"] for row in grouped if row["rule_id"] is not None}


def _tell_reach(at: Window, found: dict[int, OfRule]) -> None:
    buckets: dict[int, list[tuple[int, int]]] = defaultdict(list)
    rows = RunReach.objects.filter(hour__gte=at.since).order_by().values("rule_id", "bucket")
    for row in rows.annotate(n=Sum("runs")):
        buckets[row["rule_id"]].append((row["bucket"], row["n"]))
    for rule_id, counted in buckets.items():
        found[rule_id].p50 = percentile(counted, 0.5)
        found[rule_id].p95 = percentile(counted, 0.95)


def percentile(counted: list[tuple[int, int]], share: float) -> float:
    """The seconds that this share of runs did not exceed, at most 6 % off, from a histogram."""
    rows = sorted(counted)
    wanted = share * sum(number for _, number in rows)
    passed = accumulate(number for _, number in rows)
    reached = next(at for at, total in enumerate(passed) if total >= wanted)
    return float(0.001 * 10 ** ((rows[reached][0] + 0.5) / 20))


def _tell_latency(found: dict[int, OfRule]) -> None:
    live = Activation.objects.in_force().filter(rule_id__in=found).select_related("document")
    for activation in live:
        if activation.rule_id is not None:
            declared = json.loads(activation.document.text).get("latency", "real_time")
            found[activation.rule_id].latency = declared
