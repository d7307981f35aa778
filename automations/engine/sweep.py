"""What the clock finds: lost wake-ups, dead workers, cases whose snooze is over or that are late.

Idempotent: two dispatchers do no harm, they find nothing the second time.
"""

from __future__ import annotations

from django.db import transaction

from automations.engine import crashes, database, escalation, progress, questions, snoozes, wake

WAITING = """
SELECT EXISTS (SELECT 1 FROM automations_pendingevent),
    EXISTS (SELECT 1 FROM automations_run WHERE lane = ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()),
    ARRAY(SELECT DISTINCT lane FROM automations_run WHERE lane <> ''
        AND state IN ('due', 'waiting') AND run_after <= statement_timestamp())
"""


def sweep() -> None:
    """One round; each part stands on its own."""
    progress.swept()
    with transaction.atomic():
        crashes.count(crashes.find())
    snoozes.wake()
    questions.time_out()
    escalation.escalate()
    events, runs, lanes = database.fetch(WAITING)[0]
    if events:
        wake.send("match")
    if runs:
        wake.send("execute")
    for lane in lanes:
        wake.send("call", lane)
