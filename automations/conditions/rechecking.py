"""“Still true?”: a tree judged again, some clauses as they were when the run started.

Taken as they were: clauses about the moment (`changed_to`), clauses marked for the start only,
and clauses on what the run itself has written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from automations.conditions.compiling import compile_node
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.conditions.leaves import Predicate, Verdict
from automations.conditions.operands import Params, Scope
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
from automations.conditions.problems import joined
from automations.conditions.tree import (
    Clause,
    Condition,
    Leaf,
    Listed,
    Sum,
    children,
    field_of,
)


class Seen(NamedTuple):
    """What a predicate is judged on."""

    facts: Facts
    lists: Lists
    now: datetime


def _own_paths(node: Leaf) -> Iterator[str]:
    if isinstance(node, Clause):
        yield node.field
    values = node.value if isinstance(node, Clause) or hasattr(node, "value") else None
    for value in values if isinstance(values, list) else [values]:
        if (path := field_of(value)) is not None:
            yield path


def leaf_paths(node: Leaf) -> set[str]:
    """The payload paths a leaf reads; a list's item fields come under the list."""
    found = set(_own_paths(node))
    if isinstance(node, Listed):
        found.add(node.path)
        if isinstance(node, Sum):
            found.add(joined(node.path, node.of))
        for _, part in children(node):
            # A `where` may name the item's fields or the event's own: both count as read.
            inner = {path for _, leaf in _leaves(part, "") for path in leaf_paths(leaf)}
            found |= {joined(node.path, path) for path in inner} | inner
    return found


def _leaves(node: Condition, path: str) -> Iterator[tuple[str, Leaf]]:
    if isinstance(node, Leaf):
        yield path, node
        return
    for step, part in children(node):
        yield from _leaves(part, joined(path, step))


def paths_read(tree: Condition) -> set[str]:
    """Every payload path a tree reads."""
    return {path for _, leaf in _leaves(tree, "") for path in leaf_paths(leaf)}


def _within(node: Leaf, meets: Callable[[Leaf], bool]) -> bool:
    if meets(node):
        return True
    inner = [leaf for _, part in children(node) for _, leaf in _leaves(part, "")]
    return any(_within(leaf, meets) for leaf in inner)


def _touches(path: str, written: str) -> bool:
    return path == written or path.startswith(f"{written}.") or written.startswith(f"{path}.")


def is_frozen(node: Leaf, written: Iterable[str]) -> bool:
    """Whether a recheck takes this leaf as it was."""
    if _within(node, lambda leaf: leaf.start_only):
        return True
    if is_about_the_moment(node):
        return True
    paths = leaf_paths(node)
    return any(_touches(path, name) for path in paths for name in written)


def is_about_the_moment(node: Leaf) -> bool:
    """Whether this leaf compares what was before a fact with what came after it."""
    return _within(node, lambda leaf: isinstance(leaf, Clause) and leaf.op in MOMENT)


def is_on_the_clock(node: Leaf) -> bool:
    """Whether this leaf's answer can change while nothing but time passes."""
    return _within(node, lambda leaf: isinstance(leaf, Clause) and leaf.op in ON_THE_CLOCK)


@dataclass(frozen=True, slots=True)
class Flags:
    """The leaves of a tree by what a recheck does with them, as paths in reading order.

    `on_the_clock` are live ones that time alone can change: with none of these, an unchanged
    subject means the answer is unchanged.
    """

    frozen: tuple[str, ...]
    live: tuple[str, ...]
    on_the_clock: tuple[str, ...]


def flags_for_recheck(tree: Condition, written: Iterable[str] = (), path: str = "when") -> Flags:
    """Split a tree's leaves, given the payload paths the run has written so far."""
    written = tuple(written)
    leaves = list(_leaves(tree, path))
    frozen = [at for at, leaf in leaves if is_frozen(leaf, written)]
    live = [(at, leaf) for at, leaf in leaves if at not in frozen]
    return Flags(
        tuple(frozen),
        tuple(at for at, _ in live),
        tuple(at for at, leaf in live if is_on_the_clock(leaf)),
    )


# Judges what was seen at the start beside what is seen now.
Recheck = Callable[[Seen, Seen], Verdict]


def compile_recheck(
    tree: Condition,
    catalogue: Catalogue,
    params: Params | None = None,
    written: Iterable[str] = (),
) -> Recheck:
    """A predicate over the start and the present: True means still true.

    Raises ConditionInvalid when a part does not fit the catalogue.
    """
    names = tuple(written)

    def wrap(node: Leaf, scope: Scope, check: Predicate) -> Predicate:
        # The groups hand on whatever three things they are given: here pairs, then and now.
        at = 0 if is_frozen(node, names) else 1

        def of_pair(facts: Any, lists: Any, now: Any) -> Verdict:
            return check(facts[at], lists[at], now[at])

        return of_pair

    predicate: Any = compile_node(tree, Scope(catalogue, params or {}), wrap)

    def recheck(then: Seen, current: Seen) -> Verdict:
        verdict: Verdict = predicate(
            (then.facts, current.facts), (then.lists, current.lists), (then.now, current.now)
        )
        return verdict

    return recheck
