"""Conditions that a domain keeps for its own records: a rule's language, without a rule.

What is true of a record is what a rule would say of it: the same fields, operators, words and
predicate, and the same filter that thins out rows in PostgreSQL before the predicate decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from automations.catalogue import catalogue_for, flatten
from automations.conditions.checking import check_condition
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operands import Scope
from automations.conditions.operators import MOMENT, OPERATORS, TAKES, Takes
from automations.conditions.orm import to_q
from automations.conditions.words import tree_words, verb
from automations.rules.parsing import DocumentInvalid, parse_condition
from automations.triggers import Scan, scans
from backoffice.amounts import read_amount, read_number
from backoffice.territories import countries

PAGE = 2_000
_NUMBERS = (Kind.MONEY, Kind.DECIMAL, Kind.WHOLE)
_SIGNS = {"£": "GBP", "€": "EUR"}


@dataclass(frozen=True, slots=True)
class Choosable:
    """A field for a form: its operators with their words, and what it is compared with.

    `takes` by operator is nothing, one, two, many or span; `choices` are the values it can have.
    """

    path: str
    label: str
    kind: str
    operators: tuple[tuple[str, str], ...]
    takes: dict[str, str]
    choices: tuple[tuple[str, str], ...]


class Unjudged(ValueError):
    """A condition that does not fit the records; `problems` are (place, sentence)."""

    def __init__(self, problems: list[tuple[str, str]]) -> None:
        super().__init__("; ".join(words for _, words in problems))
        self.problems = problems


def _scan(key: str) -> Scan:
    found = scans.get(key)
    if found is None:
        raise Unjudged([("", f"There are no records “{key}” any more.")])
    return found


def choosable(key: str) -> list[Choosable]:
    """The fields of a kind of record, in the order of its facts."""
    return [_choosable(field) for field in catalogue_for(_scan(key))]


def _choosable(field: Field) -> Choosable:
    ops = [op for op in OPERATORS[field.kind] if op not in MOMENT]
    return Choosable(
        path=field.path,
        label=field.labels[-1],
        kind=field.kind.value,
        operators=tuple((op, verb(field.kind, op)) for op in ops),
        takes={op: TAKES[op].value for op in ops},
        choices=tuple(countries()) if field.kind is Kind.COUNTRY else field.choices,
    )


def operand(key: str, path: str, op: str, text: str, currency: str) -> Any:
    """What somebody typed as the value of a clause, in the form that documents have it.

    Several values are separated by commas; a span is `90 days` or `12 weeks`; an amount without
    a currency is in `currency`; a country may be its name. What can't be read stays as typed:
    checking says so.
    """
    field = catalogue_for(_scan(key)).fields.get(path)
    takes = TAKES.get(op, Takes.ONE)
    if field is None or takes is Takes.NOTHING:
        return None
    if takes is Takes.SPAN:
        return _span(text)
    # A comma right before a digit belongs to a number: 12,50 is one amount.
    between = r";|\s+and\s+|,(?!\d)" if field.kind in _NUMBERS else ","
    parts = [part.strip() for part in re.split(between, text)]
    values = [_typed(field, part, currency) for part in parts if part]
    if takes in (Takes.TWO, Takes.MANY):
        return values
    return _typed(field, text.strip(), currency)


def _span(text: str) -> str:
    words = text.lower().split()
    number, unit = words if len(words) == 2 else (text.strip(), "days")
    letter = {"day": "D", "week": "W", "hour": "H"}.get(unit.rstrip("s"), "")
    if not number.isdecimal() or not letter:
        return text
    return f"PT{number}H" if letter == "H" else f"P{number}{letter}"


def _typed(field: Field, text: str, currency: str) -> Any:
    if field.kind is Kind.MONEY:
        return _money(text, currency)
    if field.kind is Kind.BOOL:
        return {"yes": True, "true": True, "no": False, "false": False}.get(text.lower(), text)
    if field.kind in (Kind.WHOLE, Kind.DECIMAL):
        return _number(text, field.kind)
    if field.kind is Kind.COUNTRY:
        return _codes().get(text.casefold(), text.upper())
    return text


def _money(text: str, currency: str) -> Any:
    named = re.fullmatch(r"(.*?)\s*([A-Z]{3})", text)
    amount, code = named.groups() if named else (text, "")
    code = code or next((known for sign, known in _SIGNS.items() if sign in amount), currency)
    try:
        return {"amount": format(read_amount(amount, code), "f"), "currency": code}
    except ValueError:
        return f"{amount} {code}"


def _number(text: str, kind: Kind) -> Any:
    try:
        found = read_amount(text) if kind is Kind.WHOLE else read_number(text)
    except ValueError:
        return text
    if kind is Kind.DECIMAL:
        return format(found, "f")
    return int(found) if found == found.to_integral_value() else text


@cache
def _codes() -> dict[str, str]:
    """The codes of countries by their names in small letters."""
    return {name.casefold(): code for code, name in countries()}


def _parsed(key: str, raw: Any) -> tuple[Scan, Catalogue, Any]:
    """The records, their fields and the tree; raises Unjudged."""
    scan = _scan(key)
    catalogue = catalogue_for(scan)
    try:
        tree = parse_condition(raw)
    except DocumentInvalid as error:
        raise Unjudged([(known.path, known.message) for known in error.problems]) from error
    found = [known for known in check_condition(tree, catalogue) if known.blocks]
    if found:
        raise Unjudged([(known.path, known.message) for known in found])
    return scan, catalogue, tree


def refuse_unfit(key: str, raw: Any) -> None:
    """Raise Unjudged unless the condition can be judged for every record."""
    _parsed(key, raw)


def in_words(key: str, raw: Any) -> str:
    """The condition as a sentence's worth of words; raises Unjudged."""
    _, catalogue, tree = _parsed(key, raw)
    return tree_words(tree, Scope(catalogue, {}))


def matching(key: str, raw: Any, now: datetime) -> Iterator[int]:
    """The ids of all records that the condition is true for at `now`; raises Unjudged.

    A record of which it is unknown is left out.
    """
    scan, catalogue, tree = _parsed(key, raw)
    predicate = compile_condition(tree, catalogue)
    thinned = scan.rows().filter(to_q(tree, catalogue, scan.columns, now=now)).order_by("pk")
    after = 0
    while ids := list(thinned.filter(pk__gt=after).values_list("pk", flat=True)[:PAGE]):
        payloads = scan.current(ids)
        for pk in ids:
            if pk in payloads and predicate(*flatten(payloads[pk]), now) is True:
                yield pk
        after = ids[-1]
