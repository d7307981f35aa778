"""The proof that what is stored on orders is what their children say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection

from orders.models.axes import fulfilment_axis, payment_axis, return_axis
from orders.models.orders import Order


@dataclass(frozen=True, slots=True)
class OrderDifference:
    """A stored value of an order that is not what its children add up to."""

    order_id: int
    field: str
    stored: str
    derived: str


# One row per order: its own columns beside what lines, holds, shipments and returns add up to.
_CHILDREN = """
SELECT o.id, l.subtotal, l.on_lines, o.shipping_tax + l.tax AS tax, l.units, l.line_count,
       l.shipped, l.ahead, l.ahead_by_line, l.dropped, l.returned, l.shipped_by_parcel,
       l.returned_by_return,
       EXISTS (SELECT FROM orders_hold h WHERE h.order_id = o.id AND h.released_at IS NULL) AS held,
       EXISTS (SELECT FROM orders_returnorder r
               WHERE r.order_id = o.id AND r.state IN ('requested', 'authorised')) AS requested
FROM orders_order o JOIN LATERAL (
    SELECT sum(line_total) AS subtotal, sum(discount) AS on_lines, sum(tax) AS tax,
           count(*) AS line_count,
           coalesce(sum(quantity) FILTER (WHERE awaits_stock), 0) AS ahead,
           coalesce(sum((SELECT p.units FROM orders_preorderline p
                         WHERE p.order_line_id = line.id AND p.state = 'waiting')), 0)
               AS ahead_by_line,
           coalesce(sum(quantity) FILTER (WHERE kind = 'stock'), 0) AS units,
           coalesce(sum(quantity_shipped) FILTER (WHERE kind = 'stock'), 0) AS shipped,
           coalesce(sum(quantity_cancelled) FILTER (WHERE kind = 'stock'), 0) AS dropped,
           coalesce(sum(quantity_returned) FILTER (WHERE kind = 'stock'), 0) AS returned,
           coalesce(sum((SELECT sum(p.quantity) FROM orders_shipmentline p
                         WHERE p.order_line_id = line.id)), 0) AS shipped_by_parcel,
           coalesce(sum((SELECT sum(r.quantity) FROM orders_returnline r
                         JOIN orders_returnorder ro ON ro.id = r.return_order_id
                         WHERE r.order_line_id = line.id AND r.kind = 'stock'
                         AND ro.state IN ('received', 'inspected'))), 0) AS returned_by_return
    FROM orders_orderline line WHERE line.order_id = o.id
) l ON true
WHERE o.id = ANY(%s)
"""


def orders_that_differ(order_ids: Iterable[int]) -> list[OrderDifference]:
    """Derived columns of these orders that differ from their children; empty when all is well."""
    orders = {order.pk: order for order in Order.objects.filter(pk__in=set(order_ids))}
    with connection.cursor() as cursor:
        cursor.execute(_CHILDREN, [list(orders)])
        names = [column.name for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    found = []
    for row in rows:
        order = orders[row["id"]]
        for field, (stored, derived) in _compared(order, row).items():
            if stored != derived:
                found.append(OrderDifference(order.pk, field, str(stored), str(derived)))
    return found


def _compared(order: Order, row: dict[str, object]) -> dict[str, tuple[object, object]]:
    units, shipped, dropped, returned = (
        int(str(row[name])) for name in ("units", "shipped", "dropped", "returned")
    )
    compared: dict[str, tuple[object, object]] = {
        "subtotal": (order.subtotal, row["subtotal"]),
        "discount_on_lines": (order.discount_on_lines, row["on_lines"]),
        "tax": (order.tax, row["tax"]),
        "units": (order.units, units),
        "line_count": (order.line_count, row["line_count"]),
        "is_held": (order.is_held, row["held"]),
        "payment": (
            order.payment,
            payment_axis(order.total, order.amount_paid, order.amount_refunded),
        ),
        "fulfilment": (
            order.fulfilment,
            fulfilment_axis(units, shipped, dropped, is_cancelled=order.is_cancelled),
        ),
        "returns": (
            order.returns,
            return_axis(shipped, returned, has_request=bool(row["requested"])),
        ),
        "returned": (returned, row["returned_by_return"]),
        "awaits": (bool(order.awaits), bool(row["ahead"])),
        "ahead": (row["ahead"], row["ahead_by_line"]),
    }
    if not order.is_history:
        # What left before we were here has no parcels of ours.
        compared["shipped"] = (shipped, row["shipped_by_parcel"])
    return compared
