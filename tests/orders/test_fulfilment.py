"""Picking, shipping in parts and promising the rest: who may, when, and what PostgreSQL refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from backoffice.actors import HOUSE
from backoffice.versions import StaleVersion
from inventory.queries.levels import levels_that_differ
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.shipments import Shipment, ShipmentLine
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.backorders import promise_rest
from orders.services.cancelling import cancel_orders
from orders.services.drafts import Address, OnShort
from orders.services.errors import (
    AlreadyCancelled,
    AlreadyShipped,
    NotAllocated,
    NotPaid,
    OnHold,
    OrderError,
    PickingBegun,
)
from orders.services.holds import hold_orders
from orders.services.picking import start_picking, stop_picking
from orders.services.placing import place_orders
from orders.services.shipping import edit_order_address, ship_order
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku, receive
from tests.orders.factories import draft, fresh, line, make_channel, pay, place

FRAUD = Hold.Reason.FRAUD


def paid(quantity: int = 2, stock: int = 10) -> Order:
    new = draft(line(make_sku(stock=stock), quantity))
    order = place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]
    pay(order)
    return fresh(order)


def cancel(order: Order) -> object:
    return cancel_orders([order.pk], reason=Order.CancelReason.OTHER, actor=HOUSE).or_raise()


@pytest.mark.django_db
@pytest.mark.requirement("R54")
def test_nothing_unpaid_held_cancelled_or_without_stock_is_picked() -> None:
    unpaid = place(line(make_sku(stock=10)))
    held, cancelled, empty = paid(), paid(), place_empty()
    hold_orders([held.pk], reason=FRAUD, actor=HOUSE)
    cancel(cancelled)
    orders = {unpaid.pk: NotPaid, held.pk: OnHold, cancelled.pk: AlreadyCancelled}
    orders[empty.pk] = NotAllocated
    versions = {pk: Order.objects.get(pk=pk).version for pk in orders}
    done = start_picking(orders, actor=HOUSE)
    assert {pk: type(error) for pk, error in done.refused.items()} == orders
    assert not Order.objects.filter(picking_since__isnull=False).exists()
    assert {pk: Order.objects.get(pk=pk).version for pk in orders} == versions


def place_empty() -> Order:
    """Paid, with nothing of it there, and let out of its hold."""
    new = draft(line(make_sku("RARE")))
    order = place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]
    pay(order)
    promise_rest(order.pk, timezone.localdate(), actor=HOUSE)
    return order


@pytest.mark.django_db
@pytest.mark.requirement("R54")
@pytest.mark.parametrize("state", ["unpaid", "held", "cancelled"])
def test_postgresql_refuses_to_pick_or_ship_what_may_not_leave(state: str) -> None:
    order = place(line(make_sku(stock=10)))
    if state != "unpaid":
        pay(order)
    if state == "held":
        hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    if state == "cancelled":
        cancel(order)
    rows = Order.objects.filter(pk=order.pk)
    with pytest.raises(IntegrityError), transaction.atomic():
        rows.update(picking_since=timezone.now())
    with pytest.raises(IntegrityError), transaction.atomic():
        Shipment.objects.create(order=order, key="shell", shipped_at=timezone.now())
    assert fresh(order).picking_since is None
    assert not Shipment.objects.exists()


@pytest.mark.django_db
def test_a_channel_that_trusts_its_buyers_is_picked_unpaid() -> None:
    order = place(line(make_sku(stock=10)), channel=make_channel("trade", ships_unpaid=True))
    start_picking([order.pk], actor=HOUSE).or_raise()
    assert fresh(order).picking_since is not None


@pytest.mark.django_db
def test_what_is_being_picked_is_neither_cancelled_nor_sent_elsewhere() -> None:
    order = paid()
    start_picking([order.pk], versions={order.pk: order.version}, actor=HOUSE).or_raise()
    assert start_picking([order.pk], actor=HOUSE).unchanged
    version = fresh(order).version
    for act in (cancel, readdress):
        with pytest.raises(PickingBegun):
            act(order)
    assert (fresh(order).version, fresh(order).is_cancelled) == (version, False)
    with pytest.raises(StaleVersion):
        stop_picking([order.pk], versions={order.pk: order.version}, actor=HOUSE)
    stop_picking([order.pk], actor=HOUSE).or_raise()
    cancel(order)
    assert fresh(order).is_cancelled


def readdress(order: Order) -> object:
    return edit_order_address(order.pk, Address(country="FR"), version=None, actor=HOUSE)


@pytest.mark.django_db
def test_a_hold_takes_an_order_off_the_pick_list_and_shipping_ends_it() -> None:
    held, sent = paid(), paid()
    start_picking([held.pk, sent.pk], actor=HOUSE)
    hold_orders([held.pk], reason=FRAUD, actor=HOUSE)
    ship_order(sent.pk, actor=HOUSE)
    assert fresh(held).picking_since is None
    assert fresh(sent).picking_since is None
    with pytest.raises(IntegrityError), transaction.atomic():
        Order.objects.filter(pk=held.pk).update(picking_since=timezone.now())
    assert orders_that_differ([held.pk, sent.pk]) == []


@pytest.mark.requirement("R53")
def test_picking_against_cancelling_has_one_winner(committed_db: None) -> None:
    def pick(order: Order) -> Callable[[], object]:
        return lambda: start_picking([order.pk], actor=HOUSE).or_raise()

    for _ in range(3):
        order = paid(1, stock=1)
        answers = at_once([pick(order), lambda: cancel(order)] * 25)  # noqa: B023
        now = fresh(order)
        assert (now.picking_since is None) == now.is_cancelled
        assert [each for each in answers if isinstance(each, Exception)
                and not isinstance(each, OrderError)] == []  # fmt: skip
        assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.requirement("R59")
def test_fifty_parts_of_one_order_at_once_never_ship_more_than_was_ordered(
    committed_db: None,
) -> None:
    order = paid(20, stock=100)
    product = order.lines.get()

    def part(number: int) -> Callable[[], object]:
        return lambda: ship_order(
            order.pk, quantities={product.pk: 1 + number % 3}, key=f"part-{number}", actor=HOUSE
        )

    answers = at_once([part(number) for number in range(50)])
    assert all(isinstance(each, Shipment | OrderError) for each in answers), [
        each for each in answers if isinstance(each, Exception)
    ]
    product.refresh_from_db()
    shipped = sum(ShipmentLine.objects.values_list("quantity", flat=True))
    assert shipped == product.quantity_shipped == 100 - level(make_sku()).on_hand
    assert shipped <= 20
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
@pytest.mark.requirement("R59")
def test_postgresql_refuses_a_unit_that_would_leave_twice() -> None:
    order = paid(2)
    shipment = ship_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    row = shipment.lines.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        ShipmentLine.objects.create(shipment=shipment, order_line_id=row.order_line_id, quantity=2)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_shipmentline SET quantity = 3 WHERE id = %s", [row.pk])
    assert ShipmentLine.objects.get().quantity == 1
    ShipmentLine.objects.create(shipment=shipment, order_line_id=row.order_line_id, quantity=1)


@pytest.mark.django_db
@pytest.mark.requirement("R60")
def test_what_is_there_leaves_and_the_rest_waits_for_the_day_it_was_promised_for() -> None:
    sku = make_sku()
    order = paid(5, stock=2)
    assert order.is_held
    day = timezone.localdate() + timedelta(days=9)
    promise_rest(order.pk, day, version=order.version, actor=HOUSE)
    now = fresh(order)
    assert (now.is_held, now.promised_on) == (False, day)
    assert now.ship_by is not None
    assert now.ship_by.date() >= day
    assert Event.objects.filter(trigger="orders.order_backordered").count() == 1
    product = order.lines.get()
    with pytest.raises(NotAllocated):
        ship_order(order.pk, actor=HOUSE)
    assert level(sku).on_hand == 2
    ship_order(order.pk, quantities={product.pk: 2}, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.PART_SHIPPED
    assert fresh(order).promised_on == day
    receive(sku, 3)
    allocate_orders([order.pk], actor=HOUSE).or_raise()
    ship_order(order.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_a_promise_is_refused_for_a_day_that_is_over_and_for_what_is_gone() -> None:
    today = timezone.localdate()
    waiting, shipped, cancelled = paid(), paid(), paid()
    ship_order(shipped.pk, actor=HOUSE)
    cancel(cancelled)
    acts: list[tuple[Order, type[OrderError], int]] = [
        (waiting, OrderError, -1),
        (shipped, AlreadyShipped, 1),
        (cancelled, AlreadyCancelled, 1),
    ]
    for order, error, ahead in acts:
        version = fresh(order).version
        with pytest.raises(error):
            promise_rest(order.pk, today + timedelta(days=ahead), actor=HOUSE)
        assert (fresh(order).promised_on, fresh(order).version) == (None, version)


@pytest.mark.django_db
@pytest.mark.requirement("R60")
def test_a_part_is_shipped_from_the_page_and_the_rest_stays_open(operations_client: Client) -> None:
    order = paid(5)
    product = order.lines.get()
    address = f"/orders/{order.number}/_/ship/?version={order.version}"
    assert 'value="5"' in operations_client.get(address).content.decode()
    too_many = operations_client.post(address, {f"line_{product.pk}": "6"})
    assert too_many.status_code == 422
    assert not Shipment.objects.exists()
    done = operations_client.post(address, {f"line_{product.pk}": "2", "carrier": "DHL"})
    assert done.status_code == 302
    assert fresh(order).fulfilment == Order.Fulfilment.PART_SHIPPED
    day = timezone.localdate() + timedelta(days=3)
    version = fresh(order).version
    operations_client.post(
        f"/orders/{order.number}/_/promise/?version={version}", {"day": day.isoformat()}
    )
    assert fresh(order).promised_on == day
    listing = operations_client.get("/orders/?view=backorders").context["listing"]
    assert [row.record.number for row in listing.rows] == [order.number]
    event = Event.objects.get(trigger="orders.order_shipped")
    assert event.facts["shipment.complete"] is False
    assert event.facts["order.fulfilment"] == "part_shipped"


@pytest.mark.django_db
def test_orders_are_picked_many_at_a_time_and_each_refusal_is_told(
    operations_client: Client, support_client: Client
) -> None:
    ready, unpaid = paid(), place(line(make_sku(stock=10)))
    ids = {"ids": f"{ready.pk},{unpaid.pk}"}
    assert support_client.post("/orders/_/bulk/orders.pick/", ids).status_code == 403
    assert fresh(ready).picking_since is None
    operations_client.post("/orders/_/bulk/orders.pick/", ids, headers={"HX-Request": "true"})
    assert fresh(ready).picking_since is not None
    assert fresh(unpaid).picking_since is None
    listing = operations_client.get("/orders/?view=picking").context["listing"]
    assert [row.record.number for row in listing.rows] == [ready.number]
