"""Delivered or collected: labels voided, the fee and its tax done anew, the difference in sight."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.test import Client

from automations.models.events import Event
from backoffice.actors import HOUSE
from backoffice.money import Money
from backoffice.versions import StaleVersion
from orders.models.orders import Order
from orders.models.packages import Label
from orders.queries.checks import orders_that_differ
from orders.services import ports
from orders.services.delivery import Delivery, redeliver
from orders.services.errors import AlreadyShipped, LabelExists, OrderError, WrongAmount
from orders.services.packing import hand_over, pack_order
from orders.services.shipping import ship_order
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_service, make_store, pay, place
from tests.orders.parcels import HOME, Post, buy, by_post

pytestmark = pytest.mark.django_db


def order_by_mail(*, prices_include_tax: bool = True) -> Order:
    order = place(
        line(make_sku(stock=10), 2),
        ship_to=HOME,
        shipping=Decimal("6.00"),
        shipping_tax=Decimal("1.00"),
        prices_include_tax=prices_include_tax,
    )
    pay(order)
    return fresh(order)


@pytest.mark.requirement("R66")
def test_collected_instead_the_label_is_void_and_the_fee_is_too_much_paid() -> None:
    order, shop = order_by_mail(), make_store()
    make_service(order.channel)
    package = pack_order(order.pk, actor=HOUSE)
    old = buy(package)
    wanted = Delivery(Decimal(0), pickup_at=shop)
    changed = redeliver(order.pk, wanted, version=fresh(order).version, actor=HOUSE)
    old.refresh_from_db()
    assert old.state == Label.State.VOIDED
    assert (changed.method, changed.pickup_at) == (Order.Method.PICKUP, shop)
    assert (changed.shipping, changed.shipping_tax) == (Decimal(0), Decimal(0))
    assert changed.total == Decimal(20)
    assert changed.payment == Order.Payment.OVERPAID
    event = Event.objects.get(trigger="orders.delivery_changed")
    assert event.facts["delivery.difference.amount"] == "-6.00"
    assert orders_that_differ([order.pk]) == []
    hand_over(package.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED


@pytest.mark.requirement("R66")
@pytest.mark.parametrize("included", [True, False])
def test_back_to_delivery_for_more_leaves_it_partly_unpaid_and_takes_one_new_label(
    included: bool,
) -> None:
    order, shop = order_by_mail(prices_include_tax=included), make_store()
    service = make_service(order.channel)
    package = pack_order(order.pk, actor=HOUSE)
    first = buy(package)
    dearer = Delivery(Decimal("12.00"), service=service)
    changed = redeliver(order.pk, dearer, actor=HOUSE)
    assert (changed.shipping_tax, changed.service) == (Decimal("2.00"), service)
    assert changed.payment == Order.Payment.PART_PAID
    assert orders_that_differ([order.pk]) == []
    with pytest.raises(OrderError):
        buy(package, "JD2", key="two")
    pay(order, "6.00" if included else "7.00")
    buy(package, "JD3", key="three")
    live = package.labels.filter(state__in=Label.LIVE)
    assert [label.tracking for label in live] == ["JD3"]
    first.refresh_from_db()
    assert first.state == Label.State.VOIDED
    assert redeliver(order.pk, Delivery(Decimal(0), shop), actor=HOUSE).shipping_tax == 0


@pytest.mark.requirement("R66")
def test_the_switch_waits_until_the_carrier_takes_the_label_back() -> None:
    post = Post()
    ports.PORTS["post"] = post
    try:
        order, shop = order_by_mail(), make_store()
        package = pack_order(order.pk, actor=HOUSE)
        by_post()
        label = buy(package)
        post.takes_back = False
        with pytest.raises(LabelExists):
            redeliver(order.pk, Delivery(Decimal(0), shop), actor=HOUSE)
        label.refresh_from_db()
        assert label.state == Label.State.VOID_REQUESTED
        assert (fresh(order).method, fresh(order).total) == (Order.Method.HOME, order.total)
        with pytest.raises(LabelExists):
            buy(package, key="second")
        post.takes_back = True
        redeliver(order.pk, Delivery(Decimal(0), shop), actor=HOUSE)
        assert fresh(order).method == Order.Method.PICKUP
        assert post.bought == 1
    finally:
        del ports.PORTS["post"]


def test_what_has_left_or_makes_no_sense_is_refused_and_nothing_changes() -> None:
    order, shop = order_by_mail(), make_store()
    quarantine = make_store("Q")
    quarantine.is_active = False
    quarantine.save()
    before = fresh(order)
    refused: list[tuple[Delivery, type[OrderError]]] = [
        (Delivery(Decimal("-1"), shop), WrongAmount),
        (Delivery(Decimal("1.005"), shop), WrongAmount),
        (Delivery(Decimal(0), quarantine), OrderError),
    ]
    for wanted, error in refused:
        with pytest.raises(error):
            redeliver(order.pk, wanted, actor=HOUSE)
    with pytest.raises(StaleVersion):
        redeliver(order.pk, Delivery(Decimal(0), shop), version=before.version - 1, actor=HOUSE)
    assert fresh(order).version == before.version
    ship_order(order.pk, actor=HOUSE)
    with pytest.raises(AlreadyShipped):
        redeliver(order.pk, Delivery(Decimal(0), shop), actor=HOUSE)
    assert (fresh(order).method, fresh(order).total) == (Order.Method.HOME, before.total)


def test_support_switches_an_order_on_its_page(support_client: Client) -> None:
    order, shop = order_by_mail(), make_store()
    address = f"/orders/{order.number}/_/delivery/?version={order.version}"
    refused = support_client.post(address, {"method": "pickup", "fee": "0"})
    assert refused.status_code == 422
    assert "Say where it is collected." in refused.content.decode()
    done = support_client.post(address, {"method": "pickup", "pickup_at": shop.pk, "fee": "0"})
    assert done.status_code == 302
    page = support_client.get(f"/orders/{order.number}/").content.decode()
    assert "Collected at" in page
    assert Money(Decimal(20), "GBP") == fresh(order).total_money
