"""Values: read from stored facts (wrong is None, never a guess) and from documents (wrong is said).

Stored forms are canonical, so that text order is time order in PostgreSQL as well as here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

from automations.conditions.fields import Field, Kind
from backoffice.amounts import read_amount, read_number
from backoffice.money import Money

# Far beyond any amount, and short of what would print for minutes.
_WIDEST = 30
_DURATION = re.compile(
    r"P(?:(?P<weeks>\d{1,5})W|(?:(?P<days>\d{1,6})D)?"
    r"(?:T(?=\d)(?:(?P<hours>\d{1,7})H)?(?:(?P<minutes>\d{1,8})M)?(?:(?P<seconds>\d{1,10})S)?)?)",
    re.ASCII,
)
_DECIMAL = re.compile(r"-?\d{1,15}(?:\.\d{1,10})?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}", re.ASCII)


# One event's amount is read by every rule of its trigger.
@lru_cache(maxsize=8192)
def _number(raw: str) -> Decimal | None:
    try:
        value = Decimal(raw)
    except InvalidOperation:
        return None
    return value if value.is_finite() and -_WIDEST < value.adjusted() < _WIDEST else None


def number(raw: object) -> Decimal | None:
    """A stored decimal or amount; None for anything that is not an ordinary number."""
    if type(raw) is str:
        return _number(raw)
    if type(raw) is int and -(10**_WIDEST) < raw < 10**_WIDEST:
        return Decimal(raw)
    return None


def whole(raw: object) -> int | None:
    return raw if type(raw) is int else None


def flag(raw: object) -> bool | None:
    return raw if type(raw) is bool else None


def text(raw: object) -> str | None:
    return raw if type(raw) is str else None


def code(raw: object) -> str | None:
    """A country or a choice: an empty one is no value."""
    return raw if type(raw) is str and raw else None


@lru_cache(maxsize=8192)
def _instant(raw: str) -> datetime | None:
    if len(raw) != 27 or (raw[7], raw[10], raw[19], raw[26]) != ("-", "T", ".", "Z"):
        return None
    try:
        return datetime.fromisoformat(raw)
    except ValueError:
        return None


def instant(raw: object) -> datetime | None:
    """A stored point in time, in its canonical form only."""
    return _instant(raw) if type(raw) is str else None


def day(raw: object) -> date | None:
    if type(raw) is not str or len(raw) != 10 or raw[7] != "-":
        return None
    try:
        return date.fromisoformat(raw)
    except ValueError:
        return None


def clock(raw: object) -> time | None:
    if type(raw) is not str or len(raw) != 8 or raw[2] != ":" or raw[5] != ":":
        return None
    try:
        return time.fromisoformat(raw)
    except ValueError:
        return None


def tags(raw: object) -> list[str] | None:
    if type(raw) is not list:
        return None
    for tag in raw:
        if type(tag) is not str:
            return None
    return raw


# Every kind but money, which needs two keys.
READ: dict[Kind, Callable[[object], Any]] = {
    Kind.TEXT: text,
    Kind.CHOICE: code,
    Kind.BOOL: flag,
    Kind.WHOLE: whole,
    Kind.DECIMAL: number,
    Kind.DATE: day,
    Kind.TIME: clock,
    Kind.DATETIME: instant,
    Kind.DURATION: whole,
    Kind.COUNTRY: code,
    Kind.TAGS: tags,
}


def read(field: Field, facts: Any) -> Any:
    """A field's typed value from stored facts; None when it is missing or of another type.

    Money comes as Money, a duration as whole seconds, tags as a list.
    """
    if field.kind is not Kind.MONEY:
        return READ[field.kind](facts.get(field.key))
    amount_key, currency_key = field.keys
    amount, currency = number(facts.get(amount_key)), facts.get(currency_key)
    if amount is None or type(currency) is not str or not _CURRENCY.fullmatch(currency):
        return None
    return Money(amount, currency)


def stored_instant(value: datetime) -> str:
    """The canonical stored form of an aware datetime."""
    if value.tzinfo is not UTC:
        value = value.astimezone(UTC)
    return f"{value.isoformat(timespec='microseconds')[:-6]}Z"


def parse_duration(raw: object) -> timedelta:
    """Read an ISO 8601 duration of weeks, days, hours, minutes and seconds.

    Months and years have no fixed length. Raises ValueError with a sentence for people.
    """
    found = _DURATION.fullmatch(raw) if isinstance(raw, str) else None
    written = found.groupdict().items() if found else ()
    parts = {name: int(digits) for name, digits in written if digits}
    if not parts:
        raise ValueError("A duration is written like P2D (two days) or PT30M (thirty minutes).")
    length = timedelta(**parts)
    if length > timedelta(days=36525):
        raise ValueError("A duration is at most a hundred years.")
    return length


def _plain(kind: type, sentence: str) -> Callable[[object], Any]:
    def parse(raw: object) -> Any:
        if type(raw) is not kind:
            raise ValueError(sentence)
        return raw

    return parse


def _why_no_number(raw: object) -> str:
    if isinstance(raw, str):
        try:
            read_number(raw)
        except ValueError as error:
            return str(error)
    return 'A decimal number is written as text, like "12.5".'


def parse_decimal(raw: object) -> Decimal:
    if type(raw) is int and abs(raw) < 10**15:
        return Decimal(raw)
    if not isinstance(raw, str) or not _DECIMAL.fullmatch(raw):
        raise ValueError(_why_no_number(raw))
    return Decimal(raw)


def _whole(raw: object) -> int:
    if type(raw) is not int or abs(raw) >= 10**15:
        raise ValueError("A whole number is needed, such as 3.")
    return raw


def _why_no_amount(amount: str, currency: str) -> str:
    """What to write instead, for whoever typed it in a form."""
    if not _CURRENCY.fullmatch(currency):
        return "An amount needs its currency in three letters, such as 12.50 GBP."
    if not amount.strip():
        return "Write an amount, such as 12.50."
    try:
        read_amount(amount, currency)
    except ValueError as error:
        return str(error)
    return f"“{amount[:40]}” is no amount. Write it like 1234.50."


def _doubt(typed: str) -> str:
    """Why an amount that stayed as it was typed is none; empty where only its form is another."""
    amount, _, currency = typed.rpartition(" ")
    try:
        read_amount(amount, currency)
    except ValueError:
        return _why_no_amount(amount, currency)
    return ""


def _money(raw: object) -> Money:
    match raw:
        case {"amount": str(amount), "currency": str(currency), **rest} if not rest:
            if _DECIMAL.fullmatch(amount) and _CURRENCY.fullmatch(currency):
                return Money(Decimal(amount), currency)
            raise ValueError(_why_no_amount(amount, currency))
        case str(typed) if why := _doubt(typed):
            raise ValueError(why)
    raise ValueError('Money is written {"amount": "12.50", "currency": "GBP"}.')


def _from_iso(kind: Any, sentence: str) -> Callable[[object], Any]:
    def parse(raw: object) -> Any:
        try:
            return kind.fromisoformat(raw)
        except (TypeError, ValueError) as error:
            raise ValueError(sentence) from error

    return parse


def _datetime(raw: object) -> datetime:
    sentence = "A point in time is written with its offset, like 2026-11-18T09:00:00+00:00."
    value: datetime = _from_iso(datetime, sentence)(raw)
    if value.tzinfo is None:
        raise ValueError(sentence)
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError(sentence) from error


def _time(raw: object) -> time:
    sentence = "A time of day is written like 16:30."
    value: time = _from_iso(time, sentence)(raw)
    if value.tzinfo is not None or value.microsecond:
        raise ValueError(sentence)
    return value


def _country(raw: object) -> str:
    if not isinstance(raw, str) or not re.fullmatch(r"[A-Z]{2}", raw, re.ASCII):
        raise ValueError("A country is a code of two letters, such as GB.")
    return raw


def _seconds(raw: object) -> int:
    return int(parse_duration(raw).total_seconds())


def _tag(raw: object) -> str:
    if not isinstance(raw, str) or not raw:
        raise ValueError("A tag is a short text.")
    return raw


# From a document's JSON to the typed value; each raises ValueError with a sentence for people.
PARSE: dict[Kind, Callable[[object], Any]] = {
    Kind.TEXT: _plain(str, "A text is needed."),
    Kind.CHOICE: _plain(str, "One of the choices is needed."),
    Kind.BOOL: _plain(bool, "Yes or no is needed (true or false)."),
    Kind.WHOLE: _whole,
    Kind.DECIMAL: parse_decimal,
    Kind.MONEY: _money,
    Kind.DATE: _from_iso(date, "A date is written like 2026-11-18."),
    Kind.TIME: _time,
    Kind.DATETIME: _datetime,
    Kind.DURATION: _seconds,
    Kind.COUNTRY: _country,
    Kind.TAGS: _tag,
}


def parse(field: Field, raw: object) -> Any:
    """A document's value for this field; raises ValueError with a sentence for people."""
    value = PARSE[field.kind](raw)
    if field.kind is Kind.CHOICE and field.choices and value not in dict(field.choices):
        words = ", ".join(stored for stored, _ in field.choices)
        raise ValueError(f"{value!r} is no choice here; there are {words}.")
    return value
