"""One action for many runs: inputs, limits, effects, answers, and where each run stands after."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.utils import timezone

from automations.actions import (
    Action,
    Call,
    ConnectorDown,
    Counts,
    Done,
    InDoubt,
    Outcome,
    RetryLater,
    Unsure,
)
from automations.engine import calls, effects, flow, truth
from automations.engine.calls import Answer, Bug
from automations.engine.compiled import Compiled
from automations.engine.inputs import Given, Inputs, as_json
from automations.engine.limits import Limits
from automations.engine.stake import stake_of
from automations.engine.subjects import Versions
from automations.engine.truth import Rules, Trouble, Troubles
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.parameters import ParametersInvalid
from backoffice.actors import Actor, ActorKind

ATTEMPTS = 8
BASE_SECONDS = 5.0
CAP_SECONDS = 3_600.0
# What is down burns no attempt.
DOWN_SECONDS = 60.0


@dataclass(slots=True)
class Doing:
    """A run about to do the step it stands at."""

    work: Work
    rule: Compiled
    uid: str
    inputs: Inputs
    given: Given | None = None
    counts: Counts | None = None
    # Of the step that the run stood at when this was made.
    target: effects.Target = field(init=False)

    def __post_init__(self) -> None:
        self.target = self.work.id, self.uid, flow.target_of(self.work.cursor)

    def call(self) -> Call:
        params = self.given[1] if self.given else {}
        key = effects.key(*self.target)
        return Call(key, self.work.subject_id, params, actor_of(self.work, self.rule))


@dataclass(frozen=True, slots=True)
class Hand:
    """What the steps of one batch share."""

    rules: Rules
    versions: Versions
    limits: Limits


def actor_of(work: Work, rule: Compiled) -> Actor:
    """Who acts when this run acts, under the rule's name of today."""
    return Actor(
        ActorKind.RULE,
        work.rule_name,
        rule_id=work.rule_id,
        rule_version=rule.version,
        run_id=work.id,
        depth=work.depth + 1,
    )


def backoff(attempt: int) -> float:
    """Seconds until the next attempt: full jitter, doubling from 5 s, at most an hour."""
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, hides nothing


def perform(action: Action, doings: Sequence[Doing], hand: Hand) -> Troubles:
    """Do the action for these runs, no two of one subject; answers those that need a person."""
    started = timezone.now().isoformat()
    ready, troubles = prepare(action, doings, hand, started)
    ready = _not_in_shadow(action, ready, started)
    ready = admit(action, ready, hand.limits)
    answered = _take(action, ready)
    not_done = [doing for doing, answer in answered if not isinstance(answer, Done)]
    effects.give_back([doing.target for doing in not_done])
    for doing in not_done:
        give_back(doing, hand.limits)
    changed = [d.work for d, a in answered if isinstance(a, Done) and not a.already]
    for label in {work.subject for work in changed}:
        hand.versions.touch(label, [work.subject_id for work in changed if work.subject == label])
    for doing, answer in answered:
        trouble = settle(doing, action, answer, started)
        if trouble is not None:
            troubles[doing.work.id] = trouble
    _remember_versions([doing.work for doing in ready], hand.versions)
    return troubles


def prepare(
    action: Action, doings: Sequence[Doing], hand: Hand, started: str
) -> tuple[list[Doing], Troubles]:
    """Fill in what each run gives the action: those that are ready, and those that can't be."""
    troubles: Troubles = {}
    ready: list[Doing] = []
    reading = [doing.work for doing in doings if doing.inputs.reads_facts]
    if reading:
        truth.refresh(reading, hand.rules, hand.versions)
    for doing in doings:
        try:
            doing.given = doing.inputs.of(doing.work, doing.rule)
            ready.append(doing)
        except ParametersInvalid as error:
            says = f"{action.label}: {error}"
            note(doing, action, StepRun.Outcome.REJECTED, says, started)
            troubles[doing.work.id] = (Failure.Error.REJECTED, says)
    return ready, troubles


def _not_in_shadow(action: Action, ready: Sequence[Doing], started: str) -> list[Doing]:
    """A shadow's step is noted with what it would have been given; the others are to be done."""
    for doing in ready:
        if doing.work.shadow:
            given = doing.given[0] if doing.given else {}
            step = doing.rule.steps[doing.uid]
            says = action.in_words({**step.params, **given})
            note(doing, action, StepRun.Outcome.WOULD, says, started)
            go_on(doing, says)
    return [doing for doing in ready if not doing.work.shadow]


def admit(action: Action, ready: Sequence[Doing], limits: Limits) -> list[Doing]:
    """Count these effects against the rules' limits; what is over one is parked."""
    if not limits.limited:
        return list(ready)
    admitted = []
    for doing in ready:
        stake = stake_of(doing.rule.catalogue, doing.work.seen[0])
        doing.counts = action.counts(doing.given[1] if doing.given else {}, stake)
        over = limits.admit(doing.work, doing.counts)
        if over is None:
            admitted.append(doing)
        else:
            doing.work.park(over.why, over.says)
    return admitted


def give_back(doing: Doing, limits: Limits) -> None:
    """What was counted for an effect that was not taken counts no more."""
    if doing.counts is not None:
        limits.give_back(doing.work, doing.counts)


def _take(action: Action, ready: Sequence[Doing]) -> list[tuple[Doing, Answer]]:
    """Claim the effects, then act for those that were not taken before."""
    if not ready:
        return []
    mine = effects.take([doing.target for doing in ready], action.key)
    acting = [doing for doing in ready if doing.target in mine]
    answers = calls.call(action, [doing.call() for doing in acting]) if acting else []
    answered: list[tuple[Doing, Answer]] = list(zip(acting, answers, strict=True))
    before = Done("It was done before.", already=True)
    return answered + [(doing, before) for doing in ready if doing.target not in mine]


def _remember_versions(works: Sequence[Work], versions: Versions) -> None:
    """A run that goes on knows its subject as its own step left it."""
    going_on = [work for work in works if work.state == Run.State.DUE]
    for label in {work.subject for work in going_on}:
        mine = [work for work in going_on if work.subject == label]
        known = versions.of(label, [work.subject_id for work in mine])
        for work in mine:
            work.subject_version = known.get(work.subject_id, work.subject_version)


def note(
    doing: Doing, action: Action, outcome: StepRun.Outcome, says: str, started: str
) -> dict[str, Any]:
    """Record this attempt at the step, with what it was given."""
    given = doing.given[0] if doing.given else None
    return doing.work.attempted(outcome, says, action=action.key, given=given, started=started)


# What an answer that is no success is noted as, and what a person is needed for because of it.
_NOTED: dict[type[Outcome | Bug], tuple[StepRun.Outcome, Failure.Error]] = {
    Bug: (StepRun.Outcome.BUG, Failure.Error.BUG),
    InDoubt: (StepRun.Outcome.IN_DOUBT, Failure.Error.DOUBT),
    Unsure: (StepRun.Outcome.ASKED, Failure.Error.UNSURE),
}


def settle(doing: Doing, action: Action, answer: Answer, started: str) -> Trouble | None:
    """What an answer means for its run; answers why a person is needed, None when none is."""
    says = answer.says if isinstance(answer, Done) else str(answer)
    if isinstance(answer, Done):
        entry = note(doing, action, StepRun.Outcome.DONE, says, started)
        if answer.link is not None:
            entry["link"], entry["link_id"] = answer.link
        entry["undo"] = None if answer.already else dict(answer.undo or {})
        go_on(doing, says)
        return None
    if isinstance(answer, RetryLater):
        note(doing, action, StepRun.Outcome.RETRY, says, started)
        return _later(doing.work, answer)
    if isinstance(answer, ConnectorDown):
        note(doing, action, StepRun.Outcome.DOWN, says, started)
        doing.work.outcome, doing.work.delay = says, DOWN_SECONDS
        return None
    outcome, error = _NOTED.get(type(answer), (StepRun.Outcome.REJECTED, Failure.Error.REJECTED))
    entry = note(doing, action, outcome, says, started)
    if isinstance(answer, Unsure):
        entry["input"] = as_json(dict(answer.draft))
        entry["confidence"] = answer.confidence
    return error, says


def go_on(doing: Doing, says: str) -> None:
    """The step is over: stand at the next, or before it where facts decide which that is."""
    work = doing.work
    work.attempts = 0
    if not doing.rule.is_plain:
        work.leaving, work.outcome = True, says
        return
    following = doing.rule.plain_next(work.cursor)
    if following is None:
        work.end(Run.State.DONE, says)
    else:
        work.cursor = following


def _later(work: Work, answer: RetryLater) -> Trouble | None:
    work.outcome = str(answer)
    work.attempts += 1
    if work.attempts >= ATTEMPTS:
        return Failure.Error.RETRIES, f"{ATTEMPTS} attempts failed. The last said: {answer}"
    named = answer.after or timedelta(0)
    work.delay = max(backoff(work.attempts), named.total_seconds())
    return None
