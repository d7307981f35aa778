"""What is kept about customers: who is a VIP, what they did lately, how much came back."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from automations.models.events import Event
from backoffice.actors import HOUSE
from backoffice.money import Money
from orders.models.customers import Customer, CustomerDay
from orders.models.orders import Order
from orders.queries.customers import lately
from orders.services.cancelling import cancel_orders
from orders.services.figures import recount
from orders.services.payment import Amount, record_refunded
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns
from orders.services.shipping import ship_order
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_customer, pay, place


def again(customer: Customer) -> Customer:
    return Customer.objects.get(pk=customer.pk)


def refund(order: Order, amount: str) -> None:
    record_refunded([Amount(order.pk, Money(Decimal(amount), "GBP"))], actor=HOUSE)


def figures(customer: Customer) -> tuple[object, ...]:
    now = again(customer)
    days = CustomerDay.objects.filter(customer=customer).exclude(orders=0, spend=0)
    return (
        now.orders_count, now.lifetime_spend, now.orders_returned, now.spend_currency,
        now.last_order_at, sorted(days.values_list("day", "orders", "spend")),
    )  # fmt: skip


@pytest.mark.requirement("R89")
@pytest.mark.django_db
def test_over_a_thousand_net_of_refunds_is_a_vip_and_a_refund_ends_it() -> None:
    customer, sku = make_customer(), make_sku(stock=20)
    order = pay(place(line(sku, 10, "100.00"), customer_id=customer.pk))
    assert (again(customer).vip_since, again(customer).tags) == (None, [])  # 1,000 is not over
    more = pay(place(line(sku, 1, "0.01"), customer_id=customer.pk))
    assert again(customer).vip_since is not None
    assert again(customer).tags == ["vip"]
    refund(order, "0.01")
    assert (again(customer).vip_since, again(customer).tags) == (None, [])
    assert again(customer).lifetime_spend == Decimal("1000.00")
    keys = Event.objects.filter(subject="orders.customer").order_by("pk")
    assert list(keys.values_list("trigger", flat=True)) == [
        "orders.customer_became_vip",
        "orders.customer_lost_vip",
    ]
    assert more.amount_refunded == 0


@pytest.mark.requirement("R89")
def test_fifty_payments_and_refunds_at_once_end_where_their_sum_says(
    committed_db: Database,
) -> None:
    customer, sku = make_customer(), make_sku(stock=100)
    orders = [place(line(sku, 1, "60.00"), customer_id=customer.pk) for _ in range(25)]
    paid = [place(line(sku, 1, "60.00"), customer_id=customer.pk) for _ in range(25)]
    for order in paid:
        pay(order)
    assert again(customer).vip_since is not None
    works: list[Any] = [partial(pay, order) for order in orders]
    works += [partial(refund, order, "60.00") for order in paid]
    answers = at_once(works)
    assert not [each for each in answers if isinstance(each, Exception)]
    now = again(customer)
    assert now.lifetime_spend == Decimal(25 * 60)
    assert (now.vip_since is not None, now.tags) == (True, ["vip"])


@pytest.mark.django_db
def test_spend_in_another_currency_than_the_base_makes_no_vip() -> None:
    customer, sku = make_customer(), make_sku(stock=20)
    channel = make_channel("euro")
    channel.currency = "EUR"
    channel.save()
    pay(place(line(sku, 10, "500.00"), customer_id=customer.pk, channel=channel))
    assert again(customer).lifetime_spend == 5000
    assert again(customer).vip_since is None


@pytest.mark.django_db
def test_the_last_90_days_leave_out_what_is_older_and_what_was_cancelled() -> None:
    customer, sku = make_customer(), make_sku(stock=20)
    old = timezone.now() - timedelta(days=91)
    pay(place(line(sku, 1, "10.00"), customer_id=customer.pk, placed_at=old))
    pay(place(line(sku, 1, "20.00"), customer_id=customer.pk))
    gone = place(line(sku, 1, "40.00"), customer_id=customer.pk)
    cancel_orders([gone.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    found = lately([customer.pk])[customer.pk]
    assert (found.orders, found.spend) == (1, Decimal("20.00"))
    assert again(customer).orders_count == 2


@pytest.mark.django_db
def test_the_figures_that_are_kept_equal_those_worked_out_anew() -> None:
    customer, sku = make_customer(), make_sku(stock=50)
    orders = [place(line(sku, 2, "30.00"), customer_id=customer.pk) for _ in range(4)]
    for order in orders[:3]:
        pay(order)
    refund(orders[0], "12.50")
    cancel_orders([orders[3].pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    ship_order(orders[1].pk, actor=HOUSE)
    coming = NewReturn(
        orders[1].channel,
        (NewReturnLine(1, order_line_id=orders[1].lines.get().pk),),
        order_id=orders[1].pk,
    )
    (back,) = request_returns([coming], actor=HOUSE)
    receive_returns([back.pk], actor=HOUSE)
    kept = figures(customer)
    assert again(customer).return_rate == Decimal("33.3")
    recount([customer.pk])
    assert figures(customer) == kept
