"""Filters of the lists of orders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta

from django.db.models import Q
from django.utils import timezone

from backoffice.workbench.filters import Choice, FilterError
from orders.models.orders import Order

TO_SHIP = Q(fulfilment__in=[Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED])
PAID = [Order.Payment.PAID, Order.Payment.OVERPAID, Order.Payment.PART_REFUNDED]
# What keeps an order from leaving, whatever the time.
STUCK = Q(is_held=True) | Q(channel__ships_unpaid=False) & ~Q(payment__in=PAID)
SHIP_BY = (
    ("missing", "will miss today’s cut-off"),
    ("late", "cut-off is over"),
    ("today", "today"),
    ("tomorrow", "tomorrow"),
    ("later", "later"),
)


def end_of_day(ahead: int = 0) -> datetime:
    """The end of today, or of a day ahead, in the viewer's zone."""
    day = timezone.localdate() + timedelta(days=ahead + 1)
    return datetime.combine(day, time.min, timezone.get_current_timezone())


def will_miss() -> Q:
    """Open orders that must leave today and can't as they stand, or should have left already."""
    now = timezone.now()
    due = TO_SHIP & Q(ship_by__lt=end_of_day())
    return due & (STUCK | Q(ship_by__lt=now))


@dataclass(frozen=True, kw_only=True)
class ShipBy(Choice):
    """When an open order must leave, by the clock of the viewer's day."""

    def condition(self, values: Sequence[str]) -> Q:
        now, today, tomorrow = timezone.now(), end_of_day(), end_of_day(1)
        where = {
            "missing": will_miss(),
            "late": TO_SHIP & Q(ship_by__lt=now),
            "today": TO_SHIP & Q(ship_by__gte=now, ship_by__lt=today),
            "tomorrow": TO_SHIP & Q(ship_by__gte=today, ship_by__lt=tomorrow),
            "later": TO_SHIP & Q(ship_by__gte=tomorrow),
        }
        found = Q()
        for value in values:
            if value not in where:
                raise FilterError(f"{self.label} has no “{value}”.")
            found |= where[value]
        return found
