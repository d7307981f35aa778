"""SKUs: adding them, and what staff set on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F
from simple_history.utils import bulk_create_with_history

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.money import Money
from backoffice.versions import refuse_stale
from inventory.models import Sku
from inventory.queries.skus import skus_by_code
from inventory.services.errors import InventoryError
from inventory.services.low_stock import notice_low_stock

LABEL = "inventory.sku"


@dataclass(frozen=True, slots=True)
class NewSku:
    """A SKU to add; `cost` None means nobody has said what it costs."""

    code: str
    name: str = ""
    is_stocked: bool = True
    is_fragile: bool = False
    allow_backorder: bool = False
    cost: Money | None = None
    reorder_point: int | None = None


@transaction.atomic
def add_skus(new: Sequence[NewSku], *, actor: Acting) -> dict[str, Sku]:
    """Add the SKUs that are not there yet, by exact code. Returns all of them by code."""
    known = skus_by_code(sku.code for sku in new)
    fresh = {sku.code: sku for sku in new if sku.code not in known}
    if any(not code or code != code.strip() for code in fresh):
        raise InventoryError("A SKU needs a code, without spaces around it.")
    rows = [
        Sku(
            code=sku.code,
            name=sku.name,
            is_stocked=sku.is_stocked,
            is_fragile=sku.is_fragile,
            allow_backorder=sku.allow_backorder,
            unit_cost=sku.cost.amount if sku.cost else None,
            cost_currency=sku.cost.currency if sku.cost else "",
            reorder_point=sku.reorder_point,
        )
        for sku in fresh.values()
    ]
    made = bulk_create_with_history(rows, Sku, batch_size=1000) if rows else []
    timeline.record(timeline.Happened(LABEL, sku.pk, "Added", actor.of(sku.pk)) for sku in made)
    return known | {sku.code: sku for sku in made}


@dataclass(frozen=True, slots=True)
class SkuEdit:
    """What staff may change on a SKU's page; `cost` None means nobody has said."""

    name: str
    is_fragile: bool
    is_active: bool
    allow_backorder: bool
    cost: Money | None


@transaction.atomic
def edit_sku(sku_id: int, edit: SkuEdit, *, version: int | None, actor: Acting) -> Sku:
    """Change a SKU; raises StaleVersion, or InventoryError while backorders are open."""
    sku = Sku.objects.select_for_update(no_key=True).get(pk=sku_id)
    refuse_stale([sku], None if version is None else {sku_id: version})
    if sku.allow_backorder and not edit.allow_backorder and _oversold(sku):
        raise InventoryError(
            f"{sku} is sold beyond stock at the moment. Receive the missing units or cancel "
            "orders first."
        )
    sku.name = edit.name
    sku.is_fragile = edit.is_fragile
    sku.is_active = edit.is_active
    sku.allow_backorder = edit.allow_backorder
    sku.unit_cost = edit.cost.amount if edit.cost else None
    sku.cost_currency = edit.cost.currency if edit.cost else ""
    sku.version += 1
    sku.save()
    timeline.record([timeline.Happened(LABEL, sku.pk, "Details changed", actor.of(sku.pk))])
    notice_low_stock([sku.pk], actor=actor)
    return sku


def _oversold(sku: Sku) -> bool:
    return sku.levels.filter(on_hand__lt=F("allocated") + F("reserved")).exists()


@transaction.atomic
def set_reorder_point(
    sku_ids: Iterable[int],
    point: int | None,
    *,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> list[Sku]:
    """Set the stock at which people are told; None switches it off; raises StaleVersion.

    Returns the SKUs that changed; those that had the value already are left alone.
    """
    if point is not None and point < 0:
        raise InventoryError("A reorder point is zero or more.")
    rows = Sku.objects.select_for_update(no_key=True).filter(pk__in=set(sku_ids)).order_by("pk")
    skus = list(rows)
    refuse_stale(skus, versions)
    changed = [sku for sku in skus if sku.reorder_point != point]
    before = {sku.pk: sku.reorder_point for sku in changed}
    for sku in changed:
        sku.reorder_point = point
        sku.version += 1
        sku.save(update_fields=["reorder_point", "version"])
    timeline.record(
        timeline.Happened(
            LABEL,
            sku.pk,
            f"Reorder point {_shown(before[sku.pk])} → {_shown(point)}",
            actor.of(sku.pk),
        )
        for sku in changed
    )
    notice_low_stock(before, actor=actor)
    return changed


@transaction.atomic
def set_customs_data(
    sku_id: int, *, hs_code: str, origin: str, version: int | None = None, actor: Acting
) -> Sku:
    """Say what customs ask about a SKU; empty where nobody knows. Raises StaleVersion."""
    sku = Sku.objects.select_for_update(no_key=True).get(pk=sku_id)
    refuse_stale([sku], None if version is None else {sku_id: version})
    if (sku.hs_code, sku.origin_country) == (hs_code, origin):
        return sku
    sku.hs_code, sku.origin_country = hs_code, origin
    sku.version += 1
    sku.save(update_fields=["hs_code", "origin_country", "version"])
    text = f"Customs data: {hs_code or 'no code'}, from {origin or 'unknown'}"
    timeline.record([timeline.Happened(LABEL, sku.pk, text, actor.of(sku.pk))])
    return sku


def _shown(point: int | None) -> str:
    return "none" if point is None else str(point)
