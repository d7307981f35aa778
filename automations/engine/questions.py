"""Questions that nobody answered in time, and what the rule says happens then."""

from __future__ import annotations

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from automations.engine import resume
from automations.engine.compiled import Unusable
from automations.engine.failures import DUE, fingerprint, resolve_run_cases
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Run

AT_ONCE = 200


def time_out() -> int:
    """Act on the questions whose time is up, each in a transaction of its own; answers how many."""
    late = Failure.objects.filter(
        error=Failure.Error.QUESTION,
        state__in=[Failure.State.OPEN, Failure.State.SNOOZED],
        due_at__lte=timezone.now(),
    )
    ids = list(late.order_by("due_at").values_list("pk", "run_id")[:AT_ONCE])
    return sum(_time_out(failure_id, run_id) for failure_id, run_id in ids if run_id is not None)


@transaction.atomic
def _time_out(failure_id: int, run_id: int) -> bool:
    runs = Run.objects.select_for_update(no_key=True, skip_locked=True)
    run = runs.filter(pk=run_id, state=Run.State.HELD).first()
    cases = Failure.objects.select_for_update(no_key=True, skip_locked=True)
    failure = cases.filter(pk=failure_id, error=Failure.Error.QUESTION).first()
    if run is None or failure is None or failure.state == Failure.State.RESOLVED:
        return False
    says = f"Nobody answered in time: {failure.says}"
    FailureAction.objects.create(failure=failure, verb="timed_out", text=says)
    outcome = failure.detail.get("on_timeout", "fail")
    if outcome == "fail":
        _fail(run, failure, says)
        return True
    try:
        resume.answer(run, yes=outcome == "go_on", says=says, user_id=None)
    except Unusable as error:
        _fail(run, failure, f"{says} {error}")
        return True
    Failure.objects.filter(pk=failure_id).update(resolution=Failure.Resolution.ANSWERED)
    resolve_run_cases([run_id])
    return True


def _fail(run: Run, failure: Failure, says: str) -> None:
    """The case stays: retrying it asks again."""
    run.state, run.outcome = Run.State.FAILED, says
    run.save(update_fields=["state", "outcome"])
    Failure.objects.filter(pk=failure.pk).update(
        error=Failure.Error.UNANSWERED,
        says=says,
        cause=fingerprint(failure.action, Failure.Error.UNANSWERED, failure.cause_words),
        role="",
        state=Failure.State.OPEN,
        snoozed_until=None,
        snoozed_while=None,
        priority=Failure.Priority.HIGH,
        due_at=timezone.now() + DUE[Failure.Priority.HIGH],
        version=F("version") + 1,
    )
