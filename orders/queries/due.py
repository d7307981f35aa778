"""Which orders must leave when, and which will not as they stand."""

from __future__ import annotations

from datetime import datetime, time, timedelta

from django.db.models import F, Q
from django.utils import timezone

from orders.models.orders import Order

TO_SHIP = Q(fulfilment__in=[Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED])
# What was paid in full stays so when some goes back; what was paid in part does not become so.
PAID = Q(payment__in=[Order.Payment.PAID, Order.Payment.OVERPAID]) | Q(
    payment=Order.Payment.PART_REFUNDED, amount_paid__gte=F("total")
)
# What keeps an order from leaving, whatever the time.
STUCK = Q(is_held=True) | Q(channel__ships_unpaid=False) & ~PAID


def end_of_day(ahead: int = 0) -> datetime:
    """The end of today, or of a day ahead, in the viewer's zone."""
    day = timezone.localdate() + timedelta(days=ahead + 1)
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def will_miss() -> Q:
    """Open orders that must leave today and can't as they stand, or should have left already."""
    now = timezone.now()
    due = TO_SHIP & Q(ship_by__lt=end_of_day())
    return due & (STUCK | Q(ship_by__lt=now))
