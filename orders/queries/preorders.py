"""What waits for stock that was sold before it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db.models import Count, Q, QuerySet

from orders.models.orders import Order, OrderLine
from orders.models.preorders import PreOrder, PreOrderLine, PreOrderNotice

WAITING = PreOrderLine.State.WAITING


def preorders() -> QuerySet[PreOrder]:
    """Pre-orders with how many orders are `waiting` for their stock."""
    still = Q(lines__state=WAITING)
    return PreOrder.objects.annotate(waiting=Count("lines__order", filter=still, distinct=True))


def waiting_orders(preorder: PreOrder) -> list[Order]:
    """The orders that wait for a pre-order's stock, in order of placing."""
    rows = Order.objects.filter(preorder_lines__preorder=preorder, preorder_lines__state=WAITING)
    return list(rows.distinct().order_by("placed_at", "pk"))


@dataclass(frozen=True, slots=True)
class AheadPart:
    """What of an order was sold ahead, for its page."""

    lines: list[PreOrderLine]
    notices: list[PreOrderNotice]

    @property
    def by_line(self) -> dict[int, PreOrderLine]:
        return {row.order_line_id: row for row in self.lines}

    @property
    def may_cancel(self) -> bool:
        """The promise was moved while it waits: the customer need not accept that."""
        return bool(self.notices) and any(row.state == WAITING for row in self.lines)


def ahead_part(order: Order) -> AheadPart | None:
    """None for an order of which nothing was sold ahead."""
    rows = order.preorder_lines.select_related("preorder__sku", "order_line", "order")
    lines = list(rows.order_by("pk"))
    if not lines:
        return None
    notices = order.preorder_notices.select_related("move__preorder__sku").order_by("-pk")
    return AheadPart(lines, list(notices))


def days_of(lines: Sequence[PreOrderLine]) -> date | None:
    """The last day promised for these lines; None when one of them has none."""
    days = [row.promised_on for row in lines if row.promised_on is not None]
    return max(days) if days and len(days) == len(lines) else None


def lines_of(orders: Sequence[Order]) -> dict[int, list[OrderLine]]:
    """All lines of these orders, by order id."""
    found: dict[int, list[OrderLine]] = {order.pk: [] for order in orders}
    for line in OrderLine.objects.filter(order__in=orders).select_related("sku").order_by("pk"):
        found[line.order_id].append(line)
    return found
