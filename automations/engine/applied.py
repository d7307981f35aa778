"""What a version that was applied to the records that were there has seen to already.

It has acted on a record for what had happened to it by the time it went live. A fact of that time
which is told only later is the same once more; one that happens later is new.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from automations.engine import database
from automations.models.schedules import EXISTING

# The first half of the key of our advisory locks: "exis".
_LOCKS = 0x65786973
# A page and whoever matches late facts of its rule wait for each other: who comes second sees what
# the first one did.
ALONE = "SELECT pg_advisory_xact_lock(%s, %s::int)"
TOGETHER = "SELECT pg_advisory_xact_lock_shared(%s, rule_id) FROM unnest(%s::int[]) AS rule_id"
WENT_LIVE = """
SELECT rule_id, extract(epoch FROM max(from_at))::float8 FROM automations_existingrecords
WHERE rule_id = ANY(%s::bigint[]) GROUP BY rule_id
"""
SEEN_TO = """
SELECT v.event_id, v.rule_id
FROM json_to_recordset(%s::json) AS v(event_id bigint, rule_id bigint, subject_id bigint, at float8)
WHERE EXISTS (SELECT 1 FROM automations_existingrecords x JOIN automations_event e
        ON e.key = %s || x.document_id || ':' || v.subject_id AND NOT (e.key = '')
    WHERE x.rule_id = v.rule_id AND extract(epoch FROM x.from_at)::float8 >= v.at)
"""
SAYS = "It happened before the rule was applied to this record, which has seen to it."


class Late(NamedTuple):
    """A fact that happened before a version went live and is told after; `at` in seconds."""

    event_id: int
    rule_id: int
    subject_id: int
    at: float


def alone(rule_id: int) -> None:
    """Have nobody match late facts of a rule until this transaction ends."""
    database.fetch(ALONE, _LOCKS, rule_id)


def went_live(rule_ids: Iterable[int]) -> Mapping[int, float]:
    """When the last version that was applied to what was there went live, by rule."""
    return dict(map(tuple, database.fetch(WENT_LIVE, database.ids(rule_ids))))


def seen_to(late: Iterable[Late]) -> set[tuple[int, int]]:
    """Those of these that a version has acted on already, as event and rule."""
    rows = [each._asdict() for each in late]
    if not rows:
        return set()
    database.fetch(TOGETHER, _LOCKS, sorted({row["rule_id"] for row in rows}))
    return {(row[0], row[1]) for row in database.fetch(SEEN_TO, database.rows(rows), EXISTING)}
