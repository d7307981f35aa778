"""A document's limits as lines to count against."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from automations.conditions.display import span
from automations.conditions.values import parse_duration
from automations.rules.document import PerOne, RuleDocument
from backoffice.money import Money

PERIODS = ("per_hour", "per_day")
WORDS = {"per_hour": "an hour", "per_day": "a day"}
# The period is a rule's whole past: what a first look counts in.
FIRST_LOOK = "first_look"


@dataclass(frozen=True, slots=True)
class Line:
    """At most so many runs, units or messages, or so much money, in an hour or a business day.

    `currency` is empty except for money.
    """

    what: str
    period: str
    most: Decimal
    currency: str = ""

    @property
    def name(self) -> str:
        """What tells it from the rule's other limits: `runs.per_hour`."""
        return f"{self.what}.{self.period}"

    def bucket(self, now: datetime) -> str:
        """The period `now` is in; `now` is in the company's zone, whose days count."""
        if self.period == "per_day":
            return now.date().isoformat()
        return now.strftime("%Y-%m-%dT%H%z")

    def __str__(self) -> str:
        if self.currency:
            return f"{Money(self.most, self.currency)} {WORDS[self.period]}"
        what = self.what.removesuffix("s") if self.most == 1 else self.what
        return f"{self.most:,.0f} {what} {WORDS[self.period]}"


@dataclass(frozen=True, slots=True)
class One:
    """At most so many runs for one subject or customer within a time."""

    name: str
    runs: int
    within: timedelta

    def __str__(self) -> str:
        of = self.name.removeprefix("per_")
        runs = "1 run" if self.runs == 1 else f"{self.runs:,} runs"
        return f"{runs} for one {of} within {span(int(self.within.total_seconds()))}"


def lines_of(document: RuleDocument) -> tuple[Line, ...]:
    """The limits on runs, money, units and messages."""
    limits, found = document.limits, []
    for what in ("runs", "money", "units", "messages"):
        known = getattr(limits, what)
        for period in PERIODS if known is not None else ():
            most = getattr(known, period)
            if isinstance(most, dict):
                amount = Money.from_json(most)
                found.append(Line(what, period, amount.amount, amount.currency))
            elif most is not None:
                found.append(Line(what, period, Decimal(most)))
    return tuple(found)


def ones_of(document: RuleDocument) -> tuple[One, ...]:
    """The limits for one subject and one customer."""
    named: list[tuple[str, PerOne | None]] = [
        ("per_subject", document.limits.per_subject),
        ("per_customer", document.limits.per_customer),
    ]
    return tuple(
        One(name, known.runs, parse_duration(known.within))
        for name, known in named
        if known is not None
    )
