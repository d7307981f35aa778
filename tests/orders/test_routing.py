"""Which place an order ships from: the first that has all of it, and never one that has none."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.models import LegalEntity
from inventory.models import Location, Reservation
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import StockShort
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.backorders import reroute_order
from orders.services.drafts import OnShort
from orders.services.errors import NotAllocated, OrderError, PickingBegun
from orders.services.picking import start_picking
from orders.services.placing import place_orders
from orders.services.shipping import ship_order
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku, make_warehouse, receive
from tests.orders.factories import draft, fresh, line, make_channel, make_store, pay, place, stock

Routing = Order.Routing


def take(*lines: object, channel: Channel, **fields: object) -> Order:
    """An order that is accepted whatever there is."""
    new = draft(*lines, channel=channel, **fields)  # type: ignore[arg-type]
    return place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]


def claimed_at(order: Order) -> set[int]:
    """The places where an order's stock is set aside."""
    lines = order.lines.values_list("pk", flat=True)
    rows = Reservation.objects.filter(holder_id__in=list(lines), state="allocated")
    return set(rows.values_list("location_id", flat=True))


@pytest.mark.django_db
@pytest.mark.requirement("R57")
def test_an_order_goes_to_the_first_place_that_has_all_of_it_and_says_why() -> None:
    channel, leeds = make_channel(), make_store(channel=make_channel())
    mug, plate = make_sku("MUG", stock=5), make_sku("PLATE")
    stock(mug, 2, leeds)
    stock(plate, 2, leeds)
    both = take(line(mug), line(plate), channel=channel)
    assert (both.location, both.routed) == (leeds, Routing.STOCK)
    only_mugs = take(line(mug, 3), channel=channel)
    assert (only_mugs.location, only_mugs.routed) == (make_warehouse(), Routing.STOCK)
    split = take(line(mug, 1), line(plate, 2), channel=channel)
    assert (split.location, split.routed, split.is_held) == (leeds, Routing.MOST, True)
    for order in (both, only_mugs, split):
        assert claimed_at(order) == {order.location_id}
        assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
@pytest.mark.requirement("R57")
def test_no_order_is_sent_to_a_place_that_has_nothing_of_it() -> None:
    channel, leeds = make_channel(), make_store(channel=make_channel())
    sku = make_sku("MUG")
    order = take(line(sku, 2), channel=channel)
    assert (order.location, order.routed, order.is_held) == (None, Routing.NOWHERE, True)
    assert fresh(order).routed == Routing.NOWHERE
    with pytest.raises(NotAllocated):
        reroute_order(order.pk, leeds.pk, actor=HOUSE)
    assert (fresh(order).location_id, fresh(order).version) == (None, order.version)
    stock(sku, 2, leeds)
    allocate_orders([order.pk], actor=HOUSE)
    now = fresh(order)
    assert (now.location, now.routed, now.is_held) == (leeds, Routing.STOCK, False)


@pytest.mark.django_db
def test_a_single_warehouse_without_stock_is_nowhere_too() -> None:
    sku = make_sku("MUG")
    order = take(line(sku, 2), channel=make_channel())
    assert (fresh(order).location, fresh(order).routed) == (None, Routing.NOWHERE)
    allocate_orders([order.pk], actor=HOUSE)
    assert fresh(order).routed == Routing.NOWHERE
    receive(sku, 1)
    allocate_orders([order.pk], actor=HOUSE)
    assert (fresh(order).location, fresh(order).is_held) == (make_warehouse(), True)


@pytest.mark.django_db
def test_what_is_collected_ships_from_where_it_is_collected() -> None:
    channel, leeds = make_channel(), make_store()
    sku = make_sku("MUG", stock=5)
    stock(sku, 1, leeds)
    order = take(line(sku), channel=channel, pickup_at_id=leeds.pk)
    assert (order.location, order.routed) == (leeds, Routing.STORE)
    nothing_there = take(line(sku), channel=channel, pickup_at_id=leeds.pk)
    assert (nothing_there.location, nothing_there.is_held) == (None, True)
    assert level(sku).allocated == 0


@pytest.mark.django_db
@pytest.mark.requirement("R57")
def test_staff_send_the_rest_from_elsewhere_and_the_claims_move() -> None:
    channel, leeds = make_channel(), make_store()
    sku = make_sku("MUG", stock=5)
    order = take(line(sku, 4), channel=channel)
    pay(order)
    ship_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    stock(sku, 2, leeds)
    before = fresh(order)
    with pytest.raises(StockShort):
        reroute_order(order.pk, leeds.pk, version=before.version, actor=HOUSE)
    assert (fresh(order).version, claimed_at(order)) == (before.version, {make_warehouse().pk})
    stock(sku, 1, leeds)
    moved = reroute_order(order.pk, leeds.pk, version=before.version, actor=HOUSE)
    assert (moved.location, moved.routed) == (leeds, Routing.MANUAL)
    assert (level(sku).allocated, level(sku, leeds).allocated) == (0, 3)
    ship_order(order.pk, actor=HOUSE)
    assert (level(sku).on_hand, level(sku, leeds).on_hand) == (4, 0)
    assert fresh(order).fulfilment == Order.Fulfilment.SHIPPED
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_a_place_that_ships_nothing_or_is_anothers_is_refused() -> None:
    sku = make_sku("MUG", stock=5)
    order = take(line(sku), channel=make_channel())
    other = LegalEntity.objects.create(
        name="Other Ltd", country="GB", currency="GBP", time_zone="Europe/London"
    )
    places = [
        Location.objects.get(kind=Location.Kind.QUARANTINE),
        Location.objects.create(code="X", name="X", kind="internal", legal_entity=other),
    ]
    for place_ in places:
        with pytest.raises(OrderError):
            reroute_order(order.pk, place_.pk, actor=HOUSE)
    assert fresh(order).version == order.version


@pytest.mark.django_db
def test_an_order_that_is_being_picked_stays_where_it_is() -> None:
    leeds, sku = make_store(), make_sku("MUG", stock=5)
    stock(sku, 5, leeds)
    order = place(line(sku))
    pay(order)
    start_picking([order.pk], actor=HOUSE).or_raise()
    with pytest.raises(PickingBegun):
        reroute_order(order.pk, leeds.pk, actor=HOUSE)
    assert fresh(order).location == make_warehouse()


@pytest.mark.requirement("R57")
def test_fifty_buyers_of_one_unit_in_each_of_two_places_get_two(committed_db: None) -> None:
    channel, leeds = make_channel(), make_store(channel=make_channel())
    sku = make_sku("MUG", stock=1)
    stock(sku, 1, leeds)
    answers = at_once([lambda: take(line(sku), channel=channel)] * 50)
    # Who waits for the others longer than the lock's timeout is asked to try again.
    odd = [each for each in answers if isinstance(each, Exception)]
    assert [each for each in odd if "lock timeout" not in str(each)] == []
    routed = list(Order.objects.values_list("location__code", flat=True))
    assert sorted(code for code in routed if code) == ["LEEDS", make_warehouse().code]
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_the_place_and_its_reason_stand_on_the_page_and_in_the_list(
    operations_client: Client,
) -> None:
    channel, leeds = make_channel(), make_store(channel=make_channel())
    sku = make_sku("MUG")
    stock(sku, 2, leeds)
    order = take(line(sku), channel=channel)
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "the first place that has all of it" in page
    listing = operations_client.get("/orders/?view=all&place=LEEDS").context["listing"]
    assert [row.record.number for row in listing.rows] == [order.number]
    address = f"/orders/{order.number}/_/route/?version={order.version}"
    refused = operations_client.post(address, {"place": make_warehouse().pk})
    assert refused.status_code == 422
    assert "has no MUG" in refused.content.decode()
    receive(sku, 1)
    assert operations_client.post(address, {"place": make_warehouse().pk}).status_code == 302
    assert fresh(order).routed == Routing.MANUAL
