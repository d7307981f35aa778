"""A source's mapping: where each field of a report stands in a body, and what its codes mean.

Nothing is guessed: a value that no line of the mapping names, money without its currency or a time
without its zone is a problem, and the delivery waits for a person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_currency_precision

from automations.catalogue import catalogue_of
from automations.conditions.fields import Field, Kind
from automations.connectors.redaction import pick_parts
from automations.intake.reading import NULL
from automations.triggers import Country, Feed, Tags
from backoffice.money import BEYOND, Money

# What the engine fills itself.
OWN = ("source", "topic")
LONGEST_TEXT = 200
MOST_VALUES = 200
PATH = re.compile(r"[A-Za-z0-9_\-]{1,60}(\.[A-Za-z0-9_\-]{1,60}){0,9}", re.ASCII)
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)


class Unmapped(Exception):
    """A value that can't be read; `cause` groups like ones, and neither holds personal data."""

    def __init__(self, says: str, cause: str, *, value: bool = False) -> None:
        super().__init__(says)
        self.cause = cause
        # Whether it is the mapping that lacks a line, rather than the body a value.
        self.lacks_value = value


class Unusable(Exception):
    """A mapping that does not fit its feed; `errors` are sentences by field."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(errors.values()))
        self.errors = dict(errors)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a mapping: a path in the body (`at`), or a constant (`is_`).

    `values` translate what the sender writes; when there are any, all others are unmapped. `minor`:
    an amount is in the currency's smallest unit.
    """

    at: str = ""
    is_: str = ""
    values: Mapping[str, str] | None = None
    minor: bool = False

    def getter(self) -> Callable[[Any], Any]:
        """What finds the value in a body; None where there is none."""
        if self.is_:
            always = self.is_
            return lambda content: always
        parts = self.at.split(".")
        return lambda content: pick_parts(content, parts)


def fields_of(feed: Feed) -> list[Field]:
    """The fields of a feed's report that a mapping fills."""
    return [known for known in catalogue_of(feed.report_class) if known.path not in OWN]


def slots_of(field: Field) -> tuple[str, ...]:
    """What a field needs a line each for: money its amount and its currency."""
    return field.keys


def read_line(given: Any) -> Line:
    """A stored line."""
    kept = given if isinstance(given, dict) else {}
    values = kept.get("values") or None
    return Line(
        str(kept.get("at", "")), str(kept.get("is", "")), values, bool(kept.get("minor", False))
    )


class Reader:
    """A mapping, ready to read bodies; raises Unusable where it does not fit the feed."""

    def __init__(self, feed: Feed, mapping: Mapping[str, Any]) -> None:
        self.feed = feed
        self.fields = fields_of(feed)
        self.lines = {
            slot: read_line(mapping[slot])
            for field in self.fields
            for slot in slots_of(field)
            if slot in mapping
        }
        if errors := dict(_problems(self.fields, self.lines)):
            raise Unusable(errors)

        # Bodies come in thousands: what can be known of the lines is found out once.
        self._plan = [(field.path, self._way(field)) for field in self.fields]

    def read(self, content: Any, source: str, topic: str) -> Any:
        """A report of the feed's class; raises Unmapped."""
        told: dict[str, Any] = {"source": source, "topic": topic}
        for path, way in self._plan:
            told[path] = way(content)
        return self.feed.report_class(**told)

    def _way(self, field: Field) -> Callable[[Any], Any]:
        """How one field is read from a body."""
        lines = [self.lines.get(slot) for slot in slots_of(field)]
        first = lines[0]
        if first is None:
            return lambda content: _absent(field, None)
        if field.kind is Kind.MONEY:
            return _money_way(field, first, lines[1])
        raw_of, reading, line = first.getter(), _READ[field.kind], first

        def way(content: Any) -> Any:
            raw = raw_of(content)
            if raw is None or raw == "":
                return _absent(field, line)
            return reading(field, _translated(field, line, raw) if line.values else raw)

        return way


def _money_way(field: Field, amount: Line, currency: Line | None) -> Callable[[Any], Any]:
    amount_of = amount.getter()
    currency_of = currency.getter() if currency is not None else _nothing

    def way(content: Any) -> Any:
        raw = amount_of(content)
        if raw is None or raw == "":
            return _absent(field, amount)
        value = _translated(field, amount, raw)
        return _money(field, amount, value, _translated(field, currency, currency_of(content)))

    return way


def _nothing(content: Any) -> None:
    return None


def _absent(field: Field, line: Line | None) -> Any:
    if field.optional:
        return None
    where = f" at “{line.at}”" if line and line.at else ""
    raise Unmapped(f"{field.label} is missing{where}.", f"{field.label} is missing")


def _problems(fields: list[Field], lines: Mapping[str, Line]) -> Any:
    for field in fields:
        slots = slots_of(field)
        named = [slot for slot in slots if slot in lines]
        if not named and not field.optional:
            yield slots[0], f"Say where {field.label.lower()} stands."
        elif named and len(named) < len(slots):
            missing = next(slot for slot in slots if slot not in lines)
            yield missing, "An amount needs its currency, and a currency its amount."
        for slot in named:
            if said := _problem(field, slot, lines[slot]):
                yield slot, said


def _problem(field: Field, slot: str, line: Line) -> str:
    if bool(line.at) == bool(line.is_):
        return "Say where it stands, or what it always is."
    if line.at and not PATH.fullmatch(line.at):
        return "A path is names and numbers with dots between: data.0.status."
    values = line.values or {}
    if len(values) > MOST_VALUES:
        return f"At most {MOST_VALUES} values can be told apart."
    known = {stored for stored, _ in field.choices}
    told = [*values.values(), *([line.is_] if line.is_ and not values else [])]
    wrong = [value for value in told if known and value not in known]
    if wrong:
        return f"“{wrong[0]}” is none of {', '.join(sorted(known))}."
    return ""


def _translated(field: Field, line: Line | None, raw: Any) -> Any:
    if line is None or not line.values or raw is None:
        return raw
    spelled = _spelled(raw)
    if spelled not in line.values:
        shown = _shown(spelled)
        raise Unmapped(
            f"Nobody said what “{shown}” means for {field.label.lower()}.",
            f"“{shown}” is not mapped for {field.label.lower()}",
            value=True,
        )
    return line.values[spelled]


def _spelled(raw: Any) -> str:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return str(raw) if isinstance(raw, str | int | Decimal) else ""


def _shown(text: str) -> str:
    """A code in a sentence; what looks like more than a code is told by its length."""
    short = len(text) <= 40 and all(sign.isalnum() or sign in "._-/: " for sign in text)
    return text if short and "@" not in text else f"text of {len(text)}"


def _wrong(field: Field, wanted: str) -> Unmapped:
    return Unmapped(f"{field.label} is no {wanted}.", f"{field.label} is no {wanted}")


def _text(field: Field, raw: Any) -> str:
    if isinstance(raw, bool) or not isinstance(raw, str | int):
        raise _wrong(field, "text")
    text = str(raw).strip()
    if len(text) > LONGEST_TEXT or NULL in text:
        raise _wrong(field, f"text of at most {LONGEST_TEXT} characters")
    return text


def _choice(field: Field, raw: Any) -> str:
    text = _text(field, raw)
    if text not in {stored for stored, _ in field.choices}:
        shown = _shown(text)
        raise Unmapped(
            f"Nobody said what “{shown}” means for {field.label.lower()}.",
            f"“{shown}” is not mapped for {field.label.lower()}",
            value=True,
        )
    return text


def _flag(field: Field, raw: Any) -> bool:
    if raw in ("true", "false"):
        return bool(raw == "true")
    if not isinstance(raw, bool):
        raise _wrong(field, "yes or no")
    return raw


def _whole(field: Field, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, str | int) or not _WHOLE.fullmatch(str(raw)):
        raise _wrong(field, "whole number")
    return int(raw)


def _decimal(field: Field, raw: Any) -> Decimal:
    try:
        value = None if isinstance(raw, bool | dict | list) else Decimal(str(raw))
    except InvalidOperation:
        value = None
    if value is None or not value.is_finite() or abs(value) >= BEYOND:
        raise _wrong(field, "number")
    return value


@cache
def _currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


def _money(field: Field, line: Line, amount: Any, currency: Any) -> Money:
    code = currency.upper() if isinstance(currency, str) else ""
    if code not in _currencies():
        raise _wrong(field, "amount in a known currency")
    value = _decimal(field, amount)
    return Money(value.scaleb(-get_currency_precision(code)) if line.minor else value, code)


def _instant(field: Field, raw: Any) -> datetime:
    """ISO 8601 with a zone, or seconds since 1970."""
    try:
        if isinstance(raw, int) and not isinstance(raw, bool):
            return datetime.fromtimestamp(raw, UTC)
        at = datetime.fromisoformat(raw) if isinstance(raw, str) else None
    except (ValueError, OverflowError, OSError):
        at = None
    if at is None or at.tzinfo is None:
        raise _wrong(field, "time with its zone")
    return at.astimezone(UTC)


def _day(field: Field, raw: Any) -> date:
    try:
        return date.fromisoformat(raw if isinstance(raw, str) else "")
    except ValueError:
        raise _wrong(field, "date") from None


def _country(field: Field, raw: Any) -> Country:
    if not isinstance(raw, str) or not _COUNTRY.fullmatch(raw.upper()):
        raise _wrong(field, "country of two letters")
    return Country(raw.upper())


def _tags(field: Field, raw: Any) -> Tags:
    found = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(found, list) or not all(isinstance(tag, str) for tag in found):
        raise _wrong(field, "list of tags")
    return Tags(tuple(sorted({_text(field, tag) for tag in found if tag.strip()})))


_READ: Mapping[Kind, Callable[[Field, Any], Any]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _choice,
    Kind.BOOL: _flag,
    Kind.WHOLE: _whole,
    Kind.DECIMAL: _decimal,
    Kind.DATETIME: _instant,
    Kind.DATE: _day,
    Kind.COUNTRY: _country,
    Kind.TAGS: _tags,
}
