"""All that a rule makes of others and of itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from automations.conditions.operands import ConditionInvalid
from automations.interactions.alone import on_its_own
from automations.interactions.chains import circles, undone
from automations.interactions.findings import Finding, Kind
from automations.interactions.order import dependence, ended_waits
from automations.interactions.pairs import conflicts, duplicates, same_start
from automations.interactions.parties import Party
from automations.interactions.solving import is_impossible

_GRAVER = list(Kind)


def check(mine: Party, others: Sequence[Party]) -> list[Finding]:
    """Everything that is found, the graver first; nothing of what can't be read."""
    try:
        return sorted(_found(mine, others), key=lambda each: _GRAVER.index(each.kind))
    except ConditionInvalid:
        return []


def _found(mine: Party, others: Sequence[Party]) -> Iterator[Finding]:
    alone = list(on_its_own(mine))
    yield from alone
    if any(each.kind is Kind.NEVER for each in alone):
        return
    usable = [other for other in others if _is_usable(other)]
    for other in usable:
        if same_start(mine, other):
            yield from _of_a_pair(mine, other)
        yield from undone(mine, other)
    yield from circles(mine, usable)


def _is_usable(other: Party) -> bool:
    """Whether it can be held against another; what never starts meets nothing."""
    try:
        return not is_impossible([other.starts()])
    except ConditionInvalid:
        return False


def _of_a_pair(mine: Party, other: Party) -> Iterator[Finding]:
    same = duplicates(mine, other)
    if same is not None:
        yield same
        return
    yield from conflicts(mine, other)
    yield from dependence(mine, other)
    yield from ended_waits(mine, other)
