"""What a value can still be: sets that conditions narrow by meeting.

`is_empty` says yes only where that is certain: a set that is called possible may be none, so what
is concluded from emptiness holds, and what is possible is shown by an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from automations.conditions.fields import Kind

S = TypeVar("S", bound="Values")


class Values(Protocol):
    """A set of typed values of one kind."""

    def meet(self: S, other: S) -> S: ...

    def is_empty(self) -> bool: ...


# --- ordered values -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Span:
    """Values from `low` to `high`; None is no bound, and an open end leaves its bound out."""

    low: Any = None
    high: Any = None
    low_open: bool = False
    high_open: bool = False

    def meet(self, other: Span) -> Span:
        low, low_open = _tighter(self.low, self.low_open, other.low, other.low_open, above=True)
        high, high_open = _tighter(
            self.high, self.high_open, other.high, other.high_open, above=False
        )
        return Span(low, high, low_open, high_open)

    def is_empty(self) -> bool:
        if self.low is None or self.high is None:
            return False
        if self.low == self.high:
            return self.low_open or self.high_open
        return bool(self.low > self.high)


def _tighter(one: Any, one_open: bool, other: Any, other_open: bool, *, above: bool) -> Any:
    if one is None or other is None:
        return (other, other_open) if one is None else (one, one_open)
    if one == other:
        return one, one_open or other_open
    return (one, one_open) if (one > other) is above else (other, other_open)


STEPS: Mapping[Kind, Any] = {Kind.WHOLE: 1, Kind.DURATION: 1, Kind.DATE: timedelta(days=1)}


@dataclass(frozen=True, slots=True)
class Spans:
    """Spans that don't overlap, in order; `step` is between neighbours where values are counted."""

    parts: tuple[Span, ...] = (Span(),)
    step: Any = None

    def __post_init__(self) -> None:
        closed = self.parts if self.step is None else [self._closed(part) for part in self.parts]
        kept = tuple(part for part in closed if not part.is_empty())
        object.__setattr__(self, "parts", kept)

    def _closed(self, part: Span) -> Span:
        low = part.low + self.step if part.low_open else part.low
        high = part.high - self.step if part.high_open else part.high
        return Span(low, high)

    def meet(self, other: Spans) -> Spans:
        found = [one.meet(two) for one in self.parts for two in other.parts]
        return Spans(tuple(found), self.step or other.step)

    def complement(self) -> Spans:
        found, low, low_open = [], None, False
        for part in self.parts:
            if part.low is not None:
                found.append(Span(low, part.low, low_open, not part.low_open))
            if part.high is None:
                return Spans(tuple(found), self.step)
            low, low_open = part.high, not part.high_open
        return Spans((*found, Span(low, None, low_open)), self.step)

    def is_empty(self) -> bool:
        return not self.parts


def points(values: Iterable[Any], step: Any = None) -> Spans:
    """Exactly these values."""
    return Spans(tuple(Span(value, value) for value in sorted(set(values))), step)


# --- money --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Purses:
    """Amounts by currency; `rest`: any amount of the currencies that are not named."""

    amounts: Mapping[str, Spans]
    rest: bool = False

    def of(self, currency: str) -> Spans:
        return self.amounts.get(currency, Spans() if self.rest else Spans(()))

    def meet(self, other: Purses) -> Purses:
        named = {*self.amounts, *other.amounts}
        found = {currency: self.of(currency).meet(other.of(currency)) for currency in named}
        return Purses(found, self.rest and other.rest)

    def complement(self) -> Purses:
        turned = {currency: spans.complement() for currency, spans in self.amounts.items()}
        return Purses(turned, not self.rest)

    def is_empty(self) -> bool:
        return not self.rest and all(spans.is_empty() for spans in self.amounts.values())


# --- codes, flags and texts ---------------------------------------------------------------------


def _keeps(op: str, needle: str, value: str) -> bool:
    if op == "starts_with":
        return value.startswith(needle)
    return value.endswith(needle) if op == "ends_with" else needle in value


@dataclass(frozen=True, slots=True)
class Codes:
    """The listed values, or (`others`) every value but them.

    Of texts, `has` and `lacks` are what they start with, end with or contain, and what not.
    """

    listed: frozenset[Any] = frozenset()
    others: bool = True
    has: frozenset[tuple[str, str]] = frozenset()
    lacks: frozenset[tuple[str, str]] = frozenset()

    def meet(self, other: Codes) -> Codes:
        has, lacks = self.has | other.has, self.lacks | other.lacks
        if self.others and other.others:
            return Codes(self.listed | other.listed, True, has, lacks)
        if not self.others and not other.others:
            return Codes(self.listed & other.listed, False, has, lacks)
        kept, out = (other, self) if self.others else (self, other)
        return Codes(kept.listed - out.listed, False, has, lacks)

    def complement(self) -> Codes:
        """Of listed values alone; what texts contain is turned where it is read."""
        return Codes(self.listed, not self.others)

    def holds(self, value: Any) -> bool:
        if (value in self.listed) is self.others:
            return False
        return all(_keeps(op, needle, value) for op, needle in self.has) and not any(
            _keeps(op, needle, value) for op, needle in self.lacks
        )

    def is_empty(self) -> bool:
        if not self.others:
            return not any(self.holds(value) for value in self.listed)
        return self._ends_clash() or any(
            _implies(has, lacks) for has in self.has for lacks in self.lacks
        )

    def _ends_clash(self) -> bool:
        starts = [needle for op, needle in self.has if op == "starts_with"]
        ends = [needle for op, needle in self.has if op == "ends_with"]
        return any(
            not one.startswith(two) and not two.startswith(one) for one in starts for two in starts
        ) or any(not one.endswith(two) and not two.endswith(one) for one in ends for two in ends)


def _implies(has: tuple[str, str], wanted: tuple[str, str]) -> bool:
    """Whether every text that has the one has the other."""
    (op, needle), (wanted_op, wanted_needle) = has, wanted
    if wanted_op == "contains":
        return wanted_needle in needle
    return op == wanted_op and _keeps(wanted_op, wanted_needle, needle)


FLAGS = Codes(frozenset({True, False}), False)


# --- tags ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tagged:
    """Sets of tags with all of `must` and none of `without`; `only`: nothing but these.

    `filled`: there is one at least.
    """

    must: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    only: frozenset[str] | None = None
    filled: bool = False

    def meet(self, other: Tagged) -> Tagged:
        bounds = [each for each in (self.only, other.only) if each is not None]
        return Tagged(
            self.must | other.must,
            self.without | other.without,
            frozenset.intersection(*bounds) if bounds else None,
            self.filled or other.filled,
        )

    def is_empty(self) -> bool:
        if self.must & self.without:
            return True
        if self.only is None:
            return False
        return bool(self.must - self.only) or (self.filled and not self.only - self.without)


# --- what a field holds -------------------------------------------------------------------------


def everything(kind: Kind) -> Any:
    """Every value of a kind that can be read."""
    if kind is Kind.MONEY:
        return Purses({}, True)
    if kind is Kind.TAGS:
        return Tagged()
    if kind is Kind.BOOL:
        return FLAGS
    if kind in (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY):
        return Codes()
    return Spans(step=STEPS.get(kind))


@dataclass(frozen=True, slots=True)
class Region:
    """What a field of an event can be.

    `other`: not stored or not readable; `null`: known to be empty; `values`: what can be read,
    None where nothing is.
    """

    values: Any
    other: bool = False
    null: bool = False

    def meet(self, region: Region) -> Region:
        values = None
        if self.values is not None and region.values is not None:
            values = self.values.meet(region.values)
            values = None if values.is_empty() else values
        return Region(values, self.other and region.other, self.null and region.null)

    def is_empty(self) -> bool:
        nothing = self.values is None or self.values.is_empty()
        return nothing and not self.other and not self.null

    def loosened(self) -> Region:
        """The same, or nothing that can be read."""
        return replace(self, other=True, null=True)
