"""Rules that demand at least, or at most, so much: found without asking each of them."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Generic, TypeVar

from automations.conditions.fields import Catalogue, Facts, Kind
from automations.conditions.operands import ConditionInvalid, Constant, Params, Scope, operands
from automations.conditions.tree import AllOf, Clause, Condition
from automations.conditions.values import READ, number
from backoffice.money import Money

_AT_LEAST = frozenset({"gt", "gte", "between"})
_AT_MOST = frozenset({"lt", "lte"})
_KINDS = frozenset({Kind.MONEY, Kind.DECIMAL, Kind.WHOLE, Kind.DURATION})


@dataclass(frozen=True, slots=True)
class Bound:
    """A match requires the fact under the first of `keys` to be on this side of `value`.

    Money has the key of its currency too; in another `currency` the amount is unknown.
    """

    keys: tuple[str, ...]
    kind: Kind
    at_least: bool
    value: Decimal | int
    currency: str


def _of_clause(node: Clause, scope: Scope) -> list[Bound]:
    try:
        known = scope.field(node.field)
        if known.kind not in _KINDS or node.op not in _AT_LEAST | _AT_MOST:
            return []
        parts = operands(known, node.op, node.value, scope)
    except ConditionInvalid:
        return []
    values = [part.value for part in parts if isinstance(part, Constant)]
    if len(values) < len(parts):
        return []
    first, side = values[0], node.op in _AT_LEAST
    if isinstance(first, Money):
        return [Bound(tuple(known.keys), known.kind, side, first.amount, first.currency)]
    return [Bound(tuple(known.keys), known.kind, side, first, "")]


def _of(node: Condition, scope: Scope) -> list[Bound]:
    if isinstance(node, Clause):
        return _of_clause(node, scope)
    if isinstance(node, AllOf):
        return [bound for part in node.parts for bound in _of(part, scope)]
    return []


def bounds(tree: Condition, catalogue: Catalogue, params: Params | None = None) -> list[Bound]:
    """What any match requires to be at least or at most so much; empty when there is nothing."""
    return _of(tree, Scope(catalogue, params or {}))


R = TypeVar("R")


class _Side(Generic[R]):
    """Rules in the order of the value they demand."""

    def __init__(self, found: Iterable[tuple[Any, R]]) -> None:
        known = sorted(found, key=lambda pair: pair[0])
        self.values = [value for value, _ in known]
        self.rules = [rule for _, rule in known]


class BoundIndex(Generic[R]):
    """The rules that demand something of one field, found by its value."""

    def __init__(self, known: Iterable[tuple[R, Bound]]) -> None:
        """Take rules whose bounds are all on the same keys."""
        given = list(known)
        self._keys, self._kind = given[0][1].keys, given[0][1].kind
        self._all = [rule for rule, _ in given]
        self._sides: dict[str, tuple[_Side[R], _Side[R]]] = {}
        for currency in {bound.currency for _, bound in given}:
            mine = [(rule, bound) for rule, bound in given if bound.currency == currency]
            self._sides[currency] = (
                _Side((bound.value, rule) for rule, bound in mine if bound.at_least),
                _Side((bound.value, rule) for rule, bound in mine if not bound.at_least),
            )

    def candidates(self, facts: Facts) -> list[R]:
        """Those whose demand is met, and those of which it can't be known."""
        raw = facts.get(self._keys[0])
        money = self._kind is Kind.MONEY
        value = number(raw) if money else READ[self._kind](raw)
        if value is None:
            return self._all
        seen = facts.get(self._keys[1]) if money else ""
        found: list[R] = []
        for currency, (low, high) in self._sides.items():
            if currency == seen:
                found += low.rules[: bisect_right(low.values, value)]
                found += high.rules[bisect_left(high.values, value) :]
            else:
                found += low.rules
                found += high.rules
        return found
