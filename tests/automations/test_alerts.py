"""Owners are told when their rules fail, begin late, are slow or can't get through."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from automations.actions import ConnectorDown, Outcome, RetryLater
from automations.engine import alerts, measure, overruns, tend
from automations.models.figures import Overrun
from automations.models.rules import Rule
from automations.models.runs import Run, StepRun
from automations.services import stops
from backoffice.actors import person
from backoffice.models import Notice, User
from tests.automations import factories as make
from tests.bed.people import signed_in
from tests.depot import automation
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _events_may_be_moved_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted a moment ago may be counted now."""
    monkeypatch.setattr(measure, "MARGIN_SECONDS", 0)


def old_run(rule: Rule, seconds: int) -> Run:
    """A due run of the rule whose event and match are this old."""
    (parcel,) = make.parcels_arrived(1)
    make.match_all()
    run = Run.objects.get(rule_id=rule.pk, subject_id=parcel.pk)
    back(run, seconds)
    return Run.objects.get(pk=run.pk)


def back(run: Run, seconds: int) -> None:
    """Let a run's event, match and due time have been so many seconds ago.

    Events never change, so the run gets an event of its own that is as old.
    """
    at = timezone.now() - timedelta(seconds=seconds)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO automations_event (trigger, subject, subject_id, subject_version,"
            " occurred_at, recorded_at, payload_version, facts, lists, actor_kind, depth, history)"
            " SELECT trigger, subject, subject_id, subject_version, %s, %s, payload_version, facts,"
            " lists, actor_kind, depth, history FROM automations_event WHERE id = %s RETURNING id",
            [at, at, run.event_id],
        )
        (event_id,) = cursor.fetchone()
    # Runs are not deleted either: the old one is over, long ago.
    Run.objects.filter(pk=run.pk).update(state="cancelled", finished_at=at - timedelta(days=90))
    run.event_id, run.pk = event_id, event_id * 1_000_000 + run.rule_id
    run.created_at = run.run_after = at
    run.save(force_insert=True)


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("pk").values_list("text", flat=True))


def owner_of(rule: Rule) -> User:
    assert rule.owner is not None
    return rule.owner


@pytest.mark.requirement("R7")
def test_a_run_that_has_not_begun_within_its_class_is_listed_and_its_owner_told(
    auditor_client: Client,
) -> None:
    quick = make.live_rule(name="Quick")
    late = old_run(quick, 61)
    fresh = old_run(quick, 50)
    patient = make.live_rule(name="Patient", latency="batch")
    in_time = old_run(patient, 3_000)
    too_late = old_run(patient, 3_700)
    Run.objects.filter(
        rule_id=quick.pk, subject_id__in=[in_time.subject_id, too_late.subject_id]
    ).update(state="cancelled", finished_at=timezone.now() - timedelta(days=90))
    assert overruns.find() == 2
    assert overruns.find() == 0
    listed = auditor_client.get("/runs/?overran=start").context["listing"]
    assert {row.record.pk for row in listed.rows} == {late.pk, too_late.pk}
    assert fresh.pk not in {row.record.pk for row in listed.rows}
    assert {each.latency for each in Overrun.objects.all()} == {"real_time", "batch"}

    assert alerts.send() == 2
    assert alerts.send() == 0
    assert told(owner_of(quick)) == [
        "“Quick” is late: 1 run began more than a minute after its event.",
        "“Patient” is late: 1 run began more than an hour after its event.",
    ]
    link = Notice.objects.order_by("pk")[0].link
    shown = auditor_client.get(link).context["listing"]
    assert [row.record.pk for row in shown.rows] == [late.pk]


@pytest.mark.requirement("R7")
def test_a_run_that_began_late_and_has_ended_is_found_when_it_is_counted() -> None:
    rule = make.live_rule()
    late, on_time = old_run(rule, 90), old_run(rule, 5)
    make.execute_all()
    assert Run.objects.filter(state="done").count() == 2
    while measure.count():
        pass
    (found,) = Overrun.objects.all()
    assert (found.run_id, found.kind) == (late.pk, "start")
    assert 90 <= found.seconds < 200
    assert on_time.pk != found.run_id


def test_a_run_that_people_kept_back_is_not_late(operations_user: User) -> None:
    rule = make.live_rule()
    run = old_run(rule, 7_200)
    Run.objects.filter(pk=run.pk).update(run_after=timezone.now() - timedelta(seconds=5))
    assert overruns.find() == 0
    stops.stop_rule(rule.pk, reason="Stock count.", actor=person(operations_user))
    make.execute_all()
    assert Run.objects.get(pk=run.pk).state == "parked"
    assert overruns.find() == 0


@pytest.mark.requirement("R11")
@pytest.mark.parametrize("trouble", [RetryLater, ConnectorDown])
def test_a_step_that_does_not_get_through_is_told_with_a_link_to_the_step(
    trouble: type[Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(automation, "RetryLater", lambda says, after: trouble(says))
    rule = make.live_rule(name="Book labels", steps=make.steps("depot.flaky"))
    make.parcels_arrived(3)
    Parcel.objects.update(moods=100)
    make.match_all()
    make.execute_all_once()
    Run.objects.update(run_after=timezone.now() + timedelta(minutes=1))
    assert overruns.find() == 0
    StepRun.objects.update(started_at=timezone.now() - timedelta(minutes=3))
    assert overruns.find() == 3
    alerts.send()
    (notice,) = Notice.objects.filter(user=owner_of(rule))
    first = Run.objects.order_by("pk")[0]
    assert notice.text.startswith("“Book labels”: “Flaky tag” does not get through. Run ")
    assert notice.text.endswith("keeps trying. So do 2 more.")
    page = signed_in(owner_of(rule)).get(notice.link.partition("#")[0])
    assert page.status_code == 200
    assert notice.link.partition("#")[2] == "step-a1"
    assert 'id="step-a1"' in page.content.decode()
    assert first.rule_id == rule.pk


@pytest.mark.requirement("R11")
def test_runs_that_are_parked_for_a_connector_are_told_too() -> None:
    rule = make.live_rule(name="Book labels", steps=make.steps("depot.flaky"))
    make.parcels_arrived(2)
    Parcel.objects.update(moods=100)
    make.match_all()
    make.execute_all_once()
    Run.objects.update(state="parked", parked_for="connector")
    StepRun.objects.update(outcome="down", started_at=timezone.now() - timedelta(minutes=3))
    assert overruns.find() == 2
    alerts.send()
    (notice,) = Notice.objects.filter(user=owner_of(rule))
    assert "does not get through" in notice.text
    page = signed_in(owner_of(rule)).get(notice.link.partition("#")[0]).content.decode()
    assert "The shelf is in use." in page


@pytest.mark.requirement("R11")
def test_a_slow_step_is_told_with_a_link_to_the_step() -> None:
    rule = make.live_rule(name="Weigh", steps=make.steps("depot.add_tag", "depot.add_tag"))
    make.parcels_arrived(1)
    make.work_all()
    run = Run.objects.get()
    slow = StepRun.objects.get(run_id=run.pk, number=2)
    StepRun.objects.filter(run_id=run.pk, number=2).update(
        started_at=slow.finished_at - timedelta(seconds=44)
    )
    while measure.count():
        pass
    alerts.send()
    (notice,) = Notice.objects.filter(user=owner_of(rule))
    assert notice.text == f"“Weigh”: “Tag” took 44 s in run {run.number}."
    assert notice.link == f"/runs/{run.pk}/#step-a2"


@pytest.mark.requirement("R11")
def test_a_rule_that_fails_a_lot_is_told_to_its_owner_with_its_failures(
    auditor_client: Client,
) -> None:
    rule = make.live_rule(name="Choosy", steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(4)
    make.work_all()
    alerts.send()
    assert told(owner_of(rule)) == []
    make.parcels_arrived(2)
    make.work_all()
    alerts.send()
    alerts.send()
    (text,) = told(owner_of(rule))
    assert text.startswith("“Choosy” fails: 6 of 6 runs since ")
    listing = auditor_client.get(Notice.objects.get().link).context["listing"]
    assert listing.total == 6


def test_a_wait_that_a_rule_asks_for_is_no_slow_step() -> None:
    make.live_rule(steps=[{"uid": "w1", "wait": "PT1H"}, *make.steps("depot.add_tag")])
    make.parcels_arrived(1)
    make.work_all()
    long_ago = timezone.now() - timedelta(hours=1)
    Run.objects.update(run_after=timezone.now() - timedelta(seconds=1), created_at=long_ago)
    make.work_all()
    waited = StepRun.objects.get(outcome="waited")
    assert waited.finished_at - waited.started_at > timedelta(minutes=50)
    while measure.count():
        pass
    assert overruns.find() == 0
    assert not Overrun.objects.filter(kind__in=["step", "trying"]).exists()


def test_a_rule_that_fails_rarely_is_not_told() -> None:
    good = make.live_rule(steps=make.steps("depot.buggy"))
    for number in range(6):  # numbers that end in 13 break
        make.arrive(make.make_parcels(1, number=f"Q{number}-13"))
    make.parcels_arrived(40)
    make.work_all()
    while measure.count():
        pass
    alerts.send()
    assert told(owner_of(good)) == []


def test_a_rule_without_an_owner_who_is_here_is_told_to_those_who_tend_the_engine(
    operations_user: User, administrator_user: User, finance_user: User
) -> None:
    rule = make.live_rule()
    User.objects.filter(pk=owner_of(rule).pk).update(is_active=False)
    old_run(rule, 100)
    overruns.find()
    alerts.send()
    assert told(operations_user)
    assert told(administrator_user)
    assert told(finance_user) == []
    assert told(owner_of(rule)) == []


def test_a_part_of_the_round_that_breaks_keeps_no_other_from_its_turn(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    done: list[datetime] = []

    def broken() -> None:
        raise RuntimeError("no")

    def fine() -> None:
        done.append(timezone.now())

    monkeypatch.setattr(tend, "PARTS", (broken, fine))
    tend.tend()
    assert len(done) == 1
    assert "broke" in caplog.text
