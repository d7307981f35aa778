"""Workers that died with runs in hand: counted, so that a run that kills does not kill for ever."""

from __future__ import annotations

from collections.abc import Sequence

from automations.engine import database
from automations.engine.failures import RunCase, open_run_cases
from automations.models.failures import Failure
from automations.models.runs import Run

# The note is committed a moment before it is locked by the work.
GRACE_SECONDS = 3
LIMIT = 3

# A note that can be locked has no living worker.
ORPHANS = """
SELECT id FROM automations_runclaim WHERE at < statement_timestamp() - %s * interval '1 second'
ORDER BY id FOR UPDATE SKIP LOCKED
"""
# In a batch nobody knows who it was: all are taken alone from now on. Alone it counts.
COUNT = """
WITH gone AS (DELETE FROM automations_runclaim WHERE id = ANY(%s) RETURNING run_ids)
UPDATE automations_run r SET crash_count = coalesce(r.crash_count, 0)
    + CASE WHEN cardinality(gone.run_ids) = 1 THEN 1 ELSE 0 END
FROM gone WHERE r.id = ANY(gone.run_ids) AND r.state IN ('due', 'waiting')
RETURNING r.id, r.crash_count
"""


def find() -> list[int]:
    """The notes of workers that died; locks them."""
    return [row[0] for row in database.fetch(ORPHANS, GRACE_SECONDS)]


def count(notes: Sequence[int]) -> int:
    """Count a crash against the runs of these notes; the third makes a case of a run."""
    if not notes:
        return 0
    counted = database.fetch(COUNT, list(notes))
    give_up([row[0] for row in counted if row[1] >= LIMIT])
    return len(counted)


def give_up(run_ids: Sequence[int]) -> None:
    """These runs ended the process each time: a person has to look, another try won't help."""
    says = f"{LIMIT} times the worker died, or its work broke, with this run in hand."
    runs = list(Run.objects.filter(pk__in=run_ids))
    Run.objects.filter(pk__in=run_ids).update(state=Run.State.FAILED, outcome=says, has_case=True)
    open_run_cases(
        [
            RunCase(
                run_id=run.pk,
                rule_id=run.rule_id,
                document_id=run.document_id,
                error=Failure.Error.CRASH,
                says=says,
                subject=run.subject,
                subject_id=run.subject_id,
                subject_version=run.subject_version,
                cursor=run.cursor,
            )
            for run in runs
        ]
    )
