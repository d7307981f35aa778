"""Typed values as people read them: £640.00, 18 Nov 2026 09:00, United Kingdom, 2 days."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from babel import Locale

from automations.conditions.fields import Facts, Field, Kind
from automations.conditions.values import read

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


@lru_cache(maxsize=1)
def _countries() -> dict[str, str]:
    return dict(Locale("en", "GB").territories)


def country(code: str) -> str:
    return _countries().get(code, code)


def span(seconds: int) -> str:
    """A length of time in its largest units: `2 days`, `1 hour 30 minutes`; 0 is `0 seconds`."""
    words: list[str] = []
    rest = abs(seconds)
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            words.append(f"{count:,} {name}{'' if count == 1 else 's'}")
    return " ".join(words) or "0 seconds"


def ago(seconds: int) -> str:
    """How far a moment lies back, in its two largest units; the future is `in …`."""
    words = " ".join(span(seconds).split()[:4]) if seconds else "now"
    if not seconds:
        return words
    return f"{words} ago" if seconds > 0 else f"in {words}"


def _number(value: Decimal | int) -> str:
    return f"{value:,f}" if isinstance(value, Decimal) else f"{value:,}"


def _moment(value: datetime) -> str:
    shown = value.astimezone(UTC)
    return f"{shown.day} {shown:%b} {shown.year:04d} {shown:%H:%M} UTC"


def _day(value: date) -> str:
    return f"{value.day} {value:%b} {value.year:04d}"


def _time(value: time) -> str:
    return f"{value:%H:%M:%S}" if value.second else f"{value:%H:%M}"


def listed(words: Sequence[str], last: str = "and") -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def quoted(value: str) -> str:
    return f"“{value}”"


def _choice(field: Field, value: str) -> str:
    return str(dict(field.choices).get(value, value))


def _tags(value: str | Sequence[str]) -> str:
    if isinstance(value, str):
        return quoted(value)
    return ", ".join(quoted(tag) for tag in value) if value else "none"


_SHOWN: dict[Kind, Callable[[Any], str]] = {
    Kind.TEXT: quoted,
    Kind.BOOL: lambda value: "yes" if value else "no",
    Kind.WHOLE: _number,
    Kind.DECIMAL: _number,
    Kind.MONEY: str,
    Kind.DATE: _day,
    Kind.TIME: _time,
    Kind.DATETIME: _moment,
    Kind.DURATION: lambda value: ("−" if value < 0 else "") + span(value),
    Kind.COUNTRY: country,
    Kind.TAGS: _tags,
}


def shown(field: Field, value: Any) -> str:
    """A typed value of a field; a choice in its words, text and tags in quotation marks."""
    if field.kind is Kind.CHOICE:
        return _choice(field, value)
    return _SHOWN[field.kind](value)


def seen(field: Field, facts: Facts) -> str:
    """What an event holds of a field, `not stored`, `empty` or what it is instead."""
    key = field.keys[0]
    if key not in facts:
        return "not stored"
    if facts[key] is None or facts[key] == "":
        return "empty"
    value = read(field, facts)
    return "not readable" if value is None else shown(field, value)
