"""Bulk jobs: confirm, watch, cancel."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from backoffice import ui
from backoffice.models import BulkJob, User
from backoffice.tasks import run_bulk_job
from backoffice.views.me import signed_in
from backoffice.workbench import bench as benches
from backoffice.workbench import bulk, job_rows, jobs, respond
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.bulk import BulkAction, Weight
from backoffice.workbench.columns import Column
from backoffice.workbench.export import Echo, quoted
from backoffice.workbench.filters import Choice, yes_no

TOKENS = {
    BulkJob.Status.DRAFT: ("wait", "circle-dashed"),
    BulkJob.Status.QUEUED: ("wait", "clock"),
    BulkJob.Status.RUNNING: ("info", "player-play"),
    BulkJob.Status.DONE: ("ok", "circle-check"),
    BulkJob.Status.CANCELLED: ("wait", "ban"),
}
SHOWN_REFUSALS = 200


def visible_jobs(user: User) -> QuerySet[BulkJob]:
    """One's own jobs and those a second person may start; who administrates or audits sees all."""
    every = BulkJob.objects.all()
    if user.has_perm("backoffice.see_everyones_bulkjob"):
        return every
    return every.filter(Q(user=user) | Q(needs_second=True, action__in=bulk.permitted_keys(user)))


def state_pill(job: BulkJob, *, warn: bool = False) -> SafeString:
    token, sign = TOKENS[BulkJob.Status(job.status)]
    words, over = job.get_status_display(), job.status == BulkJob.Status.DONE
    if over and _sent(job):
        # The job is over, what it set going may not be.
        token, sign, words = "info", "send", "Gone through" if job.failed else "All sent"
    if over and (job.failed or warn):
        token, sign = "warn", "alert-triangle"
    return ui.pill(token, words, sign)


def _sent(job: BulkJob) -> bool:
    action = job_rows.action_of(job)
    return action is not None and bool(action.sent)


def _went(job: BulkJob) -> str:
    return f"{job.succeeded:,} sent" if _sent(job) else f"{job.succeeded:,}"


JOBS = Workbench[BulkJob](
    key="backoffice.jobs",
    title="Bulk jobs",
    noun="job",
    url_name="job_list",
    permission="backoffice.view_bulkjob",
    queryset=visible_jobs,
    decorate=lambda rows: rows.select_related("user").defer("ids", "versions", "params"),
    row_label=lambda job: f"job {job.pk}",
    row_url=lambda job: reverse("job_detail", args=[job.pk]),
    columns=(
        Column("number", "Job", lambda job: job.pk, sort="pk", main=True),
        Column("label", "What", wide=True),
        Column("status", "State", state_pill, sort="status", export=lambda job: job.status),
        Column("total", "Rows", sort="total", kind="number"),
        Column(
            "succeeded",
            "Done or sent",
            _went,
            sort="succeeded",
            kind="number",
            export=lambda job: job.succeeded,
        ),
        Column("failed", "Refused", sort="failed", kind="number"),
        Column("user", "Started by", lambda job: ui.person(job.user), export=lambda j: str(j.user)),
        Column("created", "Made", "created_at", sort="created_at", kind="time"),
        Column("finished", "Ended", "finished_at", sort="finished_at", kind="time"),
    ),
    filters=(
        Choice(key="status", label="State", options=BulkJob.Status.choices, pinned=True),
        yes_no("second", "Takes two people", Q(needs_second=True)),
    ),
    views=(
        View("all", "All"),
        View("open", "Running", "status=queued&status=running", empty="No job is running."),
        View(
            "second",
            "Waits for a second person",
            "second=yes&status=draft",
            empty="No job waits for a second person.",
        ),
    ),
    empty=Empty("No bulk job yet.", "An action on more than 20 rows of a list becomes a job."),
)


def _job(request: HttpRequest, pk: int) -> BulkJob:
    """A job that this person may see; raises PermissionDenied."""
    rows = BulkJob.objects.defer("ids", "versions").select_related("user", "started_by")
    job = get_object_or_404(rows, pk=pk)
    user = signed_in(request)
    second = job.needs_second and user.has_perm(bulk.get(job.action).permission)
    if (
        job.user_id != user.pk
        and not second
        and not user.has_perm("backoffice.see_everyones_bulkjob")
    ):
        raise PermissionDenied
    return job


def _context(job: BulkJob, user: User) -> dict[str, object]:
    action = bulk.get(job.action)
    figures = job_rows.figures(job, action)
    fates, look = job_rows.fates_of(job, action)
    told = job.outcomes.filter(~Q(ok=True, message="") | Q(target_id__in=look))
    shown = list(told.order_by("ok", "pk")[:SHOWN_REFUSALS])
    draft = job.status == BulkJob.Status.DRAFT
    return {
        "job": job,
        "action": action,
        "counted": benches.get(job.screen).counted(job.total),
        "state": state_pill(job, warn=any(each.bad for each in (*figures, *fates))),
        "figures": figures,
        "fates": fates,
        "told": job_rows.told(action, shown),
        "told_in_all": told.count() if len(shown) == SHOWN_REFUSALS else len(shown),
        "own": job.user_id == user.pk,
        "may_cancel": _may_cancel(job, user),
        "draft": draft,
        "why_not": jobs.why_not_start(job, user) if draft else "",
        "sums": Weight.from_json(job.weight, job.total).amounts,
        "params": _told_params(action, job),
        "params_in_words": action.in_words(job.params) if action.in_words else "",
        "left": job.total - job.position,
        "list_title": benches.get(job.screen).title,
    }


def _told_params(action: BulkAction, job: BulkJob) -> list[tuple[str, object]]:
    """What was filled in, by the words of the form; a yes or no as such."""
    if action.in_words is not None:
        return []
    fields = action.form.base_fields if action.form is not None else {}
    return [
        (
            str((fields[name].label if name in fields else "") or name.replace("_", " ")),
            {True: "yes", False: "no"}[value] if isinstance(value, bool) else value,
        )
        for name, value in job.params.items()
        if not _is_long(value)
    ]


def _is_long(value: object) -> bool:
    """What was uploaded for each row stands in the outcomes, not above them."""
    return isinstance(value, dict | list)


@require_GET
def job_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """What the job will do or has done, row by row."""
    job = _job(request, pk)
    context = _context(job, signed_in(request))
    return render(request, "backoffice/job_detail.html", context)


@require_GET
def job_progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The moving part of a job's page."""
    job = _job(request, pk)
    return render(request, "backoffice/_job_progress.html", _context(job, signed_in(request)))


@require_POST
def job_start(request: HttpRequest, pk: int) -> HttpResponse:
    """Confirm a job, one's own or as its second person; the action's permission is asked again."""
    job = _job(request, pk)
    user = signed_in(request)
    anothers = job.user_id != user.pk and not job.needs_second
    if anothers or not user.has_perm(bulk.get(job.action).permission):
        raise PermissionDenied
    try:
        jobs.start_job(job, wake=run_bulk_job.delay, user=user)
    except jobs.JobError as error:
        context = {"message": str(error), "url": reverse("job_detail", args=[pk])}
        return render(request, "409.html", context, status=409)
    return redirect("job_detail", pk=pk)


@require_POST
def job_cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a job before its next chunk."""
    job = _job(request, pk)
    if not _may_cancel(job, signed_in(request)):
        raise PermissionDenied
    try:
        jobs.cancel_job(job)
    except jobs.JobError as error:
        context = {"message": str(error), "url": reverse("job_detail", args=[pk])}
        return render(request, "409.html", context, status=409)
    if job.status == BulkJob.Status.DRAFT:
        return respond.go(request, job.back or "/")
    return redirect("job_detail", pk=pk)


def _may_cancel(job: BulkJob, user: User) -> bool:
    """Its owner, an administrator, and whoever could have started it as the second person."""
    second = job.needs_second and user.has_perm(bulk.get(job.action).permission)
    return job.user_id == user.pk or second or user.has_perm("backoffice.change_user")


@require_GET
def job_outcomes(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """What became of every row, as CSV."""
    job = _job(request, pk)
    response = StreamingHttpResponse(_lines(job), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="job-{job.pk}.csv"'
    return response


def _lines(job: BulkJob) -> Iterator[str]:
    writer = csv.writer(Echo())
    yield writer.writerow(["Row", "Outcome", "Why"])
    for row in job_rows.every_row(job, bulk.get(job.action)):
        yield writer.writerow([quoted(row.name), row.words, quoted(row.why)])
