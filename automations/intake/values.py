"""Values of a message as the kinds of fields that a report has: read strictly, or not at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from babel.core import get_global
from babel.numbers import get_currency_precision

from automations.conditions.fields import Field, Kind
from automations.intake.reading import NULL
from automations.triggers import Country, Tags
from backoffice.money import BEYOND, Money

LONGEST_TEXT = 200
# The last whole number before: what is kept of an amount is rounded to four places.
LARGEST = BEYOND - 1
# Senders that count in binary fractions tell 59.980000000000004; nobody means 1e-3000000.
FINEST = -30
_COUNTRY = re.compile(r"[A-Z]{2}", re.ASCII)
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)


class Unmapped(Exception):
    """A value that can't be read; `cause` groups like ones, and neither holds personal data."""

    def __init__(self, says: str, cause: str, *, value: bool = False) -> None:
        super().__init__(says)
        self.cause = cause
        # Whether it is the mapping that lacks a line, rather than the body a value.
        self.lacks_value = value


def translated(field: Field, values: Mapping[str, str] | None, raw: Any) -> Any:
    """What a sender's code means, where there is a list of meanings; raises Unmapped."""
    if not values or raw is None:
        return raw
    spelled = _spelled(raw)
    if spelled not in values:
        shown = _shown(spelled)
        raise Unmapped(
            f"Nobody said what “{shown}” means for {field.label.lower()}.",
            f"“{shown}” is not mapped for {field.label.lower()}",
            value=True,
        )
    return values[spelled]


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
        says = f"{field.label} is neither yes nor no"
        raise Unmapped(f"{says}.", says)
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
    if value is None or not value.is_finite() or abs(value) > LARGEST or _too_fine(value):
        raise _wrong(field, "number")
    return value


def _too_fine(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return not isinstance(exponent, int) or exponent < FINEST


@cache
def _currencies() -> frozenset[str]:
    return frozenset(get_global("all_currencies"))


def money(field: Field, amount: Any, currency: Any, *, minor: bool) -> Money:
    """An amount in a known currency; raises Unmapped."""
    code = currency.upper() if isinstance(currency, str) else ""
    if code not in _currencies():
        raise _wrong(field, "amount in a known currency")
    value = _decimal(field, amount)
    return Money(value.scaleb(-get_currency_precision(code)) if minor else value, code)


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


READ: Mapping[Kind, Callable[[Field, Any], Any]] = {
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
