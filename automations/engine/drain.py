"""A wake-up works until nothing is left or its time is up, and calls for help if there is much."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping

from automations.engine import wake
from automations.engine.wake import Stage

logger = logging.getLogger(__name__)

# Below the soft limit of a task, with room for the batch in hand.
SECONDS = 20.0


def drain(batches: Mapping[Stage, Callable[[], int]], *, full: int) -> int:
    """Work batch after batch of these stages in turn; answers how many it worked on.

    What one stage leaves for the next, this process takes up itself: a message would only bring
    another one to it later. A full batch wakes another worker. A line in the log for each batch,
    none for each run.
    """
    for stage in batches:
        wake.arrived(stage)
    until, total, done = time.monotonic() + SECONDS, 0, 1
    with wake.here(batches):
        while done:
            done = sum(_one(stage, batch, full) for stage, batch in batches.items())
            total += done
            if time.monotonic() > until:
                wake.call_for_help(next(iter(batches)))
                break
    return total


def _one(stage: Stage, batch: Callable[[], int], full: int) -> int:
    began = time.monotonic()
    done = batch()
    if done:
        ms = round((time.monotonic() - began) * 1000, 1)
        logger.info("%s: %s done", stage, done, extra={"stage": stage, "done": done, "ms": ms})
    if done >= full:
        wake.call_for_help(stage)
    return done
