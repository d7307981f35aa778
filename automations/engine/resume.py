"""A run that stands still goes on, the way a person chose. The caller holds its lock."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from automations.actions import Action
from automations.engine import effects, wake
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.rules.cursor import next_step, step_at
from automations.rules.document import Do
from automations.rules.parameters import clean

# No subject has it, so that the conditions are judged anew.
UNKNOWN_VERSION = -1
FIELDS = [
    "state",
    "cursor",
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


def step_of(run: Run) -> tuple[Do, Action]:
    """The step the run stands at; the first when it has not begun."""
    rule = rule_of(run)
    if run.cursor:
        at = step_at(rule.document, run.cursor)
    else:
        first = next_step(rule.document, None)
        assert first is not None  # noqa: S101 - a document without steps can't be submitted
        at = first
    run.cursor = at.cursor
    return at.step, rule.actions[at.step.uid]


def _due(run: Run) -> Run:
    run.state, run.outcome, run.attempts = Run.State.DUE, "", 0
    run.run_after = timezone.now()
    run.save(update_fields=FIELDS)
    wake.soon("execute")
    return run


def retry(run: Run, failure: Failure) -> Run:
    """The same step again."""
    # Whatever killed workers is tried alone; what was unknown is judged again.
    run.crash_count = 0 if failure.error == Failure.Error.CRASH else None
    if failure.error == Failure.Error.MISSING:
        run.subject_version = UNKNOWN_VERSION
    return _due(run)


def given_at(run: Run) -> dict[str, Any]:
    """What the step the run stands at was given last; empty when it was given nothing."""
    rows = StepRun.objects.filter(run_id=run.pk, cursor=run.cursor).exclude(input=None)
    found = rows.order_by("-number").values_list("input", flat=True).first()
    return dict(found or {})


def edit(
    run: Run, failure: Failure, values: dict[str, Any], before: dict[str, Any]
) -> tuple[Run, dict[str, dict[str, Any]]]:
    """The same step with other input: the run, and what differs; raises ParametersInvalid."""
    step, action = step_of(run)
    clean(action, values)
    changes = {
        name: {"from": before.get(name), "to": values.get(name)}
        for name in sorted({*before, *values})
        if before.get(name) != values.get(name)
    }
    run.overrides = {**(run.overrides or {}), step.uid: values}
    return (retry(run, failure) if changes else run), changes


def _leave_step(run: Run, outcome: StepRun.Outcome, says: str, user_id: int) -> Run:
    _, action = step_of(run)
    run.trace_length += 1
    StepRun.objects.create(
        run_id=run.pk,
        number=run.trace_length,
        cursor=run.cursor,
        action=action.key,
        attempt=run.attempts + 1,
        outcome=outcome,
        says=says,
        user_id=user_id,
        started_at=timezone.now(),
    )
    following = next_step(rule_of(run).document, run.cursor)
    if following is not None:
        run.cursor = following.cursor
        return _due(run)
    run.state, run.outcome, run.finished_at = Run.State.DONE, says, timezone.now()
    run.save(update_fields=FIELDS)
    return run


def skip(run: Run, reason: str, user_id: int) -> Run:
    """Go on after the step without it."""
    return _leave_step(run, StepRun.Outcome.SKIPPED, f"Skipped: {reason}", user_id)


def by_hand(run: Run, reference: str, user_id: int) -> Run:
    """Go on after the step, whose effect a person took."""
    step, action = step_of(run)
    Effect.objects.create(
        run_id=run.pk,
        uid=step.uid,
        target="",
        generation=effects.FIRST,
        action=action.key,
        state=Effect.State.CONFIRMED,
        reference=reference,
    )
    return _leave_step(run, StepRun.Outcome.BY_HAND, f"Done by hand: {reference}", user_id)


def end(run: Run, reason: str) -> Run:
    """Give the run up."""
    run.state, run.outcome, run.finished_at = Run.State.CANCELLED, reason, timezone.now()
    run.save(update_fields=FIELDS)
    return run
