"""Due runs are done: claimed in sets, checked, acted on and written back in one transaction."""

from __future__ import annotations

import logging
import os
import socket
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import groupby

from celery.exceptions import SoftTimeLimitExceeded
from django.db import InterfaceError, OperationalError, transaction

from automations.engine import crashes, database, steps, truth, work
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.failures import RunCase, open_run_cases, resolve_run_cases
from automations.engine.in_force import ALL, business_zone, stopped_now
from automations.engine.stake import stake_of
from automations.engine.steps import Step, Trouble
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run, StepRun
from automations.rules.cursor import next_step, step_at

logger = logging.getLogger(__name__)

WORKER = f"{socket.gethostname()}:{os.getpid()}"
STOPPED = "The rule is stopped."


def execute_batch(limit: int = work.BATCH) -> int:
    """Do the runs that are due, oldest first; answers how many were taken in hand."""
    if ALL in stopped_now():
        return 0
    with transaction.atomic():
        note, run_ids = work.claim(f"{socket.gethostname()}:{os.getpid()}", limit)
    if not run_ids:
        return 0
    try:
        with transaction.atomic():
            return _in_hand(note, run_ids)
    except (OperationalError, InterfaceError):
        # The connection is gone, and the work with it: the note tells the sweep.
        raise
    except (SoftTimeLimitExceeded, Exception):
        logger.exception("A batch of %s runs broke", len(run_ids))
        with transaction.atomic():
            crashes.count([note])
        return len(run_ids)


def _in_hand(note: int, run_ids: Sequence[int]) -> int:
    if not work.hold(note):
        return 0
    works = work.load(run_ids)
    if works:
        _Batch(works).do()
    work.drop(note)
    return len(works)


class _Batch:
    """The runs of one transaction."""

    def __init__(self, works: list[Work]) -> None:
        self.works = works
        self.now = database.now().astimezone(business_zone())
        self.documents = compiled(one.document_id for one in works)
        self.names = dict(
            Rule.objects.filter(pk__in={one.rule_id for one in works}).values_list("pk", "name")
        )
        wanted: dict[str, set[int]] = defaultdict(set)
        for one in works:
            wanted[one.subject].add(one.subject_id)
        self.versions = Versions(wanted)
        self.cases: list[RunCase] = []

    def do(self) -> None:
        """Rule by rule in their order, then everything is written at once."""

        def order(one: Work) -> tuple[int, int, int]:
            return one.position, one.rule_id, one.document_id

        for (_, _, document_id), group in groupby(sorted(self.works, key=order), order):
            self._of_one_version(list(group), self.documents[document_id])
        work.write(self.works)
        open_run_cases(self.cases)
        resolve_run_cases(
            [one.id for one in self.works if one.has_case and one.state in work.FINISHED]
        )

    def _of_one_version(self, works: list[Work], rule: Compiled | Unusable) -> None:
        if isinstance(rule, Unusable):
            for one in works:
                self._fail(one, None, (Failure.Error.BUG, str(rule)))
            return
        works = self._not_stopped(works)
        if not works:
            return
        unsure = truth.confirm(works, rule, self.versions, self.now)
        self._fail_all(works, rule, unsure)
        first = next_step(rule.document, None)
        for one in works:
            one.cursor = one.cursor or (first.cursor if first else "")
        self._steps([one for one in works if one.acting], rule)

    def _steps(self, works: list[Work], rule: Compiled) -> None:
        order = {uid: place for place, uid in enumerate(rule.actions)}
        while works:
            cursor = min((one.cursor for one in works), key=lambda at: order[rule.uid_at(at)])
            here = self._not_stopped([one for one in works if one.cursor == cursor])
            if here:
                at = step_at(rule.document, cursor)
                name = self.names[here[0].rule_id]
                step = Step(rule, name, at, rule.actions[at.step.uid])
                self._fail_all(here, rule, steps.perform(step, here, self.versions))
            works = [one for one in works if one.acting]

    def _not_stopped(self, works: list[Work]) -> list[Work]:
        """Asked of the database right before each effect; what is stopped is kept for later."""
        stopped = stopped_now()
        for one in works:
            if one.rule_id in stopped or ALL in stopped:
                one.end(Run.State.PARKED, STOPPED)
        return [one for one in works if one.acting]

    def _fail_all(
        self, works: Iterable[Work], rule: Compiled, troubles: dict[int, Trouble]
    ) -> None:
        for one in works:
            if one.id in troubles:
                self._fail(one, rule, troubles[one.id])

    def _fail(self, one: Work, rule: Compiled | None, trouble: Trouble) -> None:
        error, says = trouble
        held = error in (Failure.Error.MISSING, Failure.Error.DOUBT)
        one.end(Run.State.HELD if held else Run.State.FAILED, says)
        one.has_case = True
        self.cases.append(_case(one, rule, error, says))


def _case(one: Work, rule: Compiled | None, error: Failure.Error, says: str) -> RunCase:
    return RunCase(
        run_id=one.id,
        rule_id=one.rule_id,
        document_id=one.document_id,
        error=error,
        says=says,
        subject=one.subject,
        subject_id=one.subject_id,
        subject_version=one.subject_version,
        cursor=one.cursor,
        action=rule.action_at(one.cursor) if rule else "",
        done=_done(one),
        not_done=rule.words_from(one.cursor) if rule else (),
        at_stake=stake_of(rule.catalogue, one.facts) if rule else None,
    )


def _done(one: Work) -> list[str]:
    """What the run did, in this transaction and before."""
    earlier = StepRun.objects.filter(run_id=one.id, outcome=StepRun.Outcome.DONE)
    here = [str(entry["says"]) for entry in one.trace if entry["outcome"] == "done"]
    return [*earlier.order_by("number").values_list("says", flat=True), *here]
