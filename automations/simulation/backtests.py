"""Backtests as jobs: a slice at a time, by whatever worker is free.

Who counts holds no lock: an attempt's token is what lets it write. A worker that dies leaves its
slice to the next one, and a backtest that was cancelled meanwhile refuses the figures.
"""

from __future__ import annotations

import logging
import time
from datetime import timedelta

from celery.exceptions import SoftTimeLimitExceeded
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from automations.conditions.operands import ConditionInvalid
from automations.engine import database
from automations.models.backtests import Backtest
from automations.rules.document import RuleDocument
from automations.rules.parsing import DocumentInvalid, read_document
from automations.simulation import backtest as counting
from automations.simulation.sums import Sums
from automations.triggers import triggers

logger = logging.getLogger(__name__)

FIRST_SLICE, LARGEST_SLICE = 5_000, 200_000
# A slice is made larger below the first, smaller above the second.
QUICK_SECONDS, SLOW_SECONDS = 0.8, 3.0
MOST_TRIES = 4

# The one that was looked at longest ago: a long one lets short ones through. The minute is longer
# than any task may take.
CLAIM = """
UPDATE automations_backtest SET token = token + 1, tries = tries + 1, state = 'running',
    touched_at = clock_timestamp(), run_after = statement_timestamp() + interval '60 seconds'
WHERE id = (SELECT id FROM automations_backtest
    WHERE state IN ('queued', 'running') AND run_after <= statement_timestamp()
        AND (%s::bigint IS NULL OR id = %s)
    ORDER BY touched_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id
"""
EXPECTED = """
SELECT count(*) FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at >= %s AND occurred_at <= %s
"""


def backtest_slice(only: int | None = None) -> int:
    """Count the next slice of an open backtest; answers 1, or 0 when there is none to do.

    `only` is the one to go on with; None: the one that has waited longest.
    """
    claimed = database.fetch(CLAIM, only, only)
    if not claimed:
        return 0
    job = Backtest.objects.get(pk=claimed[0][0])
    if job.tries > MOST_TRIES:
        _end(job, Backtest.State.FAILED, job.says or "The worker died each time.")
        return 1
    try:
        _count(job)
    except SoftTimeLimitExceeded:
        _smaller(job)
        raise
    except (ConditionInvalid, DocumentInvalid, KeyError) as error:
        _end(job, Backtest.State.FAILED, f"This version can't be replayed: {error}")
    except Exception as error:
        logger.exception("A slice of backtest %s can't be counted", job.pk)
        _mine(job).update(
            run_after=timezone.now() + timedelta(seconds=2**job.tries), says=str(error)[:300]
        )
    return 1


def _mine(job: Backtest) -> QuerySet[Backtest]:
    """The row, as long as this attempt may write it: nobody has cancelled it or taken it over."""
    return Backtest.objects.filter(pk=job.pk, token=job.token, state=Backtest.State.RUNNING)


def _end(job: Backtest, state: Backtest.State, says: str = "") -> None:
    _mine(job).update(state=state, says=says[:300], finished_at=Now(), touched_at=Now())


def _smaller(job: Backtest) -> None:
    """Try a quarter of the slice at once: this one was too much for one task."""
    _mine(job).update(slice=max(500, job.slice // 4), run_after=Now())


def compiled(job: Backtest) -> counting.Backtest:
    """A job's two versions, ready to count; raises KeyError, ConditionInvalid, DocumentInvalid."""
    live: RuleDocument | None = read_document(job.live.text) if job.live is not None else None
    return counting.Backtest(read_document(job.text), live, triggers[job.trigger])


def sums_of(job: Backtest) -> Sums:
    """What a job has counted so far."""
    return Sums.from_json(job.sums)


def _count(job: Backtest) -> None:
    began = time.perf_counter()
    both = compiled(job)
    sums = sums_of(job) if job.sums else both.fresh()
    if job.expected is None:
        job.expected = database.fetch(EXPECTED, job.trigger, job.since, job.until)[0][0]
    part = both.next_slice(job.cursor, job.until, job.slice)
    judged = both.add(sums, part)
    _keep(job, sums, part, judged, time.perf_counter() - began)


def _keep(job: Backtest, sums: Sums, part: counting.Slice, judged: int, seconds: float) -> None:
    """Write down what a slice came to, in one statement; nothing where it is not ours any more."""
    done = part.end >= job.until
    size = job.slice
    if seconds < QUICK_SECONDS:
        size = min(LARGEST_SLICE, size * 2)
    elif seconds > SLOW_SECONDS:
        size = max(500, size // 2)
    _mine(job).update(
        sums=(sums.finished() if done else sums).as_json(),
        cursor=part.end,
        events=sums.events,
        expected=job.expected,
        seconds=F("seconds") + seconds,
        judged=F("judged") + judged,
        slice=size,
        tries=0,
        says="",
        run_after=Now(),
        touched_at=Now(),
        state=Backtest.State.DONE if done else Backtest.State.RUNNING,
        finished_at=Now() if done else None,
    )
