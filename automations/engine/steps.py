"""One action for many runs: inputs, effects, answers, and where each run stands after it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from automations.actions import Action, Call, ConnectorDown, Done, InDoubt, RetryLater
from automations.engine import calls, effects
from automations.engine.calls import Answer, Bug
from automations.engine.compiled import Compiled
from automations.engine.inputs import Given, Inputs
from automations.engine.subjects import Versions
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Run, StepRun
from automations.rules.parameters import ParametersInvalid
from backoffice.actors import Actor, ActorKind

ATTEMPTS = 8
BASE_SECONDS = 5.0
CAP_SECONDS = 3_600.0
# A connector that is down burns no attempt; the breaker decides later when to look again.
PARKED_SECONDS = 60.0

# What a run that can't go on needs a person for: the kind of failure and the sentence.
Trouble = tuple[Failure.Error, str]
Troubles = dict[int, Trouble]


@dataclass(slots=True)
class Doing:
    """A run about to do the step it stands at, under the rule's name of today."""

    work: Work
    rule: Compiled
    name: str
    uid: str
    inputs: Inputs
    given: Given | None = None

    @property
    def target(self) -> effects.Target:
        return self.work.id, self.uid

    def call(self) -> Call:
        work = self.work
        actor = Actor(
            ActorKind.RULE,
            self.name,
            rule_id=work.rule_id,
            rule_version=self.rule.version,
            run_id=work.id,
            depth=work.depth + 1,
        )
        params = self.given[1] if self.given else {}
        return Call(effects.key(work.id, self.uid), work.subject_id, params, actor)


def backoff(attempt: int) -> float:
    """Seconds until the next attempt: full jitter, doubling from 5 s, at most an hour."""
    ceiling = min(CAP_SECONDS, BASE_SECONDS * 2 ** (attempt - 1))
    return random.uniform(0, ceiling)  # noqa: S311 - spreads load, hides nothing


def perform(action: Action, doings: Sequence[Doing], versions: Versions) -> Troubles:
    """Do the action for these runs, no two of one subject; answers those that need a person."""
    troubles: Troubles = {}
    ready: list[Doing] = []
    started = timezone.now().isoformat()
    for doing in doings:
        try:
            doing.given = doing.inputs.of(doing.work)
            ready.append(doing)
        except ParametersInvalid as error:
            says = f"{action.label}: {error}"
            _note(doing, action, StepRun.Outcome.REJECTED, says, started)
            troubles[doing.work.id] = (Failure.Error.REJECTED, says)
    answered = _take(action, ready)
    effects.give_back([doing.target for doing, answer in answered if not isinstance(answer, Done)])
    versions.touch(
        action.subject,
        [d.work.subject_id for d, a in answered if isinstance(a, Done) and not a.already],
    )
    for doing, answer in answered:
        trouble = _settle(doing, action, answer, started)
        if trouble is not None:
            troubles[doing.work.id] = trouble
    _remember_versions([doing.work for doing in ready], versions)
    return troubles


def _take(action: Action, ready: Sequence[Doing]) -> list[tuple[Doing, Answer]]:
    """Claim the effects, then act for those that were not taken before."""
    if not ready:
        return []
    mine = effects.take([doing.target for doing in ready], action.key)
    acting = [doing for doing in ready if doing.work.id in mine]
    answers = calls.call(action, [doing.call() for doing in acting]) if acting else []
    answered: list[tuple[Doing, Answer]] = list(zip(acting, answers, strict=True))
    before = Done("It was done before.", already=True)
    return answered + [(doing, before) for doing in ready if doing.work.id not in mine]


def _remember_versions(works: Sequence[Work], versions: Versions) -> None:
    """A run that goes on knows its subject as its own step left it."""
    going_on = [work for work in works if work.state == Run.State.DUE]
    for label in {work.subject for work in going_on}:
        mine = [work for work in going_on if work.subject == label]
        known = versions.of(label, [work.subject_id for work in mine])
        for work in mine:
            work.subject_version = known.get(work.subject_id, work.subject_version)


def _note(
    doing: Doing, action: Action, outcome: StepRun.Outcome, says: str, started: str
) -> dict[str, object]:
    given = doing.given[0] if doing.given else None
    return doing.work.attempted(outcome, says, action=action.key, given=given, started=started)


def _settle(doing: Doing, action: Action, answer: Answer, started: str) -> Trouble | None:
    """What an answer means for its run; answers why a person is needed, None when none is."""
    if isinstance(answer, Done):
        entry = _note(doing, action, StepRun.Outcome.DONE, answer.says, started)
        if answer.link is not None:
            entry["link"], entry["link_id"] = answer.link
        _go_on(doing, answer.says)
        return None
    says = str(answer)
    if isinstance(answer, RetryLater | ConnectorDown):
        _note(doing, action, StepRun.Outcome.RETRY, says, started)
        return _later(doing.work, answer)
    if isinstance(answer, Bug):
        _note(doing, action, StepRun.Outcome.BUG, says, started)
        return Failure.Error.BUG, says
    _note(doing, action, StepRun.Outcome.REJECTED, says, started)
    doubt = isinstance(answer, InDoubt)
    return Failure.Error.DOUBT if doubt else Failure.Error.REJECTED, says


def _go_on(doing: Doing, says: str) -> None:
    work = doing.work
    work.attempts = 0
    following = doing.rule.next_cursor(work.cursor)
    if following is None:
        work.end(Run.State.DONE, says)
    else:
        work.cursor = following


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
