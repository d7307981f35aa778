"""What is sold before its stock comes: paid when it should be, in turn, within its cap."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.events import Event
from backoffice.actors import HOUSE
from backoffice.versions import StaleVersion
from inventory.models import Reservation
from inventory.queries.levels import levels_that_differ
from inventory.services.moves import receive_stock
from orders.models.orders import Order
from orders.models.preorders import PreOrder, PreOrderLine, PreOrderMove, PreOrderNotice
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.cancelling import cancel_orders
from orders.services.drafts import OnShort
from orders.services.errors import NotAllocated, NotPaid, OrderError, SoldAhead
from orders.services.placing import place_orders
from orders.services.preorder_release import release_due, release_preorder
from orders.services.preorders import change_preorder, close_preorder, move_preorder
from orders.services.shipping import ship_order
from tests.attacks.books import what_is_wrong
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku, moving, receive
from tests.orders.factories import (
    draft,
    fresh,
    line,
    make_channel,
    make_store,
    pay,
    place,
    postage,
    sell_ahead,
    stock,
)

LATER = PreOrder.Billing.FULFILMENT
WORKERS = 50


def day(ahead: int) -> date:
    return timezone.localdate() + timedelta(days=ahead)


def lamp(**fields: Any) -> PreOrder:
    return sell_ahead(make_sku("LAMP"), **fields)


def ordered(units: int = 1, *more: Any, **fields: Any) -> Order:
    return place(line(make_sku("LAMP"), units), *more, **fields)


def units_set_aside(order: Order) -> int:
    ids = list(order.lines.values_list("pk", flat=True))
    rows = Reservation.objects.filter(holder_id__in=ids, state=Reservation.State.ALLOCATED)
    return sum(rows.values_list("quantity", flat=True))


def facts_of(trigger: str) -> list[dict[str, Any]]:
    """What rules were told, in order."""
    rows = Event.objects.filter(trigger=trigger).order_by("pk")
    return [dict(event.facts) for event in rows]


def all_is_well() -> None:
    assert orders_that_differ(Order.objects.values_list("pk", flat=True)) == []
    assert levels_that_differ() == []


@pytest.mark.requirement("R68")
@pytest.mark.django_db
def test_what_is_sold_ahead_waits_for_its_day_and_is_no_shortage() -> None:
    offer = lamp(promised_on=day(30))
    order = ordered(2)
    (row,) = PreOrderLine.objects.all()
    assert (row.units, row.promised_on, row.state) == (2, day(30), "waiting")
    assert (order.awaits, order.promised_on, order.is_held) == ("all", day(30), False)
    assert order.ship_by is not None
    assert order.ship_by.date() >= day(30)
    offer.refresh_from_db()
    assert offer.sold == 2
    # Nobody takes it out of turn.
    receive(make_sku("LAMP"), 5)
    allocate_orders([order.pk], actor=HOUSE)
    assert units_set_aside(order) == 0
    pay(order)
    with pytest.raises(NotAllocated):
        ship_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    all_is_well()


@pytest.mark.django_db
def test_without_a_day_nobody_is_late() -> None:
    lamp(promised_on=None)
    assert ordered().ship_by is None


@pytest.mark.requirement("R68")
@pytest.mark.django_db
def test_stock_that_comes_goes_to_those_who_ordered_first_and_makes_them_ordinary() -> None:
    lamp()
    first, second, third = (ordered(units) for units in (2, 2, 1))
    receive(make_sku("LAMP"), 3)
    assert release_due() == 1
    assert [units_set_aside(each) for each in (first, second, third)] == [2, 0, 0]
    assert fresh(first).awaits == ""
    # One unit is left; the third could have it, but the second has waited longer.
    assert release_due() == 0
    receive(make_sku("LAMP"), 2)
    assert release_due() == 2
    assert [units_set_aside(each) for each in (first, second, third)] == [2, 2, 1]
    pay(fresh(first))
    ship_order(first.pk, actor=HOUSE)
    assert fresh(first).fulfilment == "shipped"
    all_is_well()


@pytest.mark.django_db
def test_what_is_set_aside_on_its_day_may_be_sold_to_others_until_then() -> None:
    offer = lamp(reserve=PreOrder.Reserve.FULFILMENT, promised_on=day(3))
    order = ordered()
    receive(make_sku("LAMP"), 1)
    assert release_due() == 0
    place(line(make_sku("LAMP")), channel=make_channel("other"))
    assert release_preorder(offer.pk, actor=HOUSE) == []
    receive(make_sku("LAMP"), 1)
    assert [row.order_id for row in release_preorder(offer.pk, actor=HOUSE)] == [order.pk]


@pytest.mark.requirement("R68")
@pytest.mark.django_db
def test_what_is_paid_when_stock_comes_is_asked_for_then_and_once() -> None:
    lamp(billing=LATER)
    mug = make_sku("MUG", stock=5)
    order = ordered(2, line(mug, 1, "8.00"), postage("5.00"))
    # 20.00 of lamps are due later; the mug and its delivery are due now, and then leave.
    with pytest.raises(NotPaid):
        ship_order(order.pk, actor=HOUSE)
    pay(order, "13.00")
    ship_order(order.pk, actor=HOUSE)
    assert (fresh(order).fulfilment, fresh(order).awaits) == ("part_shipped", "all")
    receive(make_sku("LAMP"), 2)
    assert (release_due(), release_due()) == (1, 0)
    row = PreOrderLine.objects.get()
    assert row.asked_amount == Decimal("20.00")
    (fact,) = facts_of("orders.preorder_released")
    assert fact["preorder.due.amount"] == "20.00"
    with pytest.raises(NotPaid):
        ship_order(order.pk, actor=HOUSE)
    pay(fresh(order), "20.00")
    ship_order(order.pk, actor=HOUSE)
    assert (fresh(order).fulfilment, fresh(order).payment) == ("shipped", "paid")
    all_is_well()


@pytest.mark.django_db
def test_whoever_has_paid_already_is_asked_for_nothing() -> None:
    lamp(billing=LATER)
    order = pay(ordered())
    receive(make_sku("LAMP"), 1)
    release_due()
    assert PreOrderLine.objects.get().asked_amount is None
    ship_order(order.pk, actor=HOUSE)


@pytest.mark.requirement("R68")
@pytest.mark.django_db
def test_a_day_that_moves_is_told_to_each_waiting_order_once() -> None:
    offer = lamp(promised_on=day(10))
    waits, gone, cancelled = ordered(), ordered(), ordered()
    cancel_orders([cancelled.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    version = PreOrder.objects.get().version
    first = move_preorder(offer.pk, day(40), why="Late ship", version=version, actor=HOUSE)
    assert first is not None
    assert {row.order_id for row in first.notices.all()} == {waits.pk, gone.pk}
    # The same again, and what was pressed on the page of before, tell nobody anything.
    assert move_preorder(offer.pk, day(40), why="Late ship", actor=HOUSE) is None
    with pytest.raises(StaleVersion):
        move_preorder(offer.pk, day(50), why="x", version=version, actor=HOUSE)
    facts = facts_of("orders.preorder_moved")
    assert sorted(fact["order.number"] for fact in facts) == sorted([waits.number, gone.number])
    assert facts[0]["preorder.was"] == day(10).isoformat()
    assert facts[0]["preorder.now"] == day(40).isoformat()
    assert fresh(waits).promised_on == day(40)
    move_preorder(offer.pk, None, why="Nobody knows", actor=HOUSE)
    assert (PreOrderMove.objects.count(), PreOrderNotice.objects.count()) == (2, 4)
    assert fresh(waits).ship_by is None
    row = PreOrderLine.objects.get(order=waits)
    assert (row.first_promised_on, row.promised_on) == (day(10), None)
    with pytest.raises(OrderError, match="over"):
        move_preorder(offer.pk, day(-1), why="x", actor=HOUSE)
    all_is_well()


@pytest.mark.django_db
def test_the_cap_ends_it_and_what_is_cancelled_may_be_sold_again() -> None:
    offer = lamp(cap=3)
    order = ordered(2)
    with pytest.raises(SoldAhead, match="1 of LAMP can still be ordered ahead, not 2"):
        ordered(2)
    assert Order.objects.count() == 1
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    ordered(3)
    with pytest.raises(OrderError, match="3 are sold"):
        change_preorder(offer.pk, 2, version=None, actor=HOUSE)
    # What was paid elsewhere is a fact: it is taken, and short like anything else.
    new = draft(line(make_sku("LAMP"), 1))
    (extra,) = place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders
    assert (fresh(extra).awaits, fresh(extra).is_held) == ("", True)
    all_is_well()


@pytest.mark.django_db
def test_closed_sells_no_more_ahead_and_what_was_sold_waits_on() -> None:
    offer = lamp()
    order = ordered()
    close_preorder(offer.pk, version=None, actor=HOUSE)
    receive(make_sku("LAMP"), 1)
    assert ordered().awaits == ""
    assert fresh(order).awaits == "all"
    receive(make_sku("LAMP"), 1)
    assert release_due() == 1
    sell_ahead(make_sku("LAMP"))
    with pytest.raises(OrderError, match="already"):
        sell_ahead(make_sku("LAMP"))


@pytest.mark.django_db
def test_it_ships_from_whichever_place_of_the_channel_gets_the_stock() -> None:
    lamp()
    leeds = make_store("LEEDS", channel=make_channel())
    order = ordered(2)
    stock(make_sku("LAMP"), 2, leeds)
    assert release_due() == 1
    assert fresh(order).location == leeds
    assert units_set_aside(order) == 2


@pytest.mark.parametrize(
    "forged",
    [
        "UPDATE orders_preorder SET sold = 0",
        "UPDATE orders_preorder SET cap = 1",
        "UPDATE orders_preorder SET promised_on = promised_on + 9",
        "UPDATE orders_preorder SET billing = 'fulfilment'",
        "UPDATE orders_preorder SET channel_id = channel_id + 1",
        "UPDATE orders_preorderline SET units = 1",
        "UPDATE orders_preorderline SET first_promised_on = first_promised_on + 9",
        "UPDATE orders_preorderline SET asked_amount = 5, asked_at = now()",
        "UPDATE orders_preorderline SET state = 'released'",
        "DELETE FROM orders_preorderline",
        "DELETE FROM orders_preorder",
        "UPDATE orders_preordermove SET after = after + 9",
        "DELETE FROM orders_preordernotice",
        "INSERT INTO orders_preordernotice (move_id, order_id, now_on) "
        "SELECT move_id, order_id, now_on FROM orders_preordernotice",
        "INSERT INTO orders_preordermove (preorder_id, step, after, why, actor_kind, actor_label) "
        "SELECT id, 2, promised_on, '', 'system', 'x' FROM orders_preorder",
    ],
)
@pytest.mark.django_db
def test_forged_rows_are_refused_by_the_database(forged: str) -> None:
    offer = lamp(cap=5)
    ordered(2)
    move_preorder(offer.pk, day(40), why="Late", actor=HOUSE)
    before = _everything()
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(forged)
    assert _everything() == before


def _everything() -> list[Any]:
    tables = (PreOrder, PreOrderLine, PreOrderMove, PreOrderNotice)
    return [list(table.objects.order_by("pk").values()) for table in tables]


@pytest.mark.requirement("R68")
def test_fifty_buyers_get_no_more_than_the_cap_and_a_move_tells_each_once(
    committed_db: Database,
) -> None:
    offer = lamp(cap=20)
    sku = make_sku("LAMP")
    new = draft(line(sku, 1))

    def work(number: int) -> Any:
        if number % 10 == 3:
            return lambda: move_preorder(offer.pk, day(40 + number), why="Late", actor=HOUSE)
        if number % 10 == 7:
            return lambda: release_preorder(offer.pk, actor=HOUSE)
        if number % 10 == 5:
            return lambda: receive_stock([moving(sku, 1)], actor=HOUSE)
        if number % 10 == 9:
            return _cancel_any
        return lambda: place_orders([new], actor=HOUSE)

    answers = at_once([work(number) for number in range(WORKERS)])
    strange = [each for each in answers if isinstance(each, Exception)]
    assert [each for each in strange if not isinstance(each, OrderError | ObjectDoesNotExist)] == []
    offer.refresh_from_db()
    live = PreOrderLine.objects.exclude(state="cancelled")
    assert offer.sold == sum(row.units for row in live) <= 20
    for move in offer.moves.all():
        told = list(move.notices.values_list("order", flat=True))
        assert len(told) == len(set(told))
    # Whoever waits was promised the day that stands.
    assert set(live.filter(state="waiting").values_list("promised_on", flat=True)) <= {
        offer.promised_on
    }
    all_is_well()
    assert what_is_wrong() == {}
    at_once([lambda: release_preorder(offer.pk, actor=HOUSE)] * WORKERS)
    all_is_well()
    assert what_is_wrong() == {}


def _cancel_any() -> object:
    order = Order.objects.filter(cancelled_at=None).order_by("?").first()
    ids = [order.pk] if order else []
    return cancel_orders(ids, reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
