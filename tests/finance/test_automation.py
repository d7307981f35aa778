from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from automations.actions import Call, Done, Rejected, Risk, actions
from automations.catalogue import catalogue_for
from automations.models.runs import Run
from automations.rules.parameters import clean
from automations.triggers import triggers
from backoffice.actors import Actor, ActorKind, person
from backoffice.models import User
from backoffice.money import Money
from finance.models.refunds import Refund
from finance.services.refunds import approve_refund, request_refund
from orders.models.orders import Order
from tests.automations import factories as make
from tests.finance.factories import make_order, make_paid_order, pay, pounds

pytestmark = pytest.mark.django_db
RULE = Actor(ActorKind.RULE, "Refund lost parcels", rule_id=3, rule_version=6, run_id=77)


def ask(order: Order, amount: Money | None, key: str = "1:3:a1") -> Call:
    return Call(key, order.pk, {"amount": amount, "reason": "lost", "note": ""}, RULE)


def take(*calls: Call) -> list[Any]:
    return actions["finance.request_refund"].execute_many(calls)  # type: ignore[attr-defined,no-any-return]


def test_a_rule_asks_and_never_pays(db: None) -> None:
    order = make_paid_order("412.00")
    (done,) = take(ask(order, None))
    refund = Refund.objects.get()
    assert done == Done(
        f"Asked finance for £412.00 back: {refund.number}",
        link=("finance.refund", refund.pk),
        undo={"refund": refund.pk, "number": refund.number},
    )
    assert (refund.state, refund.run_id) == ("requested", 77)
    assert actions["finance.request_refund"].risk == Risk.MONEY


def test_one_refused_call_leaves_the_others_done() -> None:
    order, unpaid = make_paid_order("100.00"), make_order()
    too_much, nothing, done, again = take(
        ask(order, pounds("100.01"), "1:3:a1"),
        ask(unpaid, None, "2:3:a1"),
        ask(order, pounds("60.00"), "3:3:a1"),
        ask(order, pounds("60.00"), "3:3:a1"),
    )
    assert isinstance(too_much, Rejected)
    assert "£100.01 is more than can still be refunded" in str(too_much)
    assert isinstance(nothing, Rejected)
    assert (done.already, again.already) == (False, True)
    assert Refund.objects.get().amount == Decimal("60.00")


def test_the_amount_is_money_or_nothing() -> None:
    action = actions["finance.request_refund"]
    asked = {"amount": {"amount": "41.00", "currency": "GBP"}, "reason": "lost"}
    assert clean(action, asked)["amount"] == pounds("41.00")
    assert clean(action, {"reason": "lost"})["amount"] is None


def test_steps_read_as_words() -> None:
    action = actions["finance.request_refund"]
    pounds_41 = {"amount": "41.00", "currency": "GBP"}
    assert action.in_words({"amount": pounds_41, "reason": "lost"}) == (
        "Ask finance to refund £41.00: lost in the post"
    )
    assert action.in_words({"reason": "late"}) == (
        "Ask finance to refund all that can still be refunded: arrived too late"
    )


def test_a_payment_shows_the_order_as_it_is_after_it() -> None:
    order = make_order("100.00")
    payment = pay(order, "40.00")
    (fact,) = triggers["finance.payment_received"].facts(
        payments=[payment], actor=RULE, history=False
    )
    assert fact.payload.order.paid == pounds("40.00")
    again = triggers["finance.payment_received"].current([payment.pk])[payment.pk]
    assert again == fact.payload
    assert "payment.amount" in catalogue_for(triggers["finance.payment_received"]).fields


@pytest.mark.parametrize("key", ["finance.refund_requested", "finance.refund_approved"])
def test_refunds_build_their_payload(key: str, support_user: User) -> None:
    refund = request_refund(
        make_paid_order("100.00"), pounds("30.00"), "damaged", actor=person(support_user)
    )
    payload = triggers[key].current([refund.pk])[refund.pk]
    assert payload.refund.amount == pounds("30.00")
    assert payload.refund.by_rule is False
    (fact,) = triggers[key].facts(refunds=[refund], actor=RULE, history=False)
    assert fact.payload == payload


def test_a_request_is_withdrawn_while_nobody_has_decided_on_it(finance_user: User) -> None:
    order = make_paid_order("100.00")
    action = actions["finance.request_refund"]
    first, second = take(ask(order, pounds("40.00"), "1"), ask(order, pounds("60.00"), "2"))
    decided = Refund.objects.get(pk=second.undo["refund"])
    approve_refund(decided, amount=decided.money, version=1, actor=person(finance_user))
    back = Call("1:~a1::0", order.pk, {}, person(finance_user))
    assert action.why_not_undone(order.pk, first.undo) == ""
    assert action.undo(back, first.undo).says == f"Withdrew the request {first.undo['number']}"
    assert Refund.objects.get(pk=first.undo["refund"]).state == "withdrawn"
    assert "is approved" in action.why_not_undone(order.pk, second.undo)
    with pytest.raises(Rejected, match="is approved"):
        action.undo(back, second.undo)
    assert Refund.objects.get(pk=decided.pk).state == "approved"


@pytest.mark.requirement("R16")
def test_money_a_rule_asks_for_counts_against_its_limit_also_where_no_amount_is_given() -> None:
    rule = make.live_rule(
        trigger={"on": "orders.order_paid"},
        when={"all": []},
        steps=[{"uid": "a1", "do": "finance.request_refund", "with": {"reason": "goodwill"}}],
        limits={"money": {"per_day": {"amount": "150.00", "currency": "GBP"}}},
    )
    for total in ("100.00", "60.00", "40.00"):
        make_paid_order(total)
    make.work_all()
    states = list(
        Run.objects.filter(rule_id=rule.pk).order_by("pk").values_list("state", flat=True)
    )
    assert sorted(states) == ["done", "done", "parked"]
    assert sum(Refund.objects.values_list("amount", flat=True)) <= Decimal(150)
    assert Refund.objects.count() == 2
