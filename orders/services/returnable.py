"""How much of a line may still come back, and the order's return axis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.db.models import Sum

from backoffice.counting import counted
from backoffice.sets import save_many
from orders.models.axes import return_axis
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.services.errors import TooMany
from orders.services.figures import count_returned_orders
from orders.services.worth import off_units

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
                f"{counted(left, 'unit')} of this line can still come back, not {quantity}: "
                f"{shipped} of it shipped."
            )


def take_promotions_off(lines: Sequence[ReturnLine], currency: str) -> None:
    """Bring new lines of returns of one order down to what their units were sold for.

    Units that came back or are coming are the first of their line. A line with a price of its own
    keeps it.
    """
    off = [
        line
        for line in lines
        if line.order_line is not None
        and line.order_line.discount
        and line.unit_price == line.order_line.unit_price
    ]
    pending = dict(
        ReturnLine.objects.filter(
            order_line__in={line.order_line_id for line in off},
            return_order__state__in=ReturnOrder.COMING,
        )
        .exclude(pk__in=[line.pk for line in off if line.pk])
        .values_list("order_line")
        .annotate(Sum("quantity"))
        if off
        else ()
    )
    for line in off:
        sold = line.order_line
        if sold is not None:
            before = pending.get(sold.pk, 0) + sold.quantity_returned
            line.line_total -= off_units(sold, currency, before, line.quantity)
            pending[sold.pk] = pending.get(sold.pk, 0) + line.quantity


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
