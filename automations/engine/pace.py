"""How many runs an action is given at once: as many as it takes half a second for.

Between two such parts a stop that was pressed meanwhile is seen. What an action takes is known from
its last time in this process.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

SECONDS = 0.5
FIRST = 20
Item = TypeVar("Item")
_took: dict[str, float] = {}


def parts(action: str, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The items in parts; what the caller does with one before it asks for the next is timed."""
    start = 0
    while start < len(items):
        size = int(SECONDS / _took[action]) if action in _took else FIRST
        part = items[start : start + max(1, size)]
        began = time.monotonic()
        yield part
        _took[action] = max(1e-6, (time.monotonic() - began) / len(part))
        start += len(part)


def forget() -> None:
    """Know of no action how long it takes."""
    _took.clear()
