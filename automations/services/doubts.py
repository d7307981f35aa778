"""What people say about effects that may have happened, and about work that is kept waiting."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from automations.connectors import accounts
from automations.connectors.accounts import NotReady
from automations.connectors.kinds import Answer
from automations.engine import doubts, resume, wake
from automations.engine.compiled import Unusable
from automations.engine.resume import NoStep, NotWritten
from automations.engine.settling import BELIEVE_ABSENT
from automations.models.failures import Failure
from automations.models.runs import Effect, Run
from automations.services import doors, failures
from automations.services.errors import NotPossible
from backoffice.actors import Actor


def _in_doubt(failure: Failure) -> tuple[Run, Effect]:
    run = failures.standing_run(failure)
    effect = doubts.of_run(run)
    if effect is None:
        raise NotPossible("Nothing is in doubt here any more.")
    return run, effect


def why_not_absent(effect: Effect) -> str:
    """Why it can't be said yet that an effect did not happen; empty when it can."""
    if effect.sent_at is None:
        return ""
    when = effect.sent_at + BELIEVE_ABSENT
    if timezone.now() >= when:
        return ""
    return f"It may still be on its way until {timezone.localtime(when):%H:%M}."


def why_no_look_up(effect: Effect) -> str:
    """Why the other side can't be asked; empty when it can."""
    try:
        account = accounts.account_of(effect.lane)
    except NotReady as error:
        return str(error)
    if not account.connector.can_look_up(account.scope):
        return f"{account.name} can’t be asked by our reference. Look there yourself."
    return ""


@transaction.atomic
def check_now(failure_id: int, *, version: int, actor: Actor) -> Failure:
    """Have the other side asked at once whether it happened."""
    failure = failures.locked(failure_id, version)
    _, effect = _in_doubt(failure)
    if said := why_no_look_up(effect):
        raise NotPossible(said)
    effect.look_up_at = timezone.now()
    effect.save(update_fields=["look_up_at"])
    failures.log(failure, "check", actor)
    wake.soon("call", effect.lane)
    return failure


@transaction.atomic
def it_happened(
    failure_id: int, *, version: int, reference: str, actor: Actor, text: str = ""
) -> Failure:
    """Record that it did happen; the run goes on after it. `reference` is what proves it."""
    if not reference.strip():
        raise NotPossible("Give what proves it: the other side’s number, or a link.")
    failure = failures.locked(failure_id, version)
    run, effect = _in_doubt(failure)
    says = f"{actor.label} found that it happened: {reference.strip()}"
    doubts.confirm(effect, says, reference.strip())
    try:
        resume.write_down(run, effect.uid, Answer(says, reference.strip()), actor)
    except (NotWritten, Unusable) as error:
        raise NotPossible(f"It can’t be written down here: {error}") from error
    resume.leave_done(run, says, doors.person_id(actor))
    failures.log(failure, "happened", actor, text, reference=reference.strip())
    failures.tell(failure, f"Found that a step in doubt had happened ({reference.strip()})", actor)
    return failures.goes_on(failure, run, Failure.Resolution.CHECKED, actor)


@transaction.atomic
def it_did_not(failure_id: int, *, version: int, reason: str, actor: Actor) -> Failure:
    """Record that it did not happen; it is tried again under the same reference.

    Raises NotPossible while a request may still be on its way.
    """
    why = failures.because(reason)
    failure = failures.locked(failure_id, version)
    run, effect = _in_doubt(failure)
    if said := why_not_absent(effect):
        raise NotPossible(f"{said} Look again then.")
    doubts.did_not_happen(effect, f"{actor.label} found that it did not happen: {why}")
    resume.retry(run, failure)
    failures.log(failure, "did_not", actor, why)
    failures.tell(failure, f"Found that a step in doubt had not happened: {why}", actor)
    return failures.goes_on(failure, run, Failure.Resolution.CHECKED, actor)


@transaction.atomic
def parked_by_hand(run_id: int, *, reference: str, actor: Actor) -> Run:
    """Record that a person did what a connector that is down keeps waiting; the run goes on.

    It counts as the effect, so nothing does it again when the connector is up.
    """
    if not reference.strip():
        raise NotPossible("Give a reference that proves it: a number or a link.")
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if run.state != Run.State.PARKED or run.parked_for != Run.Parked.CONNECTOR:
        raise NotPossible("This run does not wait for a connector any more.")
    try:
        resume.by_hand(run, reference.strip(), doors.person_id(actor))
    except (NoStep, Unusable) as error:
        raise NotPossible(str(error)) from error
    return run
