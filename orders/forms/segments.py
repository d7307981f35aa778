"""Input of segments: a name, and conditions line by line, joined by all or any."""

from __future__ import annotations

import re
from typing import Any

from django import forms

from orders.queries.segments import language
from orders.services.errors import BadSegment
from orders.services.vip import base_currency

# More lines than this are a rule's business.
MOST_LINES = 12
JOINS = (("all", "all of these are true"), ("any", "one of these is true"))


class SegmentForm(forms.Form):
    """A segment. Its lines are posted as `field-0`, `op-0`, `value-0` and so on."""

    name = forms.CharField(label="Name", max_length=80)
    about = forms.CharField(label="What it is for", max_length=200, required=False)
    join = forms.ChoiceField(label="Customers for whom", choices=JOINS)

    def lines(self) -> list[tuple[str, str, str]]:
        """Field, operator and value of each line as typed; lines without a field are left out."""
        found = []
        for number in range(MOST_LINES):
            path, op, value = (
                str(self.data.get(f"{part}-{number}", "")).strip()
                for part in ("field", "op", "value")
            )
            if path:
                found.append((path, op, value))
        return found

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        known = {field.path: field for field in language().choosable()}
        currency = base_currency()
        clauses: list[dict[str, Any]] = []
        for path, op, value in self.lines():
            field = known.get(path)
            if field is None or op not in dict(field.operators):
                self.add_error(None, "Choose what to look at and how to compare it in each line.")
                return given
            clause: dict[str, Any] = {"field": path, "op": op}
            read = language().operand(path, op, value, currency)
            if read is not None:
                clause["value"] = read
            clauses.append(clause)
        if not clauses:
            self.add_error(None, "A segment needs at least one condition.")
            return given
        given["condition"] = {given.get("join", "all"): clauses}
        try:
            language().refuse_unfit(given["condition"])
        except BadSegment as error:
            for where, words in error.problems or (("", str(error)),):
                self.add_error(None, f"{self._line(where)}{words}")
        return given

    def _line(self, where: str) -> str:
        """`Line 2: ` for a problem at `when.all.1.value`."""
        number = next((part for part in where.split(".") if part.isdecimal()), None)
        return f"Line {int(number) + 1}: " if number is not None else ""


def typed_lines(condition: Any) -> tuple[str, list[tuple[str, str, str]]]:
    """How a saved condition stands in the form: the word that joins, and its lines."""
    join = "any" if "any" in condition else "all"
    return join, [
        (clause.get("field", ""), clause.get("op", ""), _text(clause.get("value")))
        for clause in condition.get(join, ())
    ]


def is_plain(condition: Any) -> bool:
    """Whether the form can show it: one group of plain lines."""
    parts = condition.get("all", condition.get("any")) if isinstance(condition, dict) else None
    return (
        isinstance(parts, list)
        and len(parts) <= MOST_LINES
        and all(isinstance(part, dict) and isinstance(part.get("field"), str) for part in parts)
    )


_SPAN = re.compile(r"PT?(\d+)([HDW])")
_UNITS = {"H": "hours", "D": "days", "W": "weeks"}


def _text(value: Any) -> str:
    match value:
        case None | True | False:
            return {None: "", True: "yes", False: "no"}[value]
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case list():
            return ", ".join(_text(part) for part in value)
        case str() if span := _SPAN.fullmatch(value):
            return f"{span[1]} {_UNITS[span[2]]}"
    return str(value)
