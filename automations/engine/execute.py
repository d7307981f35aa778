"""Due runs are done: claimed in sets, checked, acted on and written back in one transaction."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, connection, transaction

from automations.engine import crashes, progress, wake, work
from automations.engine.batch import Batch

logger = logging.getLogger(__name__)


def worker() -> str:
    """This process, as its notes name it."""
    return f"{socket.gethostname()}:{os.getpid()}"


def execute_batch(limit: int = work.BATCH) -> int:
    """Do the runs that are due, oldest first; answers how many were worked on."""
    with transaction.atomic():
        note, run_ids = work.claim(worker(), limit)
    if not run_ids:
        return 0
    try:
        with transaction.atomic():
            return _in_hand(note, run_ids)
    except (OperationalError, InterfaceError):
        # A deadlock, a timeout, a connection that is gone: the same runs may pass in a moment.
        logger.exception("The database refused a batch of %s runs", len(run_ids))
        let_go(note)
        return 0
    except SoftTimeLimitExceeded:
        count_crash(note)
        raise
    except Exception:
        logger.exception("A batch of %s runs broke", len(run_ids))
        count_crash(note)
        return len(run_ids)


def _in_hand(note: int, run_ids: Sequence[int]) -> int:
    if not work.hold(note, unhurried=True):
        return 0
    works = work.load(run_ids)
    worked_on = 0
    if works:
        batch = Batch(works)
        worked_on = batch.do()
        for lane in batch.lanes:
            wake.soon("call", lane)
    if worked_on:
        progress.claimed("execute")
    work.drop(note)
    return worked_on


def let_go(note: int) -> None:
    """The worker lives, so its note must not tell of a crash; a lost connection can't be helped."""
    if not connection.is_usable():
        connection.close()
    with transaction.atomic():
        work.drop(note)


def count_crash(note: int) -> None:
    """The work broke, which counts against its runs like a worker that died."""
    with transaction.atomic():
        crashes.count([note])
