"""Exchanges: what comes back pays for what leaves, and the difference is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from backoffice.actors import HOUSE, person
from backoffice.models import User
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.queries import balance_shown
from finance.services.refunds import approve_refund
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.queries.checks import orders_that_differ
from orders.services.errors import NotPaid, OrderError
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.returns import inspect_returns, receive_returns
from orders.services.shipping import ship_order
from tests.bed.databases import at_once
from tests.finance.factories import pay, pounds
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, place

UNWANTED = ReturnOrder.Reason.UNWANTED


def shipped(quantity: int = 2, **fields: Any) -> Order:
    make_sku("BIG", stock=10)
    order = place(line(make_sku(stock=10), quantity), **fields)
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    return fresh(order)


def swap(order: Order, units: int, price: str | None, count: int = 1, **fields: Any) -> Exchange:
    goods = [NewGoods("BIG", count, None if price is None else Decimal(price))]
    back = {order.lines.get().pk: units}
    return exchange_goods(order.pk, back, goods, reason=UNWANTED, actor=HOUSE, **fields)


def approve_all(user: User) -> None:
    for refund in Refund.objects.filter(state="requested").order_by("pk"):
        approve_refund(refund, amount=refund.money, version=refund.version, actor=person(user))


@pytest.mark.requirement("R78")
def test_dearer_goods_leave_once_the_difference_is_paid(
    db: None, client: Client, support_user: User, finance_user: User
) -> None:
    order = shipped()
    client.force_login(support_user)
    given = {"reason": "unwanted", f"line_{order.lines.get().pk}": 1, "goods": "BIG 1 14.50"}
    for goods, says in (
        ("bi 1 14.50", "“bi” is no SKU. Write the first word of one of these: BIG"),
        ("red mug 1", "There is no product “red mug”"),
        ("BIG 1 1.450", "can be read in two ways"),
    ):
        refused = client.post(f"/orders/{order.number}/_/exchange/", {**given, "goods": goods})
        assert (refused.status_code, Exchange.objects.count()) == (422, 0)
        assert says in refused.content.decode()
    given["goods"] = "BIG 1 £14,50"
    assert client.post(f"/orders/{order.number}/_/exchange/", given).status_code == 302
    made = Exchange.objects.get()
    assert (made.credit, made.price, made.due) == (Decimal(10), Decimal("14.5"), pounds("4.50"))
    assert (made.return_order.state, made.replacement.follows) == ("authorised", order)
    refund = Refund.objects.get()
    assert (refund.money, refund.reason, refund.exchange) == (pounds("10.00"), "exchanged", made)
    assert Payment.objects.filter(order=made.replacement).count() == 0
    approve_all(finance_user)
    assert Payment.objects.get(order=made.replacement).money == pounds("10.00")
    with pytest.raises(NotPaid):
        ship_order(made.replacement_id, actor=HOUSE)
    page = client.get(f"/exchanges/{made.number}/").content.decode()
    assert "£4.50 to pay" in page
    assert "£4.50 still to pay" in page
    pay(made.replacement, "4.50")
    ship_order(made.replacement_id, actor=HOUSE)
    receive_returns([made.return_order_id], actor=HOUSE)
    inspect_returns([made.return_order_id], actor=HOUSE)
    assert orders_that_differ([order.pk, made.replacement_id]) == []
    assert balance_shown(fresh(order)).balance == 0
    assert balance_shown(fresh(made.replacement)).balance == 0
    told = Event.objects.get(trigger="orders.exchange_made").facts
    assert told["exchange.difference.amount"] == "4.50"


@pytest.mark.requirement("R78")
def test_of_cheaper_goods_the_rest_goes_back_once_finance_agrees(
    db: None, finance_user: User
) -> None:
    order = shipped()
    made = swap(order, 2, "14.50")
    assert made.due == pounds("-5.50")
    asked = Refund.objects.order_by("pk").values_list("amount", "reason")
    assert list(asked) == [(Decimal("14.5"), "exchanged"), (Decimal("5.5"), "returned")]
    assert balance_shown(fresh(order)).refundable == pounds("0.00")
    approve_all(finance_user)
    assert fresh(made.replacement).payment == "paid"
    assert fresh(order).payment == "refunded"


def test_an_even_exchange_costs_nobody_anything(db: None, finance_user: User) -> None:
    made = swap(shipped(), 1, "10.00")
    approve_all(finance_user)
    assert (made.due, fresh(made.replacement).payment) == (pounds(0), "paid")


def test_new_goods_are_priced_and_taxed_as_those_that_come_back(db: None) -> None:
    order = shipped()
    same = exchange_goods(
        order.pk, {order.lines.get().pk: 1}, [NewGoods(make_sku().code, 1)],
        reason=UNWANTED, actor=HOUSE,
    )  # fmt: skip
    assert same.difference == 0
    with pytest.raises(OrderError, match="Say what it costs"):
        swap(order, 1, None)
    assert Exchange.objects.count() == 1


def test_an_exchange_that_can_not_be_paid_for_is_no_exchange(db: None) -> None:
    order = shipped()
    swap(order, 2, "20.00")
    other = shipped()
    attempts: list[Callable[[], object]] = [
        lambda: swap(order, 1, "10.00"),
        lambda: swap(other, 3, "10.00"),
        lambda: swap(other, 1, "10.00", 0),
    ]
    for attempt in attempts:
        with pytest.raises(OrderError), transaction.atomic():
            attempt()
    assert (Exchange.objects.count(), ReturnOrder.objects.count()) == (1, 1)
    assert Order.objects.filter(follows__isnull=False).count() == 1


def test_a_late_exchange_takes_somebody_who_may_and_a_reason(db: None) -> None:
    order = shipped()
    Shipment.objects.update(shipped_at=timezone.now() - timedelta(days=31))
    with pytest.raises(OrderError, match="after its window"), transaction.atomic():
        swap(order, 1, "10.00")
    assert ReturnOrder.objects.count() == 0
    made = swap(order, 1, "10.00", takes_late=True, why="Our mistake")
    assert made.return_order.is_late


def test_postgresql_holds_what_an_exchange_agreed(db: None) -> None:
    made = swap(shipped(), 1, "10.00")
    for values in ({"credit": 1}, {"difference": 5}, {"replacement": made.order_id}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Exchange.objects.update(**values)
    with pytest.raises(DatabaseError), transaction.atomic():
        Exchange.objects.all().delete()
    made.refresh_from_db()
    assert made.credit == 10


def test_fifty_exchanges_of_one_unit_at_once_are_one(committed_db: None) -> None:
    order = shipped(1)

    def attempt() -> bool:
        try:
            swap(order, 1, "10.00")
        except OrderError:
            return False
        return True

    answers = at_once([attempt] * 50)
    assert (answers.count(True), answers.count(False)) == (1, 49)
    assert (Refund.objects.count(), ReturnOrder.objects.count()) == (1, 1)
