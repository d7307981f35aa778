"""Which rules an event can matter to: an index by the clauses that a match requires.

A rule is found when the event's value is one it asks for, and also when that value is unknown:
the rule is then not false but unknown, which may have to become a case.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, TypeVar

from automations.conditions.bounds import Bound, BoundIndex
from automations.conditions.fields import Catalogue, Facts, Kind
from automations.conditions.operands import ConditionInvalid, Constant, Params, Scope, operands
from automations.conditions.tree import AllOf, AnyOf, Clause, Condition
from automations.conditions.values import READ

_EXACT = frozenset({Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.BOOL, Kind.WHOLE})
_REQUIRE = frozenset({"is", "in"})


@dataclass(frozen=True, slots=True)
class EqualityKey:
    """A match requires the fact under `key` to be one of `values`."""

    key: str
    kind: Kind
    values: frozenset[Any]


def _of_clause(node: Clause, scope: Scope) -> list[EqualityKey]:
    try:
        field = scope.field(node.field)
        if node.op not in _REQUIRE or field.kind not in _EXACT:
            return []
        parts = operands(field, node.op, node.value, scope)
    except ConditionInvalid:
        return []
    values = [part.value for part in parts if isinstance(part, Constant)]
    if len(values) < len(parts):
        return []
    return [EqualityKey(field.key, field.kind, frozenset(values))]


def _merged(groups: Iterable[list[EqualityKey]]) -> list[EqualityKey]:
    """What every branch of an `any` requires: the same key, of all branches' values."""
    branches = list(groups)
    first, rest = branches[0], branches[1:]
    found = []
    for known in first:
        same = [[key for key in branch if key.key == known.key] for branch in rest]
        if all(same):
            values = known.values.union(*(keys[0].values for keys in same))
            found.append(EqualityKey(known.key, known.kind, values))
    return found


def _of(node: Condition, scope: Scope) -> list[EqualityKey]:
    if isinstance(node, Clause):
        return _of_clause(node, scope)
    if isinstance(node, AllOf):
        return [key for part in node.parts for key in _of(part, scope)]
    if isinstance(node, AnyOf) and node.parts:
        return _merged(_of(part, scope) for part in node.parts)
    return []


def equality_keys(
    tree: Condition, catalogue: Catalogue, params: Params | None = None
) -> list[EqualityKey]:
    """What any match requires to be equal, the most selective first; empty when there is none."""
    return sorted(_of(tree, Scope(catalogue, params or {})), key=_width)


def _width(known: EqualityKey) -> tuple[int, int, str]:
    # A flag halves the events at best; a country or a code leaves far fewer.
    return (known.kind is Kind.BOOL, len(known.values), known.key)


R = TypeVar("R")


class RuleIndex(Generic[R]):
    """Rules of one trigger, found by an event's facts in time that does not grow with them."""

    def __init__(self, rules: Iterable[tuple[R, Sequence[EqualityKey | Bound]]] = ()) -> None:
        """Put each rule under one of its demands, or under none.

        Of several equality keys it is the one that fewest rules share; a bound serves rules
        without any.
        """
        given = [
            (rule, [key for key in demands if isinstance(key, EqualityKey)], demands)
            for rule, demands in rules
        ]
        shared = Counter(
            (key.key, value) for _, keys, _ in given for key in keys for value in key.values
        )
        self._always: list[R] = []
        self._by_key: dict[str, tuple[Kind, dict[Any, list[R]], list[R]]] = {}
        bounded: dict[tuple[str, ...], list[tuple[R, Bound]]] = defaultdict(list)
        for rule, keys, demands in given:
            bound = next((each for each in demands if isinstance(each, Bound)), None)
            if keys:
                self._add(rule, min(keys, key=partial(_crowd, shared)))
            elif bound is not None:
                bounded[bound.keys].append((rule, bound))
            else:
                self._always.append(rule)
        self._bounded = [BoundIndex(several) for several in bounded.values()]

    def _add(self, rule: R, chosen: EqualityKey) -> None:
        _, by_value, every = self._by_key.setdefault(chosen.key, (chosen.kind, {}, []))
        every.append(rule)
        for value in chosen.values:
            by_value.setdefault(value, []).append(rule)

    def candidates(self, facts: Facts) -> list[R]:
        """The rules whose verdict can be other than False; no order is promised."""
        found = list(self._always)
        for key, (kind, by_value, every) in self._by_key.items():
            value = READ[kind](facts.get(key))
            if value is None:
                found.extend(every)
            elif value in by_value:
                found.extend(by_value[value])
        for bounded in self._bounded:
            found += bounded.candidates(facts)
        return found


def _crowd(
    shared: Counter[tuple[str, Any]], known: EqualityKey
) -> tuple[int, tuple[int, int, str]]:
    """How many rules an event that has one of the key's values would still have to be asked."""
    return max(shared[known.key, value] for value in known.values), _width(known)
