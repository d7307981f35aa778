"""A wake-up works until nothing is left or its time is up, and calls for help if there is much."""

from __future__ import annotations

import time
from collections.abc import Callable

from automations.engine import wake
from automations.engine.wake import Stage

# Below the soft limit of a task, with room for the batch in hand.
SECONDS = 20.0


def drain(stage: Stage, batch: Callable[[], int], *, full: int) -> int:
    """Work batch after batch; a full one wakes another worker. Answers how many it worked on."""
    wake.arrived(stage)
    until, total = time.monotonic() + SECONDS, 0
    while (done := batch()) > 0:
        total += done
        if done >= full:
            wake.send(stage)
        if time.monotonic() > until:
            wake.send(stage)
            break
    return total
