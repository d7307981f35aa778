"""Runs that wait when a new version goes live: finished as they are, moved to it, or cancelled."""

from __future__ import annotations

from typing import Literal

from automations.engine import database
from automations.engine.compiled import Compiled, compiled
from automations.models.runs import Run
from automations.rules.cursor import CursorLost, step_at
from automations.rules.document import Wait

Waiting = Literal["finish", "move", "cancel"]

WAITING = """
SELECT id, document_id, cursor FROM automations_run
WHERE rule_id = %s AND state = 'waiting' AND NOT shadow AND document_id <> %s
ORDER BY id FOR NO KEY UPDATE
"""
MOVE = """
UPDATE automations_run SET document_id = %s, outcome = outcome || ' Moved to a new version.'
WHERE id = ANY(%s::bigint[])
"""
CANCEL = """
UPDATE automations_run SET state = 'cancelled', ends_on = NULL, finished_at = statement_timestamp(),
    outcome = 'Cancelled when a new version went live.'
WHERE id = ANY(%s::bigint[])
"""


def count_waiting(rule_id: int) -> int:
    """How many runs of a rule wait now, under whatever version."""
    return Run.objects.filter(rule_id=rule_id, state=Run.State.WAITING, shadow=False).count()


def settle(rule_id: int, document_id: int, waiting: Waiting) -> int:
    """Do with the runs waiting under earlier versions as was chosen; answers how many it touched.

    A run moves only where the new version has the wait it stands at; else it finishes as it is.
    """
    if waiting == "finish":
        return 0
    rows = database.fetch(WAITING, rule_id, document_id)
    if waiting == "cancel":
        return database.write(CANCEL, database.ids(row[0] for row in rows))
    rule = compiled([document_id])[document_id]
    if not isinstance(rule, Compiled):
        return 0
    fitting = database.ids(row[0] for row in rows if _fits(rule, row[2]))
    return database.write(MOVE, document_id, fitting)


def _fits(rule: Compiled, cursor: str) -> bool:
    try:
        return isinstance(step_at(rule.document, cursor).step, Wait)
    except CursorLost:
        return False
