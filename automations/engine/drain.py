"""A wake-up works until nothing is left or its time is up, and calls for help if there is much."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from automations.engine import wake
from automations.engine.wake import Stage

logger = logging.getLogger(__name__)

# Below the soft limit of a task, with room for the batch in hand.
SECONDS = 20.0


def drain(stage: Stage, batch: Callable[[], int], *, full: int) -> int:
    """Work batch after batch; a full one wakes another worker. Answers how many it worked on.

    A line in the log for each batch, none for each run.
    """
    wake.arrived(stage)
    began, total = time.monotonic(), 0
    until = began + SECONDS
    while (done := batch()) > 0:
        now = time.monotonic()
        ms = round((now - began) * 1000, 1)
        logger.info("%s: %s done", stage, done, extra={"stage": stage, "done": done, "ms": ms})
        began, total = now, total + done
        if done >= full:
            wake.send(stage)
        if now > until:
            wake.send(stage)
            break
    return total
