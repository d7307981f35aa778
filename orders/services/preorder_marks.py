"""Which lines of an order are sold ahead, kept with the order as it is placed, shipped, cancelled.

Locks are taken in one order everywhere: orders, customers, pre-orders, stock levels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from orders.models.orders import Order, OrderLine
from orders.models.preorders import PreOrder, PreOrderLine
from orders.queries.preorders import days_of
from orders.services.clock import set_ship_by
from orders.services.drafts import OnShort
from orders.services.errors import SoldAhead

State = PreOrderLine.State
Rows = Sequence[tuple[Order, Sequence[OrderLine]]]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A line, its order, and the pre-order it is sold under."""

    order: Order
    line: OrderLine
    preorder: PreOrder


def mark_ahead(orders: Rows, on_short: OnShort) -> list[Ahead]:
    """Mark unsaved lines of what their channel sells ahead, within its cap.

    Beyond the cap raises SoldAhead, or leaves the line like any other where the customer has paid
    elsewhere already (OnShort.HOLD). The pre-orders stay locked.
    """
    open_now = _open(orders)
    found: list[Ahead] = []
    left = {each.pk: each.cap - each.sold for each in open_now.values() if each.cap is not None}
    for order, lines in orders:
        mine = []
        for line in lines:
            preorder = open_now.get((order.channel_id, line.sku_id or 0))
            if preorder is None or not line.is_stocked:
                continue
            room = left.get(preorder.pk, line.quantity)
            if line.quantity > room and on_short == OnShort.HOLD:
                continue
            if line.quantity > room:
                code = line.sku.code if line.sku else ""
                raise SoldAhead(
                    f"{max(room, 0)} of {code} can still be ordered ahead, not {line.quantity}."
                )
            if preorder.pk in left:
                left[preorder.pk] -= line.quantity
            line.awaits_stock = True
            mine.append(Ahead(order, line, preorder))
        _mark(order, lines, [each.preorder for each in mine])
        found += mine
    return found


def _open(orders: Rows) -> dict[tuple[int, int], PreOrder]:
    channels = {order.channel_id for order, _ in orders}
    skus = {line.sku_id for _, lines in orders for line in lines if line.is_stocked}
    if not skus:
        return {}
    rows = PreOrder.objects.select_for_update(no_key=True).filter(
        channel__in=channels, sku__in=skus, closed_at=None
    )
    return {(row.channel_id, row.sku_id): row for row in rows.order_by("pk")}


def _mark(order: Order, lines: Sequence[OrderLine], preorders: Sequence[PreOrder]) -> None:
    if not preorders:
        return
    order.awaits = what_awaits(lines)
    days = [each.promised_on for each in preorders]
    known = [day for day in days if day is not None]
    if order.awaits == Order.Awaits.ALL and len(known) == len(days):
        order.promised_on = max(known)


def what_awaits(lines: Sequence[OrderLine]) -> Order.Awaits:
    """Whether what is still to be shipped of these lines was sold ahead."""
    still = [line for line in lines if line.kind == OrderLine.Kind.STOCK and line.quantity_open]
    ahead = [line for line in still if line.awaits_stock]
    if not ahead:
        return Order.Awaits.NOTHING
    return Order.Awaits.ALL if len(ahead) == len(still) else Order.Awaits.PART


def write_ahead(sold: Sequence[Ahead]) -> None:
    """Write down what was sold ahead, now that the lines are there; PostgreSQL counts it."""
    PreOrderLine.objects.bulk_create(
        PreOrderLine(
            preorder=each.preorder,
            order=each.order,
            order_line=each.line,
            units=each.line.quantity,
            billing=each.preorder.billing,
            first_promised_on=each.preorder.promised_on,
            promised_on=each.preorder.promised_on,
        )
        for each in sold
    )


def drop_ahead(orders: Sequence[Order]) -> None:
    """Give back what cancelled orders had of pre-orders."""
    rows = PreOrderLine.objects.filter(order__in=orders).exclude(state=State.CANCELLED)
    # In the house's order, so that two who cancel don't wait for each other in a ring.
    ids = sorted(set(rows.values_list("preorder", flat=True)))
    if not ids:
        return
    list(PreOrder.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk"))
    rows.update(state=State.CANCELLED, ended_at=timezone.now())


def wind_ahead(orders: Sequence[Order], lines: Mapping[int, Sequence[OrderLine]]) -> None:
    """Work out what locked orders still wait for, and their clocks; unsaved.

    While all that is open was sold ahead its last day counts. Once nothing is, the day that was
    promised still does; where none was, the channel's promise counts from today.
    """
    rows = PreOrderLine.objects.filter(order__in=orders, state=State.WAITING)
    waiting: dict[int, list[PreOrderLine]] = {}
    for row in rows:
        waiting.setdefault(row.order_id, []).append(row)
    for order in orders:
        before, order.awaits = order.awaits, what_awaits(lines[order.pk])
        if order.awaits == Order.Awaits.ALL:
            order.promised_on = days_of(waiting.get(order.pk, []))
        elif before == Order.Awaits.ALL:
            today = timezone.localdate()
            soon = today + timedelta(days=order.channel.promise_days)
            order.promised_on = max(order.promised_on, today) if order.promised_on else soon
    set_ship_by(orders)
