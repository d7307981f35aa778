"""Counts ended runs into hours, minutes and a histogram, each run once, in sets.

A run that has ended does not change, so a count of it stays true. What is counted ends before the
oldest transaction that could still be ending runs: nothing can appear behind it later.
"""

from __future__ import annotations

import time

from django.db import transaction

from automations.engine import database
from automations.engine.overruns import LATE, LATENCY, SLOW_SECONDS

AT_ONCE = 20_000
# A statement may take its time between reading the clock and its first write.
MARGIN_SECONDS = 15
# An import holds a transaction open for long and ends no run; what ends runs is killed before.
OLDEST_SECONDS = 120
SECONDS = 5.0
MINUTES_KEPT_DAYS = 62

UPTO = "SELECT upto FROM automations_measured FOR UPDATE SKIP LOCKED"
HORIZON = """
SELECT least(at.now - %s * interval '1 second', greatest(at.now - %s * interval '1 second',
    coalesce((SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()
        AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()), at.now)))
FROM (SELECT statement_timestamp() AS now) at
"""
# The last moment of the next set; runs of one moment stay together.
NEXT = """
SELECT coalesce((SELECT finished_at FROM automations_run
    WHERE finished_at > %s AND finished_at <= %s ORDER BY finished_at OFFSET %s LIMIT 1), %s)
"""
# Waiting is counted from when a run was due: that of one released by people, from then.
COUNT = f"""
WITH ended AS MATERIALIZED (
    SELECT r.id, r.rule_id, r.document_id, r.state, r.finished_at, s.slowest,
        extract(epoch FROM r.finished_at - e.recorded_at)::float8 AS reach,
        extract(epoch FROM begun.at - CASE
            WHEN r.run_after > r.created_at + interval '1 second' AND r.run_after <= begun.at
            THEN r.run_after ELSE e.recorded_at END)::float8 AS waited
    FROM automations_run r
    JOIN automations_event e ON e.id = r.event_id
    LEFT JOIN LATERAL (
        SELECT min(started_at) AS first,
            max(finished_at - started_at) FILTER (WHERE action <> '') AS slowest
        FROM automations_steprun WHERE run_id = r.id) s ON true
    CROSS JOIN LATERAL (SELECT coalesce(s.first, r.finished_at) AS at) begun
    WHERE r.finished_at > %(since)s AND r.finished_at <= %(upto)s AND NOT r.shadow
), hours AS (
    INSERT INTO automations_runhour AS h (hour, rule_id, state, runs, longest, longest_run_id)
    SELECT date_trunc('hour', finished_at), rule_id, state, count(*), max(waited),
        (array_agg(id ORDER BY waited DESC))[1]
    FROM ended GROUP BY 1, 2, 3
    ON CONFLICT (hour, rule_id, state) DO UPDATE SET runs = h.runs + excluded.runs,
        longest = greatest(h.longest, excluded.longest),
        longest_run_id = CASE WHEN excluded.longest > h.longest THEN excluded.longest_run_id
            ELSE h.longest_run_id END
), minutes AS (
    INSERT INTO automations_runminute AS m (minute, runs)
    SELECT date_trunc('minute', finished_at), count(*) FROM ended GROUP BY 1
    ON CONFLICT (minute) DO UPDATE SET runs = m.runs + excluded.runs
), reach AS (
    INSERT INTO automations_runreach AS b (hour, rule_id, bucket, runs)
    SELECT date_trunc('hour', finished_at), rule_id,
        floor(20 * log(greatest(reach, 0.001) / 0.001))::smallint, count(*)
    FROM ended WHERE state = 'done' GROUP BY 1, 2, 3
    ON CONFLICT (hour, rule_id, bucket) DO UPDATE SET runs = b.runs + excluded.runs
), declared AS (
    SELECT d.id, {LATENCY} AS latency FROM automations_document d
    WHERE d.id IN (SELECT document_id FROM ended)
), late AS (
    INSERT INTO automations_overrun (run_id, kind, rule_id, latency, cursor, action, seconds)
    SELECT ended.id, 'start', rule_id, latency, '', '', waited
    FROM ended JOIN declared ON declared.id = document_id WHERE waited > {LATE}
    ON CONFLICT (run_id, kind) DO UPDATE SET seconds = excluded.seconds
), slow AS (
    INSERT INTO automations_overrun (run_id, kind, rule_id, latency, cursor, action, seconds)
    SELECT DISTINCT ON (ended.id) ended.id, 'step', rule_id, latency, s.cursor, s.action,
        extract(epoch FROM s.finished_at - s.started_at)
    FROM ended JOIN declared ON declared.id = document_id
    JOIN automations_steprun s ON s.run_id = ended.id
        AND s.action <> '' AND s.finished_at - s.started_at = ended.slowest
    WHERE slowest > interval '{SLOW_SECONDS} seconds'
    ON CONFLICT (run_id, kind) DO NOTHING
)
UPDATE automations_measured m SET upto = %(upto)s, done = m.done + n.done,
    overtaken = m.overtaken + n.overtaken, skipped = m.skipped + n.skipped,
    cancelled = m.cancelled + n.cancelled
FROM (SELECT count(*) FILTER (WHERE state = 'done') AS done,
    count(*) FILTER (WHERE state = 'overtaken') AS overtaken,
    count(*) FILTER (WHERE state = 'skipped') AS skipped,
    count(*) FILTER (WHERE state = 'cancelled') AS cancelled,
    count(*) AS everything FROM ended) n
RETURNING n.everything
"""  # noqa: S608 - numbers and expressions of this house
FORGET = "DELETE FROM automations_runminute WHERE minute < now() - %s * interval '1 day'"


@transaction.atomic
def count(at_once: int = AT_ONCE) -> int:
    """Count the next ended runs; answers how many, 0 when another process is counting."""
    found = database.fetch(UPTO)
    if not found:
        return 0
    since = found[0][0]
    (horizon,) = database.fetch(HORIZON, MARGIN_SECONDS, OLDEST_SECONDS)[0]
    if horizon <= since:
        return 0
    (upto,) = database.fetch(NEXT, since, horizon, at_once - 1, horizon)[0]
    return int(database.fetch_named(COUNT, since=since, upto=upto)[0][0])


def count_all() -> int:
    """Count set after set until all is counted or a few seconds are over; answers how many."""
    until, total = time.monotonic() + SECONDS, 0
    while (counted := count()) > 0:
        total += counted
        if time.monotonic() > until:
            break
    database.write(FORGET, MINUTES_KEPT_DAYS)
    return total
