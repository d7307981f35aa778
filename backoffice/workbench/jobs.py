"""Doing a bulk action: at once for a few rows, as a job in chunks for many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.urls import reverse
from django.utils import timezone
from kombu.exceptions import OperationalError

from backoffice import actors, audit, notices
from backoffice.counting import counted
from backoffice.models import BulkJob, BulkOutcome, User
from backoffice.sets import Stencil, insert_many
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome, Weight

logger = logging.getLogger(__name__)

BROKEN = "Something broke on our side; nothing was changed on this row."
NOT_PERMITTED = "The person who started this may not do it any more."
# Rows whose version is not known are refused by the action itself.
NO_VERSION = -1


class JobError(Exception):
    """A bulk job can't be started or cancelled as it stands."""


def perform(
    action: BulkAction,
    ids: Sequence[int],
    params: Mapping[str, Any],
    user: User,
    versions: Sequence[int] | None = None,
) -> list[Outcome]:
    """Run an action on one chunk of rows; an outcome for each id, in their order.

    `versions` beside the ids are those the rows were fixed at; None: as they are now. What breaks
    is cut out row by row: its own work is undone, and the others are done.
    """
    if versions is None:
        versions = versions_of(action, ids) or [NO_VERSION] * len(ids)
    rows = dict(zip(ids, versions, strict=True))
    found = {each.target_id: each for each in _perform(action, rows, params, user)}
    return [found.get(target_id, Outcome(target_id, ok=True)) for target_id in ids]


def _perform(
    action: BulkAction, rows: Mapping[int, int], params: Mapping[str, Any], user: User
) -> list[Outcome]:
    try:
        with transaction.atomic():
            return list(action.on(rows, params, actors.person(user)))
    except Exception as error:
        if isinstance(error, DatabaseError) and not connection.is_usable():
            raise
        if len(rows) == 1:
            logger.exception("Bulk action %s broke", action.key)
            return [Outcome(target_id, ok=False, message=BROKEN) for target_id in rows]
    pairs = list(rows.items())
    middle = len(pairs) // 2
    first = _perform(action, dict(pairs[:middle]), params, user)
    done = {each.target_id for each in first}
    first += [Outcome(pk, ok=True) for pk, _ in pairs[:middle] if pk not in done]
    return first + _perform(action, dict(pairs[middle:]), params, user)


def versions_of(action: BulkAction, ids: Sequence[int]) -> list[int] | None:
    """The versions of rows as they are now, beside their ids; None: the action asks for none."""
    if action.versions is None:
        return None
    known = action.versions(ids)
    return [known.get(target_id, NO_VERSION) for target_id in ids]


def draft_job(
    action: BulkAction,
    ids: Sequence[int],
    *,
    screen: str,
    params: Mapping[str, Any],
    back: str,
    user: User,
    weight: Weight | None = None,
    versions: Sequence[int] | None = None,
    label: str = "",
) -> BulkJob:
    """Fix the rows of a bulk action, to be confirmed on the job's own page.

    `versions` beside the ids are those that were shown; None: as the rows are now.
    """
    weight = action.weight(ids) if weight is None else weight
    job = BulkJob.objects.create(
        user=user,
        screen=screen,
        action=action.key,
        label=label or action.label,
        params=dict(params),
        ids=list(ids),
        versions=list(versions) if versions is not None else versions_of(action, ids),
        weight=weight.as_json(),
        needs_second=weight.needs_second,
        total=len(ids),
        back=back,
    )
    if job.needs_second:
        _ask_second(job, action)
    return job


def _ask_second(job: BulkJob, action: BulkAction) -> None:
    """Tell those who could start it that someone asks them to."""
    others = [each for each in notices.holders(action.permission) if each.pk != job.user_id]
    rows = counted(job.total, "row")
    text = f"{job.user} asks: {job.label.lower()} {rows}. A second person starts it."
    notices.notify(others, text, reverse("job_detail", args=[job.pk]), key=f"job:{job.pk}")


def why_not_start(job: BulkJob, user: User) -> str:
    """Why this person can't start the job; empty when they can."""
    if not user.has_perm(bulk.get(job.action).permission):
        return "You may not do this."
    if job.needs_second and job.user_id == user.pk:
        return "So much at once takes two: somebody else who may do this has to start it."
    if not job.needs_second and job.user_id != user.pk:
        return "Only the person who made this job starts it."
    return ""


def start_job(job: BulkJob, *, wake: Callable[[int], object], user: User) -> None:
    """Let a confirmed job run; raises JobError when it can't be started, or not by this person."""
    if refusal := why_not_start(job, user):
        if job.needs_second:
            by = actors.person(user)
            audit.record("bulk.refused", "backoffice.bulkjob", job.pk, actor=by, why=refusal)
        raise JobError(refusal)
    with transaction.atomic():
        locked = _locked(job)
        if locked.status != BulkJob.Status.DRAFT:
            raise JobError("This job was started or cancelled already.")
        locked.status = BulkJob.Status.QUEUED
        locked.started_by = user
        locked.touched_at = timezone.now()
        locked.save(update_fields=["status", "started_by", "touched_at"])
        if locked.needs_second:
            audit.record(
                "bulk.started",
                "backoffice.bulkjob",
                job.pk,
                actor=actors.person(user),
                action=job.action,
                rows=job.total,
                drafted_by=job.user_id,
                **job.weight,
            )
        transaction.on_commit(lambda: wake_quietly(wake, job.pk))


def _locked(job: BulkJob) -> BulkJob:
    rows = BulkJob.objects.select_for_update(no_key=True)
    return rows.defer("ids", "versions", "params").get(pk=job.pk)


def wake_quietly(wake: Callable[[int], object], job_id: int) -> None:
    """Send the wake-up; a lost one is found by the sweep."""
    try:
        wake(job_id)
    except OperationalError:
        logger.warning("No broker: bulk job %s waits for the sweep", job_id)


def cancel_job(job: BulkJob) -> None:
    """Stop a job before its next chunk; raises JobError when it has ended."""
    with transaction.atomic():
        locked = _locked(job)
        if locked.status in (BulkJob.Status.DONE, BulkJob.Status.CANCELLED):
            raise JobError("This job has ended already.")
        locked.status = BulkJob.Status.CANCELLED
        locked.finished_at = locked.touched_at = timezone.now()
        locked.save(update_fields=["status", "finished_at", "touched_at"])


def run_chunk(job_id: int) -> bool:
    """Do the next rows of a job in one transaction; whether more is left.

    The job's row is locked meanwhile: two workers never do the same chunk, and a killed one
    leaves it undone.
    """
    with transaction.atomic():
        job = (
            BulkJob.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .filter(pk=job_id, status__in=[BulkJob.Status.QUEUED, BulkJob.Status.RUNNING])
            .select_related("user")
            .defer("ids", "versions")
            .first()
        )
        if job is None:
            return False
        action = bulk.get(job.action)
        end = min(job.position + action.chunk, job.total)
        _keep(job, _outcomes(job, action, end), end)
        return end < job.total


def _keep(job: BulkJob, outcomes: Sequence[Outcome], end: int) -> None:
    """Write down what became of a chunk that ends at this position."""
    insert_many(
        [
            OUTCOMES.row(
                job_id=job.pk,
                target_id=each.target_id,
                ok=each.ok,
                message=each.message[:300],
            )
            for each in outcomes
        ]
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


OUTCOMES = Stencil(BulkOutcome)


def _outcomes(job: BulkJob, action: BulkAction, end: int) -> list[Outcome]:
    ids, versions = _slice(job, "ids", end), _slice(job, "versions", end)
    if not (job.user.is_active and job.user.has_perm(action.permission)):
        return [Outcome(target_id, ok=False, message=NOT_PERMITTED) for target_id in ids or []]
    return perform(action, ids or [], job.params, job.user, versions)


def _slice(job: BulkJob, name: str, end: int) -> list[int] | None:
    """A part of one of the job's arrays, which may be too long to be read whole each time."""
    part = f"{name}__{job.position}_{end}"
    found: list[int] | None = BulkJob.objects.values_list(part, flat=True).get(pk=job.pk)
    return found


def stalled() -> list[int]:
    """Jobs that nobody has touched for a minute: their wake-up was lost."""
    before = timezone.now() - timedelta(seconds=60)
    open_states = [BulkJob.Status.QUEUED, BulkJob.Status.RUNNING]
    return list(
        BulkJob.objects.filter(status__in=open_states, touched_at__lt=before)
        .order_by("touched_at")
        .values_list("pk", flat=True)[:50]
    )
