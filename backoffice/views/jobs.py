"""Bulk jobs: confirm, watch, cancel."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from backoffice import subjects, ui
from backoffice.models import BulkJob, User
from backoffice.tasks import run_bulk_job
from backoffice.views.me import signed_in
from backoffice.workbench import bench as benches
from backoffice.workbench import bulk, jobs, respond
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice

TOKENS = {
    BulkJob.Status.DRAFT: ("wait", "circle-dashed"),
    BulkJob.Status.QUEUED: ("wait", "clock"),
    BulkJob.Status.RUNNING: ("info", "player-play"),
    BulkJob.Status.DONE: ("ok", "circle-check"),
    BulkJob.Status.CANCELLED: ("wait", "ban"),
}
SHOWN_REFUSALS = 200


def visible_jobs(user: User) -> QuerySet[BulkJob]:
    """One's own jobs; those who administrate staff or audit see everyone's."""
    every = BulkJob.objects.all()
    return every if user.has_perm("backoffice.view_user") else every.filter(user=user)


def state_pill(job: BulkJob) -> SafeString:
    token, sign = TOKENS[BulkJob.Status(job.status)]
    if job.status == BulkJob.Status.DONE and job.failed:
        token, sign = "warn", "alert-triangle"
    return ui.pill(token, job.get_status_display(), sign)


JOBS = Workbench[BulkJob](
    key="backoffice.jobs",
    title="Bulk jobs",
    noun="job",
    url_name="job_list",
    permission="backoffice.view_bulkjob",
    queryset=visible_jobs,
    decorate=lambda rows: rows.select_related("user").defer("ids"),
    row_label=lambda job: f"job {job.pk}",
    row_url=lambda job: reverse("job_detail", args=[job.pk]),
    columns=(
        Column("number", "Job", lambda job: job.pk, sort="pk", main=True),
        Column("label", "What", wide=True),
        Column("status", "State", state_pill, sort="status", export=lambda job: job.status),
        Column("total", "Rows", sort="total", kind="number"),
        Column("succeeded", "Done", sort="succeeded", kind="number"),
        Column("failed", "Refused", sort="failed", kind="number"),
        Column("user", "Started by", lambda job: ui.person(job.user), export=lambda j: str(j.user)),
        Column("created", "Made", "created_at", sort="created_at", kind="time"),
        Column("finished", "Ended", "finished_at", sort="finished_at", kind="time"),
    ),
    filters=(Choice(key="status", label="State", options=BulkJob.Status.choices, pinned=True),),
    views=(
        View("all", "All"),
        View("open", "Running", "status=queued&status=running", empty="No job is running."),
    ),
    empty=Empty("No bulk job yet.", "An action on more than 20 rows of a list becomes a job."),
)


def _own_job(request: HttpRequest, pk: int) -> BulkJob:
    job = get_object_or_404(BulkJob.objects.defer("ids").select_related("user"), pk=pk)
    user = signed_in(request)
    if job.user_id != user.pk and not user.has_perm("backoffice.view_user"):
        raise PermissionDenied
    return job


def _context(job: BulkJob, user: User) -> dict[str, object]:
    refused = list(job.outcomes.filter(ok=False).order_by("pk")[:SHOWN_REFUSALS])
    action = bulk.get(job.action)
    numbers, subject = {}, None
    if action.subject:
        subject = subjects.get(action.subject)
        numbers = subject.numbers(outcome.target_id for outcome in refused)
    rows = [
        (
            numbers.get(outcome.target_id, str(outcome.target_id)),
            subject.url(numbers[outcome.target_id])
            if subject and outcome.target_id in numbers
            else "",
            outcome.message,
        )
        for outcome in refused
    ]
    return {
        "job": job,
        "action": action,
        "counted": benches.get(job.screen).counted(job.total),
        "state": state_pill(job),
        "refused": rows,
        "own": job.user_id == user.pk,
        "draft": job.status == BulkJob.Status.DRAFT,
        "left": job.total - job.position,
        "list_title": benches.get(job.screen).title,
    }


@require_GET
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What the job will do or has done, row by row."""
    job = _own_job(request, pk)
    context = _context(job, signed_in(request))
    return render(request, "backoffice/job_detail.html", context)


@require_GET
def job_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part of a job's page."""
    job = _own_job(request, pk)
    return render(request, "backoffice/_job_progress.html", _context(job, signed_in(request)))


@require_POST
def job_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm one's own job; the action's permission is asked again."""
    job = _own_job(request, pk)
    user = signed_in(request)
    if job.user_id != user.pk or not user.has_perm(bulk.get(job.action).permission):
        raise PermissionDenied
    try:
        jobs.start_job(job, wake=run_bulk_job.delay)
    except jobs.JobError as error:
        context = {"message": str(error), "url": reverse("job_detail", args=[pk])}
        return render(request, "409.html", context, status=409)
    return redirect("job_detail", pk=pk)


@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a job before its next chunk: its owner or an administrator."""
    job = _own_job(request, pk)
    user = signed_in(request)
    if job.user_id != user.pk and not user.has_perm("backoffice.change_user"):
        raise PermissionDenied
    try:
        jobs.cancel_job(job)
    except jobs.JobError as error:
        context = {"message": str(error), "url": reverse("job_detail", args=[pk])}
        return render(request, "409.html", context, status=409)
    if job.status == BulkJob.Status.DRAFT:
        return respond.go(request, job.back or "/")
    return redirect("job_detail", pk=pk)
