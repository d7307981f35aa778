"""Events for one rule alone: of a schedule's slot, or of a person's press. Each key once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from automations.conditions.fields import Facts, Lists
from automations.engine import database, wake
from automations.triggers import Source
from backoffice.actors import Actor

INSERT = """
WITH told AS (
    INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
        payload_version, facts, lists, actor_kind, actor_user_id, depth, history, rule_id, key)
    SELECT %s, %s, r.subject_id, r.subject_version, now(), %s, r.facts, r.lists, %s, %s, 0, false,
        %s, r.key
    FROM json_to_recordset(%s::json) AS r(subject_id bigint, subject_version int, facts jsonb,
        lists jsonb, key text)
    ON CONFLICT (key) WHERE NOT (key = '') DO NOTHING RETURNING id
), waiting AS (
    INSERT INTO automations_pendingevent (event_id) SELECT id FROM told
)
SELECT id FROM told
"""


@dataclass(frozen=True, slots=True)
class About:
    """One record as it stands now. `key` is what makes its event unique."""

    key: str
    subject_id: int
    subject_version: int
    facts: Facts
    lists: Lists


def record(
    source: Source, rule_id: int, records: Iterable[About], actor: Actor | None = None
) -> list[int]:
    """Write an event for each record whose key is new; answers their ids."""
    rows = [
        {
            "subject_id": each.subject_id,
            "subject_version": each.subject_version,
            "facts": each.facts,
            "lists": each.lists or None,
            "key": each.key,
        }
        for each in records
    ]
    if not rows:
        return []
    who = (actor.kind.value, actor.user_id) if actor else ("", None)
    given = (source.key, source.subject, source.version, *who, rule_id)
    written = [row[0] for row in database.fetch(INSERT, *given, database.rows(rows))]
    if written:
        wake.soon("match")
    return written
