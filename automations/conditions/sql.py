"""A condition as SQL over stored events, never narrower than the predicate.

It only thins out: what it lets through, the predicate decides. A tree is translated twice over,
for "may be true" and (below `not`) for "may be false"; unknown is neither, so a missing fact
leaves through both doors. Every value and every key is a bound parameter, and no cast can fail.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from automations.conditions.fields import OUTER, Catalogue, Field, Kind
from automations.conditions.leaves import edge
from automations.conditions.operands import Beside, Constant, Params, Scope, operands
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
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
)
from automations.conditions.values import stored_instant

_COLUMN = re.compile(r'[A-Za-z_][A-Za-z0-9_]*(\."?[A-Za-z_][A-Za-z0-9_]*"?)?|("[A-Za-z_]\w*"\.?)+')
NUMBER = r"^-?[0-9]{1,15}(\.[0-9]{1,10})?$"
_INSTANT = 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
_DAY = "YYYY-MM-DD"

_COMPARED = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "before": "<", "after": ">"}
_COMPARED |= {"is": "=", "is_not": "<>"}
# What an operator is when it must be false; known values only.
OPPOSITE = {
    "is": "is_not", "gt": "lte", "gte": "lt", "before": "gte", "after": "lte", "in": "not_in",
    "contains": "not_contains", "older_than": "newer_than", "is_set": "is_empty",
    "between": "outside", "in_the_last": "not_in_the_last", "in_the_next": "not_in_the_next",
    "starts_with": "not_starts_with", "ends_with": "not_ends_with",
    "contains_any": "contains_none", "contains_all": "not_contains_all",
    "changed_to": "not_changed", "changed_from": "not_changed",
}  # fmt: skip
OPPOSITE = {after: before for before, after in OPPOSITE.items()} | OPPOSITE


class Fragment(NamedTuple):
    """A piece of SQL for psycopg (`%s`) with its parameters in order."""

    sql: str
    params: list[Any]


ALWAYS = Fragment("TRUE", [])
NEVER = Fragment("FALSE", [])


def piece(sql: str, *params: Any) -> Fragment:
    return Fragment(sql, list(params))


def _joined(word: str, parts: Sequence[Fragment], empty: Fragment) -> Fragment:
    if not parts:
        return empty
    if len(parts) == 1:
        return parts[0]
    sql = f" {word} ".join(f"({part.sql})" for part in parts)
    return Fragment(sql, [value for part in parts for value in part.params])


def all_of(*parts: Fragment) -> Fragment:
    return _joined("AND", parts, ALWAYS)


def any_of(*parts: Fragment) -> Fragment:
    return _joined("OR", parts, NEVER)


@dataclass(frozen=True, slots=True)
class At:
    """Where values are read: the columns, the item in a list, and what time it is."""

    facts: str
    lists: str
    now: datetime | None
    occurred_at: str
    item: str = ""

    def place(self, key: str) -> tuple[str, str]:
        """The JSON expression and the key in it that a fact is read from."""
        if key.startswith(OUTER):
            return self.facts, key[len(OUTER) :]
        return self.item or self.facts, key

    def text(self, key: str) -> Fragment:
        column, name = self.place(key)
        return piece(f"({column} ->> %s::text)", name)

    def json(self, key: str) -> Fragment:
        column, name = self.place(key)
        return piece(f"({column} -> %s::text)", name)

    def stored(self, key: str) -> Fragment:
        column, name = self.place(key)
        return piece(f"jsonb_exists({column}, %s::text)", name)


def put(value: Fragment, form: str, *params: Any) -> Fragment:
    """`form` with the value's SQL put for `#`; its parameters follow the value's."""
    return Fragment(form.replace("#", value.sql), [*value.params * form.count("#"), *params])


def built(form: str, *parts: Fragment) -> Fragment:
    """`form` with each `#` in turn replaced by a part."""
    pieces = form.split("#")
    sql = pieces[0] + "".join(
        part.sql + after for part, after in zip(parts, pieces[1:], strict=True)
    )
    return Fragment(sql, [value for part in parts for value in part.params])


# --- comparisons of one value, by the form it is stored in --------------------------------------


def test_of(value: Fragment, op: str, cast: str, expected: Sequence[Any]) -> Fragment:
    """A comparison of an SQL value with constants of one SQL type."""
    if op == "between":
        return put(value, f"# BETWEEN %s::{cast} AND %s::{cast}", *expected)
    if op == "outside":
        return put(value, f"# NOT BETWEEN %s::{cast} AND %s::{cast}", *expected)
    if op == "in":
        return put(value, f"# = ANY(%s::{cast}[])", list(expected))
    if op == "not_in":
        return put(value, f"# <> ALL(%s::{cast}[])", list(expected))
    return put(value, f"# {_COMPARED[op]} %s::{cast}", expected[0])


def _numeric(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    value = at.text(field.keys[0])
    # An amount of unusual form is let through: Python reads more than this pattern does.
    shape = put(value, "# ~ %s::text", NUMBER)
    test = test_of(put(value, "#::numeric"), op, "numeric", [str(part) for part in expected])
    rest = put(value, "# IS NOT NULL")
    return built("CASE WHEN # THEN # ELSE # END", shape, test, rest)


def _money(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    currencies = {value.currency for value in expected}
    if len(currencies) > 1:
        return NEVER
    same = put(at.text(field.keys[1]), "# = %s::text", currencies.pop())
    return all_of(same, _numeric(field, op, [value.amount for value in expected], at))


def _integer(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    value = at.json(field.key)
    test = test_of(put(value, "#::numeric"), op, "numeric", [str(part) for part in expected])
    kind = put(value, "jsonb_typeof(#) = 'number'")
    return built("CASE WHEN # THEN # END", kind, test)


def _text(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    value = at.text(field.key)
    forms = {
        "contains": "strpos(#, %s::text) > 0",
        "not_contains": "strpos(#, %s::text) = 0",
        "starts_with": "starts_with(#, %s::text)",
        "not_starts_with": "NOT starts_with(#, %s::text)",
        "ends_with": "starts_with(reverse(#), reverse(%s::text))",
        "not_ends_with": "NOT starts_with(reverse(#), reverse(%s::text))",
    }
    if op in forms:
        return put(value, forms[op], expected[0])
    return test_of(value, op, "text", expected)


def _flag(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    return test_of(
        at.text(field.key), op, "text", ["true" if part else "false" for part in expected]
    )


def _ordered_text(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    """Dates and times: their stored text sorts as they do, byte by byte."""
    written = [_written(field.kind, part) for part in expected]
    value = put(at.text(field.key), '# COLLATE "C"')
    if field.kind is Kind.TIME and op in ("between", "outside") and written[0] > written[1]:
        low, high = written
        if op == "between":
            return any_of(
                test_of(value, "gte", "text", [low]), test_of(value, "lte", "text", [high])
            )
        return all_of(test_of(value, "lt", "text", [low]), test_of(value, "gt", "text", [high]))
    return test_of(value, op, "text", written)


def _written(kind: Kind, value: Any) -> str:
    if kind is Kind.DATETIME:
        return stored_instant(value)
    return str(value.isoformat("seconds") if kind is Kind.TIME else value.isoformat())


def _tags(field: Field, op: str, expected: Sequence[Any], at: At) -> Fragment:
    value = at.json(field.key)
    forms = {
        "contains": "jsonb_exists_any(#, %s::text[])",
        "contains_any": "jsonb_exists_any(#, %s::text[])",
        "contains_all": "jsonb_exists_all(#, %s::text[])",
        "not_contains": "jsonb_typeof(#) = 'array' AND NOT jsonb_exists_any(#, %s::text[])",
        "contains_none": "jsonb_typeof(#) = 'array' AND NOT jsonb_exists_any(#, %s::text[])",
        "not_contains_all": "jsonb_typeof(#) = 'array' AND NOT jsonb_exists_all(#, %s::text[])",
    }
    return put(value, forms[op], list(expected))


TESTS: dict[Kind, Callable[[Field, str, Sequence[Any], At], Fragment]] = {
    Kind.TEXT: _text,
    Kind.CHOICE: _text,
    Kind.COUNTRY: _text,
    Kind.BOOL: _flag,
    Kind.WHOLE: _integer,
    Kind.DURATION: _integer,
    Kind.DECIMAL: _numeric,
    Kind.MONEY: _money,
    Kind.DATE: _ordered_text,
    Kind.TIME: _ordered_text,
    Kind.DATETIME: _ordered_text,
    Kind.TAGS: _tags,
}


# --- clauses --------------------------------------------------------------------------------------


def _presence(field: Field, op: str, at: At) -> Fragment:
    value = at.text(field.keys[0])
    if op == "is_set":
        return put(value, "# <> ''")
    return all_of(at.stored(field.keys[0]), put(value, "coalesce(#, '') IN ('', '[]')"))


def _span(field: Field, op: str, seconds: int, at: At) -> Fragment:
    """A clause on the clock; against an event's own time where no fixed one is given."""
    value = put(at.text(field.key), '# COLLATE "C"')
    today, past, ahead = (_moment(field.kind, at, shift) for shift in (0, -seconds, seconds))
    forms: dict[str, tuple[str, list[tuple[Fragment, str]]]] = {
        "older_than": ("AND", [(past[1], "<")]),
        "newer_than": ("AND", [(past[0], ">=")]),
        "in_the_last": ("AND", [(past[0], ">="), (today[1], "<=")]),
        "not_in_the_last": ("OR", [(past[1], "<"), (today[0], ">")]),
        "in_the_next": ("AND", [(today[0], ">="), (ahead[1], "<=")]),
        "not_in_the_next": ("OR", [(today[1], "<"), (ahead[0], ">")]),
    }
    word, tests = forms[op]
    parts = [built(f"# {sign} #", value, limit) for limit, sign in tests]
    return _joined(word, parts, ALWAYS)


def _moment(kind: Kind, at: At, seconds: int) -> tuple[Fragment, Fragment]:
    """A moment as stored text, at its earliest and latest: a column's day depends on a zone."""
    if at.now is not None:
        fixed = piece("%s::text", _written(kind, edge(kind, at.now, seconds)))
        return fixed, fixed
    form = _DAY if kind is Kind.DATE else _INSTANT
    slack = 86_400 if kind is Kind.DATE else 0
    column = f"to_char({at.occurred_at} AT TIME ZONE 'UTC' + make_interval(secs => %s), %s::text)"
    return piece(column, seconds - slack, form), piece(column, seconds + slack, form)


def _moved(field: Field, op: str, expected: Sequence[Any], scope: Scope, at: At) -> Fragment:
    previous = scope.field(field.previous or field.path)
    if op == "not_changed":
        return any_of(at.stored(field.keys[0]), at.stored(previous.keys[0]))
    reached = field if op == "changed_to" else previous
    return TESTS[reached.kind](reached, "is", expected, at)


def _clause(node: Clause, scope: Scope, at: At, wanted: bool) -> Fragment:
    field = scope.field(node.field)
    parts = operands(field, node.op, node.value, scope)
    op = node.op if wanted else OPPOSITE[node.op]
    if not parts:
        return _presence(field, op, at)
    besides = [part.field for part in parts if isinstance(part, Beside)]
    if besides:
        read = [at.stored(known.keys[0]) for known in (field, *besides)]
        return read[1] if node.op in MOMENT else all_of(*read)
    expected = [part.value for part in parts if isinstance(part, Constant)]
    if node.op in ON_THE_CLOCK:
        return _span(field, op, expected[0], at)
    if node.op in MOMENT:
        return _moved(field, op, expected, scope, at)
    return TESTS[field.kind](field, op, expected, at)


# --- lists and groups -----------------------------------------------------------------------------


def _list(node: Listed, scope: Scope, at: At, wanted: bool) -> Fragment:
    items = piece(f"({at.lists} -> %s::text)", node.path)
    is_list = put(items, "jsonb_typeof(#) = 'array'")
    if isinstance(node, Count | Sum):
        return is_list
    inner = At(at.facts, at.lists, at.now, at.occurred_at, "item.value")
    # `every` is "no item fails", `none` is "no item meets": one form for the three.
    some = wanted is (not isinstance(node, NoneOf))
    found = _node(node.where, scope.inside(node.path), inner, some)
    rows = put(
        items,
        "jsonb_array_elements(CASE jsonb_typeof(#) WHEN 'array' THEN # ELSE '[]'::jsonb END)"
        " AS item(value)",
    )
    any_item = wanted is not isinstance(node, Every | NoneOf)
    if any_item:
        return built("EXISTS (SELECT 1 FROM # WHERE #)", rows, found)
    each = built("NOT EXISTS (SELECT 1 FROM # WHERE (#) IS NOT TRUE)", rows, found)
    return all_of(is_list, each)


def _node(node: Condition, scope: Scope, at: At, wanted: bool) -> Fragment:
    if isinstance(node, Not):
        return _node(node.part, scope, at, not wanted)
    if isinstance(node, AllOf | AnyOf):
        parts = [_node(part, scope, at, wanted) for part in node.parts]
        return all_of(*parts) if isinstance(node, AllOf) is wanted else any_of(*parts)
    if isinstance(node, Clause):
        return _clause(node, scope, at, wanted)
    return _list(node, scope, at, wanted)


def checked_columns(*columns: str) -> None:
    """Raise ValueError for what is no plain name of a column."""
    for column in columns:
        if not _COLUMN.fullmatch(column):
            raise ValueError(f"{column!r} is no column.")


def to_sql(
    tree: Condition,
    catalogue: Catalogue,
    params: Params | None = None,
    *,
    facts: str = "facts",
    lists: str = "lists",
    occurred_at: str = "occurred_at",
    now: datetime | None = None,
) -> tuple[str, list[Any]]:
    """A WHERE condition and its parameters, true for every event the predicate may be true for.

    `facts` and `lists` are jsonb columns. `now` None judges clauses on the clock at each event's
    own time, the timestamptz column `occurred_at`, as a backtest does. Raises ConditionInvalid as
    compiling does.
    """
    checked_columns(facts, lists, occurred_at)
    at = At(facts, lists, now, occurred_at)
    found = _node(tree, Scope(catalogue, params or {}), at, True)
    return found.sql, found.params
