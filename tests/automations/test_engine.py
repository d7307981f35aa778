"""One event's way: recorded, matched, executed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from automations.engine import in_force
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.queries.events import first_since
from automations.services import drafts, rules, stops
from backoffice.actors import person
from tests.automations import factories as make
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


def test_a_matching_event_is_acted_on_and_a_near_miss_is_not() -> None:
    rule = make.live_rule()
    (dear,) = make.parcels_arrived(total="100.00")
    (cheap,) = make.parcels_arrived(total="99.99")
    make.work_all()
    dear.refresh_from_db()
    cheap.refresh_from_db()
    assert (dear.tags, cheap.tags) == (["high-value"], [])
    run = Run.objects.get()
    assert (run.rule_id, run.state, run.outcome) == (rule.pk, "done", "Tagged high-value.")
    assert run.subject_id == dear.pk
    assert Effect.objects.filter(run_id=run.pk).count() == 1
    step = StepRun.objects.get(run_id=run.pk)
    assert (step.outcome, step.action, step.input) == (
        "done",
        "depot.add_tag",
        {"tag": "high-value"},
    )
    assert not PendingEvent.objects.exists()
    assert not Failure.objects.exists()


def test_history_never_acts() -> None:
    make.live_rule()
    make.arrive(make.make_parcels(), history=True)
    make.work_all()
    assert Event.objects.get().history
    assert not Run.objects.exists()


def test_rules_of_one_event_act_in_their_order() -> None:
    make.live_rule(steps=make.steps("depot.add_tag", tag="second"), position=2)
    make.live_rule(steps=make.steps("depot.add_tag", tag="first"), position=1)
    (parcel,) = make.parcels_arrived()
    make.work_all()
    parcel.refresh_from_db()
    assert parcel.tags == ["first", "second"]


def test_a_subject_that_changed_is_judged_again() -> None:
    make.live_rule()
    stale, fine = make.parcels_arrived(2)
    make.match_all()
    Parcel.objects.filter(pk=stale.pk).update(total="5.00", version=2)
    Parcel.objects.filter(pk=fine.pk).update(total="500.00", version=2)
    make.execute_all()
    assert Run.objects.get(subject_id=stale.pk).state == "overtaken"
    assert Run.objects.get(subject_id=fine.pk).state == "done"
    assert Parcel.objects.get(pk=stale.pk).tags == []


def test_a_subject_that_is_gone_overtakes_its_run() -> None:
    make.live_rule()
    (parcel,) = make.parcels_arrived()
    make.match_all()
    parcel.delete()
    make.execute_all()
    assert Run.objects.get().outcome == "The parcel is gone."


def test_three_steps_are_done_in_one_go() -> None:
    make.live_rule(steps=make.steps("depot.add_tag", "depot.pay_duty", "depot.add_tag"))
    (parcel,) = make.parcels_arrived()
    make.work_all()
    parcel.refresh_from_db()
    assert parcel.tags == ["t1", "t2", "t3"]
    assert list(StepRun.objects.order_by("number").values_list("cursor", "number")) == [
        ("a1", 1),
        ("a2", 2),
        ("a3", 3),
    ]
    assert Effect.objects.count() == 3


def test_a_step_may_have_any_name_that_a_uid_can_be() -> None:
    (step,) = make.steps("depot.add_tag")
    make.live_rule(steps=[{**step, "uid": "null"}])
    make.parcels_arrived()
    make.work_all()
    assert Effect.objects.get().uid == "null"
    assert Run.objects.get().state == Run.State.DONE


def test_missing_data_is_a_case_or_skipped_as_the_rule_says() -> None:
    clause = {"field": "parcel.carrier", "op": "is", "value": "dhl"}
    holding = make.live_rule(when={"all": [clause]})
    make.live_rule(when={"all": [clause]}, missing_data="skip")
    (parcel,) = make.parcels_arrived(carrier="")
    make.work_all()
    run = Run.objects.get()
    assert (run.rule_id, run.state) == (holding.pk, "held")
    case = Failure.objects.get()
    assert (case.run_id, case.error, case.state) == (run.pk, "missing", "open")
    assert Parcel.objects.get(pk=parcel.pk).touched == 0


def test_a_rule_that_meets_its_own_chain_stops_and_becomes_a_case() -> None:
    make.live_rule(
        trigger={"on": "depot.parcel_tagged"}, steps=make.steps("depot.add_tag_and_tell")
    )
    make.live_rule(steps=make.steps("depot.add_tag_and_tell"))
    (parcel,) = make.parcels_arrived()
    make.work_all()
    parcel.refresh_from_db()
    assert parcel.touched == 2
    assert Failure.objects.get().error == "loop"
    assert list(Event.objects.order_by("id").values_list("depth", flat=True)) == [0, 1, 2]


def test_a_rule_stopped_between_match_and_execution_does_nothing() -> None:
    rule = make.live_rule()
    (parcel,) = make.parcels_arrived()
    make.match_all()
    stops.stop_rule(rule.pk, reason="Wrong tag.", actor=person(make.author()))
    make.execute_all()
    make.parcels_arrived()
    make.work_all()
    assert Parcel.objects.get(pk=parcel.pk).touched == 0
    assert set(Run.objects.values_list("state", flat=True)) == {"parked"}


def test_stopping_all_stops_every_rule() -> None:
    make.live_rule()
    make.parcels_arrived()
    make.match_all()
    stops.stop_rule(None, reason="Fire drill.", actor=person(make.author()))
    make.execute_all()
    assert Run.objects.get().state == "due"
    assert not Effect.objects.exists()


def test_a_new_version_acts_from_the_next_matching_on() -> None:
    rule = make.live_rule()
    make.parcels_arrived()
    make.match_all()
    drafts.save_draft(
        rule.pk,
        body=make.body(steps=make.steps("depot.add_tag", tag="new")),
        revision=1,
        actor=person(make.author()),
    )
    make.make_live(rule)
    make.parcels_arrived()
    make.work_all()
    assert sorted(
        tag for tags in Parcel.objects.values_list("tags", flat=True) for tag in tags
    ) == [
        "high-value",
        "new",
    ]


def test_equality_clauses_find_their_rules_by_value() -> None:
    for country in ("FR", "DE", "ES"):
        clause = {"field": "parcel.country", "op": "is", "value": country}
        make.live_rule(when={"all": [clause]}, name=country)
    make.parcels_arrived(country="DE")
    at = in_force.moment()
    event = Event.objects.get()
    found = list(at.rules.candidates(event.trigger, event.facts))
    assert len(found) == 1
    make.work_all()
    assert Run.objects.count() == 1


def test_an_event_that_breaks_the_matching_is_a_case_and_the_others_pass() -> None:
    make.live_rule()
    make.parcels_arrived(5)
    broken = Event.objects.order_by("id")[2]
    with connection.cursor() as cursor:
        # A form of payload that no upcaster knows: nothing can read it.
        cursor.execute(
            "INSERT INTO automations_event (trigger, subject, subject_id, subject_version,"
            " occurred_at, recorded_at, payload_version, facts, actor_kind, depth, history)"
            " VALUES (%s, %s, %s, 1, now(), now(), 0, '{}', '', 0, false) RETURNING id",
            [broken.trigger, broken.subject, broken.subject_id],
        )
        (event_id,) = cursor.fetchone()
        cursor.execute(
            "UPDATE automations_pendingevent SET event_id = %s WHERE event_id = %s",
            [event_id, broken.pk],
        )
    make.work_all()
    assert Run.objects.filter(state="done").count() == 4
    case = Failure.objects.get()
    assert (case.kind, case.subject_id) == ("event", broken.subject_id)
    assert not PendingEvent.objects.exists()


def test_a_changed_order_of_rules_holds_at_the_next_matching() -> None:
    first = make.live_rule(steps=make.steps("depot.add_tag", tag="first"), position=1)
    make.live_rule(steps=make.steps("depot.add_tag", tag="second"), position=2)
    make.parcels_arrived()
    make.work_all()
    rules.describe_rule(first.pk, version=first.version, actor=person(make.author()), position=3)
    (parcel,) = make.parcels_arrived()
    make.work_all()
    parcel.refresh_from_db()
    assert parcel.tags == ["second", "first"]


def test_the_first_event_since_a_moment_is_found_along_the_key() -> None:
    assert first_since(timezone.now()) == 0
    make.parcels_arrived(40)
    ids = list(Event.objects.order_by("id").values_list("id", flat=True))
    assert first_since(timezone.now() - timedelta(days=1)) <= ids[0]
    assert first_since(timezone.now() + timedelta(days=1)) == ids[-1] + 1
