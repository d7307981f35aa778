"""Signs of life, written by the work itself and at most once a second by each process.

A stage calls `claimed` in the transaction of the work it took; the watchdog reads what is
committed.
"""

from __future__ import annotations

import os
import socket
import time
from datetime import datetime

from django.db import connection
from django.utils import timezone

from automations.engine import database

CLAIM_SECONDS = 1.0
WORKING_SECONDS = 5.0
# The sweep, as a stage: what beat sends and a worker does.
SWEEP = "sweep"

CLAIMED = """
INSERT INTO automations_progress (stage, worker, last_claim_at)
VALUES (%s, %s, clock_timestamp())
ON CONFLICT (stage, worker) DO UPDATE SET last_claim_at = excluded.last_claim_at
"""
MINUTE = """
INSERT INTO automations_enginehour AS h (hour, swept, stalled)
SELECT date_trunc('hour', now), CASE WHEN %s THEN 0 ELSE bit END, CASE WHEN %s THEN bit ELSE 0 END
FROM (SELECT now(), 1::bigint << date_part('minute', now())::int AS bit) AS at
ON CONFLICT (hour) DO UPDATE SET swept = h.swept | excluded.swept,
    stalled = h.stalled | excluded.stalled
"""
WORKING = """
INSERT INTO automations_worker (name, started_at, seen_at) VALUES (%s, %s, clock_timestamp())
ON CONFLICT (name) DO UPDATE SET started_at = excluded.started_at, seen_at = excluded.seen_at
"""
FORGET = """
WITH workers AS (
    DELETE FROM automations_worker WHERE seen_at < now() - interval '1 day'
)
DELETE FROM automations_progress p WHERE last_claim_at < now() - interval '1 day'
    AND EXISTS (SELECT 1 FROM automations_progress o
        WHERE o.stage = p.stage AND o.last_claim_at > p.last_claim_at)
"""

_due: dict[tuple[str, str], float] = {}
_began: tuple[str, datetime] | None = None


def _is_due(what: str, seconds: float) -> bool:
    """Whether this process wrote no such sign for so long; by database, as tests use several."""
    key, now = (str(connection.settings_dict["NAME"]), what), time.monotonic()
    if now < _due.get(key, 0.0):
        return False
    _due[key] = now + seconds
    return True


def claimed(stage: str) -> None:
    """Tell that this process has taken work of a stage, in the caller's transaction."""
    if _is_due(stage, CLAIM_SECONDS):
        database.write(CLAIMED, stage, f"{socket.gethostname()}:{os.getpid()}")


def swept() -> None:
    """Tell that the sweep was here, which needs beat, Redis and a worker all three."""
    claimed(SWEEP)
    database.write(MINUTE, False, False)


def stood_still() -> None:
    """Note that the engine stands still in this minute."""
    database.write(MINUTE, True, True)


def begin() -> None:
    """Note when this worker began and what it is called, before it forks."""
    global _began
    _began = f"{socket.gethostname()}:{os.getpid()}", timezone.now()


def began() -> datetime | None:
    """When this worker began; None outside a worker."""
    return _began[1] if _began is not None else None


def working() -> None:
    """Tell that the worker of this process has a task in hand; nothing outside a worker."""
    if _began is not None and _is_due("working", WORKING_SECONDS):
        database.write(WORKING, *_began)


def forget() -> None:
    """Remove the signs of processes that were not seen for a day; the last of a stage stays."""
    database.write(FORGET)
