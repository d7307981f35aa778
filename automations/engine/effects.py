"""The record that an effect happened: written before it, in the same transaction, once."""

from __future__ import annotations

from collections.abc import Sequence

from automations.engine import database

TAKE = """
INSERT INTO automations_effect (run_id, uid, target, generation, action, state, request_hash,
    reference)
SELECT r.run_id, r.uid, '', %s, %s, 'confirmed', '', ''
FROM unnest(%s::bigint[], %s::text[]) AS r(run_id, uid)
ON CONFLICT DO NOTHING RETURNING run_id
"""
UNDO = """
DELETE FROM automations_effect e USING unnest(%s::bigint[], %s::text[]) AS r(run_id, uid)
WHERE e.run_id = r.run_id AND e.uid = r.uid AND e.target = '' AND e.generation = %s
"""
# A deliberate repeat would be the next generation.
FIRST = 0

# A run and the step it stands at.
Target = tuple[int, str]


def key(run_id: int, uid: str, target: str = "", generation: int = FIRST) -> str:
    """The effect's key as other systems see it: the same after a restart or a restore."""
    return f"{run_id}:{uid}:{target}:{generation}"


def take(targets: Sequence[Target], action: str) -> set[int]:
    """Claim these effects; answers the runs that may act, which no one can do twice."""
    return {row[0] for row in database.fetch(TAKE, FIRST, action, *_arrays(targets))}


def give_back(targets: Sequence[Target]) -> None:
    """These were not taken after all."""
    if targets:
        database.write(UNDO, *_arrays(targets), FIRST)


def _arrays(targets: Sequence[Target]) -> tuple[str, str]:
    """Two arrays side by side; a uid is letters, digits, - and _, so it needs no quotes."""
    uids = ",".join(uid for _, uid in targets)
    return database.ids(run_id for run_id, _ in targets), "{" + uids + "}"
