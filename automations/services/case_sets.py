"""Retrying many cases at once: what `failures.retry_case` does to one, in a handful of statements.

A case that changed since the set was fixed is left as it is and told with the reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import transaction

from automations.engine import database, wake
from automations.engine.compiled import Unusable, compiled
from automations.engine.failures import CASE
from automations.engine.resume import UNKNOWN_VERSION
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import doors
from automations.services.failures import CHANGED, CLOSED, NO_RETRY, Bulk
from backoffice import timeline
from backoffice.actors import Actor

GONE = "This case does not exist."
NO_RUN = "No run of this case is standing still."

# Runs before cases, each by key: the engine's order.
RUNS = """
SELECT id, state, document_id, lane FROM automations_run
WHERE id IN (SELECT run_id FROM automations_failure WHERE id = ANY(%s::bigint[]))
ORDER BY id FOR NO KEY UPDATE
"""
CASES = """
SELECT id, version, state, error, run_id, subject, subject_id FROM automations_failure
WHERE id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""
# Whatever killed workers is tried alone; what was unknown is judged again.
GO_ON = """
UPDATE automations_run r SET state = 'due', outcome = '', attempts = 0, parked_for = '',
    run_after = now(), crash_count = CASE WHEN f.error = 'crash' THEN 0 END,
    subject_version = CASE WHEN f.error = 'missing' THEN %s ELSE r.subject_version END
FROM automations_failure f WHERE f.id = ANY(%s::bigint[]) AND r.id = f.run_id
"""
RETRYING = """
UPDATE automations_failure SET state = 'retrying', resolution = 'retried', resolved_by_id = %s,
    snoozed_until = NULL, snoozed_while = NULL, version = version + 1
WHERE id = ANY(%s::bigint[])
"""
LOG = """
INSERT INTO automations_failureaction (failure_id, user_id, verb, text, reference, changes)
SELECT id, %s, 'retry', '', '', '{}' FROM unnest(%s::bigint[]) AS id
"""


@dataclass(frozen=True, slots=True)
class _Case:
    id: int
    version: int
    state: str
    error: str
    run_id: int | None
    subject: str
    subject_id: int | None


@dataclass(frozen=True, slots=True)
class _Run:
    id: int
    state: str
    document_id: int
    lane: str


@transaction.atomic
def retry_cases(cases: Mapping[int, int], *, actor: Actor) -> Bulk:
    """Let the runs of these cases try their failed steps again; `cases` maps ids to versions."""
    person = doors.person_id(actor)
    ids = database.ids(cases)
    runs = {row[0]: _Run(*row) for row in database.fetch(RUNS, ids)}
    found = {row[0]: _Case(*row) for row in database.fetch(CASES, ids)}
    unusable = {
        key: str(rule)
        for key, rule in compiled({run.document_id for run in runs.values()}).items()
        if isinstance(rule, Unusable)
    }
    answer = Bulk()
    for key, version in cases.items():
        why = _refusal(found.get(key), version, runs, unusable)
        if why:
            answer.refused[key] = why
        else:
            answer.done.append(key)
    good = [found[key] for key in answer.done]
    if good:
        _go_on(good, person, actor)
        for lane in {runs[case.run_id or 0].lane for case in good}:
            wake.soon("call" if lane else "execute", lane)
    return answer


def _refusal(
    case: _Case | None, version: int, runs: Mapping[int, _Run], unusable: Mapping[int, str]
) -> str:
    if case is None:
        return GONE
    if case.version != version:
        return CHANGED
    if case.state == Failure.State.RESOLVED:
        return CLOSED
    run = runs.get(case.run_id or 0)
    if run is None or run.state not in (Run.State.FAILED, Run.State.HELD):
        return NO_RUN
    return unusable.get(run.document_id, "") or NO_RETRY.get(Failure.Error(case.error), "")


def _go_on(good: list[_Case], person: int, actor: Actor) -> None:
    ids = database.ids(case.id for case in good)
    database.write(GO_ON, UNKNOWN_VERSION, ids)
    database.write(RETRYING, person, ids)
    database.write(LOG, person, ids)
    timeline.record(
        timeline.Happened(
            case.subject, case.subject_id, "Retried a failed step", actor, link=(CASE, case.id)
        )
        for case in good
        if case.subject_id is not None
    )
