"""Exactly once, with real workers that are killed, a broker that forgets, and matchers at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial

import psycopg
import pytest
import redis
from django.db import connection
from django.db.models import Sum

from automations.engine import crashes, wake, work
from automations.engine.execute import execute_batch
from automations.engine.match import match_batch
from automations.engine.sweep import sweep
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, RunClaim, StepRun
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.bed.workers import StartWorker
from tests.depot.models import Parcel

# EVENTS=500 for a quick look.
EVENTS = int(os.environ.get("EVENTS", "5000"))


def wait_until(done: Callable[[], bool], seconds: float = 120.0) -> None:
    """Wait, sweeping as beat would."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "The engine did not get there."
        sweep()
        time.sleep(0.05)


def all_done() -> bool:
    return (
        not PendingEvent.objects.exists()
        and not Run.objects.filter(state__in=["due", "failed"]).exists()
    )


def effects_reached(count: int) -> bool:
    return Effect.objects.count() >= count


def assert_each_once(count: int) -> None:
    assert Event.objects.count() == count
    assert Run.objects.filter(state="done").count() == count
    assert Effect.objects.count() == count
    assert StepRun.objects.filter(outcome="done").count() == count
    assert Parcel.objects.filter(touched=1).count() == count
    assert Parcel.objects.aggregate(total=Sum("touched"))["total"] == count


@pytest.mark.requirement("R8")
@pytest.mark.requirement("R9")
def test_killing_workers_in_the_middle_leaves_each_effect_exactly_once(
    committed_db: Database, start_worker: StartWorker
) -> None:
    make.live_rule(steps=make.steps("depot.slow_tag"))
    parcels = make.make_parcels(EVENTS)
    for start in range(0, EVENTS, 100):
        make.arrive(parcels[start : start + 100])
    kills = 0
    for share in (0.1, 0.4, 0.7):
        worker = start_worker(concurrency=2)
        wait_until(partial(effects_reached, int(share * EVENTS)))
        worker.kill()
        kills += not all_done()
    start_worker(concurrency=2)
    wait_until(all_done)
    assert kills > 0
    assert_each_once(EVENTS)
    assert not Failure.objects.exists()


def test_what_redis_forgets_the_sweep_finds(
    committed_db: Database, start_worker: StartWorker, redis_url: str
) -> None:
    make.live_rule()
    make.parcels_arrived(50)
    with redis.Redis.from_url(redis_url) as server:
        server.flushdb()
    start_worker()
    time.sleep(1)
    assert PendingEvent.objects.count() == 50
    began = time.monotonic()
    wait_until(all_done, seconds=30)
    assert time.monotonic() - began < 10
    assert_each_once(50)


def test_a_worker_whose_connection_was_cut_goes_on_working(
    committed_db: Database, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.live_rule()
    start_worker()
    make.parcels_arrived(1)
    wait_until(all_done)
    with monkeypatch.context() as quietly:
        quietly.setattr(wake, "send", lambda *given: None)
        make.parcels_arrived(20)
        make.match_all()
    with psycopg.connect(committed_db.url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = current_user "
            "AND datname = current_database() AND pid NOT IN (pg_backend_pid(), %s)",
            [connection.connection.info.backend_pid],
        )
    wait_until(all_done, seconds=30)
    assert_each_once(21)


def test_a_sale_goes_through_while_redis_is_down(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = redis.Redis.from_url("redis://127.0.0.1:1/0", socket_connect_timeout=0.2, retry=None)
    monkeypatch.setattr(wake, "_redis", lambda: dead)
    monkeypatch.setattr(wake, "_quiet_until", 0.0)
    began = time.monotonic()
    make.parcels_arrived(1)
    make.parcels_arrived(1)
    assert time.monotonic() - began < 2
    assert Event.objects.count() == 2


def test_events_matched_by_several_at_once_get_one_run_each(committed_db: Database) -> None:
    make.live_rule()
    make.parcels_arrived(400)

    def match() -> int:
        total = 0
        while taken := match_batch(50):
            total += taken
        return total

    answers = at_once([match] * 4)
    assert sum(answer for answer in answers if isinstance(answer, int)) == 400
    assert Run.objects.count() == 400


def test_an_event_matched_twice_has_one_run(committed_db: Database) -> None:
    make.live_rule()
    make.parcels_arrived(3)
    make.match_all()
    PendingEvent.objects.bulk_create(
        [PendingEvent(event_id=pk) for pk in Event.objects.values_list("pk", flat=True)]
    )
    make.work_all()
    assert Run.objects.count() == 3
    assert Effect.objects.count() == 3


def test_runs_executed_by_several_at_once_act_once(committed_db: Database) -> None:
    make.live_rule(steps=make.steps("depot.add_tag", tag="first"), position=1)
    make.live_rule(steps=make.steps("depot.add_tag", tag="second"), position=2)
    make.parcels_arrived(300)
    make.match_all()

    def execute() -> None:
        until = time.monotonic() + 30
        while Run.objects.filter(state="due").exists() and time.monotonic() < until:
            execute_batch(37)

    answers = at_once([execute] * 4)
    assert [answer for answer in answers if answer is not None] == []
    assert Run.objects.filter(state="done").count() == 600
    assert set(Parcel.objects.values_list("touched", flat=True)) == {2}
    assert all(
        tags == ["first", "second"] for tags in Parcel.objects.values_list("tags", flat=True)
    )


@pytest.mark.requirement("R9")
def test_a_run_that_kills_its_worker_three_times_is_a_case_and_the_others_are_done(
    committed_db: Database, start_worker: StartWorker
) -> None:
    make.live_rule(steps=make.steps("depot.deadly"))
    make.parcels_arrived(20)
    start_worker(concurrency=1)
    wait_until(lambda: Failure.objects.exists(), seconds=90)
    wait_until(lambda: not Run.objects.filter(state="due").exists(), seconds=60)
    case = Failure.objects.get()
    assert (case.error, case.subject_id) == ("crash", Parcel.objects.get(number="P-00013").pk)
    assert Run.objects.filter(state="done").count() == 19
    assert set(Parcel.objects.exclude(number="P-00013").values_list("touched", flat=True)) == {1}


def test_only_notes_of_dead_workers_are_found(committed_db: Database) -> None:
    make.live_rule()
    make.parcels_arrived(1)
    make.match_all()
    note, run_ids = work.claim("alive")
    RunClaim.objects.update(at="2026-01-01T00:00Z")
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        assert work.hold(note)
        assert at_once([crashes.find]) == [[]]
        cursor.execute("ROLLBACK")
    assert crashes.find() == [note]
    assert crashes.count([note]) == 1
    assert Run.objects.get(pk=run_ids[0]).crash_count == 1
    assert not RunClaim.objects.exists()
    make.work_all()
    assert Run.objects.get().state == "done"


def test_a_subject_that_someone_holds_keeps_no_other_run_waiting(committed_db: Database) -> None:
    make.live_rule()
    held, *_ = make.parcels_arrived(5)
    make.match_all()
    with psycopg.connect(committed_db.url) as sale:
        sale.execute("SELECT FROM depot_parcel WHERE id = %s FOR NO KEY UPDATE", [held.pk])
        began = time.monotonic()
        make.execute_all()
        assert time.monotonic() - began < 3
        assert Run.objects.filter(state="done").count() == 4
        assert Run.objects.get(subject_id=held.pk).state == "due"
    make.execute_all()
    assert_each_once(5)
