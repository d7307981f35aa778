"""How much of a line may still come back, and the order's return axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Sum

from backoffice.sets import save_many
from orders.models.axes import return_axis
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.services.errors import TooMany
from orders.services.figures import count_returned_orders

_CAME_BACK = (Order.Return.PART_RETURNED, Order.Return.RETURNED)


def refuse_too_many(lines: Iterable[ReturnLine], sold: Mapping[int, OrderLine]) -> None:
    """Raise TooMany when a line would come back more often than it left, open requests included."""
    asked: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.quantity <= 0:
            raise TooMany("The quantity of a return line is a whole number above zero.")
        if line.order_line is not None and line.kind == OrderLine.Kind.STOCK:
            asked[line.order_line.pk] += line.quantity
    pending = dict(
        ReturnLine.objects.filter(order_line__in=asked, return_order__state__in=ReturnOrder.COMING)
        .values_list("order_line")
        .annotate(Sum("quantity"))
    )
    for pk, quantity in asked.items():
        shipped = sold[pk].quantity_shipped
        left = shipped - sold[pk].quantity_returned - pending.get(pk, 0)
        if quantity > left:
            raise TooMany(
                f"{left} units of this line can still come back, not {quantity}: "
                f"{shipped} were shipped."
            )


def count_returned(lines: Sequence[ReturnLine]) -> None:
    """Add received units to their order lines; the orders are locked."""
    counts: dict[int, int] = defaultdict(int)
    for line in lines:
        if line.order_line_id is not None and line.kind == OrderLine.Kind.STOCK:
            counts[line.order_line_id] += line.quantity
    rows = list(OrderLine.objects.filter(pk__in=counts))
    for row in rows:
        row.quantity_returned += counts[row.pk]
    save_many(rows, ["quantity_returned"])


def settle_axes(orders: Iterable[Order]) -> None:
    """Derive the return axis of locked orders from their lines and open returns."""
    rows = list(orders)
    units = {
        pk: (shipped, returned)
        for pk, shipped, returned in OrderLine.objects.filter(
            order__in=rows, kind=OrderLine.Kind.STOCK
        )
        .values_list("order")
        .annotate(Sum("quantity_shipped"), Sum("quantity_returned"))
    }
    requested = set(
        ReturnOrder.objects.filter(order__in=rows, state__in=ReturnOrder.COMING).values_list(
            "order_id", flat=True
        )
    )
    returned_orders: dict[int, int] = defaultdict(int)
    for row in rows:
        before = row.returns in _CAME_BACK
        shipped, returned = units.get(row.pk, (0, 0))
        row.returns = return_axis(shipped, returned, has_request=row.pk in requested)
        row.version += 1
        if row.customer_id is not None:
            returned_orders[row.customer_id] += (row.returns in _CAME_BACK) - before
    save_many(rows, ["returns", "version"])
    count_returned_orders(returned_orders)
