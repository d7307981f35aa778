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


# Whoever mends the first items has seen what the others lack.
_MOST_ITEMS = 2


def _unsure(told: Explained) -> list[Explained]:
    return [leaf for leaf in leaves(told) if leaf.verdict == "unknown"]


def _why(leaf: Explained) -> str:
    """What made a part unknown; of a list, which items, and what of them."""
    items = [item for item in leaf.parts if item.shape == "item" and item.verdict == "unknown"]
    named = [
        f"{item.words}: {part.words} – {_why(part) or 'data is missing'}"
        for item in items[:_MOST_ITEMS]
        for inside in item.parts
        for part in _unsure(inside)[:1]
    ]
    if not named:
        return leaf.why
    more = len(items) - _MOST_ITEMS
    return "; ".join([*named, f"and {more} more"] if more > 0 else named)


def unknown(told: Explained) -> str:
    """What could not be judged, and why."""
    found = [
        f"{leaf.words} ({why})" if (why := _why(leaf)) else leaf.words for leaf in _unsure(told)
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
