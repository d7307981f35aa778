"""Cancelling one order whose parcels have labels already: those are given back first."""

from __future__ import annotations

from django.db import transaction

from backoffice.actors import Acting
from orders.models.orders import Order
from orders.models.packages import Label
from orders.services.cancelling import cancel_orders
from orders.services.errors import AlreadyShipped, LabelExists, PickingBegun
from orders.services.labels import void_label
from orders.services.outcomes import lock_order


def call_off_order(
    order_id: int,
    *,
    reason: Order.CancelReason,
    version: int | None = None,
    actor: Acting,
) -> Order:
    """Void the labels of an order of which nothing has left, and cancel it.

    The carrier is asked outside any transaction; until it agrees a label stays live and the order
    stands. Raises UnknownOrder, StaleVersion, AlreadyShipped, PickingBegun, LabelExists,
    CarrierDown. Announces labels_voided, orders_cancelled.
    """
    for label_id in _live_labels(order_id, version):
        label = void_label(label_id, actor=actor)
        if label.state in Label.LIVE:
            raise LabelExists(
                f"The carrier was asked to take label {label.tracking} back and has not agreed "
                "yet. Cancel the order once it has."
            )
    done = cancel_orders([order_id], reason=reason, actor=actor).or_raise()
    return (done.changed or done.unchanged)[0]


@transaction.atomic
def _live_labels(order_id: int, version: int | None) -> list[int]:
    """The labels to give back; raises before any carrier is asked for nothing."""
    order = lock_order(order_id, version)
    if order.is_cancelled:
        return []
    if order.lines.filter(quantity_shipped__gt=0).exists():
        raise AlreadyShipped(
            f"Part of order {order} has left already, so it can't be cancelled. Ask for a return "
            "instead."
        )
    if order.picking_since is not None:
        raise PickingBegun(f"Order {order} is being picked. Take it off the pick list first.")
    rows = Label.objects.filter(package__order=order, state__in=Label.LIVE).order_by("pk")
    return list(rows.values_list("pk", flat=True))
