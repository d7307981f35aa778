"""What conditions see of a parcel."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from automations.triggers import Country, Tags, labelled
from backoffice.money import Money
from tests.depot.models import Parcel


@dataclass(frozen=True, slots=True)
class ItemPart:
    sku: str = labelled("SKU")
    quantity: int = labelled("quantity")


@dataclass(frozen=True, slots=True)
class ParcelPart:
    number: str = labelled("number", lasting=True)
    total: Money = labelled("total", lasting=True)
    country: Country = labelled("country", lasting=True)
    carrier: str | None = labelled("carrier")
    tags: Tags = labelled("tags")
    arrived_at: datetime = labelled("arrived", lasting=True)
    sender: str | None = labelled("sender", lasting=True)
    items: tuple[ItemPart, ...] = labelled("items")


@dataclass(frozen=True, slots=True)
class ParcelArrived:
    parcel: ParcelPart = labelled("Parcel")


@dataclass(frozen=True, slots=True)
class RoutePart:
    carrier: str | None = labelled("carrier")
    previous_carrier: str | None = labelled("previous carrier")


@dataclass(frozen=True, slots=True)
class ParcelRerouted:
    parcel: ParcelPart = labelled("Parcel")
    route: RoutePart = labelled("Route")


NOON = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


def payload(parcel: Parcel) -> ParcelArrived:
    return ParcelArrived(
        ParcelPart(
            parcel.number,
            Money(Decimal(parcel.total), "GBP"),
            Country(parcel.country),
            parcel.carrier or None,
            Tags(tuple(sorted(parcel.tags))),
            NOON,
            parcel.sender or None,
            tuple(ItemPart(item["sku"], item["quantity"]) for item in parcel.items),
        )
    )
