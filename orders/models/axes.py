"""The status axes of an order, as functions of what they are derived from."""

from __future__ import annotations

from decimal import Decimal

from orders.models.orders import Order

Payment = Order.Payment
Fulfilment = Order.Fulfilment
Return = Order.Return


def payment_axis(total: Decimal, paid: Decimal, refunded: Decimal) -> Order.Payment:
    """What has been paid, all amounts in one currency; nothing due counts as paid."""
    if refunded > 0:
        return Payment.REFUNDED if refunded >= paid else Payment.PART_REFUNDED
    if paid > total:
        return Payment.OVERPAID
    if paid == total:
        return Payment.PAID
    return Payment.PART_PAID if paid > 0 else Payment.UNPAID


def fulfilment_axis(
    units: int, shipped: int, dropped: int, *, is_cancelled: bool
) -> Order.Fulfilment:
    """What has left, of `units` ordered of which `dropped` were cancelled."""
    if is_cancelled:
        return Fulfilment.CANCELLED
    if not units:
        return Fulfilment.NOTHING_TO_SHIP
    if not shipped:
        return Fulfilment.UNSHIPPED
    return Fulfilment.SHIPPED if shipped + dropped >= units else Fulfilment.PART_SHIPPED


def return_axis(shipped: int, returned: int, *, has_request: bool) -> Order.Return:
    """What has come back of what was shipped; `has_request` while a return is on its way."""
    if returned:
        return Return.RETURNED if returned >= shipped else Return.PART_RETURNED
    return Return.REQUESTED if has_request else Return.NONE
