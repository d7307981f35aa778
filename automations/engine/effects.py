"""The record that an effect happened: written before it, in the same transaction, once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from automations.engine import database
from automations.engine.work import Work

TAKE = """
INSERT INTO automations_effect (run_id, uid, target, generation, action, state, request_hash,
    reference)
SELECT run_id, %s, %s, %s, %s, 'confirmed', '', '' FROM unnest(%s::bigint[]) AS run_id
ON CONFLICT DO NOTHING RETURNING run_id
"""
UNDO = """
DELETE FROM automations_effect
WHERE run_id = ANY(%s) AND uid = %s AND target = %s AND generation = %s
"""
# A deliberate repeat would be the next generation.
FIRST = 0


def key(run_id: int, uid: str, target: str = "", generation: int = FIRST) -> str:
    """The effect's key as other systems see it: the same after a restart or a restore."""
    return f"{run_id}:{uid}:{target}:{generation}"


def take(works: Sequence[Work], uid: str, action: str, target: str = "") -> set[int]:
    """Claim the effects of a step; answers the runs that may act, which no one can do twice."""
    ids = [work.id for work in works]
    return {row[0] for row in database.fetch(TAKE, uid, target, FIRST, action, ids)}


def give_back(run_ids: Iterable[int], uid: str, target: str = "") -> None:
    """These were not taken after all."""
    ids = list(run_ids)
    if ids:
        database.write(UNDO, ids, uid, target, FIRST)
