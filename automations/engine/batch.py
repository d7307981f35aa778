"""The runs of one transaction: subject by subject in order, action by action in sets."""

from __future__ import annotations

import time
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any

from automations.actions import Risk
from automations.engine import endings, flow, pace, pauses, steps, truth, work
from automations.engine.blocks import Blocks
from automations.engine.compiled import Compiled, compiled, uid_at
from automations.engine.failures import RunCase, open_run_cases, resolve_run_cases
from automations.engine.in_force import Moment, moment, stopped_now
from automations.engine.inputs import inputs_of
from automations.engine.limits import Limits
from automations.engine.pauses import Asked
from automations.engine.stake import stake_of
from automations.engine.steps import Doing, Hand
from automations.engine.subjects import Versions
from automations.engine.truth import Trouble, Troubles
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.cursor import CursorLost
from automations.rules.document import Ask, Do, Wait

STOPPED = "The rule is stopped."
HELD = (
    Failure.Error.MISSING,
    Failure.Error.DOUBT,
    Failure.Error.QUESTION,
    Failure.Error.UNSURE,
)
# A long loop is cut into transactions, so that nothing is locked for long.
SECONDS = 5.0
Subject = tuple[str, int]
# What was stopped when the batch began holds for its first effects, if they come this soon.
STOPS_SECONDS = 0.05


class Batch:
    """Runs in hand, under lock. `do` acts and writes everything that came of it.

    Runs whose subject or limit someone else holds are left as they are, due.
    """

    def __init__(self, works: list[Work]) -> None:
        wanted: dict[str, set[int]] = defaultdict(set)
        for one in works:
            wanted[one.subject].add(one.subject_id)
        versions = Versions(wanted)
        works = [one for one in works if not versions.busy(one.subject, one.subject_id)]
        self.at: Moment = moment()
        self.stops_until = time.monotonic() + STOPS_SECONDS
        documents = compiled(one.document_id for one in works)
        self.rules = {key: rule for key, rule in documents.items() if isinstance(rule, Compiled)}
        self.unusable = {key: str(rule) for key, rule in documents.items() if key not in self.rules}
        self.hand = Hand(self.rules, versions, Limits(works, self.rules, self.at))
        self.works = [one for one in works if not self.hand.limits.busy(one)]
        self.blocks = Blocks(self.works)
        self.confirmed: set[int] = set()
        self.acted: set[int] = set()
        self.asked: dict[int, Asked] = {}
        self.cases: list[RunCase] = []
        self.until = time.monotonic() + SECONDS

    def do(self) -> int:
        """Rounds in which each subject's foremost run does one step, until none can go on.

        Answers how many runs it worked on.
        """
        queues = self._queues()
        while queues and time.monotonic() < self.until:
            self._round([queue[0] for queue in queues.values()])
            for subject, queue in list(queues.items()):
                while queue and not queue[0].acting:
                    queue.popleft()
                if not queue:
                    del queues[subject]
        self.hand.limits.write()
        work.write(self.works)
        open_run_cases(self.cases)
        ended = [one.id for one in self.works if one.has_case and one.state in work.FINISHED]
        resolve_run_cases(ended)
        return len(self.works)

    @property
    def lanes(self) -> set[str]:
        """The connectors that have work to do after this batch."""
        return {one.lane for one in self.works if one.lane and one.state == Run.State.DUE}

    def _queues(self) -> dict[Subject, deque[Work]]:
        """The runs of each subject: event by event, each event's rules by position."""
        queues: dict[Subject, deque[Work]] = defaultdict(deque)
        for one in sorted(self.works, key=lambda one: (one.event_id, one.position, one.rule_id)):
            queues[one.subject, one.subject_id].append(one)
        return queues

    def _round(self, works: list[Work]) -> None:
        self._begin([one for one in works if one.id not in self.confirmed])
        self._arrive([one for one in works if one.acting and (one.leaving or not one.cursor)])
        doing: dict[str, list[Doing]] = defaultdict(list)
        acting = self._not_stopped([one for one in works if one.acting])
        # Questions speak of the present, as what actions are given does.
        asking = [one for one in acting if pauses.reads_facts(self._step(one))]
        truth.refresh(asking, self.rules, self.hand.versions)
        for one in acting:
            if (ready := self._stand(one)) is not None:
                doing[ready.rule.actions[ready.uid].key].append(ready)
        pauses.end_by_events([one for one in works if one.state == Run.State.WAITING])
        for several in doing.values():
            self._act(several)

    def _act(self, doings: list[Doing]) -> None:
        """One action for these runs, part by part; what time is not left for stays due."""
        action = doings[0].rule.actions[doings[0].uid]
        for part in pace.parts(action.key, doings):
            if part[0] is not doings[0]:
                if time.monotonic() > self.until:
                    return
                self._not_stopped([each.work for each in part])
            ready = [each for each in part if each.work.acting]
            if action.risk != Risk.NONE:
                ready = self._not_blocked(self._still_true(ready))
            if ready:
                troubles = steps.perform(action, ready, self.hand)
                self._fail([each.work for each in ready], troubles)
                self.acted.update(each.work.id for each in ready)

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
        over = [one for one in works if one.leaving and isinstance(self._step(one), Wait)]
        pauses.end_by_events(over)
        works = [one for one in works if one.acting]
        self._fail(works, truth.confirm(works, self.rules, self.hand.versions, self.at.now))

    def _step(self, one: Work) -> object:
        return self.rules[one.document_id].steps.get(uid_at(one.cursor))

    def _arrive(self, works: list[Work]) -> None:
        """Take each run to its next step; a run that has none is done."""
        deciding = [one for one in works if not self.rules[one.document_id].is_plain]
        if deciding:
            truth.refresh(deciding, self.rules, self.hand.versions)
        over: list[Work] = []
        for one in works:
            rule, step = self.rules[one.document_id], self._step(one)
            if one.leaving and isinstance(step, Wait):
                pauses.end_wait(one, step)
            try:
                if not flow.advance(one, rule, self.at.now):
                    over.append(one)
            except flow.ListUnknown as error:
                says = f"It can't be known what {error} holds."
                self._fail([one], {one.id: (Failure.Error.MISSING, says)})
            except CursorLost as error:
                self._fail([one], {one.id: (Failure.Error.BUG, str(error))})
        endings.finish(over)

    def _stand(self, one: Work) -> Doing | None:
        """What the step at hand asks of a run: an action to do here, else it stands still there."""
        rule, step = self.rules[one.document_id], self._step(one)
        if isinstance(step, Wait):
            pauses.begin_wait(one, step)
        elif isinstance(step, Ask):
            self._ask(one, rule, step)
        elif isinstance(step, Do):
            if (asked := pauses.consent(one, rule, step.uid, self.at.now)) is not None:
                self._hold(one, asked)
            elif rule.actions[step.uid].external and not one.shadow:
                one.lane = rule.lanes[step.uid]
            else:
                return Doing(one, rule, step.uid, inputs_of(rule, step))
        return None

    def _ask(self, one: Work, rule: Compiled, step: Ask) -> None:
        try:
            self._hold(one, pauses.ask(one, rule, step, self.at.now))
        except pauses.NotAsked as error:
            self._fail([one], {one.id: (Failure.Error.REJECTED, str(error))})

    def _hold(self, one: Work, asked: Asked | None) -> None:
        if asked is not None:
            self.asked[one.id] = asked
            self._fail([one], {one.id: asked.trouble})

    def _still_true(self, several: list[Doing]) -> list[Doing]:
        """Before money and messages the world is looked at again, also within a transaction."""
        again = [
            each.work for each in several if each.rule.must_rebuild and each.work.id in self.acted
        ]
        troubles = truth.confirm(again, self.rules, self.hand.versions, self.at.now)
        self._fail(again, troubles)
        return [each for each in several if each.work.acting]

    def _not_blocked(self, several: list[Doing]) -> list[Doing]:
        """Nothing is spent or told over what a case says can't be relied on."""
        self.blocks.keep_back([each.work for each in several])
        return [each for each in several if each.work.acting]

    def _not_stopped(self, works: list[Work]) -> list[Work]:
        """Asked of the database right before each effect; what is stopped is kept for later."""
        fresh = time.monotonic() < self.stops_until
        stopped, self.stops_until = self.at.stopped if fresh else stopped_now(), 0.0
        for one in works:
            if stopped.holds(one.rule_id, document_id=one.document_id) and not one.shadow:
                one.park(Run.Parked.STOP, STOPPED)
        return [one for one in works if one.acting]

    def _fail(self, works: Iterable[Work], troubles: Troubles) -> None:
        for one in works if troubles else ():
            if one.id in troubles:
                self.cases += fail(one, self.rules, troubles[one.id], self.asked.get(one.id))


def fail(
    one: Work, rules: truth.Rules, trouble: Trouble, asked: Asked | None = None
) -> list[RunCase]:
    """A run that can't go on by itself: the case to open, none for a shadow, which only ends."""
    error, says = trouble
    one.end(Run.State.HELD if error in HELD else Run.State.FAILED, says)
    if one.shadow:
        one.end(Run.State.SKIPPED, says)
        return []
    one.has_case = True
    return [_case(one, rules.get(one.document_id), trouble, asked)]


def _case(one: Work, rule: Compiled | None, trouble: Trouble, asked: Asked | None) -> RunCase:
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
        not_done=_not_done(one, rule, asked),
        at_stake=stake_of(rule.catalogue, one.seen[0]) if rule else None,
        general=asked.general if asked else "",
        role=asked.question.role if asked else "",
        due_at=asked.due_at if asked else None,
        detail=_detail(one, error, asked),
    )


def _detail(one: Work, error: Failure.Error, asked: Asked | None) -> dict[str, Any]:
    if asked is not None:
        return {"on_timeout": asked.question.on_timeout}
    if error == Failure.Error.UNSURE and one.trace:
        return {"confidence": str(one.trace[-1].get("confidence", ""))}
    return {}


def _not_done(one: Work, rule: Compiled | None, asked: Asked | None) -> Sequence[str]:
    """What is left from the step it stands at, a question as it was asked."""
    left = rule.words_from(one.cursor) if rule else []
    return [asked.words, *left[1:]] if asked else left


def _done(one: Work) -> Sequence[str]:
    """What the run did, in this transaction and before."""
    here = [str(entry["says"]) for entry in one.trace if entry["outcome"] == "done"]
    if one.trace_length == len(one.trace):
        return here
    earlier = StepRun.objects.filter(run_id=one.id, outcome=StepRun.Outcome.DONE)
    return [*earlier.order_by("number").values_list("says", flat=True), *here]
