"""What of an order is only to be paid when its stock comes."""

from __future__ import annotations

from decimal import Decimal

from orders.models.orders import Order, OrderLine
from orders.models.preorders import PreOrder, PreOrderLine
from orders.services.worth import share_of

WAITING = PreOrderLine.State.WAITING


def not_yet_due(order: Order) -> Decimal:
    """What of an order's total is only to be paid when stock comes, in its currency.

    All of it, delivery too, while no other goods of the order are to be paid before.
    """
    rows = list(
        PreOrderLine.objects.filter(
            order=order, state=WAITING, billing=PreOrder.Billing.FULFILMENT
        ).select_related("order_line")
    )
    if not rows:
        return Decimal(0)
    later = {row.order_line_id for row in rows}
    if not order.lines.filter(kind=OrderLine.Kind.STOCK).exclude(pk__in=later).exists():
        return order.total
    return sum(
        (share_of(order, row.order_line, 0, row.order_line.quantity) for row in rows), Decimal(0)
    )


def paid_so_far(order: Order) -> bool:
    """Whether all that is to be paid before the stock comes is paid; False where nothing waits."""
    if not order.awaits:
        return False
    if order.payment == Order.Payment.REFUNDED:
        return False
    later = not_yet_due(order)
    return later > 0 and order.amount_paid >= order.total - later
