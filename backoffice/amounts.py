"""Numbers as people type them: understood without doubt, or refused with what to write.

`12.50`, `12,50`, `1,234.50`, `1.234,50`, `1 234,50` and `£12.50` are amounts; `1.234` may be two of
them, so nobody's order is refunded the other one.
"""

from __future__ import annotations

import re
from decimal import Decimal

from babel.numbers import get_currency_precision

# Longer than any amount a column holds; more would only be slow to read.
_LONGEST = 40
_SHAPE = re.compile(r"(?P<sign>[-+]?)(?P<body>\d[\d., '’]*|[.,]\d+)", re.ASCII)
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:(?P<mark>[., '’])\d{3})(?:(?P=mark)\d{3})*", re.ASCII)
_SIGNS = {"£": ("GBP",), "€": ("EUR",), "¥": ("JPY", "CNY"), "$": ()}
_DOLLARS = frozenset({"USD", "AUD", "CAD", "NZD", "HKD", "SGD", "MXN", "BRL"})


def _bare(text: str, currency: str) -> str:
    """The number without the currency beside it; raises ValueError where that is another one."""
    named = re.fullmatch(r"([A-Z]{3})?\s*(.*?)\s*([A-Z]{3})?", text, re.DOTALL)
    said, number, after = named.groups() if named else (None, text, None)
    if (said or after) and not (said and after):
        if currency and (said or after) != currency:
            raise ValueError(f"The amount says {said or after}, and its currency is {currency}.")
        text = number
    for sign, codes in _SIGNS.items():
        if sign not in text:
            continue
        if currency and currency not in (codes or _DOLLARS):
            raise ValueError(f"The amount says {sign}, and its currency is {currency}.")
        # -£5, £-5 and 5 € alike, but a sign between digits is no number.
        return re.sub(
            rf"^([-+]?)\s*{re.escape(sign)}\s*|\s*{re.escape(sign)}$", r"\1", text, count=1
        )
    return text


def _no_number(text: str) -> ValueError:
    return ValueError(f"“{text[:_LONGEST]}” is no number. Write it like 1234.50.")


def _two_readings(text: str, body: str, digits: int | None) -> ValueError:
    whole, part = re.split("[.,]", body)
    small = f"{part}0" if digits is None or digits > 2 else part[:digits]
    other = f", or {whole}.{small}" if small else ""
    return ValueError(f"“{text[:_LONGEST]}” can be read in two ways. Write {whole}{part}{other}.")


def _plain(text: str, body: str, digits: int | None) -> str:
    """Digits with a point before the part, or none; raises ValueError where it is in doubt."""
    marks = [mark for mark in body if mark in ".,"]
    last = marks[-1] if marks else ""
    if len(set(marks)) == 2 and marks.count(last) == 1:
        whole, _, part = body.rpartition(last)
        if _GROUPED.fullmatch(whole) and part.isdecimal():
            return f"{re.sub(r'[^0-9]', '', whole)}.{part}"
        raise _no_number(text)
    if _GROUPED.fullmatch(body):
        if len(marks) == 1 and (last == "." or _has_thousandths(digits)):
            if last == "." and _has_thousandths(digits):
                return body
            raise _two_readings(text, body, digits)
        return re.sub(r"[^0-9]", "", body)
    whole, mark, part = body.partition(last) if last else (body, "", "")
    if re.search(r"[ '’]", whole) and _GROUPED.fullmatch(whole):
        whole = re.sub(r"[^0-9]", "", whole)
    if not re.fullmatch(r"\d*", whole) or (mark and not part.isdecimal()):
        raise _no_number(text)
    return f"{whole or '0'}.{part}" if mark else whole


def _has_thousandths(digits: int | None) -> bool:
    """Whether three digits after a mark may be a part: pounds have none, dinars and weights do."""
    return digits is None or digits > 2


def read_number(text: str) -> Decimal:
    """A decimal number; raises ValueError with what to write.

    Its point is always the decimal point, as it is printed; `1,234` alone is in doubt.
    """
    return _read(text, text.replace("−", "-"), None)


def read_amount(text: str, currency: str = "") -> Decimal:
    """An amount in major units; raises ValueError with what to write.

    A currency in the text must be `currency`, where that is known.
    """
    digits = get_currency_precision(currency) if currency else 2
    return _read(text, _bare(" ".join(text.split()).replace("−", "-"), currency), digits)


def _read(text: str, bare: str, digits: int | None) -> Decimal:
    bare = " ".join(bare.split())
    found = _SHAPE.fullmatch(bare) if len(bare) <= _LONGEST else None
    if found is None:
        raise _no_number(" ".join(text.split()))
    return Decimal(found["sign"] + _plain(" ".join(text.split()), found["body"].strip(), digits))
