"""Answers to what runs wait for: a question, a limit that is reached, a first look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from automations.engine import parking, resume
from automations.engine.resume import NoStep
from automations.models.documents import Activation
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.rules.parameters import ParametersInvalid
from automations.services import doors, failures, stops
from automations.services.approving import role_for
from automations.services.errors import NotPossible, Refused
from automations.services.handing import may_answer
from automations.simulation.again import look_again
from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import User

PARKED = {
    Failure.Error.LIMIT: Run.Parked.LIMIT,
    Failure.Error.FIRST_LOOK: Run.Parked.FIRST_LOOK,
}


@transaction.atomic
def answer_question(
    failure_id: int, *, version: int, yes: bool, text: str, actor: Actor
) -> Failure:
    """Answer for the role that is asked: with yes the run goes on, with no it ends.

    A no needs a reason. Raises Refused for people of other roles, Stale and NotPossible.
    """
    failure = failures.locked(failure_id, version)
    if failure.error != Failure.Error.QUESTION:
        raise NotPossible("Nothing is asked here.")
    person = User.objects.get(pk=doors.person_id(actor))
    if not may_answer(person, failure):
        raise Refused(f"This question is for {failure.role}.")
    why = text.strip() if yes else failures.because(text)
    says = f"{actor.label} said {'yes' if yes else 'no'}{f': {why}' if why else '.'}"
    run = resume.answer(failures.stopped_run(failure), yes=yes, says=says, user_id=person.pk)
    failures.log(failure, "yes" if yes else "no", actor, why)
    failures.tell(failure, f"Answered a rule's question: {'yes' if yes else 'no'}", actor)
    return failures.goes_on(failure, run, Failure.Resolution.ANSWERED, actor)


@transaction.atomic
def confirm_draft(
    failure_id: int, *, version: int, values: Mapping[str, Any], actor: Actor
) -> Failure:
    """Let an unsure action do what it drafted, or what a person made of the draft.

    The draft stays on record beside the difference. Raises Stale, and NotPossible with the form's
    messages when the action does not take the values, or to someone who may not do by hand what
    the step does and still changed what it is given.
    """
    failure = failures.locked(failure_id, version)
    if failure.error != Failure.Error.UNSURE:
        raise NotPossible("There is no draft to confirm.")
    run = failures.stopped_run(failure)
    draft, again = resume.given_at(run), look_again(failure)
    try:
        changes = resume.take_draft(run, failure, dict(values), draft)
    except (ParametersInvalid, NoStep) as error:
        raise NotPossible(str(error)) from error
    if changes and again is not None:
        failures.may_do(again.action, actor)
    failures.log(failure, "confirm", actor, changes=changes)
    words = f"Corrected {', '.join(changes)} of a draft" if changes else "Confirmed a draft"
    failures.tell(failure, words, actor)
    how = Failure.Resolution.EDITED if changes else Failure.Resolution.ANSWERED
    return failures.goes_on(failure, run, how, actor)


@transaction.atomic
def stop_from_case(failure_id: int, *, version: int, reason: str, actor: Actor) -> Failure:
    """Stop the rule of a case at once; the case stays, and so do the runs that wait."""
    why = failures.because(reason)
    failure = failures.locked(failure_id, version)
    stops.stop_rule(_rule_id(failure), reason=why, actor=actor)
    failures.log(failure, "stop", actor, why)
    return failures.save(failure)


@audit.traces_refusals("rules.refused", "automations.failure", Refused)
@transaction.atomic
def release_parked(failure_id: int, *, version: int, actor: Actor, text: str = "") -> Failure:
    """Let the runs go on that a limit or a first look kept back.

    The limit still counts: what is over it waits again. A first look is released by the reviewer
    whom the approver named. Raises Refused, Stale, NotPossible.
    """
    failure = failures.locked(failure_id, version)
    why = _parked_for(failure)
    if why == Run.Parked.FIRST_LOOK:
        _end_first_look(failure, actor)
    count = parking.release(_rule_id(failure), why)
    said = f"{count} {'run goes' if count == 1 else 'runs go'} on. {text}".strip()
    failures.log(failure, "release", actor, said)
    _audit("runs.released", failure, count, actor)
    return failures.close(failure, Failure.Resolution.RELEASED, actor)


@transaction.atomic
def cancel_parked(failure_id: int, *, version: int, reason: str, actor: Actor) -> Failure:
    """Leave the runs undone that a limit or a first look kept back; what came before stays."""
    why = failures.because(reason)
    failure = failures.locked(failure_id, version)
    parked = _parked_for(failure)
    count = parking.give_up(_rule_id(failure), parked, f"Left undone by {actor.label}: {why}")
    failures.log(failure, "cancel", actor, f"{count} left undone: {why}")
    _audit("runs.left_undone", failure, count, actor)
    return failures.close(failure, Failure.Resolution.ENDED, actor)


def _audit(verb: str, failure: Failure, count: int, actor: Actor) -> None:
    audit.record(
        verb,
        "automations.rule",
        failure.rule_id,
        actor=actor,
        case=failure.pk,
        kept_back_by=failure.error,
        runs=count,
    )


def _parked_for(failure: Failure) -> Run.Parked:
    if failure.run_id is not None or failure.error not in PARKED:
        raise NotPossible("No runs are kept back by this case.")
    return PARKED[Failure.Error(failure.error)]


def _rule_id(failure: Failure) -> int:
    if failure.rule_id is None:
        raise NotPossible("No rule stands behind this case.")
    return failure.rule_id


def _end_first_look(failure: Failure, actor: Actor) -> None:
    activation = Activation.objects.select_related("document").get(pk=int(failure.key))
    user = User.objects.get(pk=doors.person_id(actor))
    role = role_for(user, activation.document.risk) or ""
    if activation.looked_at is None and activation.until_at is None:
        doors.call("end_first_look", activation.pk, user.pk, role)
