"""A condition as SQL over stored events, true only where its answer is known without Python.

The other way round from `sql.py`: that is never narrower than the predicate, this never wider. What
it is sure of needs no second look, so a backtest counts most events without reading them. Wherever
a value might be read differently (a malformed date, another type, a field beside a field, the
clock) it is not sure, and Python decides. A property test holds it to that.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operands import Beside, Constant, Params, Scope, operands
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
from automations.conditions.sql import (
    NEVER,
    NUMBER,
    OPPOSITE,
    TESTS,
    At,
    Fragment,
    all_of,
    any_of,
    built,
    checked_columns,
    piece,
    put,
    test_of,
)
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Every,
    Listed,
    NoneOf,
    Not,
    Sum,
    children,
)

# Days of every month; the few after them are left to Python, which knows the calendar.
_DAY = "[1-9][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])"
_CLOCK = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_SHAPES: dict[Kind, str] = {
    Kind.WHOLE: "^-?[0-9]{1,18}$",
    Kind.DURATION: "^-?[0-9]{1,18}$",
    Kind.DATE: f"^{_DAY}$",
    Kind.TIME: f"^{_CLOCK}$",
    Kind.DATETIME: rf"^{_DAY}T{_CLOCK}\.[0-9]{{6}}Z$",
}
_TYPES: dict[Kind, str] = {
    Kind.BOOL: "boolean",
    Kind.WHOLE: "number",
    Kind.DURATION: "number",
    Kind.TAGS: "array",
}
_EMPTY = '{null,"\\"\\"",[]}'
_NO_TAG = 'strict $[*] ? (@.type() <> "string")'
# What is cheap to ask comes first: it decides for most events.
_CHEAP = (Kind.BOOL, Kind.CHOICE, Kind.COUNTRY, Kind.TEXT, Kind.WHOLE, Kind.DURATION)


def _typed(field: Field, at: At) -> Fragment:
    """Whether the stored value is surely read as one of the field's kind."""
    value, kind = at.json(field.keys[0]), field.kind
    parts = [put(value, "jsonb_typeof(#) = %s::text", _TYPES.get(kind, "string"))]
    text = at.text(field.keys[0])
    if kind in (Kind.CHOICE, Kind.COUNTRY):
        parts.append(put(text, "# <> ''"))
    elif kind in _SHAPES:
        parts.append(put(text, "# ~ %s::text", _SHAPES[kind]))
    elif kind is Kind.TAGS:
        parts.append(put(value, "NOT jsonb_path_exists(#, %s::jsonpath, '{}', true)", _NO_TAG))
    return all_of(*parts)


def _number(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    """A decimal: stored as text, in its ordinary form."""
    text = at.text(field.keys[0])
    kind = put(at.json(field.keys[0]), "jsonb_typeof(#) = 'string'")
    shape = put(text, "# ~ %s::text", NUMBER)
    test = test_of(put(text, "#::numeric"), op, "numeric", [str(part) for part in expected])
    return all_of(kind, built("CASE WHEN # THEN # END", shape, test))


def _amount(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    currencies = {value.currency for value in expected}
    if len(currencies) > 1:
        return NEVER
    same = put(at.text(field.keys[1]), "# = %s::text", currencies.pop())
    return all_of(same, _number(field, op, [value.amount for value in expected], at))


def _compared(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    if field.kind is Kind.MONEY:
        return _amount(field, op, expected, at)
    if field.kind is Kind.DECIMAL:
        return _number(field, op, expected, at)
    return all_of(_typed(field, at), TESTS[field.kind](field, op, expected, at))


def _presence(field: Field, op: str, at: At) -> Fragment:
    if op == "is_empty":
        return put(at.json(field.keys[0]), "# = ANY(%s::jsonb[])", _EMPTY)
    if field.kind in (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY):
        return all_of(_typed(field, at), put(at.text(field.key), "# <> ''"))
    return NEVER


def _stayed(field: Field, op: str, expected: Sequence[Any], scope: Scope, at: At) -> Fragment:
    """Surely no such transition: it arrived elsewhere, or was there before."""
    previous = scope.field(field.previous or field.path)
    reached, left = (field, previous) if op == "changed_to" else (previous, field)
    return any_of(_compared(reached, "is_not", expected, at), _compared(left, "is", expected, at))


def _clause(node: Clause, scope: Scope, at: At, wanted: bool) -> Fragment:
    field = scope.field(node.field)
    parts = operands(field, node.op, node.value, scope)
    op = node.op if wanted else OPPOSITE[node.op]
    if not parts:
        return _presence(field, op, at)
    if node.op in ON_THE_CLOCK or any(isinstance(part, Beside) for part in parts):
        return NEVER
    expected = [part.value for part in parts if isinstance(part, Constant)]
    if node.op in MOMENT:
        return NEVER if wanted else _stayed(field, node.op, expected, scope, at)
    return _compared(field, op, expected, at)


def _list(node: Listed, scope: Scope, at: At, wanted: bool) -> Fragment:
    if isinstance(node, Count | Sum):
        return NEVER
    items = piece(f"({at.lists} -> %s::text)", node.path)
    inner = At(at.facts, at.lists, at.now, at.occurred_at, "item.value")
    some = wanted is (not isinstance(node, NoneOf))
    found = _node(node.where, scope.inside(node.path), inner, some)
    rows = put(
        items,
        "jsonb_array_elements(CASE jsonb_typeof(#) WHEN 'array' THEN # ELSE '[]'::jsonb END)"
        " AS item(value)",
    )
    if wanted is not isinstance(node, Every | NoneOf):
        return built("EXISTS (SELECT 1 FROM # WHERE #)", rows, found)
    each = built("NOT EXISTS (SELECT 1 FROM # WHERE (#) IS NOT TRUE)", rows, found)
    return all_of(put(items, "jsonb_typeof(#) = 'array'"), each)


def _node(node: Condition, scope: Scope, at: At, wanted: bool) -> Fragment:
    if isinstance(node, Not):
        return _node(node.part, scope, at, not wanted)
    if isinstance(node, AllOf | AnyOf):
        ordered = sorted(node.parts, key=_cost(scope))
        parts = [_node(part, scope, at, wanted) for part in ordered]
        # What is never sure adds nothing to a choice, and settles a conjunction.
        if isinstance(node, AllOf) is wanted:
            return NEVER if NEVER in parts else all_of(*parts)
        return any_of(*(part for part in parts if part != NEVER))
    if isinstance(node, Clause):
        return _clause(node, scope, at, wanted)
    return _list(node, scope, at, wanted)


def _cost(scope: Scope) -> Callable[[Condition], int]:
    """How dear a part is to ask, for putting the cheap ones first."""

    def cost(node: Condition) -> int:
        if isinstance(node, Listed):
            return 100
        if isinstance(node, Clause):
            known = scope.catalogue.fields.get(node.field)
            return 1 if known is not None and known.kind in _CHEAP else 3
        return 1 + sum(cost(part) for _, part in children(node))

    return cost


def surely_false(
    tree: Condition,
    catalogue: Catalogue,
    params: Params | None = None,
    *,
    facts: str = "facts",
    lists: str = "lists",
    occurred_at: str = "occurred_at",
) -> tuple[str, list[Any]]:
    """A WHERE condition and its parameters: where it is true, the predicate answers False.

    Where it is false or NULL nothing is known, and the predicate has to be asked. Raises
    ConditionInvalid as compiling does.
    """
    now: datetime | None = None
    checked_columns(facts, lists, occurred_at)
    at = At(facts, lists, now, occurred_at)
    found = _node(tree, Scope(catalogue, params or {}), at, False)
    return found.sql, found.params
