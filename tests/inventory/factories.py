"""Stock for tests, made through the services."""

from __future__ import annotations

from itertools import count

from backoffice.actors import HOUSE
from backoffice.models import LegalEntity
from backoffice.money import Money
from inventory.models import Location, Sku, StockLevel, StockMove
from inventory.services.locations import open_locations
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving

_serial = count(1)


def make_legal_entity(name: str = "Countersign Gifts Ltd") -> LegalEntity:
    entity, _ = LegalEntity.objects.get_or_create(
        name=name,
        defaults={"country": "GB", "currency": "GBP", "time_zone": "Europe/London"},
    )
    return entity


def make_locations() -> dict[str, Location]:
    """One location of each kind, by kind."""
    return open_locations(make_legal_entity())


def make_warehouse() -> Location:
    return make_locations()[Location.Kind.INTERNAL]


def make_sku(
    code: str = "85123A",
    *,
    stock: int = 0,
    cost: Money | None = None,
    reorder_point: int | None = None,
    allow_backorder: bool = False,
    is_fragile: bool = False,
    is_stocked: bool = True,
) -> Sku:
    """A SKU with so many units in the warehouse."""
    new = NewSku(
        code=code,
        name=f"Item {code}",
        cost=cost,
        reorder_point=reorder_point,
        allow_backorder=allow_backorder,
        is_fragile=is_fragile,
        is_stocked=is_stocked,
    )
    sku = add_skus([new], actor=HOUSE)[code]
    if stock:
        receive(sku, stock)
    return sku


def moving(sku: Sku, quantity: int, *, key: str = "", location: Location | None = None) -> Moving:
    return Moving(
        key=key or f"test:{next(_serial)}",
        sku_id=sku.pk,
        location_id=(location or make_warehouse()).pk,
        quantity=quantity,
    )


def receive(sku: Sku, quantity: int) -> list[StockMove]:
    return receive_stock([moving(sku, quantity)], actor=HOUSE)


def level(sku: Sku, location: Location | None = None) -> StockLevel:
    return StockLevel.objects.get(sku=sku, location=location or make_warehouse())
