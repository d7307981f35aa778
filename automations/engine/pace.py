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
    start, began = 0, time.monotonic()
    while start < len(items):
        size = int(SECONDS / _took[action]) if action in _took else FIRST
        part = items[start : start + max(1, size)]
        yield part
        start += len(part)
        # Of all parts so far: what each part costs by itself would make a small last one look slow.
        _took[action] = max(1e-6, (time.monotonic() - began) / start)
