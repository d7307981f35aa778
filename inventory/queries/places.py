"""Which place is at the far end of a move."""

from __future__ import annotations

from dataclasses import dataclass

from inventory.models import Location


@dataclass(frozen=True, slots=True)
class Places:
    """Every location, by id and by what it is to its legal entity."""

    by_id: dict[int, Location]
    standard: dict[tuple[int, str], int]

    def code(self, location_id: int) -> str:
        return self.by_id[location_id].code

    def beside(self, location_id: int, kind: Location.Kind) -> int | None:
        """The id of a location of this kind, of the same legal entity; None if there is none."""
        return self.standard.get((self.by_id[location_id].legal_entity_id, kind))


def places() -> Places:
    """Read the locations; a few dozen rows at most."""
    rows = list(Location.objects.order_by("-pk"))
    # The oldest active one of a kind is the standard one.
    standard = {(row.legal_entity_id, row.kind): row.pk for row in rows if row.is_active}
    return Places({row.pk: row for row in rows}, standard)
