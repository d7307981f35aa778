"""One step for many runs: inputs, effects, answers, and where each run stands after it."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from automations.actions import (
    Action,
    Call,
    ConnectorDown,
    Done,
    InDoubt,
    RetryLater,
)
from automations.engine import calls, effects
from automations.engine.calls import Answer, Bug
from automations.engine.compiled import Compiled
from automations.engine.inputs import Given, Inputs
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.cursor import Position, next_step
from automations.rules.parameters import ParametersInvalid
from backoffice.actors import Actor, ActorKind

ATTEMPTS = 8
BASE_SECONDS = 5.0
CAP_SECONDS = 3_600.0
# A connector that is down burns no attempt; the breaker decides later when to look again.
PARKED_SECONDS = 60.0

# What a run that can't go on needs a person for: the kind of failure and the sentence.
Trouble = tuple[Failure.Error, str]


@dataclass(frozen=True, slots=True)
class Step:
    """A step of one rule's version, about to be done."""

    rule: Compiled
    name: str
    at: Position
    action: Action

    @property
    def uid(self) -> str:
        uid: str = self.at.step.uid
        return uid

    def actor(self, work: Work) -> Actor:
        return Actor(
            ActorKind.RULE,
            self.name,
            rule_id=work.rule_id,
            rule_version=self.rule.version,
            run_id=work.id,
            depth=work.depth + 1,
        )


def backoff(attempt: int) -> float:
    """Seconds until the next attempt: full jitter, doubling from 5 s, at most an hour."""
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, hides nothing


def waves(works: Sequence[Work]) -> Iterator[list[Work]]:
    """Parts in which no subject stands twice, so that each has one actor and one answer."""
    left = list(works)
    while left:
        seen: set[int] = set()
        wave: list[Work] = []
        rest: list[Work] = []
        for work in left:
            (rest if work.subject_id in seen else wave).append(work)
            seen.add(work.subject_id)
        yield wave
        left = rest


def perform(step: Step, works: Sequence[Work], versions: Versions) -> dict[int, Trouble]:
    """Do the step for these runs; answers those that need a person, by run."""
    inputs = Inputs(step.at.step, step.action, step.rule.catalogue)
    ready: list[tuple[Work, Given]] = []
    troubles: dict[int, Trouble] = {}
    started = timezone.now().isoformat()
    for work in works:
        try:
            ready.append((work, inputs.of(work)))
        except ParametersInvalid as error:
            says = f"{step.action.label}: {error}"
            _note(step, work, StepRun.Outcome.REJECTED, says, None, started)
            troubles[work.id] = (Failure.Error.REJECTED, says)
    given = {work.id: values for work, values in ready}
    for wave in waves([work for work, _ in ready]):
        troubles |= _wave(step, wave, given, versions, started)
    return troubles


def _wave(
    step: Step,
    works: Sequence[Work],
    given: dict[int, Given],
    versions: Versions,
    started: str,
) -> dict[int, Trouble]:
    mine = effects.take(works, step.uid, step.action.key)
    acting = [work for work in works if work.id in mine]
    answers = (
        calls.call(
            step.action,
            [
                Call(
                    effects.key(work.id, step.uid),
                    work.subject_id,
                    given[work.id][1],
                    step.actor(work),
                )
                for work in acting
            ],
        )
        if acting
        else []
    )
    answered: list[tuple[Work, Answer]] = [
        (work, Done("It was done before.", already=True)) for work in works if work.id not in mine
    ]
    answered += zip(acting, answers, strict=True)
    effects.give_back(
        [work.id for work, answer in answered if not isinstance(answer, Done)], step.uid
    )
    wrote = [w.subject_id for w, a in answered if isinstance(a, Done) and not a.already]
    versions.touch(step.action.subject, wrote)
    troubles = {}
    for work, answer in answered:
        trouble = _settle(step, work, answer, given[work.id][0], started)
        if trouble is not None:
            troubles[work.id] = trouble
    _remember_versions(step, works, versions)
    return troubles


def _remember_versions(step: Step, works: Sequence[Work], versions: Versions) -> None:
    """A run that goes on knows the subject as its own step left it."""
    going_on = [work for work in works if work.state == Run.State.DUE]
    if going_on:
        known = versions.of(step.rule.trigger.subject, [work.subject_id for work in going_on])
        for work in going_on:
            work.subject_version = known.get(work.subject_id, work.subject_version)


def _note(
    step: Step, work: Work, outcome: StepRun.Outcome, says: str, given: object, started: str
) -> dict[str, object]:
    entry = work.attempted(outcome, says, action=step.action.key, given=given, started=started)
    return entry


def _settle(step: Step, work: Work, answer: Answer, given: object, started: str) -> Trouble | None:
    """What an answer means for its run; answers why a person is needed, None when none is."""
    if isinstance(answer, Done):
        entry = _note(step, work, StepRun.Outcome.DONE, answer.says, given, started)
        if answer.link is not None:
            entry["link"], entry["link_id"] = answer.link
        _go_on(step, work, answer.says)
        return None
    says = str(answer)
    if isinstance(answer, RetryLater | ConnectorDown):
        _note(step, work, StepRun.Outcome.RETRY, says, given, started)
        return _later(work, answer)
    if isinstance(answer, Bug):
        _note(step, work, StepRun.Outcome.BUG, says, given, started)
        return Failure.Error.BUG, says
    _note(step, work, StepRun.Outcome.REJECTED, says, given, started)
    doubt = isinstance(answer, InDoubt)
    return Failure.Error.DOUBT if doubt else Failure.Error.REJECTED, says


def _go_on(step: Step, work: Work, says: str) -> None:
    work.attempts = 0
    following = next_step(step.rule.document, work.cursor)
    if following is None:
        work.end(Run.State.DONE, says)
    else:
        work.cursor = following.cursor


def _later(work: Work, answer: RetryLater | ConnectorDown) -> Trouble | None:
    work.outcome = str(answer)
    if isinstance(answer, ConnectorDown):
        work.delay = PARKED_SECONDS
        return None
    work.attempts += 1
    if work.attempts >= ATTEMPTS:
        return Failure.Error.RETRIES, f"{ATTEMPTS} attempts failed. The last said: {answer}"
    named = answer.after or timedelta(0)
    work.delay = max(backoff(work.attempts), named.total_seconds())
    return None
