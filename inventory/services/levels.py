"""Locking levels, and saying which can't give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from inventory.models import Sku, StockLevel
from inventory.queries.places import Places
from inventory.services.errors import Shortage, StockShort

# (SKU id, location id)
Pair = tuple[int, int]


def lock_levels(pairs: Iterable[Pair]) -> dict[Pair, StockLevel]:
    """Lock the levels of these pairs in the house's order; a level not made yet is left out."""
    wanted = set(pairs)
    found = StockLevel.objects.filter(
        sku_id__in={sku_id for sku_id, _ in wanted},
        location_id__in={location_id for _, location_id in wanted},
    ).values_list("pk", "sku_id", "location_id")
    pks = [pk for pk, sku_id, location_id in found if (sku_id, location_id) in wanted]
    levels = StockLevel.objects.all().locked(pks)
    return {(level.sku_id, level.location_id): level for level in levels}


def list_short(
    short: Mapping[Pair, int], wanted: Mapping[Pair, int], where: Places
) -> list[Shortage]:
    """Shortages in words, by code; `short` maps a pair to what it can give."""
    codes = dict(Sku.objects.filter(pk__in={pk for pk, _ in short}).values_list("pk", "code"))
    shortages = [
        Shortage(sku_id, codes[sku_id], where.code(place), wanted[sku_id, place], left)
        for (sku_id, place), left in short.items()
    ]
    return sorted(shortages, key=lambda shortage: (shortage.code, shortage.location))


def refuse_short(short: Mapping[Pair, int], wanted: Mapping[Pair, int], where: Places) -> None:
    """Raise StockShort, listing every pair in `short`; nothing when it is empty."""
    if short:
        raise StockShort(list_short(short, wanted, where))
