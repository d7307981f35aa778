"""What must hold before anybody takes goods off a shelf for an order."""

from __future__ import annotations

from orders.models.orders import Order
from orders.services.errors import AlreadyCancelled, NotPaid, OnHold, OrderError

PAID = (Order.Payment.PAID, Order.Payment.OVERPAID, Order.Payment.PART_REFUNDED)


def why_not_ready(order: Order) -> OrderError | None:
    """Why a locked order may be neither picked nor shipped; None when it may."""
    if order.is_cancelled:
        return AlreadyCancelled(f"Order {order} is cancelled, so it is not shipped.")
    if order.is_held:
        return OnHold(f"Order {order} is on hold. Release it first.")
    if order.payment not in PAID and not order.channel.ships_unpaid:
        return NotPaid(
            f"Order {order} is {order.get_payment_display().lower()}. {order.channel} ships paid "
            "orders only."
        )
    return None
