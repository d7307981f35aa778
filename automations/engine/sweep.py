"""What the clock finds: lost wake-ups, dead workers, schedules, cases to take up or that are late.

Idempotent: two dispatchers do no harm, they find nothing the second time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import transaction

from automations.engine import (
    blocks,
    crashes,
    database,
    doubts,
    emergencies,
    escalation,
    outages,
    progress,
    questions,
    schedule,
    snoozes,
    wake,
)

logger = logging.getLogger(__name__)

WAITING = """
SELECT EXISTS (SELECT 1 FROM automations_delivery
        WHERE state = 'waiting' AND due_at <= statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_pendingevent),
    EXISTS (SELECT 1 FROM automations_run WHERE lane = ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    ARRAY(SELECT DISTINCT lane FROM automations_run WHERE lane <> ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_scheduleslot
        WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_existingrecords
        WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_backtest
        WHERE state IN ('queued', 'running') AND run_after <= statement_timestamp())
"""


def sweep() -> None:
    """One round; each part stands on its own."""
    progress.swept()
    for part in (
        _count_crashes,
        doubts.expire,
        emergencies.end_due,
        snoozes.wake,
        blocks.release,
        questions.time_out,
        escalation.escalate,
        schedule.dispatch,
    ):
        _alone(part)
    _wake()


def _count_crashes() -> None:
    with transaction.atomic():
        crashes.count(crashes.find())


def _alone(part: Callable[[], object]) -> None:
    """Do one part: rows that break it keep nobody from the others."""
    try:
        with database.in_hand(()):
            part()
    except database.Broke:
        logger.exception("%s.%s broke, the rest of the sweep goes on", *_name(part))


def _name(part: Callable[[], object]) -> tuple[str, str]:
    return str(part.__module__), str(getattr(part, "__name__", part))


def _wake() -> None:
    deliveries, events, runs, lanes, slots, existing, backtests = database.fetch(WAITING)[0]
    if deliveries:
        wake.send("take")
    if events:
        wake.send("match")
    if runs:
        wake.send("execute")
    if slots:
        wake.send("scan")
    if existing:
        wake.send("existing")
    if backtests:
        wake.send("backtest")
    for lane in {*lanes, *doubts.lanes_to_look_up(), *outages.lanes_that_wait()}:
        wake.send("call", lane)
