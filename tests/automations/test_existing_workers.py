"""Records that were there, with real workers that are killed, and workers at once."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from django.db.models import Sum

from automations.engine.applying import apply_batch
from automations.engine.compiled import Compiled, compiled
from automations.engine.sweep import sweep
from automations.models.documents import Document
from automations.models.events import Event, PendingEvent
from automations.models.existing import ExistingRecords
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Effect, Run
from automations.services import approvals
from automations.simulation.preview_existing import preview_existing
from backoffice.actors import person
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.bed.workers import StartWorker
from tests.depot.models import Parcel

# RECORDS=2000 for a quick look.
RECORDS = int(os.environ.get("RECORDS", "10000"))


def wait_until(done: Callable[[], bool], seconds: float = 240.0) -> None:
    """Wait, sweeping as beat would."""
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "The engine did not get there."
        sweep()
        time.sleep(0.02)


def there(count: int) -> None:
    """Parcels of which half match, that arrived before there was any rule."""
    for changes in ({}, {"total": "20.00"}):
        make.arrive(make.make_parcels(count // 2, **changes))
    make.match_all()


def submitted() -> Document:
    rule: Rule = make.make_rule()
    return make.submit(rule)


def go_live(document: Document) -> None:
    actor = person(make.approver(document))
    approvals.approve(document.pk, sha256=document.sha256, actor=actor, existing=True)


def row() -> ExistingRecords:
    return ExistingRecords.objects.get()


def is_over() -> bool:
    return row().finished_at is not None


def test_workers_killed_in_the_middle_apply_it_to_each_record_once(
    committed_db: Database, start_worker: StartWorker
) -> None:
    there(RECORDS)
    go_live(submitted())
    kills = 0
    for share in (0.0, 0.2, 0.4):
        worker = start_worker(concurrency=2, lanes="bulk", env={"ROWS_SECONDS": "0.4"})
        wait_until(lambda least=share * RECORDS: row().examined > least)  # type: ignore[misc]
        worker.kill()
        kills += not is_over()
    assert kills == 3
    start_worker(concurrency=2)
    wait_until(is_over)
    assert (row().state, row().examined, row().events) == ("done", RECORDS, RECORDS // 2)
    wait_until(
        lambda: not PendingEvent.objects.exists() and not Run.objects.filter(state="due").exists()
    )
    assert Run.objects.filter(state="done").count() == RECORDS // 2
    assert Effect.objects.count() == RECORDS // 2
    assert Parcel.objects.aggregate(total=Sum("touched"))["total"] == RECORDS // 2
    assert not Failure.objects.exists()


def test_workers_at_once_start_on_each_record_once(committed_db: Database) -> None:
    there(7_000)
    go_live(submitted())

    def work() -> None:
        until = time.monotonic() + 60
        while not is_over() and time.monotonic() < until:
            apply_batch()

    assert [answer for answer in at_once([work] * 4) if answer is not None] == []
    assert (row().state, row().examined, row().events) == ("done", 7_000, 3_500)
    assert Event.objects.exclude(key="").values("subject_id").distinct().count() == 3_500
    assert Event.objects.exclude(key="").count() == 3_500


def test_two_who_put_it_in_force_at_once_apply_it_once(committed_db: Database) -> None:
    there(10)
    document = submitted()
    actor = person(make.approver(document))
    approvals.approve(
        document.pk, sha256=document.sha256, actor=actor, existing=True, activate_now=False
    )
    at_once([lambda: approvals.activate(document.pk, actor=actor)] * 4)
    assert ExistingRecords.objects.count() == 1
    while apply_batch():
        pass
    make.work_all()
    assert Run.objects.filter(state="done").count() == 5


def test_ten_thousand_records_are_counted_for_the_approver_within_seconds(
    committed_db: Database,
) -> None:
    there(RECORDS)
    document = submitted()
    rule = compiled([document.pk])[document.pk]
    assert isinstance(rule, Compiled)
    began = time.monotonic()
    found = preview_existing(rule)
    assert time.monotonic() - began < 5
    assert (found.records, found.matched) == (RECORDS, RECORDS // 2)
    assert found.exact
    assert len(found.examples) == 5
