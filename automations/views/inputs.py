"""The inputs of one operand, typed by its field: what the builder's templates print."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.conditions.display import country
from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operators import TAKES, Takes, comparable
from automations.conditions.tree import field_of, param_of
from automations.conditions.values import parse_duration
from automations.forms.conditions import UNITS
from backoffice.amounts import read_amount, read_number
from backoffice.territories import countries

Option = tuple[str, str]
Groups = list[tuple[str, list[Option]]]

CURRENCIES = ("GBP", "EUR", "USD", "AUD", "CAD", "CHF", "DKK", "JPY", "NOK", "PLN", "SEK")


@dataclass(frozen=True, slots=True)
class Input:
    """One input. `shape` names its widget; money, durations and chips carry more than a text.

    `hint` is what an empty one shows.
    """

    shape: str
    name: str
    label: str
    value: str = ""
    unit: str = ""
    options: Sequence[Option] = ()
    groups: Groups | None = None
    chips: Sequence[str] = ()
    hint: str = ""


def field_groups(fields: Iterable[Field]) -> Groups:
    """Fields as the groups of a select, by the part of the event they belong to."""
    found: dict[str, list[Option]] = {}
    for field in fields:
        heading = field.labels[0] if len(field.labels) > 1 else "This"
        words = " › ".join(field.labels[1:] or field.labels)
        found.setdefault(heading, []).append((field.path, words[:1].upper() + words[1:]))
    return list(found.items())


def duration_parts(raw: Any) -> tuple[str, str]:
    """A duration as a number and its largest whole unit; what is none stays as typed, in hours."""
    try:
        seconds = int(parse_duration(raw).total_seconds())
    except ValueError:
        return str(raw or ""), "H"
    sizes = (("W", 604_800), ("D", 86_400), ("H", 3_600), ("M", 60))
    if match := re.fullmatch(r"P(?:T)?(\d+)([MHDW])", str(raw)):
        return match[1], match[2]
    unit, size = next(((u, s) for u, s in sizes if seconds and seconds % s == 0), ("M", 60))
    return str(seconds // size), unit


def _local(raw: Any) -> str:
    try:
        value = datetime.fromisoformat(str(raw))
    except ValueError:
        return str(raw)
    try:
        local = timezone.localtime(value) if timezone.is_aware(value) else value
    except OverflowError:  # a zone away from the first or the last day there is
        return str(raw)
    return local.strftime("%Y-%m-%dT%H:%M")


_PLAIN = {
    Kind.WHOLE: "number",
    Kind.DECIMAL: "decimal",
    Kind.DATE: "date",
    Kind.TIME: "time",
    Kind.TAGS: "tag",
    Kind.DATETIME: "datetime",
}


def input_of(field: Field | None, kind: Kind, raw: Any, name: str, label: str) -> Input:
    """The input of one literal; `field` None: of a kind that has no choices."""
    if kind is Kind.MONEY:
        return money_input(raw, name, label)
    if kind is Kind.DURATION:
        return duration_input(raw, name, label)
    text = "" if raw is None else str(raw)
    if kind is Kind.BOOL:
        return Input("select", name, label, "true" if raw is True else "false", "", YES_NO)
    if kind in (Kind.COUNTRY, Kind.CHOICE):
        options = countries() if kind is Kind.COUNTRY else _choices(field)
        return Input("choice", name, label, text, "", options)
    if kind is Kind.DATETIME:
        text = _local(text)
    return Input(_PLAIN.get(kind, "text"), name, label, text)


def money_input(raw: Any, name: str, label: str, hint: str = "0.00") -> Input:
    """The input of an amount; one that can't be read is a text, `1.234 EUR`, and stays as typed."""
    typed, _, code = raw.rpartition(" ") if isinstance(raw, str) else ("", "", "")
    money = raw if isinstance(raw, dict) else {"amount": typed, "currency": code}
    unit = str(money.get("currency") or "GBP")
    options = [(code, code) for code in dict.fromkeys([unit, *CURRENCIES])]
    return Input("money", name, label, str(money.get("amount") or ""), unit, options, hint=hint)


def in_doubt(kind: Kind, raw: Any) -> str:
    """Why digits that were typed are no number of this kind; empty where there are none."""
    for part in raw if isinstance(raw, list) else [raw]:
        if not isinstance(part, str) or not re.search(r"\d", part):
            continue
        try:
            if kind is Kind.MONEY:
                read_amount(*part.rpartition(" ")[::2])
            elif kind is Kind.DECIMAL:
                read_number(part)
        except ValueError as error:
            return str(error)
    return ""


def duration_input(raw: Any, name: str, label: str) -> Input:
    """The input of a duration: a whole number and its unit."""
    number, unit = duration_parts(raw)
    units = [
        (key, word.removesuffix("s") if number == "1" else word) for key, word in UNITS.items()
    ]
    return Input("duration", name, label, number, unit, units)


YES_NO = [("true", "yes"), ("false", "no")]


def _choices(field: Field | None) -> list[Option]:
    if field is None:
        return []
    return [(str(stored), str(words)) for stored, words in field.choices]


def _chip(field: Field, raw: Any) -> str:
    if field.kind is Kind.COUNTRY:
        return country(str(raw))
    if field.kind is Kind.CHOICE:
        return str(dict(field.choices).get(raw, raw))
    return str(raw)


def inputs_of(field: Field, op: str, value: Any, name: str, catalogue: Catalogue) -> list[Input]:
    """All inputs of a clause's right side."""
    takes = TAKES[op]
    if takes is Takes.NOTHING:
        return []
    if (beside := field_of(value)) is not None:
        others = [o for o in catalogue if comparable(field.kind, o.kind)]
        shown = Input("field", f"{name}-value-beside", "The other field", beside)
        return [_with_groups(shown, field_groups(others))]
    if (named := param_of(value)) is not None:
        return [Input("named", f"{name}-value", "Named value", named.replace("_", " "))]
    kind = Kind.DURATION if takes is Takes.SPAN else field.kind
    if takes is Takes.MANY:
        values = value if isinstance(value, list) else []
        add = input_of(field, kind, "", f"{name}-add", "Add a value")
        chips = [_chip(field, each) for each in values]
        return [Input(f"many-{add.shape}", add.name, add.label, "", "", add.options, None, chips)]
    if takes is Takes.TWO:
        both = [*value, "", ""][:2] if isinstance(value, list) else ["", ""]
        return [
            input_of(field, kind, both[0], f"{name}-value", "From"),
            input_of(field, kind, both[1], f"{name}-value2", "To"),
        ]
    return [input_of(field, kind, value, f"{name}-value", "Value")]


def _with_groups(shown: Input, groups: Groups) -> Input:
    return Input(
        shown.shape, shown.name, shown.label, shown.value, shown.unit, shown.options, groups
    )
