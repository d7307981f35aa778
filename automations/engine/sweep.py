"""What the clock finds: lost wake-ups, dead workers, schedules, cases whose snooze is over.

Idempotent: two dispatchers do no harm, they find nothing the second time.
"""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from automations.engine import (
    crashes,
    database,
    doubts,
    outages,
    progress,
    questions,
    schedule,
    wake,
)
from automations.models.failures import Failure

WAITING = """
SELECT EXISTS (SELECT 1 FROM automations_pendingevent),
    EXISTS (SELECT 1 FROM automations_run WHERE lane = ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    ARRAY(SELECT DISTINCT lane FROM automations_run WHERE lane <> ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_scheduleslot
        WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp())
"""


def sweep() -> None:
    """One round; each part stands on its own."""
    progress.swept()
    with transaction.atomic():
        crashes.count(crashes.find())
    doubts.expire()
    _wake_cases()
    questions.time_out()
    schedule.dispatch()
    events, runs, lanes, slots = database.fetch(WAITING)[0]
    if events:
        wake.send("match")
    if runs:
        wake.send("execute")
    if slots:
        wake.send("scan")
    for lane in {*lanes, *doubts.lanes_to_look_up(), *outages.lanes_that_wait()}:
        wake.send("call", lane)


def _wake_cases() -> None:
    Failure.objects.filter(state=Failure.State.SNOOZED, snoozed_until__lte=timezone.now()).update(
        state=Failure.State.OPEN, snoozed_until=None, version=F("version") + 1
    )
