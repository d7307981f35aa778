"""Celery doors: a message carries a job's id, the work is in PostgreSQL."""

from time import monotonic

from celery import shared_task

from backoffice import chain, mailing, post
from backoffice.workbench import jobs

# Below the soft time limit of a task, so that a long job hands itself on.
SECONDS = 30


@shared_task
def run_bulk_job(job_id: int) -> None:
    """Do chunks of a bulk job for half a minute, then leave the rest to a new message."""
    end = monotonic() + SECONDS
    more = jobs.run_chunk(job_id)
    while more and monotonic() < end:
        more = jobs.run_chunk(job_id)
    if more:
        jobs.wake_quietly(run_bulk_job.delay, job_id)


@shared_task
def sweep_bulk_jobs() -> None:
    """Wake the bulk jobs whose message was lost."""
    for job_id in jobs.stalled():
        jobs.wake_quietly(run_bulk_job.delay, job_id)


@shared_task
def mail_notices() -> None:
    """Mail the notices that wait for a person, and let go of what a sandbox caught long ago."""
    mailing.send_due()
    post.let_go()


@shared_task
def seal_audit() -> None:
    """Link the audit entries that wait."""
    chain.seal()


@shared_task(soft_time_limit=3600, time_limit=3660)
def check_audit() -> None:
    """Go over the whole audit trail; it takes as long as the trail is."""
    chain.check()
