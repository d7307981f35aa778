"""How a run that has no step left says what was done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from automations.engine import database
from automations.engine.work import Work
from automations.models.runs import Run, StepRun

NOTHING = "Nothing was to be done."
# What tells of something done, left out or decided, by the engine or by a person.
TELLING = (
    StepRun.Outcome.DONE,
    StepRun.Outcome.BY_HAND,
    StepRun.Outcome.SKIPPED,
    StepRun.Outcome.ANSWERED,
    StepRun.Outcome.WOULD,
)
LAST = """
SELECT DISTINCT ON (run_id) run_id, says FROM automations_steprun
WHERE run_id = ANY(%s::bigint[]) AND outcome = ANY(%s) ORDER BY run_id, number DESC
"""


def finish(works: Sequence[Work]) -> None:
    """End the runs that have no step left, each with the words of what was done last."""
    for one in works:
        one.outcome = one.outcome or _said_here(one)
    # A run that goes on after a wait or a person's word has lost what it said before.
    before = [one.id for one in works if not one.outcome and one.trace_length > len(one.trace)]
    said = _said_before(before) if before else {}
    for one in works:
        one.end(Run.State.DONE, one.outcome or said.get(one.id) or NOTHING)


def _said_here(one: Work) -> str:
    told = (str(each["says"]) for each in reversed(one.trace) if each["outcome"] in TELLING)
    return next(told, "")


def _said_before(run_ids: Iterable[int]) -> dict[int, str]:
    outcomes = [outcome.value for outcome in TELLING]
    return dict(database.fetch(LAST, database.ids(run_ids), outcomes))
