"""The record that an effect happened: written before it, in the same transaction, once."""

from __future__ import annotations

from collections.abc import Sequence

from automations.engine import database
from backoffice.sets import text_list

TAKE = """
INSERT INTO automations_effect (run_id, uid, target, generation, action, state, request_hash,
    reference)
SELECT r.run_id, r.uid, r.target, %s, %s, 'confirmed', '', ''
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS r(run_id, uid, target)
ON CONFLICT DO NOTHING RETURNING run_id, uid, target
"""
UNDO = """
DELETE FROM automations_effect e
USING unnest(%s::bigint[], %s::text[], %s::text[]) AS r(run_id, uid, target)
WHERE e.run_id = r.run_id AND e.uid = r.uid AND e.target = r.target AND e.generation = %s
"""
# A deliberate repeat would be the next generation.
FIRST = 0

# A run, the step it stands at, and the items of the loops around it (flow.target_of).
Target = tuple[int, str, str]


def key(run_id: int, uid: str, target: str = "", generation: int = FIRST) -> str:
    """The effect's key as other systems see it: the same after a restart or a restore."""
    return f"{run_id}:{uid}:{target}:{generation}"


def take(targets: Sequence[Target], action: str) -> set[Target]:
    """Claim these effects; answers those that may be taken, which no one can do twice."""
    rows = database.fetch(TAKE, FIRST, action, *_arrays(targets))
    return {(row[0], row[1], row[2]) for row in rows}


def give_back(targets: Sequence[Target]) -> None:
    """These were not taken after all."""
    if targets:
        database.write(UNDO, *_arrays(targets), FIRST)


def _arrays(targets: Sequence[Target]) -> tuple[str, str, str]:
    """Three arrays side by side."""
    run_ids, uids, items = zip(*targets, strict=True)
    return database.ids(run_ids), text_list(uids), text_list(items)
