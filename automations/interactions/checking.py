"""All that a rule makes of others and of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from automations.conditions.operands import ConditionInvalid
from automations.interactions.alone import on_its_own
from automations.interactions.chains import circles, undone
from automations.interactions.findings import Finding, Kind
from automations.interactions.order import dependence, ended_waits
from automations.interactions.over_time import over_time
from automations.interactions.pairs import conflicts, duplicates, same_start
from automations.interactions.parties import Party


def check(mine: Party, others: Sequence[Party]) -> list[Finding]:
    """Everything that is found, the graver first; nothing of what can't be read."""
    try:
        return sorted(_found(mine, others), key=lambda each: each.place)
    except ConditionInvalid:
        return []


def _found(mine: Party, others: Sequence[Party]) -> Iterator[Finding]:
    alone = list(on_its_own(mine))
    yield from alone
    if any(each.kind is Kind.NEVER for each in alone):
        return
    undo: set[int] = set()
    for other in others:
        try:
            if same_start(mine, other):
                yield from _of_a_pair(mine, other)
            for each in undone(mine, other):
                undo.add(other.rule_id)
                yield each
        except ConditionInvalid:
            # A rule that does not fit what there is now starts on nothing.
            continue
    yield from circles(mine, others)
    yield from over_time(mine, others, undo)


def _of_a_pair(mine: Party, other: Party) -> Iterator[Finding]:
    same = duplicates(mine, other)
    if same is not None:
        yield same
        return
    order = list(dependence(mine, other))
    # That both do the same is no matter of its own where only one of them comes to act.
    yield from (each for each in conflicts(mine, other) if not order or each.kind is not Kind.SAME)
    yield from order
    yield from ended_waits(mine, other)
