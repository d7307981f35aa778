"""What people do about a case. Each verb takes the version its button showed: pressed twice, or by
two people at once, it acts once and tells the other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from automations.actions import Action
from automations.cases import cases as kinds
from automations.engine import blocks, doubts, emergencies, resume, snoozes
from automations.engine.compiled import Unusable
from automations.engine.failures import CASE
from automations.engine.resume import NoStep
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Run
from automations.rules.parameters import ParametersInvalid
from automations.services import doors
from automations.services.errors import AutomationError, NotPossible, Stale
from automations.simulation.again import look_again
from backoffice import timeline
from backoffice.actors import Actor
from backoffice.models import User

CHANGED = "Someone worked on this case meanwhile. Look at it again."
CLOSED = "This case is closed."
# What a retry would do again although it must not, or can't answer.
NO_RETRY = {
    Failure.Error.DOUBT: "It may have happened already. Say first whether it did.",
    Failure.Error.QUESTION: "This waits for an answer: say yes or no.",
}


@dataclass(slots=True)
class Bulk:
    """What became of a set: which were done, why the others were not, and what else is to say."""

    done: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    notes: dict[int, str] = field(default_factory=dict)


def locked(failure_id: int, version: int) -> Failure:
    """The case under lock, its run first (the engine's order); raises Stale and NotPossible."""
    run_id = Failure.objects.values_list("run_id", flat=True).get(pk=failure_id)
    if run_id is not None:
        Run.objects.select_for_update(no_key=True).filter(pk=run_id).first()
    failure = Failure.objects.select_for_update(no_key=True).get(pk=failure_id)
    if failure.version != version:
        raise Stale(CHANGED)
    if failure.state == Failure.State.RESOLVED:
        raise NotPossible(CLOSED)
    return failure


def standing_run(failure: Failure) -> Run:
    run = Run.objects.filter(pk=failure.run_id).first() if failure.run_id is not None else None
    if run is None or run.state not in (Run.State.FAILED, Run.State.HELD):
        raise NotPossible("No run of this case is standing still.")
    return run


def stopped_run(failure: Failure) -> Run:
    """The run, when its version can still go on."""
    run = standing_run(failure)
    try:
        resume.rule_of(run)
    except Unusable as error:
        raise NotPossible(str(error)) from error
    return run


IN_DOUBT = (
    "It may have happened. Look it up, or say whether it did: only what did not happen is tried "
    "again."
)


def certain_run(failure: Failure) -> Run:
    """The run, when nothing at its step is in doubt: that is never done again unseen."""
    run = stopped_run(failure)
    if doubts.of_run(run) is not None:
        raise NotPossible(IN_DOUBT)
    return run


def log(
    failure: Failure,
    verb: str,
    actor: Actor,
    text: str = "",
    *,
    reference: str = "",
    changes: Mapping[str, Any] | None = None,
) -> None:
    FailureAction.objects.create(
        failure=failure,
        user_id=actor.user_id,
        verb=verb,
        text=text,
        reference=reference,
        changes=dict(changes or {}),
    )


def tell(failure: Failure, words: str, actor: Actor) -> None:
    """The subject's own story says what people did about its cases."""
    if failure.subject_id is not None:
        timeline.record(
            [
                timeline.Happened(
                    failure.subject,
                    failure.subject_id,
                    words[:500],
                    actor,
                    link=(CASE, failure.pk),
                )
            ]
        )


def save(failure: Failure, **changes: Any) -> Failure:
    """Write these fields of a case that is locked, and raise its version."""
    failure.version += 1
    for name, value in changes.items():
        setattr(failure, name, value)
    failure.save(update_fields=[*changes, "version"])
    return failure


def close(failure: Failure, resolution: Failure.Resolution, actor: Actor) -> Failure:
    if failure.blocks:
        blocks.release_soon([failure.pk])
    return save(
        failure,
        state=Failure.State.RESOLVED,
        resolution=resolution,
        resolved_by_id=doors.person_id(actor),
        resolved_at=timezone.now(),
    )


def goes_on(failure: Failure, run: Run, resolution: Failure.Resolution, actor: Actor) -> Failure:
    """The case closes with its run: now, if the run is at its end, else when it gets there."""
    if run.state in (Run.State.DONE, Run.State.CANCELLED):
        return close(failure, resolution, actor)
    return save(
        failure,
        state=Failure.State.RETRYING,
        resolution=resolution,
        resolved_by_id=doors.person_id(actor),
        snoozed_until=None,
        snoozed_while=None,
    )


def because(reason: str) -> str:
    if not reason.strip():
        raise NotPossible("Say why, for those who read this later.")
    return reason.strip()


@transaction.atomic
def retry_case(failure_id: int, *, version: int, actor: Actor) -> Failure:
    """Let the run try its failed step again, with what it was given."""
    failure = locked(failure_id, version)
    run = certain_run(failure)
    if failure.error in NO_RETRY:
        raise NotPossible(NO_RETRY[Failure.Error(failure.error)])
    run = resume.retry(run, failure)
    log(failure, "retry", actor)
    tell(failure, "Retried a failed step", actor)
    return goes_on(failure, run, Failure.Resolution.RETRIED, actor)


@transaction.atomic
def edit_and_retry(
    failure_id: int, *, version: int, values: Mapping[str, Any], actor: Actor
) -> Failure:
    """Try the failed step again with other input; the original stays beside the difference.

    Raises NotPossible with the form's messages when the action does not take the values, and for
    someone who may not do by hand what the step does: the input is theirs then, not the rule's.
    """
    failure = locked(failure_id, version)
    again = look_again(failure)
    if again is not None:
        may_do(again.action, actor)
    before = again.given if again else {}
    try:
        run, changes = resume.edit(certain_run(failure), failure, dict(values), before)
    except (ParametersInvalid, NoStep) as error:
        raise NotPossible(str(error)) from error
    if not changes:
        raise NotPossible("Nothing was changed. Use retry to try the same again.")
    log(failure, "edit", actor, changes=changes)
    tell(failure, f"Edited {', '.join(sorted(changes))} of a failed step and retried it", actor)
    return goes_on(failure, run, Failure.Resolution.EDITED, actor)


def may_do(action: Action, actor: Actor) -> None:
    """Raises NotPossible for someone who may not do by hand what this action does."""
    user = User.objects.get(pk=doors.person_id(actor))
    if not user.has_perm(action.permission):
        raise NotPossible(
            f"You may not do “{action.label}” yourself, so you can't change what it is given. "
            "Assign the case to someone who may."
        )


@transaction.atomic
def skip_step(failure_id: int, *, version: int, reason: str, actor: Actor) -> Failure:
    """Leave the failed step out and go on with the next."""
    why = because(reason)
    failure = locked(failure_id, version)
    try:
        run = resume.skip(stopped_run(failure), why, doors.person_id(actor))
    except NoStep as error:
        raise NotPossible(str(error)) from error
    log(failure, "skip", actor, why)
    tell(failure, f"Skipped a failed step: {why}", actor)
    return goes_on(failure, run, Failure.Resolution.SKIPPED, actor)


@transaction.atomic
def done_by_hand(
    failure_id: int, *, version: int, reference: str, actor: Actor, text: str = ""
) -> Failure:
    """Record that a person did the step elsewhere, which counts as its effect; the run goes on.

    `reference` proves it: a tracking number, a document number.
    """
    if not reference.strip():
        raise NotPossible("Give a reference that proves it: a number or a link.")
    failure = locked(failure_id, version)
    if failure.run_id is None:
        _refuse_decided_elsewhere(failure)
        log(failure, "by_hand", actor, text, reference=reference)
        return close(failure, Failure.Resolution.BY_HAND, actor)
    try:
        run = resume.by_hand(certain_run(failure), reference, doors.person_id(actor))
    except NoStep as error:
        raise NotPossible(str(error)) from error
    log(failure, "by_hand", actor, text, reference=reference)
    tell(failure, f"Did a failed step by hand ({reference})", actor)
    return goes_on(failure, run, Failure.Resolution.BY_HAND, actor)


@transaction.atomic
def end_run(failure_id: int, *, version: int, reason: str, actor: Actor) -> Failure:
    """Give the run up; what it did stays done."""
    why = because(reason)
    failure = locked(failure_id, version)
    resume.end(standing_run(failure), why)
    log(failure, "end", actor, why)
    tell(failure, f"Ended a run that had failed: {why}", actor)
    return close(failure, Failure.Resolution.ENDED, actor)


def _refuse_decided_elsewhere(failure: Failure) -> None:
    """A case that asks for a decision is closed by the decision, which its domain keeps."""
    kind = kinds.get(failure.kind)
    if kind is not None and kind.decided_at:
        raise NotPossible(f"Decide it on {kind.decided_at}: that closes this case.")


@transaction.atomic
def solve_case(
    failure_id: int, *, version: int, text: str, actor: Actor, reference: str = ""
) -> Failure:
    """Close a case that a domain reported, saying how it was solved."""
    said = because(text)
    failure = locked(failure_id, version)
    if failure.run_id is not None:
        raise NotPossible("A run stands behind this case: retry, skip or end it.")
    if failure.kind == emergencies.KIND:
        raise NotPossible("Review the emergency on the version’s page: that closes this case.")
    _refuse_decided_elsewhere(failure)
    log(failure, "solve", actor, said, reference=reference)
    tell(failure, f"Case solved: {said}", actor)
    return close(failure, Failure.Resolution.SOLVED, actor)


@transaction.atomic
def assign_case(failure_id: int, *, version: int, owner: User | None, actor: Actor) -> Failure:
    """Give the case to someone, or back to the queue with None."""
    failure = locked(failure_id, version)
    before = failure.owner_id
    changes = {"owner": {"from": before, "to": owner.pk if owner else None}}
    log(failure, "assign", actor, changes=changes)
    return save(failure, owner_id=owner.pk if owner else None, team="")


@transaction.atomic
def snooze_case(
    failure_id: int,
    *,
    version: int,
    until: datetime | None,
    actor: Actor,
    text: str = "",
    worse: bool = False,
) -> Failure:
    """Put the case aside until a time; failing again brings it back at once.

    `worse`: also as soon as more cases of its cause are open, or more money is at stake; then
    `until` None means for as long as it gets no worse.
    """
    if until is None and not worse:
        raise NotPossible("Say until when, or until what.")
    if until is not None and until <= timezone.now():
        raise NotPossible("Choose a time that is still to come.")
    failure = locked(failure_id, version)
    if failure.state == Failure.State.RETRYING:
        raise NotPossible("This case is being retried.")
    changes = {"until": {"to": until.isoformat() if until else None}, "worse": {"to": worse}}
    log(failure, "snooze", actor, text, changes=changes)
    return save(
        failure,
        state=Failure.State.SNOOZED,
        snoozed_until=until,
        snoozed_while=snoozes.as_it_is(failure) if worse else None,
    )


@transaction.atomic
def wake_case(failure_id: int, *, version: int, actor: Actor) -> Failure:
    """End a case's snooze before its time."""
    failure = locked(failure_id, version)
    if failure.state != Failure.State.SNOOZED:
        raise NotPossible("This case is not snoozed.")
    log(failure, "wake", actor)
    return save(failure, state=Failure.State.OPEN, snoozed_until=None, snoozed_while=None)


@transaction.atomic
def prioritise_case(
    failure_id: int, *, version: int, priority: Failure.Priority, actor: Actor
) -> Failure:
    """Say how soon it has to be looked at."""
    failure = locked(failure_id, version)
    log(
        failure,
        "prioritise",
        actor,
        changes={"priority": {"from": failure.priority, "to": priority.value}},
    )
    return save(failure, priority=priority)


@transaction.atomic
def comment_case(failure_id: int, *, text: str, actor: Actor) -> FailureAction:
    """Add a note; it disturbs nobody's work on the case."""
    return FailureAction.objects.create(
        failure_id=failure_id,
        user_id=doors.person_id(actor),
        verb="comment",
        text=because(text),
    )


def in_bulk(verb: Callable[..., Failure], cases: Sequence[tuple[int, int]], **given: Any) -> Bulk:
    """Apply a verb to a frozen set of (id, version), each on its own.

    A case that changed since the set was frozen is left as it is and told with the reason.
    """
    answer = Bulk()
    for failure_id, version in cases:
        try:
            verb(failure_id, version=version, **given)
        except AutomationError as error:
            answer.refused[failure_id] = str(error)
        except Failure.DoesNotExist:
            answer.refused[failure_id] = "This case does not exist."
        else:
            answer.done.append(failure_id)
    return answer
