"""What became of cases that a job sent to be tried again, as it is known now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice.workbench.bulk import Fate

ERROR, STATE, RESOLUTION = Failure.Error, Failure.State, Failure.Resolution
# What the engine closes by itself, once the run behind the case has come to its end.
TRIED = (RESOLUTION.RETRIED, RESOLUTION.EDITED, RESOLUTION.CHECKED)
# What no failure is: a person is asked before it goes on.
ASKED = (ERROR.QUESTION, ERROR.UNSURE, ERROR.LIMIT, ERROR.FIRST_LOOK)


def fates(ids: Sequence[int]) -> Mapping[int, Fate]:
    """Each case's fate; a case that is gone has none."""
    cases = list(
        Failure.objects.filter(pk__in=ids).only("state", "error", "says", "resolution", "run_id")
    )
    runs = Run.objects.filter(pk__in={case.run_id for case in cases if case.run_id is not None})
    states = dict(runs.values_list("pk", "state"))
    return {case.pk: _fate(case, states.get(case.run_id or 0, "")) for case in cases}


def _fate(case: Failure, run: str) -> Fate:
    if case.state == STATE.RETRYING:
        return Fate("not known yet", level="wait")
    if case.state == STATE.RESOLVED:
        return _ended(case, run)
    if case.error == ERROR.DOUBT:
        return Fate("in doubt", case.says, "warn", look=True)
    if case.error in ASKED:
        return Fate("waits for a person", case.says, "warn", look=True)
    return Fate("failed again", case.says, "bad", look=True)


def _ended(case: Failure, run: str) -> Fate:
    if case.resolution not in TRIED:
        return Fate(str(case.get_resolution_display()).lower(), level="info")
    if run in ("", Run.State.DONE):
        return Fate("done", level="ok")
    return Fate(str(Run.State(run).label).lower(), level="info")
