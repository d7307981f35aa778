"""Runs kept back by a stop, and what becomes of them when it is lifted."""

from __future__ import annotations

from typing import Literal

from automations.engine import database, wake
from automations.models.runs import Run

# Lifting one stop leaves alone what another one still holds.
_HELD = """
state = 'parked' AND parked_for = 'stop' AND (%s::bigint IS NULL OR rule_id = %s)
    AND (%s = '' OR lane = %s)
    AND NOT EXISTS (SELECT 1 FROM automations_stop s WHERE s.lifted_at IS NULL
        AND (s.rule_id = r.rule_id OR (s.lane <> '' AND s.lane = r.lane)
            OR (s.rule_id IS NULL AND s.lane = '')))
"""
RELEASE = f"""
UPDATE automations_run r SET state = 'due', outcome = '', parked_for = '',
    run_after = statement_timestamp()
WHERE {_HELD}
"""  # noqa: S608
CANCEL = f"""
UPDATE automations_run r SET state = 'cancelled', finished_at = statement_timestamp(),
    outcome = 'Cancelled when the stop was lifted.', parked_for = ''
WHERE {_HELD}
"""  # noqa: S608

# They pass the limits again, as far as these allow.
GO_ON = """
UPDATE automations_run SET state = 'due', outcome = '', parked_for = '',
    run_after = statement_timestamp()
WHERE rule_id = %s AND state = 'parked' AND parked_for = %s
"""
GIVE_UP = """
UPDATE automations_run SET state = 'skipped', finished_at = statement_timestamp(),
    outcome = outcome || ' ' || %s, parked_for = ''
WHERE rule_id = %s AND state = 'parked' AND parked_for = %s
"""


def release(rule_id: int, why: Run.Parked) -> int:
    """Let a rule's parked runs go on; answers how many."""
    touched = database.write(GO_ON, rule_id, why.value)
    wake.soon("execute")
    return touched


def give_up(rule_id: int, why: Run.Parked, says: str) -> int:
    """Leave a rule's parked runs undone, saying who decided so; answers how many."""
    return database.write(GIVE_UP, says, rule_id, why.value)


def leave(rule_id: int | None, queued: Literal["release", "cancel"], lane: str = "") -> int:
    """Release or cancel the runs a lifted stop kept back.

    `rule_id` None: of all rules; `lane`: of one connector. What another stop holds stays.
    """
    query = RELEASE if queued == "release" else CANCEL
    touched = database.write(query, rule_id, rule_id, lane, lane)
    wake.soon("execute")
    if lane:
        wake.soon("call", lane)
    return touched
