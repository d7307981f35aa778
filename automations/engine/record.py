"""Facts become events, in the transaction in which they happened."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from automations.catalogue import flatten
from automations.engine import database, wake
from automations.triggers import Fact, Trigger
from backoffice.sets import FEW, copy_rows, next_keys

# One argument of a statement; an import of history announces many thousands at once.
AT_ONCE = 1_000

INSERT = """
WITH told AS (
    INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
        payload_version, facts, lists, actor_kind, actor_user_id, cause_run_id, depth, history)
    SELECT %s, %s, r.subject_id, r.subject_version, r.occurred_at, %s, r.facts, r.lists,
        r.actor_kind, r.actor_user_id, r.cause_run_id, r.depth, r.history
    FROM json_to_recordset(%s::json) AS r(subject_id bigint, subject_version int,
        occurred_at timestamptz, facts jsonb, lists jsonb, actor_kind text, actor_user_id bigint,
        cause_run_id bigint, depth smallint, history boolean)
    RETURNING id, history
), waiting AS (
    INSERT INTO automations_pendingevent (event_id) SELECT id FROM told WHERE NOT history
)
SELECT id FROM told
"""


# As INSERT takes them, and as COPY does.
COLUMNS = (
    *("id", "trigger", "subject", "subject_id", "subject_version", "occurred_at"),
    *("payload_version", "facts", "lists", "actor_kind", "actor_user_id", "cause_run_id"),
    *("depth", "history"),
)
WAITING = "INSERT INTO automations_pendingevent (event_id) SELECT unnest(%s::bigint[])"


def _row(fact: Fact) -> dict[str, Any]:
    facts, lists = flatten(fact.payload)
    actor = fact.actor
    return {
        "subject_id": fact.subject_id,
        "subject_version": fact.subject_version,
        "occurred_at": fact.occurred_at,
        "facts": facts,
        "lists": lists or None,
        "actor_kind": actor.kind.value if actor else "",
        "actor_user_id": actor.user_id if actor else None,
        "cause_run_id": actor.run_id if actor else None,
        "depth": actor.depth if actor else 0,
        "history": fact.history,
    }


def record_facts(trigger: Trigger, facts: Sequence[Fact]) -> list[int]:
    """Write one event a fact and answer their ids, in the order of the facts.

    Live ones wait to be matched, history never does.
    """
    ids: list[int] = []
    for start in range(0, len(facts), AT_ONCE):
        part = facts[start : start + AT_ONCE]
        if len(part) < FEW:
            rows = database.rows(map(_row, part))
            told = database.fetch(INSERT, trigger.key, trigger.subject, trigger.version, rows)
            # Keys are drawn in the order in which the rows are read.
            ids += sorted(row[0] for row in told)
        else:
            ids += _copy(trigger, part)
    if any(not fact.history for fact in facts):
        wake.soon("match")
    return ids


def _copy(trigger: Trigger, facts: Sequence[Fact]) -> list[int]:
    """The same by COPY, which halves what many events cost the server."""
    ids = next_keys("automations_event", len(facts))
    head, version = (trigger.key, trigger.subject), trigger.version
    copy_rows("automations_event", COLUMNS, map(partial(_values, head, version), ids, facts))
    live = [pk for pk, fact in zip(ids, facts, strict=True) if not fact.history]
    if live:
        database.write(WAITING, database.ids(live))
    return ids


def _values(head: tuple[str, str], version: int, pk: int, fact: Fact) -> tuple[Any, ...]:
    row = _row(fact)
    facts, lists = database.dumps(row.pop("facts")), row.pop("lists")
    subject_id, subject_version, occurred_at, *rest = row.values()
    kept = None if lists is None else database.dumps(lists)
    return pk, *head, subject_id, subject_version, occurred_at, version, facts, kept, *rest
