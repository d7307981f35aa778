import pytest
from django.db import IntegrityError, transaction

from backoffice.actors import HOUSE, Actors, outside
from backoffice.versions import StaleVersion
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.queries.checks import orders_that_differ
from orders.services.cancelling import cancel_orders
from orders.services.errors import AlreadyCancelled, AlreadyShipped, OnHold, UnknownOrder
from orders.services.holds import hold_orders, release_orders
from orders.services.shipping import ship_order
from tests.inventory.factories import level, make_sku
from tests.orders.factories import fresh, line, pay, place

pytestmark = pytest.mark.django_db
FRAUD, ADDRESS = Hold.Reason.FRAUD, Hold.Reason.ADDRESS


def paid_order() -> Order:
    order = place(line(make_sku(stock=10), 2))
    pay(order)
    return fresh(order)


def test_an_order_on_hold_is_not_shipped() -> None:
    order = paid_order()
    hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    with pytest.raises(OnHold):
        ship_order(order.pk, actor=HOUSE)
    assert fresh(order).fulfilment == Order.Fulfilment.UNSHIPPED
    assert not order.shipments.exists()
    assert level(make_sku()).on_hand == 10


def test_an_order_stays_held_until_its_last_hold_is_released() -> None:
    order = paid_order()
    hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    hold_orders([order.pk], reason=ADDRESS, actor=HOUSE)
    release_orders([order.pk], reason=FRAUD, actor=HOUSE)
    assert fresh(order).is_held
    release_orders([order.pk], actor=HOUSE)
    assert not fresh(order).is_held
    assert orders_that_differ([order.pk]) == []
    ship_order(order.pk, actor=HOUSE)


def test_holding_twice_for_one_reason_holds_once() -> None:
    order = paid_order()
    hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    version = fresh(order).version
    done = hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    assert [known.pk for known in done.unchanged] == [order.pk]
    assert (Hold.objects.count(), fresh(order).version) == (1, version)


def test_postgresql_refuses_a_second_open_hold_of_a_reason() -> None:
    order = paid_order()
    hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Hold.objects.create(order=order, reason=FRAUD, actor_kind="system", actor_label="shell")
    assert Hold.objects.count() == 1


def test_each_order_of_a_set_has_its_own_outcome_and_its_own_actor() -> None:
    held, shipped, cancelled = paid_order(), paid_order(), paid_order()
    ship_order(shipped.pk, actor=HOUSE)
    cancel_orders([cancelled.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    ids = [held.pk, shipped.pk, cancelled.pk, 0]
    actor = Actors({pk: outside(f"shop {pk}") for pk in ids})
    done = hold_orders(ids, reason=FRAUD, actor=actor)
    assert [order.pk for order in done.changed] == [held.pk]
    assert {pk: type(error) for pk, error in done.refused.items()} == {
        shipped.pk: AlreadyShipped,
        cancelled.pk: AlreadyCancelled,
        0: UnknownOrder,
    }
    assert Hold.objects.get().actor_label == f"shop {held.pk}"
    with pytest.raises(UnknownOrder):
        hold_orders([0], reason=FRAUD, actor=actor).or_raise()


def test_a_stale_form_is_refused_and_nothing_changes() -> None:
    order = paid_order()
    hold_orders([order.pk], reason=FRAUD, actor=HOUSE)
    seen = {order.pk: order.version}
    with pytest.raises(StaleVersion):
        release_orders([order.pk], versions=seen, actor=HOUSE)
    assert fresh(order).is_held
