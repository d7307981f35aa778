"""Claims: apart from returns and refunds, made good once, and counted for the figures."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from automations.actions import Call, Done, Rejected, actions
from automations.models.events import Event
from backoffice.actors import HOUSE, Actor, ActorKind, person
from backoffice.models import User
from backoffice.timeline import story
from finance.models.refunds import Refund
from finance.services.refunds import reject_refund
from inventory.models import StockMove
from orders.models.claims import Claim, OperationsBaseline
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.checks import orders_that_differ
from orders.queries.operations import operations
from orders.services.claims import open_claim, refuse_claim, reship_claim
from orders.services.errors import OrderError, TooMany, WrongState
from orders.services.holds import hold_orders
from orders.services.shipping import ship_order
from tests.bed.databases import at_once
from tests.finance.factories import pay
from tests.inventory.factories import level, make_sku
from tests.orders.factories import fresh, line, make_channel, make_customer, place

Reason = Claim.Reason
RULE = Actor(ActorKind.RULE, "Send again", rule_id=3, rule_version=6, run_id=77)


def shipped(quantity: int = 3) -> Order:
    order = place(line(make_sku(stock=10), quantity), customer_id=make_customer().pk)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    return fresh(order)


def claim_of(order: Order, units: int = 1, reason: Reason = Reason.DAMAGED) -> Claim:
    return open_claim(order.pk, {order.lines.get().pk: units}, reason=reason, actor=HOUSE)


def again(claim: Claim) -> Claim:
    return Claim.objects.get(pk=claim.pk)


@pytest.mark.requirement("R79")
def test_a_claim_is_no_return_and_is_made_good_by_a_reship_without_charge(
    db: None, client: Client, support_user: User
) -> None:
    order = shipped(3)
    client.force_login(support_user)
    given = {"reason": "damaged", "evidence": "A photo", f"line_{order.lines.get().pk}": 1}
    assert client.post(f"/orders/{order.number}/_/claim/", given).status_code == 302
    claim = Claim.objects.get()
    assert (claim.reason, claim.evidence, claim.amount) == ("damaged", "A photo", Decimal(10))
    assert (ReturnOrder.objects.count(), Refund.objects.count()) == (0, 0)
    assert client.post(f"/claims/{claim.number}/_/reship/", {"note": ""}).status_code == 302
    made = again(claim).reship
    assert made is not None
    assert (made.follows, made.payment, made.tags) == (order, "paid", ["reship"])
    assert made.total == 0
    assert (made.units, made.ship_country, made.customer) == (1, "FR", order.customer)
    assert level(make_sku()).allocated == 1
    assert Refund.objects.count() == 0
    page = client.get(f"/orders/{order.number}/").content.decode()
    assert claim.number in page
    assert f"Order {made.number}" in page
    assert "Makes up for order" in client.get(f"/orders/{made.number}/").content.decode()
    ship_order(made.pk, actor=HOUSE)
    assert orders_that_differ([order.pk, made.pk]) == []
    told = [entry.text for entry in story("orders.order", order.pk)]
    assert f"Claim {claim}: sent again" in told


@pytest.mark.requirement("R79")
def test_a_claim_is_made_good_by_a_refund_that_finance_decides(
    db: None, client: Client, support_user: User, finance_user: User
) -> None:
    order = shipped(3)
    claim = claim_of(order, 2, Reason.LOST)
    client.force_login(support_user)
    page = client.get(f"/finance/_/refund-claim/{claim.number}/").content.decode()
    assert "Proposed: £20.00" in page
    moves = StockMove.objects.count()
    given = {"reason": "lost", f"line_{order.lines.get().pk}": "20.00", "key": "one"}
    client.post(f"/finance/_/refund-claim/{claim.number}/", given)
    refund = Refund.objects.get()
    assert (refund.claim, refund.amount, again(claim).state) == (claim, Decimal(20), "refunded")
    with pytest.raises(WrongState):
        reship_claim(claim.pk, actor=HOUSE)
    reject_refund(refund, version=1, note="Not lost", actor=person(finance_user))
    assert again(claim).state == "open"
    reship_claim(claim.pk, actor=HOUSE)
    assert StockMove.objects.count() == moves
    answer = client.post(f"/finance/_/refund-claim/{claim.number}/", {**given, "key": "two"})
    assert "is decided" in answer.content.decode()
    assert Refund.objects.count() == 1


@pytest.mark.requirement("R79")
def test_a_claim_is_refused_with_a_reason_and_its_units_are_free_again(
    db: None, client: Client, support_user: User
) -> None:
    order = shipped(2)
    claim = claim_of(order, 2)
    with pytest.raises(TooMany):
        claim_of(order)
    client.force_login(support_user)
    answer = client.post(f"/claims/{claim.number}/_/refuse/", {"note": " "})
    assert (answer.status_code, again(claim).state) == (422, "open")
    client.post(f"/claims/{claim.number}/_/refuse/", {"note": "Used for years"})
    assert (again(claim).state, again(claim).decision_note) == ("refused", "Used for years")
    claim_of(order, 2)
    with pytest.raises(OrderError):
        refuse_claim(claim.pk, note="Twice", actor=HOUSE)


def test_a_claim_names_lines_of_its_own_order(db: None) -> None:
    order, other = shipped(), shipped()
    for units in ({}, {other.lines.get().pk: 1}, {order.lines.get().pk: 0}):
        with pytest.raises(OrderError):
            open_claim(order.pk, units, reason=Reason.OTHER, actor=HOUSE)
    assert Claim.objects.count() == 0


def test_postgresql_holds_what_a_claim_decided(db: None) -> None:
    order = shipped(2)
    claim = claim_of(order, 2)
    made = reship_claim(claim.pk, actor=HOUSE)
    second = Claim.objects.get(pk=claim.pk)
    second.pk, second.number, second.state, second.reship = None, "CL1", "open", None
    second.decided_at = None
    second.save(force_insert=True)
    rows = Claim.objects.filter(pk=claim.pk)
    for attempt in (
        lambda: rows.update(state="open", decided_at=None, reship=None),
        lambda: rows.update(state="refused", reship=None),
        lambda: rows.update(amount=1),
        lambda: rows.update(order=made),
        lambda: second.lines.create(order_line=order.lines.get(), quantity=1),
        lambda: second.lines.create(order_line=made.lines.get(), quantity=1),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()
    assert again(claim).reship == made


@pytest.mark.requirement("R79")
def test_fifty_who_make_one_claim_good_at_once_send_it_once(committed_db: None) -> None:
    claim = claim_of(shipped(3), 3)

    def attempt(number: int) -> bool:
        try:
            if number % 2:
                reship_claim(claim.pk, actor=HOUSE)
            else:
                refuse_claim(claim.pk, note="No", actor=HOUSE)
        except WrongState:
            return False
        return True

    answers = at_once([lambda n=n: attempt(n) for n in range(50)])  # type: ignore[misc]
    assert (answers.count(True), answers.count(False)) == (1, 49)
    assert Order.objects.filter(follows=claim.order).count() == int(
        again(claim).state == "reshipped"
    )


def test_rules_see_claims_and_act_on_them(db: None) -> None:
    order = shipped(2)
    opens, reships = actions["orders.open_claim"], actions["orders.reship_claim"]
    call = Call("1:3:a1", order.pk, {"reason": "late", "evidence": ""}, RULE)
    done = opens.execute(call)
    claim = Claim.objects.get()
    assert done == Done(f"Claim {claim} opened", link=("orders.claim", claim.pk))
    assert opens.execute(call).already
    event = Event.objects.get(trigger="orders.claim_opened")
    assert event.facts["claim.reason"] == "late"
    assert event.facts["order.number"] == order.number
    with pytest.raises(Rejected):
        opens.execute(Call("2:3:a1", order.pk, {"reason": "late", "evidence": ""}, RULE))
    ask = actions["finance.refund_claim"]
    asked = ask.execute(Call("3", claim.pk, {"reason": "late", "note": ""}, RULE))
    refund = Refund.objects.get()
    assert (refund.money, refund.claim) == (order.total_money, claim)
    ask.undo(Call("4", claim.pk, {}, RULE), asked.undo or {})
    assert again(claim).state == "open"
    assert reships.execute(Call("5", claim.pk, {"note": ""}, RULE)).link is not None
    assert reships.execute(Call("5", claim.pk, {"note": ""}, RULE)).already


@pytest.mark.requirement("R137")
def test_the_figures_come_from_timelines_shipments_and_claim_reasons(
    db: None, client: Client, operations_user: User, support_user: User
) -> None:
    today = timezone.localdate()
    touched, by_itself = shipped(), shipped()
    now = timezone.now()
    for order, hours in ((touched, 2), (by_itself, 6)):
        Shipment.objects.filter(order=order).update(shipped_at=now)
        Order.objects.filter(pk=order.pk).update(paid_at=now - timedelta(hours=hours))
    third = place(line(make_sku(stock=10), 1))
    hold_orders([third.pk], reason=Hold.Reason.FRAUD, actor=person(support_user))
    assert operations(today, today).touchless == 2
    claim_of(touched, 1, Reason.WRONG_ITEM)
    claim_of(by_itself, 1, Reason.WRONG_MESSAGE)
    with transaction.get_connection().cursor() as cursor:
        cursor.execute(
            "INSERT INTO backoffice_timelineentry (subject, subject_id, at, text, actor_kind,"
            " actor_label, link) VALUES ('orders.order', %s, %s, 'Looked', 'person', 'P', '')",
            [touched.pk, now - timedelta(hours=1)],
        )
    found = operations(today, today)
    assert (found.shipped, found.touchless, found.processing) == (2, 1, timedelta(hours=4))
    assert (found.wrong_items, found.wrong_messages, found.claims) == (1, 1, 2)
    assert (found.due, found.missed) == (0, 0)
    client.force_login(operations_user)
    page = client.get("/orders/figures/").content.decode()
    for shown in ("50.0 %", "4 h 0 min", "Wrong-item rate", "1 of 2 orders that left"):
        assert shown in page
    assert "None yet" in page


@pytest.mark.requirement("R137")
def test_a_follow_up_is_missed_once_its_time_is_over(db: None) -> None:
    today = timezone.localdate()
    order = shipped(3)
    late, in_time = claim_of(order), claim_of(order)
    refuse_claim(in_time.pk, note="No", actor=HOUSE)
    past = timezone.now() + timedelta(days=3)
    with pytest.MonkeyPatch.context():
        days = (today, (past + timedelta(days=1)).date())
        assert (operations(*days).due, operations(*days).missed) == (0, 0)
    order2 = place(line(make_sku(stock=10), 1))
    yesterday = today - timedelta(days=1)
    Order.objects.filter(pk=order2.pk).update(promised_on=yesterday)
    found = operations(yesterday, today)
    assert (found.due, found.missed) == (1, 1)
    assert late.answer_by > timezone.now()


@pytest.mark.requirement("R137")
def test_a_baseline_is_kept_as_it_was_and_stands_beside_later_figures(
    db: None, client: Client, operations_user: User, support_user: User
) -> None:
    order = shipped()
    today = timezone.localdate().isoformat()
    days = f"?since={today}&until={today}&channel={make_channel().key}"
    client.force_login(support_user)
    assert client.post(f"/orders/_/baseline/{days}").status_code == 403
    client.force_login(operations_user)
    assert client.post(f"/orders/_/baseline/{days}", {"sure": "1"}).status_code == 302
    kept = OperationsBaseline.objects.get()
    assert (kept.shipped, kept.wrong_items, kept.channel) == (1, 0, make_channel())
    claim_of(order, 1, Reason.WRONG_ITEM)
    page = client.get(f"/orders/figures/{days}").content.decode()
    assert "100.0 %" in page
    assert "0.0 %" in page
    assert operations_user.get_full_name() in page
    with pytest.raises(DatabaseError), transaction.atomic():
        OperationsBaseline.objects.update(shipped=99)
    ahead = f"?since=2999-01-01&until=2999-01-02&channel={order.channel.key}"
    answer = client.post(f"/orders/_/baseline/{ahead}", {"sure": "1"})
    assert answer.status_code == 422
    assert OperationsBaseline.objects.count() == 1
