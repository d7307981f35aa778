"""Locations of a legal entity."""

from __future__ import annotations

from django.db import transaction

from backoffice.models import LegalEntity
from inventory.models import Location

Kind = Location.Kind
_STANDARD = (
    (Kind.INTERNAL, "MAIN", "Warehouse"),
    (Kind.QUARANTINE, "QUARANTINE", "Quarantine"),
    (Kind.SUPPLIER, "SUPPLIERS", "Suppliers"),
    (Kind.CUSTOMER, "CUSTOMERS", "Customers"),
    (Kind.LOSS, "LOSSES", "Losses"),
)


@transaction.atomic
def open_locations(legal_entity: LegalEntity, *, prefix: str = "") -> dict[str, Location]:
    """Give a legal entity one location of each kind that moves need; existing ones are kept.

    `prefix` goes before the codes of a second entity. Returns them by kind.
    """
    found: dict[str, Location] = {}
    for row in Location.objects.filter(legal_entity=legal_entity).order_by("-pk"):
        found[row.kind] = row
    for kind, code, name in _STANDARD:
        if kind not in found:
            found[kind] = Location.objects.create(
                code=f"{prefix}{code}", name=name, kind=kind, legal_entity=legal_entity
            )
    return found
