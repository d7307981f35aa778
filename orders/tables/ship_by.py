"""The filter of when an order must leave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q
from django.utils import timezone

from backoffice.workbench.filters import Choice, FilterError
from orders.queries.due import TO_SHIP, end_of_day, will_miss

SHIP_BY = (
    ("missing", "will miss today’s cut-off"),
    ("late", "cut-off is over"),
    ("today", "today"),
    ("tomorrow", "tomorrow"),
    ("later", "later"),
)


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
