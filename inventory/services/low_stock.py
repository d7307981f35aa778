"""Who has fallen to the reorder point: noticed once per fall."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import F

from backoffice import timeline
from backoffice.actors import Acting
from inventory import signals
from inventory.models import Sku
from inventory.queries.levels import available

_STOCK = """
    SELECT s.id, s.reorder_point,
           coalesce(sum(l.on_hand - l.allocated - l.reserved), 0) AS left_over
    FROM inventory_sku s
    LEFT JOIN (inventory_stocklevel l JOIN inventory_location p
               ON p.id = l.location_id AND p.kind = 'internal') ON l.sku_id = s.id
    WHERE s.id = ANY(%s) AND s.is_stocked AND s.is_active AND s.reorder_point IS NOT NULL
    GROUP BY s.id
"""
# Only one transaction can make the row, so only one announces the fall.
_FALLEN = f"""
    INSERT INTO inventory_lowstock (sku_id)
    SELECT id FROM ({_STOCK}) stock WHERE left_over <= reorder_point ORDER BY id
    ON CONFLICT (sku_id) DO NOTHING RETURNING sku_id
"""  # noqa: S608 - both parts are constants
_RISEN = f"""
    DELETE FROM inventory_lowstock low
    WHERE sku_id = ANY(%s) AND NOT EXISTS (
        SELECT FROM ({_STOCK}) stock WHERE stock.id = low.sku_id AND left_over <= reorder_point)
    RETURNING sku_id
"""  # noqa: S608 - both parts are constants


def notice_low_stock(sku_ids: Iterable[int], *, actor: Acting, history: bool = False) -> list[Sku]:
    """Record which of these SKUs fell to or under their reorder point, or rose above it.

    Announces each fall once. Call it after their stock has changed, in the same transaction.
    """
    ids = sorted(set(sku_ids))
    with connection.cursor() as cursor:
        cursor.execute(_RISEN, [ids, ids])
        risen = {pk for (pk,) in cursor.fetchall()}
        cursor.execute(_FALLEN, [ids])
        fallen = {pk for (pk,) in cursor.fetchall()}
    # While a SKU is low its figures are what rules look at, so its version follows them.
    low = Sku.objects.filter(pk__in=ids, low_stock__isnull=False).values_list("pk", flat=True)
    moved = sorted(set(low) | risen)
    if moved:
        Sku.objects.filter(pk__in=moved).update(version=F("version") + 1)
    if not fallen:
        return []
    skus = list(Sku.objects.filter(pk__in=fallen).order_by("pk"))
    left = available(fallen)
    timeline.record(
        timeline.Happened(
            "inventory.sku",
            sku.pk,
            f"Fell to {left.get(sku.pk, 0)} available, reorder point {sku.reorder_point}",
            actor.of(sku.pk),
        )
        for sku in skus
    )
    signals.stock_fell_low.send(
        sender=Sku,
        skus=skus,
        available={sku.pk: left.get(sku.pk, 0) for sku in skus},
        actor=actor,
        history=history,
    )
    return skus
