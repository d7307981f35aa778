"""Events by time, along their key."""

from __future__ import annotations

from datetime import datetime

from django.db import connection

HALVES = """
WITH RECURSIVE halves (low, high) AS (
    SELECT 0::bigint, coalesce(max(id) + 1, 0) FROM automations_event
    UNION ALL
    SELECT CASE WHEN found.recorded_at < %(moment)s THEN found.id + 1 ELSE low END,
        CASE WHEN found.recorded_at < %(moment)s THEN high ELSE (low + high) / 2 END
    FROM halves LEFT JOIN LATERAL (SELECT id, recorded_at FROM automations_event
        WHERE id >= (low + high) / 2 ORDER BY id LIMIT 1) found ON true
    WHERE low < high
)
SELECT low FROM halves WHERE low >= high
"""


def first_since(moment: datetime) -> int:
    """The id from which on events were recorded at or after a moment.

    Ids grow with time, so the key is searched by halves: two dozen looks at ten million events,
    and no index on a time.
    """
    with connection.cursor() as cursor:
        cursor.execute(HALVES, {"moment": moment})
        ((found,),) = cursor.fetchall()
    return int(found)
