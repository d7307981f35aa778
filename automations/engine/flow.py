"""Where a run goes next: past the step that is over, into the branch that holds, to each item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from automations.conditions.fields import Facts, item_facts
from automations.engine.compiled import Compiled
from automations.engine.work import Work
from automations.rules.cursor import next_step
from automations.rules.document import ForEach, If


class ListUnknown(Exception):
    """A loop whose list is not known: how often it goes round can't be told."""


def loops_at(cursor: str) -> list[tuple[str, int]]:
    """The loops around a cursor's step, outermost first: each with the position of its item."""
    around = []
    for part in cursor.split("/")[:-1]:
        uid, _, mark = part.partition(":")
        if mark.isdecimal():
            around.append((uid, int(mark)))
    return around


def target_of(cursor: str) -> str:
    """What tells the items of loops apart in an effect's key; empty outside loops."""
    return "/".join(f"{uid}:{index}" for uid, index in loops_at(cursor))


def items_of(work: Work, step: ForEach, inside: Sequence[tuple[str, int]]) -> Sequence[Facts]:
    """What a loop goes over: the list as it was when the loop began, however often it is asked.

    Raises ListUnknown.
    """
    kept = work.items.get(step.uid)
    if kept is not None:
        return list(kept)
    told = work.told[1].get(step.for_each)
    begun = any(uid == step.uid for uid, _ in inside)
    known = told if begun else work.seen[1].get(step.for_each)
    if type(known) is not list:
        raise ListUnknown(step.for_each)
    if known != told:
        work.items = {**work.items, step.uid: known}
    return known


def facts_at(work: Work, rule: Compiled, cursor: str) -> Facts:
    """What the step at a cursor reads: the subject as it was last seen, and the loop's item."""
    around = loops_at(cursor)
    if not around:
        return work.seen[0]
    uid, index = around[-1]
    items = items_of(work, rule.steps[uid], around)
    item: Mapping[str, Any] = items[index] if index < len(items) else {}
    return item_facts(work.seen[0], item)


def advance(work: Work, rule: Compiled, now: datetime) -> bool:
    """Go on after the step that is over, or to the first; answers whether there is one.

    Raises ListUnknown, and CursorLost when the cursor does not fit the document.
    """
    work.leaving = False
    following = rule.plain_next(work.cursor) if rule.is_plain else _next(work, rule, now)
    if following is None:
        return False
    work.cursor = following
    return True


def _next(work: Work, rule: Compiled, now: datetime) -> str | None:
    inside = loops_at(work.cursor)

    def branch(step: If, loop: tuple[str, int] | None) -> bool:
        facts = work.seen[0]
        if loop is not None:
            uid, index = loop
            facts = item_facts(facts, items_of(work, rule.steps[uid], inside)[index])
        return rule.tests[step.uid](facts, work.seen[1], now) is True

    def length(step: ForEach) -> int:
        return len(items_of(work, step, inside))

    found = next_step(rule.document, work.cursor or None, branch=branch, length=length)
    return found.cursor if found is not None else None
