"""What a carrier service takes, and where to."""

from __future__ import annotations

from collections.abc import Iterator

from orders.models.carriers import CarrierService
from orders.models.packages import Package

Trouble = Package.Trouble
Why = tuple[Package.Trouble, str]


def too_large(service: CarrierService, package: Package) -> Iterator[Why]:
    """Why a service does not take a parcel's weight or size, as a code and as a sentence."""
    for has, most, sides, unit in (
        (package.weight_grams, service.max_grams, "", "g"),
        (package.side_cm, service.max_side_cm, "sides of ", "cm"),
    ):
        if has is not None and most is not None and has > most:
            says = f"{service} takes {sides}at most {most} {unit}; this parcel has {has} {unit}."
            yield Trouble.OVERSIZE, says


def not_there(service: CarrierService, country: str) -> Iterator[Why]:
    """Why a service does not go to a country, as a code and as a sentence."""
    if service.countries and country not in service.countries:
        yield Trouble.COUNTRY, f"{service} does not go to {country or 'an unknown country'}."
