"""The runs of one transaction: subject by subject in order, action by action in sets."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

from automations.actions import Action
from automations.engine import database, steps, truth, work
from automations.engine.compiled import Compiled, compiled
from automations.engine.failures import RunCase, open_run_cases, resolve_run_cases
from automations.engine.in_force import ALL, business_zone, stopped_now
from automations.engine.inputs import Inputs
from automations.engine.stake import stake_of
from automations.engine.steps import Doing, Trouble, Troubles
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run, StepRun

STOPPED = "The rule is stopped."
Subject = tuple[str, int]


class Batch:
    """Runs in hand, under lock. `do` acts and writes everything that came of it.

    Runs whose subject someone else holds are left as they are, due.
    """

    def __init__(self, works: list[Work]) -> None:
        wanted: dict[str, set[int]] = defaultdict(set)
        for one in works:
            wanted[one.subject].add(one.subject_id)
        self.versions = Versions(wanted)
        works = [one for one in works if not self.versions.busy(one.subject, one.subject_id)]
        self.works = works
        self.now = database.now().astimezone(business_zone())
        documents = compiled(one.document_id for one in works)
        self.rules = {key: rule for key, rule in documents.items() if isinstance(rule, Compiled)}
        self.unusable = {key: str(rule) for key, rule in documents.items() if key not in self.rules}
        names = Rule.objects.filter(pk__in={one.rule_id for one in works})
        self.names = dict(names.values_list("pk", "name"))
        self.inputs: dict[tuple[int, str], Inputs] = {}
        self.confirmed: set[int] = set()
        self.cases: list[RunCase] = []

    def do(self) -> int:
        """Rounds in which each subject's foremost run does one step, until none can go on.

        Answers how many runs it worked on.
        """
        queues = self._queues()
        while queues:
            self._round([queue[0] for queue in queues.values()])
            for subject, queue in list(queues.items()):
                while queue and not queue[0].acting:
                    queue.popleft()
                if not queue:
                    del queues[subject]
        work.write(self.works)
        open_run_cases(self.cases)
        ended = [one.id for one in self.works if one.has_case and one.state in work.FINISHED]
        resolve_run_cases(ended)
        return len(self.works)

    def _queues(self) -> dict[Subject, deque[Work]]:
        """The runs of each subject: event by event, each event's rules by position."""
        queues: dict[Subject, deque[Work]] = defaultdict(deque)
        for one in sorted(self.works, key=lambda one: (one.event_id, one.position, one.rule_id)):
            queues[one.subject, one.subject_id].append(one)
        return queues

    def _round(self, works: list[Work]) -> None:
        self._begin([one for one in works if one.id not in self.confirmed])
        doing: dict[str, list[Doing]] = defaultdict(list)
        for one in self._not_stopped([one for one in works if one.acting]):
            rule = self.rules[one.document_id]
            uid = rule.uid_at(one.cursor)
            action = rule.actions[uid]
            name, inputs = self.names[one.rule_id], self._inputs(rule, uid, action)
            doing[action.key].append(Doing(one, rule, name, uid, inputs))
        for several in doing.values():
            action = several[0].rule.actions[several[0].uid]
            self._fail(works, steps.perform(action, several, self.versions))

    def _begin(self, works: list[Work]) -> None:
        """What a run needs before its first step of this transaction: a usable version, truth."""
        self.confirmed.update(one.id for one in works)
        broken = {
            one.id: (Failure.Error.BUG, self.unusable[one.document_id])
            for one in works
            if one.document_id in self.unusable
        }
        self._fail(works, broken)
        works = [one for one in works if one.id not in broken]
        self._fail(works, truth.confirm(works, self.rules, self.versions, self.now))
        for one in works:
            if not one.cursor:
                one.cursor = self.rules[one.document_id].next_cursor("") or ""

    def _inputs(self, rule: Compiled, uid: str, action: Action) -> Inputs:
        known = self.inputs.get((rule.document_id, uid))
        if known is None:
            known = Inputs(rule.steps[uid], action, rule.catalogue)
            self.inputs[rule.document_id, uid] = known
        return known

    def _not_stopped(self, works: list[Work]) -> list[Work]:
        """Asked of the database right before each effect; what is stopped is kept for later."""
        stopped = stopped_now()
        for one in works:
            if one.rule_id in stopped or ALL in stopped:
                one.end(Run.State.PARKED, STOPPED)
        return [one for one in works if one.acting]

    def _fail(self, works: Iterable[Work], troubles: Troubles) -> None:
        for one in works if troubles else ():
            if one.id in troubles:
                error, says = troubles[one.id]
                held = error in (Failure.Error.MISSING, Failure.Error.DOUBT)
                one.end(Run.State.HELD if held else Run.State.FAILED, says)
                one.has_case = True
                rule = self.rules.get(one.document_id)
                self.cases.append(_case(one, rule, (error, says)))


def _case(one: Work, rule: Compiled | None, trouble: Trouble) -> RunCase:
    error, says = trouble
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
        at_stake=stake_of(rule.catalogue, one.seen[0]) if rule else None,
    )


def _done(one: Work) -> Sequence[str]:
    """What the run did, in this transaction and before."""
    here = [str(entry["says"]) for entry in one.trace if entry["outcome"] == "done"]
    if one.trace_length == len(one.trace):
        return here
    earlier = StepRun.objects.filter(run_id=one.id, outcome=StepRun.Outcome.DONE)
    return [*earlier.order_by("number").values_list("says", flat=True), *here]
