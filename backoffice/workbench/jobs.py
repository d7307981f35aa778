"""Doing a bulk action: at once for a few rows, as a job in chunks for many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from backoffice import actors
from backoffice.models import BulkJob, BulkOutcome, User
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome

logger = logging.getLogger(__name__)

CHUNK = 100
BROKEN = "Something broke on our side; nothing was changed on this row."
NOT_PERMITTED = "The person who started this may not do it any more."


class JobError(Exception):
    """A bulk job can't be started or cancelled as it stands."""


def perform(
    action: BulkAction, ids: Sequence[int], params: Mapping[str, Any], user: User
) -> list[Outcome]:
    """Run an action on at most 100 rows; an outcome for each id, in their order.

    A crash inside the action undoes its whole set and counts as a refusal of each row.
    """
    try:
        with transaction.atomic():
            found = {
                outcome.target_id: outcome
                for outcome in action.run(ids, params, actors.person(user))
            }
    except Exception:
        logger.exception("Bulk action %s broke", action.key)
        return [Outcome(target_id, ok=False, message=BROKEN) for target_id in ids]
    return [found.get(target_id, Outcome(target_id, ok=True)) for target_id in ids]


def draft_job(
    action: BulkAction,
    ids: Sequence[int],
    *,
    screen: str,
    params: Mapping[str, Any],
    back: str,
    user: User,
) -> BulkJob:
    """Fix the rows of a bulk action, to be confirmed on the job's own page."""
    return BulkJob.objects.create(
        user=user,
        screen=screen,
        action=action.key,
        label=action.label,
        params=dict(params),
        ids=list(ids),
        total=len(ids),
        back=back,
    )


def start_job(job: BulkJob, *, wake: Callable[[int], object]) -> None:
    """Let a confirmed job run; raises JobError when it was started or cancelled already."""
    with transaction.atomic():
        locked = BulkJob.objects.select_for_update(no_key=True).defer("ids").get(pk=job.pk)
        if locked.status != BulkJob.Status.DRAFT:
            raise JobError("This job was started or cancelled already.")
        locked.status = BulkJob.Status.QUEUED
        locked.touched_at = timezone.now()
        locked.save(update_fields=["status", "touched_at"])
        transaction.on_commit(lambda: wake_quietly(wake, job.pk))


def wake_quietly(wake: Callable[[int], object], job_id: int) -> None:
    """Send the wake-up; a lost one is found by the sweep."""
    try:
        wake(job_id)
    except OperationalError:
        logger.warning("No broker: bulk job %s waits for the sweep", job_id)


def cancel_job(job: BulkJob) -> None:
    """Stop a job before its next chunk; raises JobError when it has ended."""
    with transaction.atomic():
        locked = BulkJob.objects.select_for_update(no_key=True).defer("ids").get(pk=job.pk)
        if locked.status in (BulkJob.Status.DONE, BulkJob.Status.CANCELLED):
            raise JobError("This job has ended already.")
        locked.status = BulkJob.Status.CANCELLED
        locked.finished_at = locked.touched_at = timezone.now()
        locked.save(update_fields=["status", "finished_at", "touched_at"])


def run_chunk(job_id: int) -> bool:
    """Do the next 100 rows of a job in one transaction; whether more is left.

    The job's row is locked meanwhile: two workers never do the same chunk, and a killed one
    leaves it undone.
    """
    with transaction.atomic():
        job = (
            BulkJob.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .filter(pk=job_id, status__in=[BulkJob.Status.QUEUED, BulkJob.Status.RUNNING])
            .select_related("user")
            .defer("ids")
            .first()
        )
        if job is None:
            return False
        end = min(job.position + CHUNK, job.total)
        slice_name = f"ids__{job.position}_{end}"
        ids: list[int] = BulkJob.objects.values_list(slice_name, flat=True).get(pk=job_id)
        _keep(job, _outcomes(job, ids), end)
        return end < job.total


def _keep(job: BulkJob, outcomes: Sequence[Outcome], end: int) -> None:
    """Write down what became of a chunk that ends at this position."""
    BulkOutcome.objects.bulk_create(
        BulkOutcome(job=job, target_id=each.target_id, ok=each.ok, message=each.message[:300])
        for each in outcomes
    )
    good = sum(outcome.ok for outcome in outcomes)
    job.position = end
    job.succeeded += good
    job.failed += len(outcomes) - good
    job.touched_at = timezone.now()
    job.status = BulkJob.Status.RUNNING
    if end == job.total:
        job.status = BulkJob.Status.DONE
        job.finished_at = job.touched_at
    job.save(
        update_fields=["position", "succeeded", "failed", "touched_at", "status", "finished_at"]
    )


def _outcomes(job: BulkJob, ids: Sequence[int]) -> list[Outcome]:
    action = bulk.get(job.action)
    if not (job.user.is_active and job.user.has_perm(action.permission)):
        return [Outcome(target_id, ok=False, message=NOT_PERMITTED) for target_id in ids]
    return perform(action, ids, job.params, job.user)


def stalled() -> list[int]:
    """Jobs that nobody has touched for a minute: their wake-up was lost."""
    before = timezone.now() - timedelta(seconds=60)
    open_states = [BulkJob.Status.QUEUED, BulkJob.Status.RUNNING]
    return list(
        BulkJob.objects.filter(status__in=open_states, touched_at__lt=before)
        .order_by("touched_at")
        .values_list("pk", flat=True)[:50]
    )
