"""Who ships from a place for us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from backoffice import audit
from backoffice.actors import Actor
from backoffice.versions import refuse_stale
from inventory.models import Location
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.services.errors import OrderError

FORWARDER = "orders.forwarder"
FIELDS = (
    "location", "name", "kind", "answer_hours", "opens_at", "closes_at", "time_zone", "calendar",
    "is_active",
)  # fmt: skip
OPEN = (ForwardedOrder.State.TO_SEND, *ForwardedOrder.KNOWN)


def add_forwarder(values: Mapping[str, Any], *, actor: Actor) -> Forwarder:
    """Forward what leaves a place to somebody from now on; raises OrderError."""
    return _write(Forwarder(), values, "added", actor)


def edit_forwarder(
    forwarder_id: int, values: Mapping[str, Any], *, version: int | None, actor: Actor
) -> Forwarder:
    """Change who ships for us; raises OrderError while something is open there, StaleVersion."""
    with transaction.atomic():
        row = Forwarder.objects.select_for_update(no_key=True).get(pk=forwarder_id)
        refuse_stale([row], None if version is None else {forwarder_id: version})
        moved = values["location"].pk != row.location_id
        if (moved or not values["is_active"]) and row.forwarded.filter(state__in=OPEN).exists():
            raise OrderError(f"Shipments are open at {row}. Wait until they have left or failed.")
        row.version += 1
        return _write(row, values, "changed", actor)


def _write(row: Forwarder, values: Mapping[str, Any], verb: str, actor: Actor) -> Forwarder:
    if values["location"].kind != Location.Kind.INTERNAL:
        raise OrderError("Nothing is shipped from there. Choose a warehouse or shop.")
    for name in FIELDS:
        if name in values:
            setattr(row, name, values[name])
    try:
        with transaction.atomic():
            row.save()
            audit.record(
                f"forwarders.{verb}", FORWARDER, row.pk, actor=actor,
                location=row.location.code, hours=row.answer_hours, active=row.is_active,
            )  # fmt: skip
    except IntegrityError as error:
        if "unique" not in str(error):
            raise
        raise OrderError("There is somebody of this name, or for this place, already.") from error
    return row
