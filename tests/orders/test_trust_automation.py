"""Doubts about orders as rules see them: triggers, actions, and cases for what nobody answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from automations.actions import Call, Done, Rejected, actions
from automations.models.events import Event
from automations.models.failures import Failure
from automations.triggers import triggers
from backoffice.actors import HOUSE, Actor, ActorKind
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import BlockEntry
from orders.services.drafts import Contact
from orders.services.reviews import escalate_reviews, settle_review
from orders.services.risk_signals import SignalEdit, add_signal
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_customer, place
from tests.orders.test_automation import assert_same
from tests.orders.trust import BATH, Kind, Mode, make_company, make_signal, review_of, suspect

pytestmark = pytest.mark.django_db
RUN = Actor(ActorKind.RULE, "Block", rule_id=1, rule_version=2, run_id=3)


def told(key: str) -> Any:
    return Event.objects.filter(trigger=f"orders.{key}").latest("pk").facts


def test_rules_see_score_and_signals_of_what_was_stopped_and_of_what_was_only_noted() -> None:
    edit = SignalEdit("Watched", Mode.MONITOR, 10, countries=["FR"])
    add_signal(Kind.REGION, edit, actor=HOUSE)
    noted = suspect()
    assert told("risk_assessed")["risk.outcome"] == "clear"
    assert told("risk_assessed")["risk.signals"] == ["watched"]
    assert not Event.objects.filter(trigger="orders.fraud_suspected").exists()
    make_signal(name="Countries", weight=40)
    stopped = suspect()
    facts = told("fraud_suspected")
    assert (facts["review.score"], facts["review.signals"]) == (40, ["countries"])
    assert_same("orders.risk_assessed", noted.pk)
    assert_same("orders.risk_assessed", stopped.pk)
    assert_same("orders.fraud_suspected", stopped.pk)
    quiet = suspect(bill_to=BATH, ship_to=BATH)
    assert not Event.objects.filter(trigger="orders.risk_assessed", subject_id=quiet.pk).exists()


def test_rules_see_addresses_duplicates_and_what_is_over_the_limit() -> None:
    channel = make_channel("careful", checks_addresses=True, duplicate_hours=24)
    sku, buyer = make_sku(stock=50), make_customer()
    fields: dict[str, Any] = {"channel": channel, "customer_id": buyer.pk}
    bad = place(line(sku, 2), ship_to=replace(BATH, postcode="BAI 2LX"), **fields)
    assert told("address_doubted")["review.has_proposal"] is True
    assert_same("orders.address_doubted", bad.pk)
    place(line(sku, 3), ship_to=BATH, **fields)
    twin = place(line(sku, 3), ship_to=BATH, **fields)
    assert told("duplicate_suspected")["review.minutes_apart"] == 0
    company = make_company(limit="100")
    over = place(line(sku, 15), customer_id=company.pk)
    assert told("approval_asked")["review.over_by.amount"] == "50.00"
    assert_same("orders.duplicate_suspected", twin.pk)
    assert_same("orders.approval_asked", over.pk)


def test_rules_hear_of_verdicts_with_the_order_as_it_then_stands() -> None:
    make_signal()
    order = suspect()
    settle_review(review_of(order).pk, Review.State.PASSED, reason="r", actor=HOUSE)
    assert told("review_settled")["order.is_held"] is False
    assert_same("orders.review_settled", order.pk)
    other = suspect()
    settle_review(review_of(other).pk, Review.State.REFUSED, reason="r", cancel=True, actor=HOUSE)
    assert told("review_settled")["order.fulfilment"] == "cancelled"
    assert_same("orders.review_settled", other.pk)


def test_what_nobody_answers_is_a_case_until_it_is_decided() -> None:
    make_signal()
    order = suspect()
    review = review_of(order)
    escalate_reviews(now=review.due_at + timedelta(minutes=1))
    case = Failure.objects.get(kind="orders.review_unanswered")
    assert case.resolved_at is None
    assert_same("orders.review_unanswered", order.pk)
    settle_review(review.pk, Review.State.PASSED, reason="r", actor=HOUSE)
    case.refresh_from_db()
    assert case.resolved_at is not None


def test_a_rule_screens_again_and_blocks_a_buyer_and_takes_it_back() -> None:
    order = suspect(contact=Contact(email="bad@example.com"))
    screen: Any = actions["orders.screen_order"]
    (answer,) = screen.execute_many([Call("a", order.pk, {}, RUN)])
    assert (answer.already, answer.says) == (True, "No signal is on")
    make_signal()
    (answer,) = screen.execute_many([Call("b", order.pk, {}, RUN)])
    assert answer.says == "Screened again"
    assert fresh(order).is_held
    block = actions["orders.block_buyer"]
    call = Call("c", order.pk, {"kind": "mail", "reason": "Chargebacks"}, RUN)
    done = block.execute(call)
    assert isinstance(done, Done)
    assert done.undo is not None
    entry = BlockEntry.objects.get()
    assert (entry.value, entry.actor_kind, entry.actor_label) == (
        "bad@example.com", "rule", "Block",
    )  # fmt: skip
    assert block.execute(call).already
    block.undo(call, done.undo)
    entry.refresh_from_db()
    assert entry.ended_at is not None
    with pytest.raises(Rejected):
        block.execute(Call("d", order.pk, {"kind": "card", "reason": "x"}, RUN))


def test_events_of_doubts_hold_nobodys_data() -> None:
    make_signal(Kind.VELOCITY, mark="mail", orders=2, minutes=60)
    channel = make_channel("careful", checks_addresses=True, duplicate_hours=24)
    for _ in range(2):
        suspect(
            channel=channel,
            contact=Contact(email="grace@example.com", ip="203.0.113.9"),
            ship_to=replace(BATH, postcode="BAI 2LX"),
        )
    assert Review.objects.count() == 4
    said = str(list(Event.objects.values_list("facts", "lists")))
    for data in ("Grace", "grace", "example.com", "Crescent", "BAI", "203.0"):
        assert data not in said
    assert {key.key for key in triggers if key.key.endswith("_suspected")} == {
        "orders.fraud_suspected",
        "orders.duplicate_suspected",
    }
    assert Order.objects.filter(is_held=True).count() == 2
