"""What is in stock, and the proof that the levels are right."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import connection
from django.db.models import F, Sum

from inventory.models import StockLevel


@dataclass(frozen=True, slots=True)
class Difference:
    """A counter of a level that is not the sum it should be."""

    sku_id: int
    location_id: int
    counter: str
    stored: int
    summed: int


_DIFFERENCES = """
WITH moved AS (
    SELECT m.sku_id, m.location_id, sum(m.quantity) AS on_hand
    FROM (SELECT sku_id, to_location_id AS location_id, quantity FROM inventory_stockmove
          UNION ALL
          SELECT sku_id, from_location_id, -quantity FROM inventory_stockmove) m
    JOIN inventory_location p ON p.id = m.location_id
    WHERE p.kind IN ('internal', 'quarantine', 'transit')
    GROUP BY 1, 2
), claimed AS (
    SELECT sku_id, location_id,
           sum(quantity) FILTER (WHERE state = 'allocated') AS allocated,
           sum(quantity) FILTER (WHERE state = 'held') AS reserved
    FROM inventory_reservation WHERE state IN ('held', 'allocated') GROUP BY 1, 2
), compared AS (
    SELECT sku_id, location_id, v.counter, v.stored, v.summed
    FROM inventory_stocklevel l
    FULL JOIN moved m USING (sku_id, location_id)
    FULL JOIN claimed c USING (sku_id, location_id)
    CROSS JOIN LATERAL (VALUES
        ('on_hand', coalesce(l.on_hand, 0), coalesce(m.on_hand, 0)),
        ('allocated', coalesce(l.allocated, 0), coalesce(c.allocated, 0)),
        ('reserved', coalesce(l.reserved, 0), coalesce(c.reserved, 0))
    ) AS v (counter, stored, summed)
)
SELECT * FROM compared WHERE stored <> summed ORDER BY 1, 2, 3
"""


def levels_that_differ() -> list[Difference]:
    """Counters that are not the sum of moves and open reservations; empty when all is well."""
    with connection.cursor() as cursor:
        cursor.execute(_DIFFERENCES)
        return [Difference(*row) for row in cursor.fetchall()]


def available(sku_ids: Iterable[int]) -> dict[int, int]:
    """What can still be sold of each SKU, over all warehouses; a SKU without levels is left out."""
    rows = (
        StockLevel.objects.sellable()
        .filter(sku_id__in=set(sku_ids))
        .values("sku_id")
        .annotate(left=Sum(F("on_hand") - F("allocated") - F("reserved")))
    )
    return {row["sku_id"]: row["left"] for row in rows}
