"""Runs kept back by a stop, and what becomes of them when it is lifted."""

from __future__ import annotations

from typing import Literal

from automations.engine import database, wake

RELEASE = """
UPDATE automations_run SET state = 'due', outcome = '', run_after = statement_timestamp()
WHERE state = 'parked' AND (%s::bigint IS NULL OR rule_id = %s)
AND rule_id NOT IN (SELECT rule_id FROM automations_stop WHERE lifted_at IS NULL AND rule_id IS NOT NULL)
"""
CANCEL = """
UPDATE automations_run SET state = 'cancelled', outcome = 'Cancelled when the stop was lifted.',
    finished_at = statement_timestamp()
WHERE state = 'parked' AND (%s::bigint IS NULL OR rule_id = %s)
AND rule_id NOT IN (SELECT rule_id FROM automations_stop WHERE lifted_at IS NULL AND rule_id IS NOT NULL)
"""


def leave(rule_id: int | None, queued: Literal["release", "cancel"]) -> int:
    """Release or cancel the runs a stop kept back (None: of all rules not stopped on their own)."""
    touched = database.write(RELEASE if queued == "release" else CANCEL, rule_id, rule_id)
    wake.soon("execute")
    return touched
