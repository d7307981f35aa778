"""Filters of a list: readable parameters in, a condition and removable chips out.

`?status=open&status=held&total=gte:500&placed=gte:2026-11-01&age=gte:10m`. A filter never guesses:
a value it does not understand raises FilterError with a sentence, and the list says so.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import reduce
from operator import or_
from typing import ClassVar

from django.db.models import Q
from django.utils import timezone

from backoffice import ui
from backoffice.amounts import read_amount, read_number
from backoffice.versions import whole


class FilterError(ValueError):
    """A value in the address that a filter does not understand."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One active condition in words, and the values that remain when it is removed."""

    text: str
    rest: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Filter(ABC):
    """One filter: `key` is its parameter. `pinned` gives it a button of its own beside the search.

    `template` is its form.
    """

    template: ClassVar[str]
    key: str
    label: str
    pinned: bool = False

    @abstractmethod
    def condition(self, values: Sequence[str]) -> Q:
        """The condition for these values (at least one); raises FilterError."""

    @abstractmethod
    def words(self, value: str) -> str:
        """One value in words."""

    def chips(self, values: Sequence[str]) -> list[Chip]:
        return [
            Chip(
                f"{self.label}: {self.words(value)}",
                tuple(other for other in values if other != value),
            )
            for value in values
        ]

    def summary(self, values: Sequence[str]) -> str:
        """What a pinned button says: `any`, one value, or how many."""
        if not values:
            return "any"
        return self.words(values[0]) if len(values) == 1 else f"{len(values)} chosen"


Options = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Choice(Filter):
    """Some of a few options. `field` is compared with the value unless `where` has its condition.

    `options` is a list of (value, words), or a function that reads them at use.
    """

    template: ClassVar[str] = "workbench/filters/choice.html"
    options: Options | Callable[[], Options]
    field: str = ""
    where: Mapping[str, Q] | None = None
    multiple: bool = True

    @property
    def choices(self) -> Options:
        return self.options() if callable(self.options) else self.options

    def condition(self, values: Sequence[str]) -> Q:
        known = dict(self.choices)
        for value in values:
            if value not in known:
                raise FilterError(f"{self.label} has no “{value}”.")
        if self.where is not None:
            return reduce(or_, (self.where[value] for value in values))
        return Q(**{f"{self.field or self.key}__in": list(values)})

    def words(self, value: str) -> str:
        return dict(self.choices).get(value, value)


def yes_no(key: str, label: str, yes: Q, *, pinned: bool = False) -> Choice:
    """A filter with two answers; `no` is the opposite condition."""
    return Choice(
        key=key,
        label=label,
        options=(("yes", "yes"), ("no", "no")),
        where={"yes": yes, "no": ~yes},
        multiple=False,
        pinned=pinned,
    )


@dataclass(frozen=True, kw_only=True)
class Text(Filter):
    """Words in a field. `lookup` is a Django lookup such as `icontains` or `istartswith`."""

    template: ClassVar[str] = "workbench/filters/text.html"
    field: str = ""
    lookup: str = "icontains"

    def condition(self, values: Sequence[str]) -> Q:
        name = f"{self.field or self.key}__{self.lookup}"
        return reduce(or_, (Q(**{name: value}) for value in values))

    def words(self, value: str) -> str:
        return f"“{value}”"


@dataclass(frozen=True, kw_only=True)
class Key(Text):
    """A record's own key, exactly."""

    lookup: str = "exact"

    def condition(self, values: Sequence[str]) -> Q:
        for value in values:
            if whole(value) is None:
                raise FilterError(f"{self.label} is a number, not “{value}”.")
        return super().condition(values)


_SIGNS = {"gte": "≥", "lte": "≤", "gt": ">", "lt": "<", "eq": "="}


@dataclass(frozen=True, kw_only=True)
class Range(Filter):
    """Bounds on a field, written `gte:500`; several values must all hold."""

    template: ClassVar[str] = "workbench/filters/range.html"
    input_type: ClassVar[str] = "text"
    input_mode: ClassVar[str] = "text"
    field: str = ""

    @abstractmethod
    def read(self, text: str) -> object:
        """The bound; raises ValueError."""

    def bounds(self, values: Sequence[str]) -> list[tuple[str, str]]:
        found = []
        for value in values:
            sign, colon, text = value.partition(":")
            found.append((sign, text) if colon and sign in _SIGNS else ("eq", value))
        return found

    def condition(self, values: Sequence[str]) -> Q:
        result = Q()
        for sign, text in self.bounds(values):
            try:
                result &= self.compare(sign, self.read(text.strip()))
            except (ValueError, ArithmeticError) as error:
                said = self.refused(text, error)
                raise FilterError(said) from error
        return result

    def refused(self, text: str, error: Exception) -> str:
        """What to tell whoever typed a bound that can't be read."""
        if self.input_mode == "decimal":
            return f"{self.label}: {error}"
        return f"{self.label} can't be “{text}”."

    def shown(self, text: str) -> str:
        """A bound as the form's field shows it."""
        return text

    def compare(self, sign: str, bound: object) -> Q:
        name = self.field or self.key
        return Q(**{name if sign == "eq" else f"{name}__{sign}": bound})

    def words(self, value: str) -> str:
        ((sign, text),) = self.bounds([value])
        return f"{_SIGNS[sign]} {text}"

    def chips(self, values: Sequence[str]) -> list[Chip]:
        return [
            Chip(
                f"{self.label} {self.words(value)}",
                tuple(other for other in values if other != value),
            )
            for value in values
        ]


@dataclass(frozen=True, kw_only=True)
class Number(Range):
    """Bounds on a number."""

    input_mode: ClassVar[str] = "decimal"

    def read(self, text: str) -> object:
        return _finite(read_number(text))


@dataclass(frozen=True, kw_only=True)
class Amount(Range):
    """Bounds on an amount of money; amounts of other currencies than `currency` don't count.

    `currency` None compares amounts as they stand: only for lists of one currency.
    """

    input_mode: ClassVar[str] = "decimal"
    currency: str | None = None
    currency_field: str = "currency"

    def read(self, text: str) -> object:
        return _finite(read_amount(text, self.currency or ""))

    def compare(self, sign: str, bound: object) -> Q:
        same = Q(**{self.currency_field: self.currency}) if self.currency else Q()
        return super().compare(sign, bound) & same

    def words(self, value: str) -> str:
        return f"{super().words(value)} {self.currency or ''}".rstrip()


_DAY_SIGNS = {"gte": "from", "lte": "until"}


@dataclass(frozen=True, kw_only=True)
class Day(Range):
    """Bounds on a moment, by whole days of the viewer's zone; `last:7d` counts back from today."""

    input_type: ClassVar[str] = "date"

    def bounds(self, values: Sequence[str]) -> list[tuple[str, str]]:
        found = []
        for value in values:
            if match := re.fullmatch(r"last:(\d{1,4})d", value):
                start = timezone.localdate() - timedelta(days=int(match[1]) - 1)
                found.append(("gte", start.isoformat()))
            else:
                found += super().bounds([value])
        return found

    def read(self, text: str) -> object:
        return date.fromisoformat(text)

    def compare(self, sign: str, bound: object) -> Q:
        assert isinstance(bound, date)  # noqa: S101 (what `read` returns)
        name = self.field or self.key
        start = _midnight(bound)
        end = _midnight(bound + timedelta(days=1))
        match sign:
            case "gte":
                return Q(**{f"{name}__gte": start})
            case "lt":
                return Q(**{f"{name}__lt": start})
            case "gt":
                return Q(**{f"{name}__gte": end})
            case "lte":
                return Q(**{f"{name}__lt": end})
        return Q(**{f"{name}__gte": start, f"{name}__lt": end})

    def words(self, value: str) -> str:
        if match := re.fullmatch(r"last:(\d{1,4})d", value):
            return "today" if match[1] == "1" else f"in the last {match[1]} days"
        ((sign, text),) = self.bounds([value])
        try:
            shown = ui.short_day(date.fromisoformat(text))
        except ValueError:
            shown = text
        return f"{_DAY_SIGNS.get(sign, _SIGNS[sign])} {shown}"


@dataclass(frozen=True, kw_only=True)
class Moment(Range):
    """Bounds on a moment to the microsecond: `gte:2026-11-28T14:00Z`; without Z the viewer's zone.

    For links to exactly the rows that a figure counts.
    """

    input_type: ClassVar[str] = "datetime-local"

    def read(self, text: str) -> datetime:
        found = datetime.fromisoformat(text)
        return timezone.make_aware(found) if timezone.is_naive(found) else found

    def shown(self, text: str) -> str:
        try:
            return timezone.localtime(self.read(text)).strftime("%Y-%m-%dT%H:%M:%S")
        except ValueError:
            return ""

    def words(self, value: str) -> str:
        ((sign, text),) = self.bounds([value])
        try:
            local = timezone.localtime(self.read(text))
        except ValueError:
            return text
        seconds = f":{local:%S}" if local.second else ""
        return f"{_DAY_SIGNS.get(sign, _SIGNS[sign])} {ui.short_day(local)}, {local:%H:%M}{seconds}"


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True, kw_only=True)
class Age(Range):
    """How long ago a moment was: `gte:10m` is at least ten minutes ago (m, h, d)."""

    def read(self, text: str) -> object:
        match = re.fullmatch(r"(\d{1,5})([mhd])", text)
        if match is None:
            raise ValueError(text)
        return timezone.now() - timedelta(**{_UNITS[match[2]]: int(match[1])})

    def compare(self, sign: str, bound: object) -> Q:
        turned = {"gte": "lte", "gt": "lt", "lte": "gte", "lt": "gt", "eq": "lte"}
        return super().compare(turned[sign], bound)


def _finite(number: Decimal) -> Decimal:
    if abs(number) >= Decimal("1e15"):
        raise ValueError("That is more than any amount there is.")
    return number


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time.min, timezone.get_current_timezone())
