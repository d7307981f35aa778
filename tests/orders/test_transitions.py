"""Every service against every state of an order: what is illegal is refused, and nothing changes.

The table says what may be done. Whatever it does not name must be refused, by the services and,
written as SQL by the application's own role, by PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from backoffice.actors import person
from backoffice.models import TimelineEntry, User
from inventory.models import Reservation, StockMove
from inventory.services.errors import InventoryError
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.models.packages import Package
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment
from orders.services.backorders import promise_rest
from orders.services.cancelling import cancel_orders
from orders.services.delivery import Delivery, redeliver
from orders.services.errors import OrderError
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.holds import hold_orders, release_orders
from orders.services.packing import pack_order
from orders.services.payment import Amount, record_refunded
from orders.services.picking import start_picking
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import edit_order_address, ship_order
from tests.bed.people import MakeUser
from tests.finance.factories import pay
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, place, sell_ahead
from tests.orders.parcels import HOME

pytestmark = pytest.mark.django_db
REFUSED = (OrderError, InventoryError)
Act = Callable[[Order, Any], object]


def _line(order: Order) -> OrderLine:
    return order.lines.order_by("pk")[0]


def _outcome(outcomes: Any) -> None:
    """A set of one: refused raises, and left as it was counts as refused."""
    outcomes.or_raise()
    if not outcomes.changed:
        raise OrderError("It is so already.")


def _back(order: Order, by: Any) -> None:
    lines = (NewReturnLine(1, _line(order).pk),)
    request_returns([NewReturn(order.channel, lines, order_id=order.pk)], actor=by)


def _swap(order: Order, by: Any) -> None:
    goods = [NewGoods("MUG", 1)]
    exchange_goods(
        order.pk, {_line(order).pk: 1}, goods, reason=ReturnOrder.Reason.UNWANTED, actor=by
    )


def _give_back(order: Order, by: Any) -> None:
    record_refunded([Amount(order.pk, order.money(Decimal(1)))], actor=by)


ACTS: dict[str, Act] = {
    "hold": lambda o, by: _outcome(hold_orders([o.pk], reason=Hold.Reason.FRAUD, actor=by)),
    "release": lambda o, by: _outcome(release_orders([o.pk], actor=by)),
    "pick": lambda o, by: _outcome(start_picking([o.pk], actor=by)),
    "pack": lambda o, by: pack_order(o.pk, actor=by),
    "ship": lambda o, by: ship_order(o.pk, actor=by),
    "cancel": lambda o, by: _outcome(
        cancel_orders([o.pk], reason=Order.CancelReason.CUSTOMER, actor=by)
    ),
    "address": lambda o, by: edit_order_address(o.pk, HOME, version=None, actor=by),
    "redeliver": lambda o, by: redeliver(o.pk, Delivery(Decimal(2)), actor=by),
    "promise": lambda o, by: promise_rest(o.pk, timezone.localdate() + timedelta(days=3), actor=by),
    "return": _back,
    "exchange": _swap,
    "refund": _give_back,
}


def _order(*, paid: bool = True, units: int = 2) -> Order:
    order = place(line(make_sku("MUG", stock=9), units), ship_to=HOME)
    if paid:
        pay(order)
    return fresh(order)


def _after(*names: str, by: Any, **fields: Any) -> Order:
    order = _order(**fields)
    for name in names:
        ACTS[name](fresh(order), by)
    return fresh(order)


def _part(by: Any) -> Order:
    order = _order()
    ship_order(order.pk, quantities={_line(order).pk: 1}, actor=by)
    return fresh(order)


def _ahead(by: Any) -> Order:
    sell_ahead(make_sku("LAMP"))
    order = place(line(make_sku("LAMP"), 2), ship_to=HOME)
    pay(order)
    return fresh(order)


STATES: dict[str, Callable[[Any], Order]] = {
    "unpaid": lambda by: _order(paid=False),
    "paid": lambda by: _order(),
    "held": lambda by: _after("hold", by=by),
    "picking": lambda by: _after("pick", by=by),
    "packed": lambda by: _after("pack", by=by),
    "part shipped": _part,
    "shipped": lambda by: _after("ship", by=by),
    "cancelled": lambda by: _after("cancel", by=by),
    "sold ahead": _ahead,
}
# What may be done in each state; everything else is illegal.
BEFORE = {"hold", "cancel", "address", "redeliver", "promise"}
LEGAL: dict[str, set[str]] = {
    "unpaid": BEFORE,
    "paid": BEFORE | {"pick", "pack", "ship", "refund"},
    "held": (BEFORE - {"hold"}) | {"release", "refund"},
    "picking": {"hold", "pack", "ship", "promise", "refund"},
    "packed": BEFORE | {"pick", "refund"},
    "part shipped": {
        "hold", "pick", "pack", "ship", "promise", "return", "exchange", "refund",
    },
    "shipped": {"return", "exchange", "refund"},
    "cancelled": {"refund"},
    "sold ahead": {"hold", "cancel", "address", "redeliver", "refund"},
}  # fmt: skip


def everything(order: Order) -> list[Any]:
    """All that an order's services write, but what was said about it."""
    lines = list(order.lines.values_list("pk", flat=True))
    return [
        list(Order.objects.filter(pk=order.pk).values()),
        list(order.lines.order_by("pk").values()),
        list(Hold.objects.filter(order=order).order_by("pk").values()),
        list(Shipment.objects.filter(order=order).order_by("pk").values()),
        list(Package.objects.filter(order=order).order_by("pk").values()),
        list(ReturnOrder.objects.filter(order=order).order_by("pk").values()),
        list(Reservation.objects.filter(holder_id__in=lines).order_by("pk").values()),
        list(StockMove.objects.order_by("pk").values_list("pk", "quantity")),
        Order.objects.count(),
    ]


def entries_of(order: Order) -> list[TimelineEntry]:
    rows = TimelineEntry.objects.filter(subject="orders.order", subject_id=order.pk)
    return list(rows.order_by("pk"))


@pytest.mark.requirement("R53")
@pytest.mark.parametrize("state", STATES)
def test_what_is_illegal_is_refused_and_what_is_done_names_who_did_it(
    state: str, make_user: MakeUser
) -> None:
    user: User = make_user("operations")
    by = person(user)
    order = STATES[state](by)
    before, entries = everything(order), len(entries_of(order))
    went: set[str] = set()
    for name, act in ACTS.items():
        with transaction.atomic():
            try:
                with transaction.atomic():
                    act(fresh(order), by)
            except REFUSED:
                assert everything(order) == before, f"{name} was refused and changed something"
                assert len(entries_of(order)) == entries
            else:
                went.add(name)
                said = entries_of(order)[entries:]
                # Finance may have something to say besides.
                by_desk = [(user.pk, by.label) == (row.user_id, row.actor_label) for row in said]
                assert any(by_desk), f"{name} does not say who did it"
            transaction.set_rollback(True)
    assert went == LEGAL[state]


FORGED: dict[str, tuple[str, str]] = {
    "paid without money": ("unpaid", "UPDATE orders_order SET payment = 'paid'"),
    "unpaid with money": ("paid", "UPDATE orders_order SET payment = 'unpaid'"),
    "refunded without a refund": ("paid", "UPDATE orders_order SET payment = 'refunded'"),
    "more back than came": ("paid", "UPDATE orders_order SET amount_refunded = amount_paid + 1"),
    "shipped without a shipment": ("paid", "UPDATE orders_order SET fulfilment = 'shipped'"),
    "part shipped without one": ("paid", "UPDATE orders_order SET fulfilment = 'part_shipped'"),
    "back to not shipped": ("shipped", "UPDATE orders_order SET fulfilment = 'unshipped'"),
    "cancelled after it left": (
        "shipped",
        "UPDATE orders_order SET fulfilment = 'cancelled', cancelled_at = now(), "
        "cancel_reason = 'other'",
    ),
    "cancelled without a reason": (
        "paid", "UPDATE orders_order SET fulfilment = 'cancelled', cancelled_at = now()",
    ),
    "cancelled in name alone": ("paid", "UPDATE orders_order SET fulfilment = 'cancelled'"),
    "alive again": (
        "cancelled",
        "UPDATE orders_order SET fulfilment = 'unshipped', cancelled_at = NULL, cancel_reason = ''",
    ),
    "cancelled at another time": (
        "cancelled", "UPDATE orders_order SET cancelled_at = cancelled_at - interval '1 day'",
    ),
    "shipped while held": (
        "held",
        "INSERT INTO orders_shipment (order_id, key, carrier, tracking, shipped_at) "
        "SELECT id, 'forged', '', '', now() FROM orders_order",
    ),
    "shipped unpaid": (
        "unpaid",
        "INSERT INTO orders_shipment (order_id, key, carrier, tracking, shipped_at) "
        "SELECT id, 'forged', '', '', now() FROM orders_order",
    ),
    "shipped cancelled": (
        "cancelled",
        "INSERT INTO orders_shipment (order_id, key, carrier, tracking, shipped_at) "
        "SELECT id, 'forged', '', '', now() FROM orders_order",
    ),
    "picked while held": ("held", "UPDATE orders_order SET picking_since = now()"),
    "picked unpaid": ("unpaid", "UPDATE orders_order SET picking_since = now()"),
    "held on the pick list": ("picking", "UPDATE orders_order SET is_held = true"),
    "more shipped than ordered": (
        "paid", "UPDATE orders_orderline SET quantity_shipped = quantity + 1",
    ),
    "returned before it left": ("paid", "UPDATE orders_orderline SET quantity_returned = 1"),
    "shipped and cancelled": ("shipped", "UPDATE orders_orderline SET quantity_cancelled = 1"),
    "a total of its own": ("paid", "UPDATE orders_order SET total = total - 1"),
}  # fmt: skip


@pytest.mark.requirement("R53")
@pytest.mark.parametrize("name", FORGED)
def test_what_is_illegal_is_refused_as_sql_too(name: str, make_user: MakeUser) -> None:
    state, forged = FORGED[name]
    order = STATES[state](person(make_user("operations")))
    before = everything(order)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(forged)
    assert everything(order) == before
