"""A condition as a filter of the ORM over a domain's rows, never narrower than the predicate.

It only thins out: what it lets through, the predicate decides on the payload. Each clause whose
field has a column is asked as "may this be true (or, below `not`, false)?"; where unknown must not
be lost, rows that can't be judged leave through the same door. What has no column is let through.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import F, Q

from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.leaves import edge
from automations.conditions.operands import Beside, Constant, Params, Scope, operands
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
from automations.conditions.sql import OPPOSITE
from automations.conditions.tree import AllOf, AnyOf, Clause, Condition, Not

# Where the ORM finds a payload path: a lookup; for money those of the amount and the currency.
Columns = Mapping[str, str | tuple[str, str]]
# True lets every row through, False none.
Filter = Q | bool

# A longer tag may be cut to another one where it is cast to the column's type.
SHORT_TAG = 30
_CODES = (Kind.CHOICE, Kind.COUNTRY)
_TEXTS = (Kind.TEXT, *_CODES)
_COMPARED = {
    "is": "exact", "gt": "gt", "gte": "gte", "lt": "lt", "lte": "lte", "before": "lt",
    "after": "gt",
}  # fmt: skip
_IN_TEXT = {"contains": "contains", "starts_with": "startswith", "ends_with": "endswith"}


class _Want(NamedTuple):
    """What rows are let through for: a verdict that may be theirs, and perhaps unknown."""

    verdict: bool
    unknown: bool

    @property
    def turned(self) -> _Want:
        return _Want(not self.verdict, self.unknown)


def _and(parts: Sequence[Filter]) -> Filter:
    if any(part is False for part in parts):
        return False
    found = Q()
    for part in parts:
        found &= part if isinstance(part, Q) else Q()
    return found if found else True


def _or(parts: Sequence[Filter]) -> Filter:
    if any(part is True for part in parts):
        return True
    found = Q()
    for part in parts:
        found |= part if isinstance(part, Q) else Q()
    return found if found else False


def _q(column: str, lookup: str, value: Any) -> Q:
    return Q(**{f"{column}__{lookup}": value})


# --- one clause -----------------------------------------------------------------------------------


def _unknown(field: Field, column: str, currency: str, wanted: str) -> Q:
    """The rows whose value can't be compared: missing, an empty code, money of another kind."""
    missing = _q(column, "isnull", True)
    if field.kind in _CODES:
        return missing | Q(**{column: ""})
    if field.kind is Kind.MONEY:
        return missing | _q(currency, "isnull", True) | ~Q(**{currency: wanted})
    return missing


def _test(column: str, op: str, expected: Sequence[Any]) -> Q:
    """A comparison with constants; negated ones take rows without a value along."""
    if op in ("between", "outside"):
        low, high = _q(column, "gte", expected[0]), _q(column, "lte", expected[1])
        return low & high if op == "between" else ~low | ~high
    if op in ("in", "not_in"):
        found = _q(column, "in", list(expected))
        return found if op == "in" else ~found
    if op == "is_not":
        return ~_q(column, "exact", expected[0])
    if op in _COMPARED:
        return _q(column, _COMPARED[op], expected[0])
    known = _q(column, _IN_TEXT[op.removeprefix("not_")], expected[0])
    return ~known if op.startswith("not_") else known


def _tags(column: str, op: str, expected: Sequence[str]) -> Filter:
    values = list(expected)
    if op in ("contains", "contains_any"):
        return _q(column, "overlap", values)
    if op == "contains_all":
        return _q(column, "contains", values)
    if any(len(value) > SHORT_TAG for value in values):
        return True
    return ~_q(column, "contains" if op == "not_contains_all" else "overlap", values)


def _presence(field: Field, column: str, currency: str, op: str) -> Filter:
    empty = _q(column, "isnull", True)
    if field.kind in _TEXTS:
        empty |= Q(**{column: ""})
    elif field.kind is Kind.TAGS:
        empty |= Q(**{column: []})
    elif field.kind is Kind.MONEY:
        empty |= _q(currency, "isnull", True) | Q(**{currency: ""})
    return empty if op == "is_empty" else ~_q(column, "isnull", True)


def _span(field: Field, column: str, op: str, seconds: int, now: datetime) -> Q:
    today, past, ahead = (edge(field.kind, now, shift) for shift in (0, -seconds, seconds))
    forms: dict[str, Callable[[], Q]] = {
        "older_than": lambda: _q(column, "lt", past),
        "newer_than": lambda: _q(column, "gte", past),
        "in_the_last": lambda: _q(column, "gte", past) & _q(column, "lte", today),
        "not_in_the_last": lambda: _q(column, "lt", past) | _q(column, "gt", today),
        "in_the_next": lambda: _q(column, "gte", today) & _q(column, "lte", ahead),
        "not_in_the_next": lambda: _q(column, "lt", today) | _q(column, "gt", ahead),
    }
    return forms[op]()


class _Compiler:
    """One tree over one set of columns, at one moment."""

    def __init__(self, scope: Scope, columns: Columns, now: datetime) -> None:
        self.scope, self.columns, self.now = scope, columns, now

    def node(self, node: Condition, want: _Want) -> Filter:
        if isinstance(node, Not):
            return self.node(node.part, want.turned)
        if isinstance(node, AllOf | AnyOf):
            parts = [self.node(part, want) for part in node.parts]
            return _and(parts) if isinstance(node, AllOf) is want.verdict else _or(parts)
        # What a list holds is for Python to see.
        return self.clause(node, want) if isinstance(node, Clause) else True

    def column(self, field: Field) -> tuple[str, str] | None:
        """The lookups of a value and of its currency; None where the ORM can't see it as it is."""
        found = self.columns.get(field.path)
        # Both are stored in whole seconds, and columns may be finer.
        if found is None or field.kind in (Kind.TIME, Kind.DURATION):
            return None
        return (found, "") if isinstance(found, str) else found

    def clause(self, node: Clause, want: _Want) -> Filter:
        field = self.scope.field(node.field)
        parts = operands(field, node.op, node.value, self.scope)
        column = self.column(field)
        if column is None or node.op in MOMENT:
            return True
        op = node.op if want.verdict else OPPOSITE[node.op]
        if not parts:
            return _presence(field, *column, op)
        constants = [part.value for part in parts if isinstance(part, Constant)]
        if len(constants) < len(parts):
            return self.beside(field, column, op, parts, want)
        if node.op in ON_THE_CLOCK:
            found: Filter = _span(field, column[0], op, constants[0], self.now)
        elif field.kind is Kind.TAGS:
            found = _tags(column[0], op, constants)
        elif field.kind is Kind.MONEY:
            return self.money(field, column, op, constants, want)
        else:
            found = _test(column[0], op, constants)
        return _or([found, _unknown(field, *column, "")]) if want.unknown else found

    def money(
        self, field: Field, column: tuple[str, str], op: str, expected: Sequence[Any], want: _Want
    ) -> Filter:
        currencies = {value.currency for value in expected}
        if len(currencies) > 1:  # never known
            return want.unknown
        (currency,) = currencies
        test = _test(column[0], op, [value.amount for value in expected])
        found = test & Q(**{column[1]: currency})
        return found | _unknown(field, *column, currency) if want.unknown else found

    def beside(
        self, field: Field, column: tuple[str, str], op: str, parts: Sequence[Any], want: _Want
    ) -> Filter:
        """Two fields of the record, where both are columns of one kind and the test is plain."""
        other = parts[0].field if len(parts) == 1 and isinstance(parts[0], Beside) else None
        beside = self.column(other) if other is not None and other.kind is field.kind else None
        if beside is None or op not in _COMPARED or field.kind is Kind.TAGS:
            return True
        found = _q(column[0], _COMPARED[op], F(beside[0]))
        unknown = _q(column[0], "isnull", True) | _q(beside[0], "isnull", True)
        if field.kind is Kind.MONEY:
            same = Q(**{column[1]: F(beside[1])})
            found, unknown = found & same, unknown | ~same
        elif field.kind in _CODES:
            unknown |= Q(**{column[0]: ""}) | Q(**{beside[0]: ""})
        return found | unknown if want.unknown else found


def to_q(
    tree: Condition,
    catalogue: Catalogue,
    columns: Columns,
    *,
    now: datetime,
    params: Params | None = None,
    keep_unknown: bool = False,
) -> Q:
    """A filter that lets through every row whose payload the predicate may be true for at `now`.

    `keep_unknown` lets those through as well that can't be judged. `now` is aware; dates are
    compared in its zone. Raises ConditionInvalid as compiling does.
    """
    compiler = _Compiler(Scope(catalogue, params or {}), columns, now)
    found = compiler.node(tree, _Want(True, keep_unknown))
    if isinstance(found, Q):
        return found
    return Q() if found else Q(pk__in=[])
