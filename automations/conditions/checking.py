"""A condition against a catalogue: every part that can't be judged, said where it stands."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automations.conditions.compiling import figure_field
from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.leaves import clause_predicate
from automations.conditions.operands import (
    ConditionInvalid,
    Constant,
    Operand,
    Params,
    Scope,
    operands,
)
from automations.conditions.problems import Problem, joined
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Leaf,
    Listed,
    Not,
    Sum,
    children,
)
from backoffice.money import Money

DEEPEST = 10
MOST_CLAUSES = 200


_NUMBERS = frozenset({Kind.MONEY, Kind.WHOLE, Kind.DECIMAL})


def _below_zero(value: Any) -> bool:
    return bool((value.amount if isinstance(value, Money) else value) < 0)


def _fitting(field: Field, op: str, parts: list[Operand], path: str) -> Iterator[Problem]:
    """What a clause's constants say about each other."""
    values = [part.value for part in parts if isinstance(part, Constant)]
    if field.kind is Kind.MONEY and len({value.currency for value in values}) > 1:
        yield Problem(joined(path, "value"), "Both amounts must be in the same currency.")
    elif field.kind in _NUMBERS and any(_below_zero(value) for value in values):
        yield Problem(
            joined(path, "value"),
            "This is below zero: is the minus meant?",
            False,
        )
    elif op == "between" and field.kind is not Kind.TIME and values[1:] and values[0] > values[1]:
        yield Problem(joined(path, "value"), "This is never true: from is after to.", False)


def _check_clause(node: Clause, scope: Scope, path: str) -> Iterator[Problem]:
    try:
        clause_predicate(node, scope)
        field = scope.field(node.field)
        parts = operands(field, node.op, node.value, scope)
    except ConditionInvalid as error:
        yield Problem(joined(path, error.where or "field"), str(error))
        return
    yield from _fitting(field, node.op, parts, path)


def _check_list(node: Listed, scope: Scope, path: str) -> Iterator[Problem]:
    try:
        inside = scope.inside(node.path)
    except ConditionInvalid as error:
        yield Problem(joined(path, node.shape), str(error))
        return
    if node.where is not None:
        for at, part in _leaves(node.where, joined(path, "where")):
            if part.start_only:
                yield Problem(
                    joined(at, "start_only"), "Mark the list's condition as a whole, not a part."
                )
        yield from _check(node.where, inside, joined(path, "where"))
    if isinstance(node, Count | Sum):
        try:
            field = figure_field(node, scope)
            parts = operands(field, node.op, node.value, scope)
        except ConditionInvalid as error:
            yield Problem(joined(path, error.where), str(error))
            return
        yield from _fitting(field, node.op, parts, path)


def _leaves(node: Condition, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(node, Leaf):
        yield path, node
    for step, part in children(node):
        yield from _leaves(part, joined(path, step))


def _check(node: Condition, scope: Scope, path: str) -> Iterator[Problem]:
    if isinstance(node, Clause):
        yield from _check_clause(node, scope, path)
    elif isinstance(node, AllOf | AnyOf | Not):
        if isinstance(node, AllOf | AnyOf) and not node.parts:
            says = "true for every event" if isinstance(node, AllOf) else "never true"
            yield Problem(path, f"This group is empty, which is {says}.", False)
        for step, part in children(node):
            yield from _check(part, scope, joined(path, step))
    else:
        yield from _check_list(node, scope, path)


def depth(node: Condition) -> int:
    return 1 + max((depth(part) for _, part in children(node)), default=0)


def size(node: Condition) -> int:
    """The number of clauses and list conditions."""
    own = 1 if isinstance(node, Leaf) else 0
    return own + sum(size(part) for _, part in children(node))


def check_condition(
    tree: Condition, catalogue: Catalogue, params: Params | None = None, path: str = "when"
) -> list[Problem]:
    """All problems of a tree, in reading order; notes included."""
    found: list[Problem] = []
    if depth(tree) > DEEPEST:
        found.append(Problem(path, f"Groups go at most {DEEPEST} deep."))
    if size(tree) > MOST_CLAUSES:
        found.append(Problem(path, f"A condition has at most {MOST_CLAUSES} clauses."))
    found.extend(_check(tree, Scope(catalogue, params or {}), path))
    return found
