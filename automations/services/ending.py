"""Ending a run before its end, whatever it waits for; what it did stays done."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from automations.engine.failures import resolve_run_cases
from automations.engine.work import FINISHED
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services.errors import NotPossible
from automations.services.failures import because
from backoffice import timeline
from backoffice.actors import Actor

RUN = "automations.run"


def why_not(run: Run) -> str:
    """Why a run can't be ended now; empty when it can."""
    if run.state in FINISHED:
        return "This run is at its end already."
    if run.state == Run.State.CALLING:
        return "A call to another system is under way. Wait until it has answered."
    return ""


@transaction.atomic
def end_run(run_id: int, *, reason: str, actor: Actor) -> Run:
    """Give a run up that waits, is kept back or stands still; raises NotPossible."""
    why = because(reason)
    run = Run.objects.select_for_update(no_key=True).get(pk=run_id)
    if refusal := why_not(run):
        raise NotPossible(refusal)
    end_locked(run, f"Ended by {actor.label}: {why}")
    if not run.shadow:
        words = f"Ended run {run.number}: {why}"[:500]
        timeline.record(
            [timeline.Happened(run.subject, run.subject_id, words, actor, link=(RUN, run.pk))]
        )
    return run


def end_locked(run: Run, outcome: str) -> None:
    """The same for a run that is locked: nothing goes on with it, and its case closes."""
    run.state, run.outcome, run.finished_at = Run.State.CANCELLED, outcome, timezone.now()
    run.ends_on, run.parked_for, run.lane = None, "", ""
    run.save(update_fields=["state", "outcome", "finished_at", "ends_on", "parked_for", "lane"])
    Failure.objects.filter(run_id=run.pk).exclude(state=Failure.State.RESOLVED).update(
        resolution=Failure.Resolution.ENDED
    )
    resolve_run_cases([run.pk])
