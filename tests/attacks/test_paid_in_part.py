"""Goods leave for all the money that is due, whatever goes back of a part of it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from backoffice.actors import HOUSE
from orders.models.orders import Order
from orders.models.preorders import PreOrder
from orders.models.shipments import Shipment
from orders.queries.due import PAID
from orders.services.errors import NotPaid
from orders.services.packing import pack_order
from orders.services.payment import Amount, record_refunded
from orders.services.picking import start_picking
from orders.services.preorder_release import release_due
from orders.services.shipping import ship_order
from tests.inventory.factories import make_sku, receive
from tests.orders.factories import fresh, line, pay, place, sell_ahead

pytestmark = pytest.mark.django_db


def give_back(order: Order, amount: str) -> None:
    record_refunded([Amount(order.pk, order.money(Decimal(amount)))], actor=HOUSE)


@pytest.mark.parametrize("paid", ["0.02", "19.99"])
def test_an_order_paid_in_part_does_not_leave_because_some_of_that_went_back(paid: str) -> None:
    order = pay(place(line(make_sku("MUG", stock=5), 2, "10.00")), paid)
    give_back(order, "0.01")
    assert fresh(order).payment == "part_refunded"
    assert not Order.objects.filter(PAID).exists()
    for act in (ship_order, pack_order):
        with pytest.raises(NotPaid):
            act(order.pk, actor=HOUSE)
    with pytest.raises(NotPaid):
        start_picking([order.pk], actor=HOUSE).or_raise()
    with pytest.raises(DatabaseError, match="is not paid"), transaction.atomic():
        Shipment.objects.create(order=order, key="forged", shipped_at=timezone.now())
    assert not Shipment.objects.exists()
    pay(fresh(order), str(order.total - Decimal(paid)))
    ship_order(order.pk, actor=HOUSE)
    assert (fresh(order).payment, fresh(order).fulfilment) == ("part_refunded", "shipped")


def test_what_was_ordered_ahead_is_paid_before_it_leaves_though_a_little_went_back() -> None:
    sell_ahead(make_sku("LAMP"), billing=PreOrder.Billing.FULFILMENT)
    mug = make_sku("MUG", stock=5)
    order = place(line(make_sku("LAMP"), 2), line(mug, 1, "8.00"))
    pay(order, "8.00")
    give_back(order, "1.00")
    # The mug was paid, and leaves as it did before some of its price went back.
    ship_order(order.pk, actor=HOUSE)
    assert fresh(order).fulfilment == "part_shipped"
    receive(make_sku("LAMP"), 2)
    assert release_due() == 1
    with pytest.raises(NotPaid):
        ship_order(order.pk, actor=HOUSE)
    with pytest.raises(DatabaseError, match="is not paid"), transaction.atomic():
        Shipment.objects.create(order=order, key="forged", shipped_at=timezone.now())
    assert fresh(order).fulfilment == "part_shipped"


def test_who_had_all_back_gets_nothing_of_what_is_to_be_paid_now() -> None:
    sell_ahead(make_sku("LAMP"), billing=PreOrder.Billing.FULFILMENT)
    order = place(line(make_sku("LAMP"), 2), line(make_sku("MUG", stock=5), 1, "8.00"))
    pay(order, "8.00")
    give_back(order, "8.00")
    with pytest.raises(NotPaid):
        ship_order(order.pk, actor=HOUSE)
    with pytest.raises(DatabaseError, match="is not paid"), transaction.atomic():
        Shipment.objects.create(order=order, key="forged", shipped_at=timezone.now())
    assert not Shipment.objects.exists()
