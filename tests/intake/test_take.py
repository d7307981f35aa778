"""From the inbox to rules: read as the mapping says, or held for a person."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.db import DatabaseError, DataError, connection, transaction
from django.utils import timezone

from automations.engine import take
from automations.engine.record import record_facts
from automations.engine.take import PATIENCE, take_batch
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.intake import Delivery
from automations.models.runs import Run
from automations.services import intake
from automations.services.errors import NotPossible
from orders.automation.feeds import OrderReport
from orders.models.orders import Order
from tests.automations import factories as make
from tests.intake import factories as hooks
from tests.inventory.factories import make_sku, receive
from tests.orders import factories as orders

pytestmark = pytest.mark.django_db
State = Delivery.State


def order_rule(state: str, feed: str = "orders.parcel_reported") -> None:
    make.live_rule(
        trigger={"on": feed},
        when={"all": [{"field": "report.state", "op": "is", "value": state}]},
        steps=[{"uid": "a1", "do": "orders.add_tag", "with": {"tag": f"told-{state}"}}],
    )


def an_order(**fields: Any) -> Order:
    sku = make_sku("A1")
    receive(sku, 5)
    return orders.place(orders.line(sku), **fields)


def parcel(order: Order | str, status: str, at: str, own_id: str) -> dict[str, Any]:
    data = {"order": str(order), "status": status, "tracking": "T1", "at": at}
    return hooks.message(topic="tracker.updated", **data)


def work() -> None:
    hooks.take_all()
    make.work_all()


@pytest.mark.requirement("R21")
def test_a_webhook_starts_the_rules_of_the_trigger_that_its_source_feeds() -> None:
    order, source = an_order(), hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    order_rule("delivered")
    order_rule("moving")
    delivery = hooks.send(source, parcel(order, "delivered", "2026-11-20T10:00:00Z", "m"))
    assert delivery is not None
    work()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.subject_id) == (State.TAKEN, order.pk)
    event = Event.objects.get(pk=delivery.event_id or 0)
    assert (event.actor_kind, event.facts["report.source"]) == ("outside", source.key)
    assert orders.fresh(order).tags == ["told-delivered"]
    assert Run.objects.get().state == "done"


@pytest.mark.requirement("R21")
def test_twice_and_out_of_order_does_no_harm() -> None:
    order, source = an_order(), hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    order_rule("delivered")
    order_rule("moving")
    late = parcel(order, "in_transit", "2026-11-20T09:00:00Z", "m1")
    newest = parcel(order, "delivered", "2026-11-20T10:00:00Z", "m2")
    hooks.send(source, newest, own_id="m2")
    work()
    hooks.send(source, late, own_id="m1")
    hooks.send(source, newest, own_id="m2")
    work()
    assert orders.fresh(order).tags == ["told-delivered"]
    overtaken = Delivery.objects.get(external_id="m1")
    assert overtaken.state == State.OVERTAKEN
    assert "newer one" in overtaken.says
    assert Run.objects.count() == 1


def test_in_one_batch_too_the_older_report_starts_nothing() -> None:
    order, source = an_order(), hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    hooks.send(source, parcel(order, "delivered", "2026-11-20T10:00:00Z", ""), own_id="m2")
    hooks.send(source, parcel(order, "in_transit", "2026-11-20T09:00:00Z", ""), own_id="m1")
    hooks.take_all()
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states == {"m2": "taken", "m1": "overtaken"}


def test_what_was_reported_stays_what_a_rule_sees_when_the_order_has_changed() -> None:
    order, source = an_order(), hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    make.live_rule(
        trigger={"on": "orders.parcel_reported"},
        when={"all": [{"field": "report.state", "op": "is", "value": "delivered"}]},
        steps=[
            {"uid": "a1", "do": "orders.add_tag", "with": {"tag": "one"}},
            {
                "uid": "b1",
                "if": {"all": [{"field": "report.tracking", "op": "is", "value": "T1"}]},
                "then": [{"uid": "a2", "do": "orders.add_tag", "with": {"tag": "two"}}],
                "else": [],
            },
        ],
    )
    hooks.send(source, parcel(order, "delivered", "2026-11-20T10:00:00Z", ""))
    hooks.take_all()
    make.match_all()
    Order.objects.filter(pk=order.pk).update(version=order.version + 5)
    make.work_all()
    assert orders.fresh(order).tags == ["one", "two"]


@pytest.mark.requirement("R24")
def test_a_value_that_nobody_mapped_becomes_a_case_and_never_a_guess() -> None:
    order, source = an_order(), hooks.source(name="Carrier")
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    for number in range(2):
        message = parcel(order, "held_by_customs", f"2026-11-20T1{number}:00:00Z", "")
        hooks.send(source, message, own_id=f"m{number}")
    work()
    assert not Event.objects.filter(trigger="orders.parcel_reported").exists()
    first, second = Failure.objects.filter(kind="intake.unmapped").order_by("pk")
    assert first.cause == second.cause
    assert "“held_by_customs” is not mapped" in first.cause_words
    assert first.subject == "automations.delivery"


@pytest.mark.requirement("R23")
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"no json", "no JSON"),
        (b'{"type": "t", "type": "t"}', "same name twice"),
        (b'{"data": ' + b'{"a":' * 40 + b"1" + b"}" * 41, "40 deep|32 deep"),
        (json.dumps(hooks.message(id=None)).encode(), "missing"),
        (json.dumps(hooks.message(currency="credits")).encode(), "known currency"),
        (json.dumps(hooks.message(currency=None)).encode(), "known currency"),
        (json.dumps(hooks.message(amount="a lot")).encode(), "number"),
        (json.dumps(hooks.message(at="2026-11-20T10:00:00")).encode(), "zone"),
        (json.dumps(hooks.message(id="x\0y")).encode(), "characters"),
        (b'{"data": {"amount": NaN}}', "no number in JSON"),
    ],
)
def test_a_message_that_does_not_fit_goes_into_quarantine_as_a_case(body: bytes, says: str) -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, body)
    assert delivery is not None
    hooks.take_all()
    delivery.refresh_from_db()
    assert delivery.state == State.QUARANTINED
    case = Failure.objects.get()
    assert (case.kind, case.subject_id, case.state) == ("intake.quarantined", delivery.pk, "open")
    assert any(part in case.says for part in says.split("|"))
    assert not Event.objects.exists()


@pytest.mark.requirement("R23")
def test_what_is_held_is_read_again_after_mending_and_its_case_closes() -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, hooks.message(status="paused"))
    assert delivery is not None
    hooks.take_all()
    hooks.read(source, {**hooks.REPORT, "state": {"at": "data.status"}})
    assert intake.replay([delivery.pk], actor=hooks.administrator()) == [delivery.pk]
    hooks.take_all()
    delivery.refresh_from_db()
    assert delivery.state == State.TAKEN
    assert Event.objects.get().facts["delivery.state"] == "paused"
    assert Event.objects.get().facts["delivery.amount.amount"] == "10.50"
    assert Failure.objects.get().state == "resolved"
    assert intake.replay([delivery.pk], actor=hooks.administrator()) == []
    hooks.take_all()
    assert Event.objects.count() == 1


def test_what_is_put_away_starts_nothing_and_its_case_closes() -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, b"no json")
    assert delivery is not None
    hooks.take_all()
    intake.drop(delivery.pk, why="A test of theirs.", actor=hooks.administrator())
    assert Failure.objects.get().state == "resolved"
    with pytest.raises(NotPossible):
        intake.drop(delivery.pk, why="Again.", actor=hooks.administrator())


def test_what_waits_to_be_read_again_can_be_put_away_and_what_was_taken_says_why_not() -> None:
    source = hooks.source()
    hooks.read(source)
    delivery = hooks.send(source, b"no json")
    assert delivery is not None
    hooks.take_all()
    by = hooks.administrator()
    assert intake.replay([delivery.pk], actor=by) == [delivery.pk]
    assert intake.drop(delivery.pk, why="Theirs.", actor=by).state == State.DROPPED
    hooks.take_all()
    delivery.refresh_from_db()
    assert delivery.state == State.DROPPED
    assert Failure.objects.get().state == "resolved"
    taken = hooks.send(source, hooks.message(), own_id="taken")
    assert taken is not None
    hooks.take_all()
    with pytest.raises(NotPossible, match="can be taken back there"):
        intake.drop(taken.pk, why="Late.", actor=by)
    taken.refresh_from_db()
    assert taken.state == State.TAKEN


def test_a_topic_that_nobody_reads_is_kept_and_starts_nothing() -> None:
    source = hooks.source()
    hooks.read(source, topic="thing.changed")
    hooks.send(source, hooks.message(topic="other.thing"), own_id="a")
    hooks.send(source, hooks.message(), own_id="b")
    hooks.take_all()
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states == {"a": "unread", "b": "taken"}
    assert not Failure.objects.exists()


def test_a_report_that_comes_before_its_order_waits_and_is_a_case_at_last() -> None:
    source = hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    delivery = hooks.send(source, parcel("424242", "delivered", "2026-11-20T10:00:00Z", ""))
    assert delivery is not None
    for tries in range(len(PATIENCE)):
        assert take_batch() == 1
        assert take_batch() == 0
        delivery.refresh_from_db()
        assert (delivery.state, delivery.tries) == (State.WAITING, tries + 1)
        Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    hooks.take_all()
    delivery.refresh_from_db()
    assert delivery.state == State.QUARANTINED
    assert "no order 424242" in Failure.objects.get().says
    Delivery.objects.update(due_at=timezone.now())


def test_a_report_that_waited_is_taken_when_its_order_is_there() -> None:
    source = hooks.source()
    hooks.read(source, hooks.PARCEL, feed="orders.parcel_reported")
    delivery = hooks.send(source, parcel("shop-77", "delivered", "2026-11-20T10:00:00Z", ""))
    assert delivery is not None
    hooks.take_all()
    order = an_order(external_id="shop-77")
    Delivery.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    hooks.take_all()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.subject_id) == (State.TAKEN, order.pk)


def test_a_dispute_as_stripe_reports_it_is_read_in_the_smallest_unit() -> None:
    secret = "whsec_of_the_payments"
    order, source = an_order(), hooks.source("stripe", secret=secret, name="Payments")
    content = hooks.payload("stripe-charge-dispute-created")
    content["data"]["object"]["metadata"]["order"] = order.number
    hooks.read(
        source,
        {
            "order": {"at": "data.object.metadata.order"},
            "state": {"is": "disputed"},
            "amount.amount": {"at": "data.object.amount", "minor": True},
            "amount.currency": {"at": "data.object.currency"},
            "reason": {"at": "data.object.reason"},
            "reference": {"at": "data.object.id"},
            "happened_at": {"at": "created"},
        },
        topic="charge.dispute.created",
        feed="orders.order_reported",
    )
    order_rule("disputed", "orders.order_reported")
    hooks.send(source, content, "stripe", secret=secret)
    work()
    facts = Event.objects.get(trigger="orders.order_reported").facts
    assert (facts["report.amount.amount"], facts["report.amount.currency"]) == ("1.00", "USD")
    assert (facts["report.reason"], facts["report.happened_at"][:10]) == (
        "fraudulent",
        "2022-03-26",
    )
    assert orders.fresh(order).tags == ["told-disputed"]


def test_a_delivery_that_breaks_the_reading_is_set_aside_and_the_others_are_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = hooks.source()
    hooks.read(source)
    for name in ("fine", "broken", "fine_too"):
        hooks.send(source, hooks.message(id=name), own_id=name)

    def answers(reports: Any) -> Any:
        if any(report.told.reference == "broken" for report in reports):
            raise RuntimeError("planted")
        return kept(reports)

    feed = intake.feed_of("automations.report_received")
    kept = feed.answers
    monkeypatch.setattr(feed, "answers", answers, raising=False)
    hooks.take_all()
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states == {"fine": "taken", "broken": "quarantined", "fine_too": "taken"}
    assert Event.objects.count() == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE automations_delivery SET body = 'x'",
        "UPDATE automations_delivery SET topic = 'x'",
        "UPDATE automations_delivery SET external_id = 'x'",
        "UPDATE automations_delivery SET state = 'waiting'",
        "UPDATE automations_delivery SET event_id = 1",
        "DELETE FROM automations_delivery",
        "UPDATE automations_intakesecret SET ends_at = NULL",
        "UPDATE automations_intakesecret SET source_id = source_id + 1",
    ],
)
def test_postgresql_keeps_what_was_said_and_that_it_was_taken(statement: str) -> None:
    source = hooks.source()
    hooks.read(source)
    hooks.send(source, hooks.message())
    hooks.take_all()
    intake.end_secret(source.secrets.get().pk, actor=hooks.administrator())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert Delivery.objects.get().state == State.TAKEN


def test_a_mapping_that_does_not_fit_is_refused_with_what_is_wrong_at_each_field() -> None:
    source = hooks.source()
    wrong = {
        "state": {"at": "data.status", "values": {"x": "exploded"}},
        "amount.amount": {"at": "data.amount"},
        "tracking": {"at": "a b"},
        "happened_at": {},
    }
    with pytest.raises(Exception, match="exploded") as refused:
        hooks.read(source, wrong, feed="orders.order_reported")
    errors = getattr(refused.value, "errors", {})
    assert set(errors) == {"order", "state", "amount.currency", "happened_at"}
    assert not source.routes.exists()
    assert OrderReport.__dataclass_fields__.keys() >= {"order", "state"}


@pytest.mark.parametrize(
    "text", ['"R\\ud800"', '"\\udc00R"', '"\\ud800\\ud800"'], ids=["first", "second", "two"]
)
def test_half_a_sign_in_one_message_keeps_no_other_waiting(text: str) -> None:
    source = hooks.source()
    hooks.read(source)
    poison = json.dumps(hooks.message("msg_1", id="HERE")).replace('"HERE"', text).encode()
    hooks.send(source, poison)
    hooks.send(source, hooks.message("msg_2", id="R-2 \U0001f600"), own_id="msg_2")
    hooks.take_all()
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states == {"msg_1": "quarantined", "msg_2": "taken"}
    assert Failure.objects.get().cause_words.endswith("It has half a sign in a text")


def test_what_postgresql_can_not_hold_is_set_aside_and_the_others_are_taken() -> None:
    source = hooks.source()
    hooks.read(source)
    for number in range(5):
        hooks.send(source, hooks.message(f"msg_{number}", id=f"R-{number}"), own_id=f"m{number}")
    real = record_facts

    def breaks(feed: Any, facts: Any) -> Any:
        if any("R-2" in repr(fact.payload) for fact in facts):
            raise DataError("can't be held")
        return real(feed, facts)

    with patch.object(take, "record_facts", breaks):
        hooks.take_all()
    states = dict(Delivery.objects.values_list("external_id", "state"))
    assert states.pop("m2") == "quarantined"
    assert set(states.values()) == {"taken"}
