"""A run that stands still goes on, the way a person chose. The caller holds its lock."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from automations.actions import Action, Call, ExternalAction
from automations.connectors.kinds import Answer
from automations.engine import calls, database, effects, wake
from automations.engine.calls import Bug
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.flow import target_of
from automations.engine.pauses import decided_key
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.rules.cursor import step_at
from automations.rules.document import Do
from automations.rules.parameters import clean
from backoffice.actors import Actor, person
from backoffice.models import User

# No subject has it, so that the conditions are judged anew.
UNKNOWN_VERSION = -1
FIELDS = [
    "state",
    "cursor",
    "leaving",
    "lane",
    "parked_for",
    "run_after",
    "attempts",
    "trace_length",
    "crash_count",
    "outcome",
    "overrides",
    "subject_version",
    "finished_at",
]


def rule_of(run: Run) -> Compiled:
    """The version the run is bound to; raises Unusable."""
    rule = compiled([run.document_id])[run.document_id]
    if isinstance(rule, Unusable):
        raise rule
    return rule


class NoStep(Exception):
    """The run stands at no step that acts: before its first, or at a question."""


class NotWritten(NoStep):
    """What happened outside can't be written down here; the message says why."""


def step_of(run: Run) -> tuple[Do, Action]:
    """The action the run stands at, the first one of plain steps when it has not begun.

    Raises NoStep, Unusable, and CursorLost.
    """
    rule = rule_of(run)
    if not run.cursor and rule.is_plain:
        run.cursor = rule.plain_next("") or ""
    step = step_at(rule.document, run.cursor).step if run.cursor else None
    if not isinstance(step, Do):
        raise NoStep("This run stands at no step that could be changed or left out.")
    return step, rule.actions[step.uid]


def due(run: Run) -> Run:
    """Let the engine go on with it now."""
    run.state, run.outcome, run.attempts, run.parked_for = Run.State.DUE, "", 0, ""
    run.run_after = database.now()
    run.save(update_fields=FIELDS)
    wake.soon("call" if run.lane else "execute", run.lane)
    return run


def retry(run: Run, failure: Failure) -> Run:
    """The same step again."""
    # Whatever killed workers is tried alone; what was unknown is judged again.
    run.crash_count = 0 if failure.error == Failure.Error.CRASH else None
    if failure.error == Failure.Error.MISSING:
        run.subject_version = UNKNOWN_VERSION
    return due(run)


def given_at(run: Run) -> dict[str, Any]:
    """What the step the run stands at was given last; empty when it was given nothing."""
    rows = StepRun.objects.filter(run_id=run.pk, cursor=run.cursor).exclude(input=None)
    found = rows.order_by("-number").values_list("input", flat=True).first()
    return dict(found or {})


def edit(
    run: Run, failure: Failure, values: dict[str, Any], before: dict[str, Any]
) -> tuple[Run, dict[str, dict[str, Any]]]:
    """The same step with other input: the run, and what differs.

    Raises ParametersInvalid, NoStep.
    """
    _, action = step_of(run)
    clean(action, values)
    changes = _differences(before, values)
    run.overrides = {**(run.overrides or {}), run.cursor: values}
    return (retry(run, failure) if changes else run), changes


def take_draft(
    run: Run, failure: Failure, values: dict[str, Any], draft: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """The same step with a draft that a person confirmed or corrected: what they corrected.

    Raises ParametersInvalid, NoStep.
    """
    _, action = step_of(run)
    clean(action, values)
    run.overrides = {**(run.overrides or {}), run.cursor: values}
    retry(run, failure)
    return _differences(draft, values)


def _differences(before: dict[str, Any], after: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {
        name: {"from": before.get(name), "to": after.get(name)}
        for name in sorted({*before, *after})
        if before.get(name) != after.get(name)
    }


def leave(run: Run, outcome: StepRun.Outcome, says: str, user_id: int | None) -> Run:
    """The step it stands at is over, as someone decided: the engine takes the run to the next."""
    run.trace_length += 1
    StepRun.objects.create(
        run_id=run.pk,
        number=run.trace_length,
        cursor=run.cursor,
        action=rule_of(run).action_at(run.cursor),
        attempt=run.attempts + 1,
        outcome=outcome,
        says=says,
        user_id=user_id,
        started_at=timezone.now(),
    )
    run.leaving, run.lane = True, ""
    due(run)
    run.outcome = says
    run.save(update_fields=["outcome"])
    return run


def leave_done(run: Run, says: str, user_id: int | None) -> Run:
    """Go on after a step that is known to have happened. None: the engine found it out."""
    return leave(run, StepRun.Outcome.DONE, says, user_id)


def skip(run: Run, reason: str, user_id: int) -> Run:
    """Go on after the step without it; raises NoStep."""
    step_of(run)
    return leave(run, StepRun.Outcome.SKIPPED, f"Skipped: {reason}", user_id)


def by_hand(run: Run, reference: str, user_id: int) -> Run:
    """Go on after the step, whose effect a person took; raises NoStep and NotWritten."""
    step, action = step_of(run)
    Effect.objects.update_or_create(
        run_id=run.pk,
        uid=step.uid,
        target=target_of(run.cursor),
        generation=effects.FIRST,
        defaults={
            "action": action.key,
            "state": Effect.State.CONFIRMED,
            "reference": reference,
            "token": None,
            "look_up_at": None,
            "settled_at": timezone.now(),
        },
    )
    says = f"Done by hand: {reference}"
    write_down(run, step.uid, Answer(says, reference), person(User.objects.get(pk=user_id)))
    return leave(run, StepRun.Outcome.BY_HAND, says, user_id)


def write_down(run: Run, uid: str, answer: Answer, actor: Actor) -> None:
    """Let an action outside write down here what happened there; raises NotWritten, Unusable."""
    action = rule_of(run).actions.get(uid)
    if not isinstance(action, ExternalAction):
        return
    key = effects.key(run.pk, uid, target_of(run.cursor))
    done = calls.confirm(action, Call(key, run.subject_id, given_at(run), actor), answer)
    if isinstance(done, Bug):
        raise NotWritten(str(done))


def answer(run: Run, *, yes: bool, says: str, user_id: int | None) -> Run:
    """A question is answered: with yes the run goes on, with no it ends. None: nobody answered."""
    if not yes:
        return end(run, says)
    if rule_of(run).action_at(run.cursor):
        # Someone agreed to an action: it is done now, under their word.
        run.overrides = {**(run.overrides or {}), decided_key(run.cursor): {"by": user_id}}
        return due(run)
    return leave(run, StepRun.Outcome.ANSWERED, says, user_id)


def end(run: Run, reason: str) -> Run:
    """Give the run up."""
    run.state, run.outcome, run.finished_at = Run.State.CANCELLED, reason, timezone.now()
    run.save(update_fields=FIELDS)
    return run
