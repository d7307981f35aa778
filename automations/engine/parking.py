"""Runs kept back by a stop, and what becomes of them when it is lifted."""

from __future__ import annotations

from typing import Literal

from automations.engine import database, wake

# Lifting the stop of all rules leaves alone what is stopped on its own.
RELEASE = """
UPDATE automations_run r SET state = 'due', outcome = '', run_after = statement_timestamp()
WHERE state = 'parked' AND (%s::bigint IS NULL OR rule_id = %s) AND NOT EXISTS (
    SELECT 1 FROM automations_stop s WHERE s.lifted_at IS NULL AND s.rule_id = r.rule_id)
"""
CANCEL = """
UPDATE automations_run r SET state = 'cancelled', finished_at = statement_timestamp(),
    outcome = 'Cancelled when the stop was lifted.'
WHERE state = 'parked' AND (%s::bigint IS NULL OR rule_id = %s) AND NOT EXISTS (
    SELECT 1 FROM automations_stop s WHERE s.lifted_at IS NULL AND s.rule_id = r.rule_id)
"""


def leave(rule_id: int | None, queued: Literal["release", "cancel"]) -> int:
    """Release or cancel the runs a stop kept back (None: of all rules not stopped on their own)."""
    touched = database.write(RELEASE if queued == "release" else CANCEL, rule_id, rule_id)
    wake.soon("execute")
    return touched
