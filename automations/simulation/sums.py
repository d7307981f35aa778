"""What a backtest adds up, slice by slice: plain sums that a row keeps as JSON between slices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter

# How many events of each kind are kept to open, the newest.
EXAMPLES = 5
# Minutes a person is busy with a case and with a question; actions say their own.
CASE_MINUTES = 5
QUESTION_MINUTES = 3

Amounts = dict[str, Decimal]


def add_amount(sums: Amounts, currency: str, amount: Decimal) -> None:
    """Add an amount to the sum of its currency."""
    sums[currency] = sums.get(currency, Decimal(0)) + amount


@dataclass(slots=True)
class Does:
    """What one step did over the period: how often, and in how many runs it could not."""

    words: str
    times: int = 0
    refused: int = 0
    why: str = ""


@dataclass(slots=True)
class ByHand:
    """Work for people: how many, at so many minutes each."""

    minutes: int
    times: int = 0

    @property
    def total(self) -> int:
        return self.times * self.minutes


@dataclass(slots=True)
class Held:
    """A limit of the document: how many runs it would have kept back, and when first."""

    words: str
    runs: int = 0
    first: datetime | None = None
    # What is counted now: the period, and how much of it is used.
    bucket: str = ""
    used: Decimal = Decimal(0)
    # For one subject or customer: the times of its runs within the limit's time.
    marks: dict[str, list[float]] = field(default_factory=dict)
    # So many at once that they were no longer counted.
    given_up: bool = False


@dataclass(slots=True)
class Side:
    """What one version would have done."""

    matched: int = 0
    unknown: int = 0
    stake: Amounts = field(default_factory=dict)
    money: Amounts = field(default_factory=dict)
    units: int = 0
    messages: int = 0
    makes: dict[str, int] = field(default_factory=dict)
    books: dict[str, Amounts] = field(default_factory=dict)
    steps: dict[str, Does] = field(default_factory=dict)
    by_hand: dict[str, ByHand] = field(default_factory=dict)
    limits: dict[str, Held] = field(default_factory=dict)
    # Runs whose steps were gone through with their inputs.
    filled_in: int = 0

    @property
    def minutes(self) -> int:
        """Minutes of people's work in all."""
        return sum(work.total for work in self.by_hand.values())

    def hand(self, what: str, minutes: int, times: int = 1) -> None:
        """Count work for people."""
        known = self.by_hand.get(what)
        if known is None:
            known = self.by_hand[what] = ByHand(minutes=minutes)
        known.times += times


@dataclass(slots=True)
class Day:
    """One business day's events that a version matched."""

    matched: int = 0
    gained: int = 0
    lost: int = 0


@dataclass(slots=True)
class Unjudged:
    """A field that kept events from being judged, and why: not stored then, empty, other."""

    label: str
    reasons: dict[str, int] = field(default_factory=dict)

    @property
    def events(self) -> int:
        return sum(self.reasons.values())


@dataclass(slots=True)
class Sums:
    """A whole backtest: `draft` beside `live`, which is None where nothing was in force.

    `first` is when its first event was; history may not go back as far as the period does.
    """

    events: int = 0
    first: datetime | None = None
    draft: Side = field(default_factory=Side)
    live: Side | None = None
    gained: int = 0
    lost: int = 0
    days: dict[str, Day] = field(default_factory=dict)
    unjudged: dict[str, Unjudged] = field(default_factory=dict)
    examples: dict[str, list[int]] = field(default_factory=dict)

    @property
    def unchanged(self) -> int:
        return self.draft.matched - self.gained

    def day(self, day: str) -> Day:
        """One day's counts, made where there are none yet."""
        known = self.days.get(day)
        if known is None:
            known = self.days[day] = Day()
        return known

    def keep(self, kind: str, event_id: int) -> None:
        """Keep an event to open, the newest few of each kind; events come oldest first."""
        kept = self.examples.setdefault(kind, [])
        kept.append(event_id)
        if len(kept) > EXAMPLES:
            del kept[0]

    def as_json(self) -> dict[str, Any]:
        """What a row keeps; amounts and times are text."""
        plain: dict[str, Any] = _SUMS.dump_python(self, mode="json")
        return plain

    @classmethod
    def from_json(cls, kept: Any) -> Sums:
        """Sums as a row keeps them."""
        return _SUMS.validate_python(kept)

    def finished(self) -> Sums:
        """The same without what only the next slice would need."""
        for side in self.sides():
            for held in side.limits.values():
                held.marks, held.bucket, held.used = {}, "", Decimal(0)
        return self

    def sides(self) -> Iterator[Side]:
        """The draft, and what is live if anything is."""
        yield self.draft
        if self.live is not None:
            yield self.live


_SUMS = TypeAdapter(Sums)
