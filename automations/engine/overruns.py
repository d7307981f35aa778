"""Runs that take too long: they began later than their rule declared, or a step won't get through.

What has ended is found where it is counted (`measure`); this finds what is still under way.
"""

from __future__ import annotations

from django.db import transaction

from automations.engine import database

# Seconds from event to first step, by what a rule declares.
LIMITS = {"real_time": 60, "batch": 3_600}
# One attempt at a step, and all attempts at a step together.
SLOW_SECONDS = 30
TRYING_SECONDS = 120
AT_ONCE = 1_000

LATENCY = "coalesce(d.text::jsonb ->> 'latency', 'real_time')"
LATE = f"CASE latency WHEN 'batch' THEN {LIMITS['batch']} ELSE {LIMITS['real_time']} END"

# Released runs are due from their release; a backlog is looked at a thousand runs a time.
NOT_BEGUN = f"""
WITH declared AS MATERIALIZED (
    SELECT d.id, {LATENCY} AS latency FROM automations_document d WHERE d.id IN (
        SELECT document_id FROM automations_run
            WHERE state = 'due' AND trace_length = 0 AND NOT shadow
            AND run_after <= statement_timestamp() - %s * interval '1 second')
), late AS (
    SELECT r.id, r.rule_id, d.latency, extract(epoch FROM statement_timestamp() - CASE
        WHEN r.run_after > r.created_at + interval '1 second' THEN r.run_after
        ELSE e.recorded_at END)::float8 AS waited
    FROM automations_run r JOIN declared d ON d.id = r.document_id
    JOIN automations_event e ON e.id = r.event_id
    WHERE r.state = 'due' AND r.trace_length = 0 AND NOT r.shadow
        AND r.run_after <= statement_timestamp() - ({LATE}) * interval '1 second'
        AND NOT EXISTS (SELECT 1 FROM automations_overrun o
            WHERE o.run_id = r.id AND o.kind = 'start')
    LIMIT %s
)
INSERT INTO automations_overrun (run_id, kind, rule_id, latency, cursor, action, seconds)
SELECT id, 'start', rule_id, latency, '', '', waited FROM late
ON CONFLICT (run_id, kind) DO NOTHING
"""  # noqa: S608 - numbers and expressions of this house
# Runs whose last attempt did not get through and that have been at this step for too long.
TRYING = f"""
INSERT INTO automations_overrun (run_id, kind, rule_id, latency, cursor, action, seconds)
SELECT r.id, 'trying', r.rule_id, {LATENCY}, r.cursor, last.action,
    extract(epoch FROM statement_timestamp() - first.at)
FROM ((SELECT * FROM automations_run WHERE state = 'due' AND run_after > statement_timestamp()
        AND trace_length > 0 ORDER BY run_after LIMIT %s)
    UNION ALL (SELECT * FROM automations_run WHERE state = 'parked' AND parked_for = 'connector'
        AND trace_length > 0 ORDER BY run_after LIMIT %s)) r
JOIN automations_steprun last ON last.run_id = r.id AND last.number = r.trace_length
    AND last.outcome IN ('retry', 'down')
CROSS JOIN LATERAL (SELECT min(started_at) AS at FROM automations_steprun s
    WHERE s.run_id = r.id AND s.cursor = r.cursor) first
JOIN automations_document d ON d.id = r.document_id
WHERE first.at < statement_timestamp() - %s * interval '1 second'
ON CONFLICT (run_id, kind) DO NOTHING
"""  # noqa: S608 - as above


@transaction.atomic
def find() -> int:
    """Write down what has been under way for too long; answers how many are new."""
    late = database.write(NOT_BEGUN, LIMITS["real_time"], AT_ONCE)
    return late + database.write(TRYING, AT_ONCE, AT_ONCE, TRYING_SECONDS)
