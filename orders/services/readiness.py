"""What must hold before anybody takes goods off a shelf for an order."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from backoffice.money import Money
from orders.models.covers import PackageCover
from orders.models.orders import Order, OrderLine
from orders.models.packages import Package
from orders.queries.covers import cover_of, threshold
from orders.services.errors import AlreadyCancelled, NotPaid, OnHold, OrderError, ParcelTrouble
from orders.services.preorder_due import paid_so_far

PAID = (Order.Payment.PAID, Order.Payment.OVERPAID)


def why_not_ready(order: Order) -> OrderError | None:
    """Why a locked order may be neither picked nor shipped; None when it may."""
    if order.is_cancelled:
        return AlreadyCancelled(f"Order {order} is cancelled, so it is not shipped.")
    if order.is_held:
        return OnHold(f"Order {order} is on hold. Release it first.")
    if not order.channel.ships_unpaid and not is_paid(order) and not paid_so_far(order):
        return NotPaid(
            f"Order {order} is {order.get_payment_display().lower()}. {order.channel} ships paid "
            "orders only."
        )
    return None


def is_paid(order: Order) -> bool:
    """Whether all was paid; what goes back later, less than all, changes nothing about that."""
    if order.payment == Order.Payment.PART_REFUNDED:
        return order.amount_paid >= order.total
    return order.payment in PAID


def why_not_covered(order: Order, package: Package) -> ParcelTrouble | None:
    """Why a parcel of value may not leave yet, in a sentence; None when it may."""
    least = threshold(order)
    if least is None or package.declared_value < least.amount:
        return None
    cover = cover_of(package)
    if cover is not None and cover.agreed_by_id is not None:
        return None
    if cover is not None and cover.amount is not None and cover.amount >= package.declared_value:
        return None
    worth = f"This parcel is declared at {package.declared}; from {least} on"
    if cover is None:
        says = f"{worth} it must be insured, or two people agree that it goes without."
    elif cover.kind == PackageCover.Kind.UNINSURED:
        says = f"{worth} somebody other than {cover.asked_label} must agree that it goes uninsured."
    else:
        says = f"{worth} it must be insured for all of that, not for {cover.covered}."
    return ParcelTrouble(says, Package.Trouble.COVER)


def refuse_uncovered(order: Order, sending: Mapping[OrderLine, int]) -> None:
    """Raise OrderError for goods of value, by units of each line, that would leave unpacked."""
    least, worth = threshold(order), _worth(order, sending)
    if least is not None and worth.amount >= least.amount:
        raise OrderError(
            f"These goods are worth {worth.rounded()}; from {least} on they leave in a parcel that "
            "is insured. Pack one first."
        )


def refuse_undervalued(
    order: Order, packing: Mapping[OrderLine, int], declared: Decimal | None
) -> None:
    """Raise OrderError where goods of value would be declared below what must be insured.

    `declared` is in the order's currency; None means what the goods cost.
    """
    least, worth = threshold(order), _worth(order, packing)
    if least is None or declared is None or worth.amount < least.amount:
        return
    if declared < least.amount:
        raise OrderError(
            f"These goods are worth {worth.rounded()}: declare at least {least}, from which on "
            "parcels are insured."
        )


def _worth(order: Order, units: Mapping[OrderLine, int]) -> Money:
    """What was paid for units of these lines, less what promotions took off."""
    paid = ((line.line_total - line.discount) * n / line.quantity for line, n in units.items())
    return order.money(sum(paid, Decimal(0)))
