"""What has had its time is let go whole, what is still needed stays, nothing else is deleted."""

from __future__ import annotations

from datetime import timedelta

import psycopg
import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from automations.engine import retention
from automations.engine.retention import Pass, let_go
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.intake import Delivery
from automations.models.runs import Effect, Run, StepRun
from automations.services import failures
from backoffice import chain
from backoffice.actors import person
from backoffice.models import AuditEntry
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.intake import factories as hooks

TABLES = (Event, Run, StepRun, Effect)


def age(db: Database, days: int, *, above: int = 0) -> None:
    """Let what was recorded up to now have been recorded so many days ago, as the owner can."""
    past = timedelta(days=days)
    with psycopg.connect(db.owner_url) as owner:
        for table, column, guard in (
            ("automations_event", "recorded_at", "automations_event_guard"),
            ("automations_delivery", "received_at", "automations_delivery_guard"),
        ):
            owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER {guard}")
            owner.execute(
                f"UPDATE {table} SET {column} = {column} - %s WHERE id > %s", [past, above]
            )
            owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER {guard}")


def counts() -> list[int]:
    return [model.objects.count() for model in TABLES]


def test_what_is_over_and_old_goes_with_all_it_left_and_the_young_stays(
    committed_db: Database,
) -> None:
    make.live_rule(steps=make.steps("depot.add_tag", "depot.add_tag"))
    make.parcels_arrived(7)
    make.work_all()
    age(committed_db, 800)
    last = Event.objects.order_by("-pk")[0].pk
    make.parcels_arrived(3)
    make.work_all()
    before = counts()
    gone = let_go(Pass())
    assert (gone.events, gone.runs, gone.more) == (last, 7, False)
    assert not Run.objects.filter(event_id__lte=last).exists()
    left = set(Run.objects.values_list("pk", flat=True))
    assert len(left) == 3
    assert set(StepRun.objects.values_list("run_id", flat=True)) == left
    assert set(Effect.objects.values_list("run_id", flat=True)) == left
    assert counts() != before
    noted = AuditEntry.objects.get(verb="retention.let_go")
    assert (noted.detail["events"], noted.detail["runs"]) == (last, 7)
    chain.seal()
    assert chain.check().finding == ""
    # A second pass finds nothing, and has nothing to note.
    again = counts()
    assert let_go(Pass()).events == 0
    assert counts() == again
    assert AuditEntry.objects.filter(verb="retention.let_go").count() == 1


def test_what_waits_is_open_or_has_a_case_stays_however_old(committed_db: Database) -> None:
    steps = make.steps("depot.choosy", tag="no")
    make.live_rule(steps=steps)
    make.live_rule(
        name="Waits",
        steps=[{"uid": "w1", "wait": "P900D"}, *make.steps("depot.add_tag")],
    )
    make.parcels_arrived(2)
    make.work_all()
    for case in Failure.objects.all():
        failures.end_run(case.pk, version=case.version, reason="Sold.", actor=person(make.author()))
    make.parcels_arrived(1)  # nobody has matched it yet
    age(committed_db, 1_000)
    before = counts()
    assert Failure.objects.count() == 2
    assert PendingEvent.objects.count() == 1
    assert let_go(Pass()).events == 0
    assert counts() == before


def test_nobody_but_the_one_door_deletes_what_rules_did(committed_db: Database) -> None:
    make.live_rule()
    make.parcels_arrived(2)
    make.work_all()
    age(committed_db, 100)
    before = counts()
    for model in TABLES:
        with pytest.raises(DatabaseError), transaction.atomic():
            model.objects.all().delete()
    for days in (399, 0, -5, None):
        for function in ("automations_let_go", "automations_let_go_of_calls"):
            with (
                pytest.raises(DatabaseError, match="at least 400 days"),
                transaction.atomic(),
                connection.cursor() as cursor,
            ):
                cursor.execute(f"SELECT * FROM {function}(0, 100, %s)", [days])
    let_go(Pass())
    assert counts() == before


def test_passes_at_once_and_in_small_sets_let_go_of_each_row_once(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    make.live_rule()
    make.parcels_arrived(40)
    make.work_all()
    events, runs, _, _ = counts()
    age(committed_db, 800)
    passes = [each for each in at_once([lambda: let_go(Pass())] * 4) if isinstance(each, Pass)]
    assert len(passes) == 4
    assert counts() == [0, 0, 0, 0]
    assert sum(each.events for each in passes) == events
    assert sum(each.runs for each in passes) == runs


def test_a_pass_that_runs_out_of_time_goes_on_where_it_stopped(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "AT_ONCE", 3)
    make.parcels_arrived(10)
    make.work_all()
    events = Event.objects.count()
    age(committed_db, 800)
    given, rounds = Pass(), 0
    while given.more:
        given = let_go(Pass(**given.as_message()), seconds=0)
        rounds += 1
    assert rounds > 3
    assert given.events == events
    assert AuditEntry.objects.get(verb="retention.let_go").detail["events"] == events


def test_what_a_webhook_said_goes_and_when_it_comes_again_it_is_still_a_repeat(
    committed_db: Database,
) -> None:
    source = hooks.source()
    hooks.read(source)
    hooks.send(source, hooks.message())
    hooks.take_all()
    hooks.send(source, hooks.message("msg_2", status="nobody mapped this"), own_id="msg_2")
    hooks.take_all()
    age(committed_db, 61)
    hooks.send(source, hooks.message("msg_3"), own_id="msg_3")
    assert let_go(Pass()).bodies == 1
    kept = dict(Delivery.objects.values_list("external_id", "body"))
    assert kept["msg_1"] is None
    # It is in quarantine: a person has yet to read it.
    assert kept["msg_2"] is not None
    assert kept["msg_3"] is not None
    hooks.send(source, hooks.message())
    assert Delivery.objects.count() == 3


def test_the_page_of_a_run_that_was_let_go_says_so(committed_db: Database) -> None:
    rule = make.live_rule()
    make.parcels_arrived(1)
    make.work_all()
    run = Run.objects.get()
    age(committed_db, 800)
    let_go(Pass())
    client = Client()
    client.force_login(make.author())
    answer = client.get(f"/runs/{run.pk}/")
    assert answer.status_code == 404
    assert f"Run {run.number} is not kept any more" in answer.content.decode()
    assert rule.name in answer.content.decode()
    # One that never was is no page.
    assert "not kept" not in client.get(f"/runs/{run.pk + 5}/").content.decode()
