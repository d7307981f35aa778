"""What the clock finds: lost wake-ups, dead workers, schedules, cases to take up or that are late.

Idempotent: two dispatchers do no harm, they find nothing the second time.
"""

from __future__ import annotations

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
    with transaction.atomic():
        crashes.count(crashes.find())
    doubts.expire()
    emergencies.end_due()
    snoozes.wake()
    blocks.release()
    questions.time_out()
    escalation.escalate()
    schedule.dispatch()
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
