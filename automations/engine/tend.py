"""What is done behind the sweep: count, find what is late, tell people, look whether all moves."""

from __future__ import annotations

import logging
from collections.abc import Callable

from celery.exceptions import SoftTimeLimitExceeded

from automations.engine import alerts, inventory, measure, overruns, progress, watchdog

logger = logging.getLogger(__name__)


def look() -> None:
    """Whether work moves, once this worker is old enough to have moved it."""
    watchdog.watch(progress.began())


PARTS: tuple[Callable[[], object], ...] = (
    look,
    measure.count_all,
    overruns.find,
    alerts.send,
    inventory.look,
    progress.forget,
)


def tend() -> None:
    """One round; a part that breaks keeps no other from its turn."""
    for part in PARTS:
        try:
            part()
        except SoftTimeLimitExceeded:
            raise
        except Exception:
            logger.exception("%s.%s broke", part.__module__, part.__name__)
