"""One sentence out of an explanation, for outcomes and cases."""

from __future__ import annotations

from collections.abc import Iterator

from automations.conditions.explaining import Explained

GROUPS = ("all", "any", "not")


def leaves(told: Explained) -> Iterator[Explained]:
    """The clauses and list conditions, in reading order."""
    if told.shape not in GROUPS:
        yield told
        return
    for part in told.parts:
        yield from leaves(part)


def unknown(told: Explained) -> str:
    """What could not be judged, and why."""
    found = [
        f"{leaf.words} ({leaf.why})" if leaf.why else leaf.words
        for leaf in leaves(told)
        if leaf.verdict == "unknown"
    ]
    return f"It can't be known whether {' and '.join(found)}." if found else "Data is missing."


def overtaken(then: Explained, again: Explained) -> str:
    """What no longer holds, with both values."""
    before = {leaf.path: leaf for leaf in leaves(then)}
    found = [
        f"{leaf.words} (was {before[leaf.path].seen}, now {leaf.seen or leaf.why})"
        for leaf in leaves(again)
        if leaf.path in before and leaf.verdict != before[leaf.path].verdict
    ]
    return f"No longer true: {', '.join(found)}." if found else "No longer true."
