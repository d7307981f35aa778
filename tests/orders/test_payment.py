from decimal import Decimal

import pytest

from backoffice.actors import HOUSE
from backoffice.money import Money
from orders import signals
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.queries.checks import orders_that_differ
from orders.services.errors import WrongAmount
from orders.services.payment import Amount, mark_orders_paid, record_refunded
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_customer, pay, place

pytestmark = pytest.mark.django_db
Payment = Order.Payment


def gbp(amount: str) -> Money:
    return Money(Decimal(amount), "GBP")


def sold(price: str = "10.00") -> Order:
    return place(line(make_sku(stock=10), 1, price), customer_id=make_customer().pk)


def refund(order: Order, amount: str) -> Order:
    return record_refunded([Amount(order.pk, gbp(amount))], actor=HOUSE)[0]


@pytest.mark.parametrize(
    ("paid", "refunded", "axis"),
    [
        (["4.00"], [], Payment.PART_PAID),
        (["4.00", "6.00"], [], Payment.PAID),
        (["12.00"], [], Payment.OVERPAID),
        (["10.00"], ["4.00"], Payment.PART_REFUNDED),
        (["10.00"], ["4.00", "6.00"], Payment.REFUNDED),
    ],
)
def test_the_payment_axis_follows_the_money(
    paid: list[str], refunded: list[str], axis: Order.Payment
) -> None:
    order = sold()
    for amount in paid:
        pay(order, amount)
    for amount in refunded:
        refund(order, amount)
    assert fresh(order).payment == axis
    assert orders_that_differ([order.pk]) == []


def test_an_order_is_announced_as_paid_once() -> None:
    heard: list[list[Order]] = []

    def listen(*, orders: list[Order], **sent: object) -> None:
        heard.append(orders)

    order = sold()
    signals.orders_paid.connect(listen)
    try:
        for amount in ("4.00", "6.00", "1.00"):
            pay(order, amount)
    finally:
        signals.orders_paid.disconnect(listen)
    assert [[known.pk for known in orders] for orders in heard] == [[order.pk]]
    assert fresh(order).paid_at is not None


def test_several_amounts_for_one_order_are_added_up() -> None:
    order = sold()
    amounts = [Amount(order.pk, gbp("4.00")), Amount(order.pk, gbp("6.00"))]
    mark_orders_paid(amounts, actor=HOUSE)
    assert fresh(order).payment == Payment.PAID


def test_lifetime_spend_is_paid_less_refunded() -> None:
    order = sold()
    pay(order)
    refund(order, "4.00")
    assert Customer.objects.get().spend == gbp("6.0000")


def test_more_than_was_paid_is_not_refunded() -> None:
    order = sold()
    pay(order)
    before = fresh(order)
    with pytest.raises(WrongAmount):
        refund(order, "10.01")
    after = fresh(order)
    assert (after.amount_refunded, after.version) == (before.amount_refunded, before.version)
    assert Customer.objects.get().spend == gbp("10.0000")


@pytest.mark.parametrize("money", [gbp("0.00"), gbp("-1.00"), Money(Decimal(10), "EUR")])
def test_an_amount_is_above_zero_and_in_the_currency_of_the_order(money: Money) -> None:
    order = sold()
    with pytest.raises(WrongAmount):
        mark_orders_paid([Amount(order.pk, money)], actor=HOUSE)
    assert fresh(order).payment == Payment.UNPAID
