"""What is stopped, and what stands behind each stop: queued, waiting, under way, kept back."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet

from automations.models.documents import Activation, Stop
from automations.models.events import PendingEvent
from automations.models.rules import Rule
from automations.models.runs import Run

OPEN = [
    Run.State.DUE,
    Run.State.WAITING,
    Run.State.CALLING,
    Run.State.HELD,
    Run.State.PARKED,
    Run.State.FAILED,
]


@dataclass(slots=True)
class Load:
    """Open runs by what they stand at. `stopped` are those a stop keeps back, `kept` the others."""

    queued: int = 0
    waiting: int = 0
    calling: int = 0
    stopped: int = 0
    kept: int = 0
    held: int = 0
    failed: int = 0

    def add(self, state: str, parked_for: str, count: int) -> None:
        match state:
            case Run.State.DUE:
                self.queued += count
            case Run.State.PARKED if parked_for == Run.Parked.STOP:
                self.stopped += count
            case Run.State.PARKED:
                self.kept += count
            case _:
                setattr(self, str(state), getattr(self, str(state)) + count)

    @property
    def total(self) -> int:
        return (
            self.queued
            + self.waiting
            + self.calling
            + self.stopped
            + self.kept
            + self.held
            + self.failed
        )

    @property
    def words(self) -> list[tuple[str, int]]:
        """The figures that are not zero, in words."""
        named = (
            ("queued", self.queued),
            ("waiting", self.waiting),
            ("under way", self.calling),
            ("kept back by a stop", self.stopped),
            ("kept back by a limit or a first look", self.kept),
            ("held for a person", self.held),
            ("failed", self.failed),
        )
        return [(name, count) for name, count in named if count]


@dataclass(frozen=True, slots=True)
class Standing:
    """One rule, or one connector, with its stop (None: it runs) and its open runs."""

    name: str
    slug: str
    stop: Stop | None
    load: Load


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything at a glance. `unmatched` events wait to be looked at by rules."""

    unmatched: int
    everything: Stop | None
    load: Load
    rules: list[Standing]
    connectors: list[Standing]


def _open_runs() -> QuerySet[Run]:
    return Run.objects.filter(state__in=OPEN, shadow=False).order_by()


def load_of(rule: Rule | None) -> Load:
    """The open runs of a rule, or of all of them."""
    runs = _open_runs() if rule is None else _open_runs().filter(rule_id=rule.pk)
    load = Load()
    for row in runs.values("state", "parked_for").annotate(n=Count("pk")):
        load.add(row["state"], row["parked_for"], row["n"])
    return load


def _loads() -> tuple[Load, dict[int, Load], dict[str, Load]]:
    """The open runs together, by rule, and by the connector they go to; read once."""
    whole = Load()
    by_rule: dict[int, Load] = {}
    by_lane: dict[str, Load] = {}
    counted = _open_runs().values("rule_id", "lane", "state", "parked_for")
    for row in counted.annotate(n=Count("pk")):
        given = (row["state"], row["parked_for"], row["n"])
        whole.add(*given)
        by_rule.setdefault(row["rule_id"], Load()).add(*given)
        if row["lane"]:
            by_lane.setdefault(row["lane"], Load()).add(*given)
    return whole, by_rule, by_lane


def situation() -> Situation:
    """What is stopped, what runs, and what waits behind either."""
    stops = list(
        Stop.objects.filter(lifted_at=None).select_related("rule", "stopped_by", "asked_by")
    )
    whole, by_rule, by_lane = _loads()
    live = Activation.objects.in_force().exclude(rule=None).values("rule")
    wanted = (
        Q(pk__in=live) | Q(pk__in=list(by_rule)) | Q(stops__lifted_at=None, stops__isnull=False)
    )
    rules = Rule.objects.filter(wanted).distinct().order_by("name")
    of_rule = {stop.rule_id: stop for stop in stops if stop.rule_id is not None}
    of_lane = {stop.lane: stop for stop in stops if stop.lane}
    return Situation(
        PendingEvent.objects.count(),
        next((stop for stop in stops if stop.rule_id is None and not stop.lane), None),
        whole,
        sorted(
            (
                Standing(rule.name, rule.slug, of_rule.get(rule.pk), by_rule.get(rule.pk, Load()))
                for rule in rules
            ),
            key=lambda each: (each.stop is None, -each.load.total, each.name),
        ),
        [
            Standing(lane, lane, of_lane.get(lane), by_lane.get(lane, Load()))
            for lane in sorted({*of_lane, *by_lane})
        ],
    )


def released_by(stop: Stop) -> QuerySet[Run]:
    """The runs that lifting a stop would let go on, those stopped on their own left out."""
    runs = Run.objects.filter(state=Run.State.PARKED, parked_for=Run.Parked.STOP, shadow=False)
    if stop.rule_id is not None:
        return runs.filter(rule_id=stop.rule_id)
    own = Stop.objects.filter(lifted_at=None, rule__isnull=False).exclude(pk=stop.pk)
    return runs.exclude(rule_id__in=own.values("rule_id"))
