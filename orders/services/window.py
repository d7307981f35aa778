"""Until when goods may be sent back: the channel's days, counted from when they arrived."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db.models import Max

from orders.models.packages import TrackerEvent
from orders.models.returns import ReturnOrder
from orders.models.shipments import Shipment


def set_window(rows: Sequence[ReturnOrder]) -> None:
    """Say on returns, not yet saved, until when they could be asked for, and whether that is over.

    Counted from the last delivery that a carrier told of, else from the last dispatch. A return
    without an order, or of goods that nothing says left, has no window.
    """
    begun = last_arrivals(row.order_id for row in rows if row.order_id is not None)
    for row in rows:
        start = begun.get(row.order_id or 0)
        row.return_by = start + timedelta(days=row.channel.return_days) if start else None
        row.is_late = row.return_by is not None and row.requested_at > row.return_by


def last_arrivals(order_ids: Iterable[int]) -> dict[int, datetime]:
    """When the last goods of each order were delivered, or else left; none for what never did."""
    ids = set(order_ids)
    left = Shipment.objects.filter(order__in=ids).values_list("order").annotate(Max("shipped_at"))
    told = (
        TrackerEvent.objects.filter(package__order__in=ids, state=TrackerEvent.State.DELIVERED)
        .values_list("package__order")
        .annotate(Max("occurred_at"))
    )
    return {**dict(left), **dict(told)}
