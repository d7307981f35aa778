"""An event made up from what conditions ask, as it would be stored. Whoever uses it holds the
conditions against it: where a value can't be made up, the event only does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, TypeVar

from automations.catalogue import flat_value
from automations.conditions.fields import Catalogue, Field, Kind
from automations.interactions.leaves import SIDES, Alternative
from automations.interactions.sets import Codes, Purses, Region, Span, Spans, Tagged, everything
from automations.interactions.solving import (
    HERE,
    Goal,
    ItemGoal,
    Space,
    State,
    TooHard,
    item_goals,
    models,
)
from backoffice.money import Money

MOST_ITEMS = 20
COUNTRIES = ("GB", "FR", "DE", "US", "ES")
CURRENCIES = ("GBP", "EUR", "USD")


class NoExample(Exception):
    """A value that can't be made up."""


@dataclass
class Made:
    """An event made up: facts and lists as they are stored."""

    facts: dict[str, Any] = field(default_factory=dict)
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)


# --- one value ----------------------------------------------------------------------------------

# Values that people would think of first, and how far beside a bound the next one is.
_USUAL: dict[Kind, Callable[[datetime], list[Any]]] = {
    Kind.WHOLE: lambda now: [1, 0],
    Kind.DURATION: lambda now: [3600, 0],
    Kind.DECIMAL: lambda now: [Decimal(1), Decimal(0)],
    Kind.MONEY: lambda now: [Decimal(100), Decimal(0)],
    Kind.DATE: lambda now: [now.date()],
    Kind.TIME: lambda now: [time(9)],
    Kind.DATETIME: lambda now: [now],
}
_BESIDE: dict[Kind, Any] = {
    Kind.WHOLE: 1,
    Kind.DURATION: 1,
    Kind.DECIMAL: Decimal("0.01"),
    Kind.MONEY: Decimal("0.01"),
    Kind.DATE: timedelta(days=1),
    Kind.DATETIME: timedelta(seconds=1),
}


def _shifted(value: Any, by: Any) -> Any:
    if isinstance(value, time):
        shifted = datetime.combine(date(2000, 1, 2), value) + by
        if shifted.date() != date(2000, 1, 2):
            raise NoExample
        return shifted.time()
    return value + by


def _in(span: Span, kind: Kind, now: datetime) -> Any:
    for usual in _USUAL[kind](now):
        if not span.meet(Span(usual, usual)).is_empty():
            return usual
    step = _BESIDE.get(kind, timedelta(seconds=1))
    bound, is_open, sign = (
        (span.low, span.low_open, 1) if span.low is not None else (span.high, span.high_open, -1)
    )
    found = _shifted(bound, step * sign) if is_open else bound
    if span.meet(Span(found, found)).is_empty():
        raise NoExample
    return found


def _ordered(spans: Spans, kind: Kind, now: datetime) -> Any:
    for span in reversed(spans.parts):
        try:
            return _in(span, kind, now)
        except (NoExample, OverflowError):
            continue
    raise NoExample


def _text(codes: Codes) -> str:
    parts = {op: [needle for known, needle in codes.has if known == op] for op, _ in codes.has}
    start = max(parts.get("starts_with", [""]), key=len)
    end = max(parts.get("ends_with", [""]), key=len)
    middle = " ".join(sorted(parts.get("contains", [])))
    for between in (middle, f" {middle} ", f"{middle}x", f"x{middle}", f"A{middle}1"):
        if codes.holds(found := f"{start}{between}{end}") and found:
            return found
    raise NoExample


def _code(codes: Codes, known: Field) -> Any:
    usual: Sequence[Any] = [stored for stored, _ in known.choices]
    if known.kind is Kind.COUNTRY:
        usual = COUNTRIES
    if known.kind is Kind.BOOL:
        usual = (True, False)
    listed = sorted(codes.listed) if not codes.others else []
    for value in (*[each for each in usual if each in listed], *listed, *usual):
        if codes.holds(value) and (value != "" or known.kind is Kind.TEXT):
            return value
    return _text(codes)


def _money(purses: Purses, now: datetime) -> Money:
    named = sorted(purses.amounts, key=lambda code: (code not in CURRENCIES, code))
    for currency in (*named, *(CURRENCIES if purses.rest else ())):
        spans = purses.of(currency)
        if not spans.is_empty():
            return Money(_ordered(spans, Kind.MONEY, now), currency)
    raise NoExample


def pick(known: Field, region: Region, now: datetime) -> Any:
    """A typed value of a region, None for a value known to be empty; raises NoExample.

    Raises KeyError where the region has no value but one that was never stored.
    """
    values = region.values
    if values is None or values.is_empty():
        if region.null:
            return None
        raise KeyError(known.path)
    if isinstance(values, Tagged):
        if values.filled and not values.must:
            free = [tag for tag in ("a-tag", *(values.only or ())) if tag not in values.without]
            return free[:1] if values.only is None else free[1:2]
        return sorted(values.must)
    if isinstance(values, Purses):
        return _money(values, now)
    return _code(values, known) if isinstance(values, Codes) else _ordered(values, known.kind, now)


# --- the event ----------------------------------------------------------------------------------


class _Maker:
    """Makes up the facts of one catalogue from a state, as one space of it sees them."""

    def __init__(self, state: State, catalogue: Catalogue, now: datetime, space: Space) -> None:
        self.state, self.catalogue, self.now, self.space = state, catalogue, now, space
        self.regions = {
            path: state.regions[var]
            for path in catalogue.fields
            if (var := ("field", space.path(path))) in state.regions
        }
        self.values: dict[str, Any] = {}

    def facts(self) -> dict[str, Any]:
        self._related()
        self._aged()
        for path, region in self.regions.items():
            if path not in self.values:
                try:
                    self.values[path] = pick(self.catalogue.fields[path], region, self.now)
                except KeyError:
                    continue
        found: dict[str, Any] = {}
        for path, value in self.values.items():
            found |= flat_value(self.catalogue.fields[path], value)
        return found

    def _related(self) -> None:
        back = {self.space.path(path): path for path in self.catalogue.fields}
        for var, region in self.state.regions.items():
            if var[0] != "rel" or region.values is None or not {*var[1:]} <= back.keys():
                continue
            if (sides := region.values.listed) < SIDES:
                self._pair(back[var[1]], back[var[2]], sides)

    def _region(self, path: str) -> Region:
        known = self.catalogue.fields[path]
        region = self.regions.get(path, Region(everything(known.kind)))
        if path in self.values and self.values[path] is not None:
            region = region.meet(exactly(known, self.values[path]))
        return region

    def _pair(self, one: str, two: str, sides: Iterable[str]) -> None:
        """Two fields that stand to each other as one of the sides says."""
        fields, side = self.catalogue.fields, min(sides, key=("eq", "gt", "lt").index)
        kind = fields[one].kind
        region = self._region(one).meet(self._region(two))
        if side == "eq":
            self.values[one] = self.values[two] = pick(fields[one], region, self.now)
            return
        self.values[one] = first = pick(fields[one], self._region(one), self.now)
        apart: Any
        if kind in (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.BOOL):
            apart = Codes(frozenset({first}))
        else:
            amount = first.amount if isinstance(first, Money) else first
            span = Span(None, amount, high_open=True) if side == "gt" else Span(amount, None, True)
            apart = Spans((span,))
            if isinstance(first, Money):
                apart = Purses({first.currency: apart})
        self.values[two] = pick(fields[two], self._region(two).meet(Region(apart)), self.now)

    def _aged(self) -> None:
        for path, known in self.catalogue.fields.items():
            region = self.state.regions.get(self.space.var(("age", path)))
            if region is None or region.values is None or known.kind is Kind.TIME:
                continue
            seconds = _ordered(region.values, Kind.DURATION, self.now)
            if known.kind is Kind.DATE and seconds:
                seconds += 86_400 if seconds > 0 else 0
            moment = self.now - timedelta(seconds=int(seconds))
            self.values[path] = moment.date() if known.kind is Kind.DATE else moment

    def lists(self) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {}
        for path in self.catalogue.lists:
            name = self.space.path(path)
            goals = [goal for goal in self.state.items if goal.path == name]
            figures = [var for var in self.state.regions if var[0] in ("count", "sum")]
            mine = [var for var in figures if var[1] == path and self._is_mine(var)]
            if goals or mine:
                found[path] = [*self._items(goals, path), *self._figures(mine, path)]
        return found

    def _is_mine(self, var: tuple[str, ...]) -> bool:
        return self.space.same is None or var[-1].startswith(f"{self.space.name}:")

    def _items(self, goals: Sequence[ItemGoal], path: str) -> list[dict[str, Any]]:
        return [self._item(needed, path) for needed in item_goals(goals)]

    def _item(self, goals: Sequence[Goal], path: str) -> dict[str, Any]:
        inner = Catalogue(self.catalogue.lists[path].items)
        state = next(models(goals, depth=1), None)
        if state is None:
            raise NoExample
        return _Maker(state, inner, self.now, HERE).facts()

    def _figures(self, figures: Sequence[tuple[str, ...]], path: str) -> list[dict[str, Any]]:
        """Items enough for one figure; two figures of one list are not made up."""
        if len(figures) != 1:
            raise NoExample
        shape, _, of, where = figures[0]
        region = self.state.regions[figures[0]]
        if where not in ("", f"{self.space.name}:"):
            raise NoExample
        if shape == "count":
            number = _ordered(region.values, Kind.WHOLE, self.now)
            if not 0 <= number <= MOST_ITEMS:
                raise NoExample
            return [{} for _ in range(number)]
        name, _, currency = of.partition(" ")
        known = self.catalogue.lists[path].items[name]
        value = _ordered(region.values, known.kind, self.now)
        return [flat_value(known, Money(value, currency) if currency else value)]


def exactly(known: Field, value: Any) -> Region:
    """The region of just one typed value."""
    if known.kind is Kind.MONEY:
        return Region(Purses({value.currency: Spans((Span(value.amount, value.amount),))}))
    if known.kind is Kind.TAGS:
        return Region(Tagged(must=frozenset(value), only=frozenset(value)))
    if known.kind in (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.BOOL):
        return Region(Codes(frozenset({value}), False))
    return Region(Spans((Span(value, value),)))


def made_from(
    state: State, catalogue: Catalogue, now: datetime | None = None, space: Space = HERE
) -> Made | None:
    """An event that should fit a state, as a space of it sees it; None when none can be made up."""
    maker = _Maker(state, catalogue, now or datetime.now(UTC), space)
    try:
        return Made(maker.facts(), maker.lists())
    except (NoExample, TooHard, OverflowError, KeyError):
        return None


T = TypeVar("T")


def first_that(
    goals: Sequence[Goal], fits: Callable[[State], T | None], start: Alternative | None = None
) -> T | None:
    """What the first of a few models gives that `fits` takes; None where none does."""
    try:
        for state in islice(models(goals, start), 6):
            if (found := fits(state)) is not None:
                return found
    except TooHard:
        return None
    return None
