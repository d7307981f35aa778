"""Schedules with real workers that are killed, dispatchers at once, and a restart."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db.models import Count, Sum

from automations.engine import schedule
from automations.engine.scan import scan_batch
from automations.engine.sweep import sweep
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.runs import Effect, Run
from automations.models.schedules import ScheduleSlot
from tests.automations import factories as make
from tests.automations.schedules import scheduled, utc
from tests.bed.databases import Database, at_once
from tests.bed.workers import StartWorker
from tests.depot.models import Parcel

# SCANNED=2000 for a quick look.
SCANNED = int(os.environ.get("SCANNED", "20000"))
BEFORE, MORNING = utc(2027, 1, 11, 8), utc(2027, 1, 12, 8)


def wait_until(done: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait, sweeping as beat would."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "The engine did not get there."
        sweep()
        time.sleep(0.02)


def slot() -> ScheduleSlot:
    return ScheduleSlot.objects.get(fire_at=MORNING)


@pytest.mark.requirement("R3")
def test_workers_killed_in_the_middle_of_a_scan_leave_nothing_doubled_and_nothing_lost(
    committed_db: Database, start_worker: StartWorker
) -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(SCANNED // 2)
    make.make_parcels(SCANNED // 2, total="20.00")
    assert schedule.dispatch(MORNING) == 1
    kills = 0
    for share in (0.1, 0.3, 0.5):
        worker = start_worker(concurrency=2, lanes="bulk", env={"SCAN_PAGE_SECONDS": "0.6"})
        wait_until(lambda least=share * SCANNED: slot().examined >= least)  # type: ignore[misc]
        worker.kill()
        kills += slot().is_open
    assert kills == 3
    start_worker(concurrency=2)
    wait_until(lambda: not slot().is_open)
    assert (slot().state, slot().examined, slot().events) == ("done", SCANNED, SCANNED // 2)
    assert Event.objects.filter(rule_id=rule.pk).count() == SCANNED // 2
    wait_until(
        lambda: not PendingEvent.objects.exists() and not Run.objects.filter(state="due").exists()
    )
    assert Run.objects.filter(state="done").count() == SCANNED // 2
    assert Effect.objects.count() == SCANNED // 2
    assert Parcel.objects.aggregate(total=Sum("touched"))["total"] == SCANNED // 2
    assert not Failure.objects.exists()


@pytest.mark.requirement("R3")
def test_dispatchers_at_once_make_one_slot(committed_db: Database) -> None:
    for cron in ("0 8 * * *", "*/5 * * * *"):
        scheduled(cron=cron, since=BEFORE)
    answers = at_once([lambda: schedule.dispatch(MORNING + timedelta(seconds=2))] * 6)
    assert sum(answer for answer in answers if isinstance(answer, int)) == 2
    assert ScheduleSlot.objects.filter(state="due").count() == 2
    twice = ScheduleSlot.objects.values("rule", "fire_at").annotate(n=Count("pk")).filter(n__gt=1)
    assert not twice.exists()


def test_scanners_at_once_go_through_each_record_once(committed_db: Database) -> None:
    scheduled(since=BEFORE)
    make.make_parcels(7_000)
    schedule.dispatch(MORNING)

    def scan() -> None:
        until = time.monotonic() + 60
        while slot().is_open and time.monotonic() < until:
            scan_batch()

    assert [answer for answer in at_once([scan] * 4) if answer is not None] == []
    assert (slot().state, slot().examined, slot().events) == ("done", 7_000, 7_000)
    assert Event.objects.values("subject_id").distinct().count() == 7_000
    assert Event.objects.count() == 7_000


def test_a_slot_whose_wake_up_was_lost_is_found_by_the_sweep(
    committed_db: Database, start_worker: StartWorker
) -> None:
    scheduled(since=BEFORE)
    make.make_parcels(10)
    schedule.dispatch(MORNING)
    start_worker()
    wait_until(lambda: Run.objects.filter(state="done").count() == 10, seconds=60)
    assert slot().state == "done"


@pytest.mark.requirement("R3")
def test_a_rule_fires_by_itself_on_the_minute_across_a_restart(
    committed_db: Database, start_worker: StartWorker
) -> None:
    make.live_rule(trigger={"every": "* * * * *", "zone": "UTC", "for": "depot.parcel"})
    make.make_parcels(5)
    worker = start_worker()
    wait_until(lambda: ScheduleSlot.objects.filter(state="done").count() == 1, seconds=150)
    worker.stop()
    start_worker()
    wait_until(lambda: ScheduleSlot.objects.filter(state="done").count() == 2, seconds=150)
    wait_until(lambda: Run.objects.filter(state="done").count() == 10, seconds=60)
    times = list(ScheduleSlot.objects.order_by("fire_at").values_list("fire_at", flat=True))
    assert times == [times[0] + timedelta(minutes=minute) for minute in range(len(times))]
    assert set(Parcel.objects.values_list("touched", flat=True)) == {2}
