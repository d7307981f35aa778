from collections.abc import Callable

import pytest

from backoffice.actors import HOUSE
from backoffice.versions import StaleVersion
from inventory.queries.levels import levels_that_differ
from inventory.services.reservations import release_stock
from orders.models.orders import Order
from orders.models.shipments import Shipment
from orders.queries.checks import orders_that_differ
from orders.services.allocation import LINE
from orders.services.cancelling import cancel_orders
from orders.services.drafts import Address, OnShort
from orders.services.errors import (
    AlreadyCancelled,
    AlreadyShipped,
    NotAllocated,
    NotPaid,
    OrderError,
    TooMany,
)
from orders.services.placing import place_orders
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns
from orders.services.shipping import edit_order_address, ship_order
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku
from tests.orders.factories import draft, fresh, line, make_channel, make_customer, pay, place

Fulfilment = Order.Fulfilment


def paid_order(quantity: int = 2) -> Order:
    order = place(line(make_sku(stock=10), quantity), customer_id=make_customer().pk)
    pay(order)
    return fresh(order)


def shipping(order: Order) -> Callable[[], object]:
    return lambda: ship_order(order.pk, actor=HOUSE)


def cancelling(order: Order) -> Callable[[], object]:
    reason = Order.CancelReason.CUSTOMER
    return lambda: cancel_orders([order.pk], reason=reason, actor=HOUSE).or_raise()


@pytest.mark.django_db
def test_what_leaves_after_all_was_returned_makes_it_a_part_return() -> None:
    order = paid_order(3)
    product = order.lines.get()
    ship_order(order.pk, quantities={product.pk: 1}, actor=HOUSE)
    back = (NewReturnLine(1, order_line_id=product.pk),)
    (row,) = request_returns([NewReturn(order.channel, back, order_id=order.pk)], actor=HOUSE)
    receive_returns([row.pk], actor=HOUSE)
    assert fresh(order).returns == Order.Return.RETURNED
    ship_order(order.pk, actor=HOUSE)
    assert fresh(order).returns == Order.Return.PART_RETURNED
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_shipping_moves_what_was_promised() -> None:
    order = paid_order(4)
    product = order.lines.get()
    ship_order(order.pk, quantities={product.pk: 1}, actor=HOUSE)
    assert fresh(order).fulfilment == Fulfilment.PART_SHIPPED
    assert (level(make_sku()).on_hand, level(make_sku()).allocated) == (9, 3)
    ship_order(order.pk, carrier="DHL", tracking="JD0146", actor=HOUSE)
    assert fresh(order).fulfilment == Fulfilment.SHIPPED
    assert (level(make_sku()).on_hand, level(make_sku()).allocated) == (6, 0)
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_a_repeated_request_ships_once() -> None:
    order = paid_order()
    first = ship_order(order.pk, key="form-1", version=order.version, actor=HOUSE)
    again = ship_order(order.pk, key="form-1", version=order.version, actor=HOUSE)
    assert first.pk == again.pk
    assert level(make_sku()).on_hand == 8


@pytest.mark.django_db
def test_unpaid_orders_are_shipped_only_where_the_channel_allows_it() -> None:
    sku = make_sku(stock=10)
    order = place(line(sku))
    with pytest.raises(NotPaid):
        ship_order(order.pk, actor=HOUSE)
    assert level(sku).on_hand == 10
    trusting = place(line(sku), channel=make_channel("trade", ships_unpaid=True))
    ship_order(trusting.pk, actor=HOUSE)
    assert level(sku).on_hand == 9


@pytest.mark.django_db
@pytest.mark.parametrize("quantity", [3, -1])
def test_no_more_is_shipped_than_is_open(quantity: int) -> None:
    order = paid_order(2)
    with pytest.raises(TooMany):
        ship_order(order.pk, quantities={order.lines.get().pk: quantity}, actor=HOUSE)
    assert not Shipment.objects.exists()


@pytest.mark.django_db
def test_an_order_with_nothing_left_is_not_shipped_again() -> None:
    order = paid_order()
    ship_order(order.pk, actor=HOUSE)
    with pytest.raises(OrderError):
        ship_order(order.pk, actor=HOUSE)
    assert Shipment.objects.count() == 1


@pytest.mark.django_db
def test_goods_that_are_not_set_aside_are_not_shipped() -> None:
    order = paid_order()
    release_stock(LINE, [order.lines.get().pk], actor=HOUSE)
    with pytest.raises(NotAllocated):
        ship_order(order.pk, actor=HOUSE)
    assert level(make_sku()).on_hand == 10
    assert fresh(order).fulfilment == Fulfilment.UNSHIPPED


@pytest.mark.django_db
def test_what_is_not_kept_in_stock_ships_without_a_move() -> None:
    voucher = make_sku("VOUCHER", is_stocked=False)
    order = place(line(voucher))
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Fulfilment.SHIPPED


@pytest.mark.django_db
def test_cancelling_gives_stock_free_and_ends_holds() -> None:
    sku = make_sku(stock=1)
    customer = make_customer()
    new = draft(line(sku, 3), customer_id=customer.pk)
    order = place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]
    done = cancel_orders([order.pk], reason=Order.CancelReason.OUT_OF_STOCK, actor=HOUSE)
    assert [known.pk for known in done.changed] == [order.pk]
    assert (level(sku).available, fresh(order).is_held) == (1, False)
    assert fresh(order).fulfilment == Fulfilment.CANCELLED
    customer.refresh_from_db()
    assert customer.orders_count == 0
    again = cancel_orders([order.pk], reason=Order.CancelReason.FRAUD, actor=HOUSE)
    assert [known.pk for known in again.unchanged] == [order.pk]
    assert fresh(order).cancel_reason == Order.CancelReason.OUT_OF_STOCK
    assert orders_that_differ([order.pk]) == []
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_an_order_of_which_something_has_left_is_not_cancelled() -> None:
    order = paid_order(2)
    ship_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    version = fresh(order).version
    done = cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    assert isinstance(done.refused[order.pk], AlreadyShipped)
    assert (fresh(order).cancelled_at, fresh(order).version) == (None, version)
    assert level(make_sku()).allocated == 1


@pytest.mark.django_db
def test_a_cancelled_order_is_not_shipped() -> None:
    order = paid_order()
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    with pytest.raises(AlreadyCancelled):
        ship_order(order.pk, actor=HOUSE)
    assert level(make_sku()).on_hand == 10


def test_cancelling_against_shipping_has_one_winner(committed_db: None) -> None:
    make_sku(stock=100)
    for _ in range(6):
        order = paid_order(1)
        at_once([shipping(order), cancelling(order)])
        now = fresh(order)
        assert (now.cancelled_at is None) == Shipment.objects.filter(order=order).exists()
        assert orders_that_differ([order.pk]) == []
    assert level(make_sku()).allocated == 0
    assert levels_that_differ() == []


@pytest.mark.django_db
def test_the_address_is_changed_until_something_has_left() -> None:
    order = paid_order()
    address = Address(name="Grace Holloway", lines="14 Royal Crescent", city="Bath", country="GB")
    edit_order_address(order.pk, address, version=order.version, actor=HOUSE)
    assert (fresh(order).ship_city, fresh(order).ship_country) == ("Bath", "GB")
    with pytest.raises(StaleVersion):
        edit_order_address(order.pk, Address(), version=order.version, actor=HOUSE)
    ship_order(order.pk, actor=HOUSE)
    with pytest.raises(AlreadyShipped):
        edit_order_address(order.pk, Address(country="FR"), version=None, actor=HOUSE)
    assert fresh(order).ship_country == "GB"
