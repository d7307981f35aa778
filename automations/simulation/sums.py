"""What a backtest adds up, slice by slice: plain sums that a row keeps as JSON between slices."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from pydantic import BaseModel, Field

# How many events of each kind are kept to open, the newest.
EXAMPLES = 5
# Minutes a person is busy with a case and with a question; actions say their own.
CASE_MINUTES = 5
QUESTION_MINUTES = 3

Amounts = dict[str, Decimal]


def add_amount(sums: Amounts, currency: str, amount: Decimal) -> None:
    """Add an amount to the sum of its currency."""
    sums[currency] = sums.get(currency, Decimal(0)) + amount


class Does(BaseModel):
    """What one step did over the period: how often, and in how many runs it could not."""

    words: str
    times: int = 0
    refused: int = 0
    why: str = ""


class ByHand(BaseModel):
    """Work for people: how many, at so many minutes each."""

    minutes: int
    times: int = 0

    @property
    def total(self) -> int:
        return self.times * self.minutes


class Held(BaseModel):
    """A limit of the document: how many runs it would have kept back, and when first."""

    words: str
    runs: int = 0
    first: datetime | None = None
    # What is counted now: the period, and how much of it is used.
    bucket: str = ""
    used: Decimal = Decimal(0)
    # For one subject or customer: the times of its runs within the limit's time.
    marks: dict[str, list[float]] = Field(default_factory=dict)
    # So many at once that they were no longer counted.
    given_up: bool = False


class Side(BaseModel):
    """What one version would have done."""

    matched: int = 0
    unknown: int = 0
    stake: Amounts = Field(default_factory=dict)
    money: Amounts = Field(default_factory=dict)
    units: int = 0
    messages: int = 0
    makes: dict[str, int] = Field(default_factory=dict)
    books: dict[str, Amounts] = Field(default_factory=dict)
    steps: dict[str, Does] = Field(default_factory=dict)
    by_hand: dict[str, ByHand] = Field(default_factory=dict)
    limits: dict[str, Held] = Field(default_factory=dict)
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


class Day(BaseModel):
    """One business day's events that a version matched."""

    matched: int = 0
    gained: int = 0
    lost: int = 0


class Unjudged(BaseModel):
    """A field that kept events from being judged, and why: not stored then, empty, other."""

    label: str
    reasons: dict[str, int] = Field(default_factory=dict)

    @property
    def events(self) -> int:
        return sum(self.reasons.values())


class Sums(BaseModel):
    """A whole backtest: `draft` beside `live`, which is None where nothing was in force."""

    events: int = 0
    draft: Side = Field(default_factory=Side)
    live: Side | None = None
    gained: int = 0
    lost: int = 0
    days: dict[str, Day] = Field(default_factory=dict)
    unjudged: dict[str, Unjudged] = Field(default_factory=dict)
    examples: dict[str, list[int]] = Field(default_factory=dict)

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
        return self.model_dump(mode="json")

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
