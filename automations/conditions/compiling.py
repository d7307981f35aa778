"""A condition tree as one Python predicate: the truth that every other form must agree with.

Kleene's logic: `all` is false as soon as one part is, unknown before true; `any` the other way
round. Evaluation is pure, so parts are tried cheapest first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from automations.conditions.fields import OUTER, Catalogue, Facts, Field, Kind, Lists
from automations.conditions.leaves import Predicate, Verdict, clause_predicate, judged, read_all
from automations.conditions.operands import (
    Beside,
    ConditionInvalid,
    Params,
    Scope,
    operands,
)
from automations.conditions.operators import FIGURE_OPERATORS, SUMMABLE
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Every,
    Leaf,
    Listed,
    NoneOf,
    Not,
    Some,
    Sum,
    children,
)
from automations.conditions.values import read
from backoffice.money import Money

# Wraps each leaf's predicate; how a recheck tells frozen clauses from live ones.
Wrap = Callable[[Leaf, Scope, Predicate], Predicate]
Items = Sequence[Facts]


def kleene_all(verdicts: Iterable[Verdict]) -> Verdict:
    known: Verdict = True
    for verdict in verdicts:
        if verdict is False:
            return False
        if verdict is None:
            known = None
    return known


def kleene_any(verdicts: Iterable[Verdict]) -> Verdict:
    known: Verdict = False
    for verdict in verdicts:
        if verdict is True:
            return True
        if verdict is None:
            known = None
    return known


def _all(parts: list[Predicate]) -> Predicate:
    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        known: Verdict = True
        for part in parts:
            verdict = part(facts, lists, now)
            if verdict is False:
                return False
            if verdict is None:
                known = None
        return known

    return check


def _any(parts: list[Predicate]) -> Predicate:
    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        known: Verdict = False
        for part in parts:
            verdict = part(facts, lists, now)
            if verdict is True:
                return True
            if verdict is None:
                known = None
        return known

    return check


def _not(part: Predicate) -> Predicate:
    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        verdict = part(facts, lists, now)
        return None if verdict is None else not verdict

    return check


def outer_keys(node: Condition, scope: Scope) -> set[str]:
    """The keys of the event's own facts that a `where` reads."""
    found: set[str] = set()
    if isinstance(node, Clause):
        field = scope.field(node.field)
        besides = operands(field, node.op, node.value, scope)
        read_fields = [field, *(part.field for part in besides if isinstance(part, Beside))]
        if field.previous:
            read_fields.append(scope.field(field.previous))
        for known in read_fields:
            found.update(key for key in known.keys if key.startswith(OUTER))
    for _, child in children(node):
        found |= outer_keys(child, scope)
    return found


Judge = Callable[[Facts, Lists, datetime], list[tuple[Facts, Verdict]] | None]


def judge_items(path: str, where: Condition | None, scope: Scope) -> Judge:
    """Each item of a list with its verdict; None when the list is unknown.

    The facts given back for an item include what its `where` reads of the event.
    """
    inside = scope.inside(path)
    check = compile_node(where, inside) if where is not None else None
    keys = sorted(outer_keys(where, inside)) if where is not None else []

    def judge(facts: Facts, lists: Lists, now: datetime) -> list[tuple[Facts, Verdict]] | None:
        items = lists.get(path)
        if type(items) is not list:
            return None
        outer = {key: facts[key[1:]] for key in keys if key[1:] in facts}
        found: list[tuple[Facts, Verdict]] = []
        for item in items:
            seen = item if type(item) is dict else {}
            if outer:
                seen = {**outer, **seen}
            found.append((seen, check(seen, lists, now) if check is not None else True))
        return found

    return judge


def _quantifier(node: Some | Every | NoneOf, scope: Scope) -> Predicate:
    inside = scope.inside(node.path)
    if outer_keys(node.where, inside):
        check = _folded(node, scope)
    else:
        check = _each(node.path, compile_node(node.where, inside), isinstance(node, Every))
    return _not(check) if isinstance(node, NoneOf) else check


def _each(path: str, part: Predicate, every: bool) -> Predicate:
    """The items judged on themselves alone, up to the one that decides."""

    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        items = lists.get(path)
        if type(items) is not list:
            return None
        known: Verdict = every
        for item in items:
            verdict = part(item if type(item) is dict else {}, lists, now)
            if verdict is None:
                known = None
            elif verdict is not every:
                return verdict
        return known

    return check


def _folded(node: Some | Every | NoneOf, scope: Scope) -> Predicate:
    judge = judge_items(node.path, node.where, scope)
    fold = kleene_all if isinstance(node, Every) else kleene_any

    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        found = judge(facts, lists, now)
        return None if found is None else fold(verdict for _, verdict in found)

    return check


def figure_field(node: Count | Sum, scope: Scope) -> Field:
    """What a count or sum is compared as; raises ConditionInvalid when it can't be added up."""
    if node.op not in FIGURE_OPERATORS:
        raise ConditionInvalid(f"A {node.shape} has no operator {node.op}.", "op")
    known = scope.list(node.path)
    if isinstance(node, Count):
        return Field(node.path, Kind.WHOLE, (f"number of {known.labels[-1].lower()}",))
    field = known.items.get(node.of)
    if field is None or field.kind not in SUMMABLE:
        raise ConditionInvalid(f"“{node.of}” of “{known.label}” can't be added up.", "of")
    return Field(node.of, field.kind, ("sum of " + field.labels[-1].lower(),))


def counted(node: Count, found: list[tuple[Facts, Verdict]]) -> range:
    """The counts that are possible, given items that are unknown."""
    sure = sum(1 for _, verdict in found if verdict is True)
    return range(sure, sure + sum(1 for _, verdict in found if verdict is None) + 1)


def _count(node: Count, scope: Scope) -> Predicate:
    judge, field = judge_items(node.path, node.where, scope), figure_field(node, scope)
    parts = operands(field, node.op, node.value, scope)

    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        found = judge(facts, lists, now)
        if found is None:
            return None
        expected = read_all(parts, facts)
        verdicts = {judged(field, node.op, count, expected) for count in counted(node, found)}
        return verdicts.pop() if len(verdicts) == 1 else None

    return check


def summed(field: Field, found: list[tuple[Facts, Verdict]], empty: Any) -> Any:
    """The sum over the items that count; None when one is unknown or currencies differ.

    `empty` is the sum of nothing: money needs a currency for its zero.
    """
    if any(verdict is None for _, verdict in found):
        return None
    amounts = [read(field, item) for item, verdict in found if verdict]
    if any(amount is None for amount in amounts):
        return None
    if not amounts:
        return empty
    if field.kind is not Kind.MONEY:
        return sum(amounts)
    if len({amount.currency for amount in amounts}) > 1:
        return None
    return Money(sum((amount.amount for amount in amounts), Decimal(0)), amounts[0].currency)


def _sum(node: Sum, scope: Scope) -> Predicate:
    judge, field = judge_items(node.path, node.where, scope), figure_field(node, scope)
    parts = operands(field, node.op, node.value, scope)

    def check(facts: Facts, lists: Lists, now: datetime) -> Verdict:
        found = judge(facts, lists, now)
        if found is None:
            return None
        expected = read_all(parts, facts)
        return judged(field, node.op, summed(field, found, nothing(expected)), expected)

    return check


def nothing(expected: Sequence[Any]) -> Any:
    """The sum of no items, in the kind of what it is compared with."""
    first = expected[0]
    return Money(Decimal(0), first.currency) if isinstance(first, Money) else 0


def leaf_predicate(node: Leaf, scope: Scope) -> Predicate:
    """A clause or a list condition as a closure; raises ConditionInvalid."""
    if isinstance(node, Clause):
        return clause_predicate(node, scope)
    if isinstance(node, Count):
        return _count(node, scope)
    if isinstance(node, Sum):
        return _sum(node, scope)
    return _quantifier(node, scope)


def _cost(node: Condition) -> int:
    if isinstance(node, Clause):
        return 0 if node.op in ("is", "is_not", "in", "not_in") else 1
    if isinstance(node, Listed):
        return 9
    return 2 + max((_cost(part) for _, part in children(node)), default=0)


def compile_node(node: Condition, scope: Scope, wrap: Wrap | None = None) -> Predicate:
    """A subtree as a closure, each leaf passed through `wrap` where one is given."""
    if isinstance(node, AllOf | AnyOf):
        ordered = sorted(node.parts, key=_cost)
        parts = [compile_node(part, scope, wrap) for part in ordered]
        if len(parts) == 1:
            return parts[0]
        return _all(parts) if isinstance(node, AllOf) else _any(parts)
    if isinstance(node, Not):
        return _not(compile_node(node.part, scope, wrap))
    check = leaf_predicate(node, scope)
    return wrap(node, scope, check) if wrap is not None else check


def compile_condition(
    tree: Condition, catalogue: Catalogue, params: Params | None = None
) -> Predicate:
    """The predicate of a tree: `(facts, lists, now)` gives True, False or None for unknown.

    `params` are the values in use, as JSON. `now` is an aware datetime; dates are compared in its
    zone. Raises ConditionInvalid when a part does not fit the catalogue; for what is stored it
    never raises.
    """
    return compile_node(tree, Scope(catalogue, params or {}))
