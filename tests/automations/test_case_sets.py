"""Many cases at once: a frozen set, a job that survives, two people for much, nothing twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from automations.models.failures import Failure, FailureAction
from automations.models.runs import Run, StepRun
from automations.services import case_sets, failures
from automations.services.errors import AutomationError, NotPossible
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry, BulkJob, Notice, TimelineEntry, User
from backoffice.tasks import run_bulk_job, sweep_bulk_jobs
from backoffice.workbench import bulk, jobs
from backoffice.workbench.bulk import Weight
from backoffice.workbench.jobs import JobError
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.bed.workers import StartWorker
from tests.depot.models import Parcel


def by(role: str = "support") -> Actor:
    return person(make.staff(role))


def failed(count: int, **parcel: object) -> list[Failure]:
    make.live_rule(steps=make.steps("depot.choosy", tag="no"), when={"all": []})
    make.parcels_arrived(count, **{"total": "1.00", **parcel})
    make.work_all()
    return list(Failure.objects.order_by("pk"))


def draft(action: str, cases: list[Failure], user: User, **params: object) -> BulkJob:
    return jobs.draft_job(
        bulk.get(action),
        [case.pk for case in cases],
        screen="automations.failures",
        params=params,
        back="",
        user=user,
    )


def start(job: BulkJob, user: User) -> None:
    jobs.start_job(job, wake=lambda job_id: None, user=user)


def work_off(job: BulkJob) -> BulkJob:
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    return job


@pytest.mark.django_db
def test_a_set_is_retried_as_each_would_be_alone() -> None:
    cases = failed(4)
    mended = Parcel.objects.get(pk=cases[0].subject_id or 0)
    versions = {case.pk: case.version for case in cases}
    failures.comment_case(cases[1].pk, text="Mine.", actor=by())
    failures.assign_case(cases[1].pk, version=1, owner=None, actor=by())
    failures.end_run(cases[2].pk, version=1, reason="Sold.", actor=by())
    answer = case_sets.retry_cases({**versions, 9999: 1}, actor=by())
    assert answer.done == [cases[0].pk, cases[3].pk]
    assert answer.refused == {
        cases[1].pk: failures.CHANGED,
        cases[2].pk: failures.CHANGED,
        9999: case_sets.GONE,
    }
    cases[0].refresh_from_db()
    assert (cases[0].state, cases[0].version, cases[0].resolution) == ("retrying", 2, "retried")
    assert Run.objects.get(pk=cases[0].run_id or 0).state == "due"
    assert set(FailureAction.objects.filter(verb="retry").values_list("failure", flat=True)) == {
        cases[0].pk,
        cases[3].pk,
    }
    told = TimelineEntry.objects.filter(subject_id=mended.pk, text="Retried a failed step")
    assert told.get().user_id == by().user_id
    again = case_sets.retry_cases({cases[2].pk: 2}, actor=by())
    assert again.refused == {cases[2].pk: failures.CLOSED}
    make.work_all()
    assert Failure.objects.get(pk=cases[3].pk).times == 2


@pytest.mark.django_db
def test_what_may_have_happened_and_what_is_asked_is_never_retried() -> None:
    (case,) = failed(1)
    for error, words in failures.NO_RETRY.items():
        Failure.objects.update(error=error)
        assert case_sets.retry_cases({case.pk: 1}, actor=by()).refused == {case.pk: words}
        with pytest.raises(NotPossible, match=words[:20]):
            failures.retry_case(case.pk, version=1, actor=by())
    assert Run.objects.get().state == "failed"
    assert not FailureAction.objects.exists()


@pytest.mark.django_db
def test_a_job_leaves_alone_what_changed_after_it_was_drafted() -> None:
    cases = failed(3)
    user = make.staff("support")
    job = draft("failures.retry", cases, user)
    failures.comment_case(cases[0].pk, text="A note disturbs nobody.", actor=by())
    failures.prioritise_case(
        cases[1].pk, version=1, priority=Failure.Priority.URGENT, actor=by("operations")
    )
    start(job, user)
    work_off(job)
    assert (job.status, job.succeeded, job.failed) == ("done", 2, 1)
    assert job.outcomes.get(ok=False).message == failures.CHANGED
    assert Failure.objects.get(pk=cases[1].pk).state == "open"


@pytest.mark.django_db
def test_more_than_a_hundred_rows_or_much_money_takes_a_second_person() -> None:
    cases = failed(2, total="3000.00")
    asks, other, finance = make.staff("support"), make.staff("operations"), make.staff("finance")
    job = draft("failures.retry", cases, asks)
    assert (job.needs_second, job.weight) == (True, {"sums": {"GBP": "6000.0000"}})
    assert Notice.objects.filter(user=other).get().text == (
        "Support asks: retry 2 rows. A second person starts it."
    )
    with pytest.raises(JobError, match="takes two"):
        start(job, asks)
    with pytest.raises(JobError, match="may not"):
        start(job, finance)
    assert BulkJob.objects.get().status == "draft"
    start(job, other)
    assert work_off(job).succeeded == 2
    trail = AuditEntry.objects.get(verb="bulk.started")
    assert (trail.user, trail.detail["drafted_by"], trail.detail["rows"]) == (other, asks.pk, 2)
    assert Weight(101).needs_second
    assert not Weight(100).needs_second


@pytest.mark.django_db
def test_postgresql_keeps_a_large_job_to_two_people_and_to_what_was_drafted() -> None:
    cases = failed(2, total="3000.00")
    asks = make.staff("support")
    job = draft("failures.retry", cases, asks)
    alone: list[dict[str, object]] = [
        {"status": "queued"},
        {"status": "queued", "started_by": asks},
    ]
    for change in alone:
        with pytest.raises(IntegrityError), transaction.atomic():
            BulkJob.objects.filter(pk=job.pk).update(**change)
    other: list[dict[str, object]] = [
        {"needs_second": False},
        {"ids": [1]},
        {"versions": [9, 9]},
        {"user": make.staff("operations")},
    ]
    for change in other:
        with pytest.raises(DatabaseError), transaction.atomic():
            BulkJob.objects.filter(pk=job.pk).update(**change)
    job.refresh_from_db()
    assert (job.needs_second, job.ids) == (True, [case.pk for case in cases])


@pytest.mark.django_db
def test_what_breaks_on_one_row_leaves_the_others_done(monkeypatch: pytest.MonkeyPatch) -> None:
    cases = failed(3)
    user = make.staff("support")
    whole = failures.skip_step

    def broken(failure_id: int, **given: object) -> Failure:
        if failure_id == cases[1].pk:
            raise ZeroDivisionError
        return whole(failure_id, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(failures, "skip_step", broken)
    job = draft("failures.skip", cases, user, reason="No room.")
    start(job, user)
    work_off(job)
    assert (job.succeeded, job.failed) == (2, 1)
    assert job.outcomes.get(ok=False).message == jobs.BROKEN
    assert StepRun.objects.filter(outcome="skipped").count() == 2


def test_a_job_and_people_who_retry_at_once_retry_each_case_once(committed_db: Database) -> None:
    cases = failed(30)
    user = make.staff("support")
    job = draft("failures.retry", cases, user)
    start(job, user)
    actor = by("operations")

    def alone() -> int:
        done = 0
        for case in reversed(cases):
            try:
                failures.retry_case(case.pk, version=case.version, actor=actor)
                done += 1
            except AutomationError:
                continue
        return done

    works: list[Callable[[], object]] = [lambda: jobs.run_chunk(job.pk), alone, alone]
    answers = at_once(works)
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    job.refresh_from_db()
    by_hand = sum(answer for answer in answers[1:] if isinstance(answer, int))
    assert job.succeeded + by_hand == 30
    assert FailureAction.objects.filter(verb="retry").count() == 30
    assert set(Failure.objects.values_list("version", flat=True)) == {2}


@pytest.mark.requirement("R9")
def test_a_job_whose_worker_is_killed_goes_on_and_does_nothing_twice(
    committed_db: Database, start_worker: StartWorker
) -> None:
    cases = failed(400)
    user, other = make.staff("support"), make.staff("operations")
    job = draft("failures.skip", cases, user, reason="No room.")
    worker = start_worker(lanes="bulk")
    jobs.start_job(job, wake=run_bulk_job.delay, user=other)

    def position() -> int:
        job.refresh_from_db()
        return job.position

    until = time.monotonic() + 120
    while position() == 0:
        assert time.monotonic() < until
        time.sleep(0.01)
    worker.kill()
    assert 0 < position() < 400
    assert job.status == "running"
    start_worker(lanes="bulk")
    # As if a minute had passed without anybody touching it.
    BulkJob.objects.filter(pk=job.pk).update(touched_at=timezone.now() - timedelta(minutes=2))
    sweep_bulk_jobs()
    while position() < 400:
        assert time.monotonic() < until
        time.sleep(0.05)
    assert (job.status, job.succeeded, job.failed) == ("done", 400, 0)
    assert FailureAction.objects.filter(verb="skip").count() == 400
    assert StepRun.objects.filter(outcome="skipped").count() == 400
    assert job.outcomes.count() == 400
