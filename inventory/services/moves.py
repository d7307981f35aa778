"""Moves of stock: receipts, shipments, write-offs, adjustments, returns and inspections.

All take sets and are idempotent by key: what has a known key moves nothing again. Each returns
the moves it wrote. `actor` is asked by SKU id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.db import transaction

from backoffice.actors import Acting
from inventory.models import Location, StockMove
from inventory.queries.places import places
from inventory.services.writing import Course, Moving, beside, write_moves

Kind = Location.Kind
Reason = StockMove.Reason


def receive_stock(
    movings: Sequence[Moving],
    *,
    actor: Acting,
    reason: StockMove.Reason = Reason.RECEIPT,
    history: bool = False,
) -> list[StockMove]:
    """Take goods in from suppliers; `reason` may be OPENING_INFERRED for an import."""
    course = Course(Kind.SUPPLIER, reason, inwards=True)
    return write_moves(movings, course, actor=actor, history=history)


def ship_stock(
    movings: Sequence[Moving], *, actor: Acting, history: bool = False
) -> list[StockMove]:
    """Send goods to customers without a claim on them; raises StockShort.

    Orders ship what they hold through `inventory.services.reservations.ship_reserved`.
    """
    course = Course(Kind.CUSTOMER, Reason.SHIPMENT, inwards=False)
    return write_moves(movings, course, actor=actor, history=history)


def write_off_stock(
    movings: Sequence[Moving], *, actor: Acting, history: bool = False
) -> list[StockMove]:
    """Give up goods that are damaged or lost; raises StockShort when absent or promised.

    Announces stock_written_off.
    """
    course = Course(Kind.LOSS, Reason.WRITE_OFF, inwards=False)
    return write_moves(movings, course, actor=actor, history=history)


@transaction.atomic
def adjust_stock(
    movings: Sequence[Moving], *, actor: Acting, history: bool = False
) -> list[StockMove]:
    """Correct what is on hand by signed quantities, found or missing; raises StockShort."""
    found = [moving for moving in movings if moving.quantity >= 0]
    missing = [
        replace(moving, quantity=-moving.quantity) for moving in movings if moving.quantity < 0
    ]
    moves = []
    for part, inwards in ((found, True), (missing, False)):
        course = Course(Kind.LOSS, Reason.ADJUSTMENT, inwards=inwards)
        moves += write_moves(part, course, actor=actor, history=history)
    return moves


def return_stock(
    movings: Sequence[Moving], *, actor: Acting, history: bool = False
) -> list[StockMove]:
    """Take goods back from customers into the quarantine beside the named place.

    They are sellable again only after `inspect_stock`.
    """
    course = Course(Kind.CUSTOMER, Reason.RETURN, inwards=True)
    return write_moves(_in_quarantine(movings), course, actor=actor, history=history)


def inspect_stock(
    movings: Sequence[Moving], *, sellable: bool, actor: Acting, history: bool = False
) -> list[StockMove]:
    """Move inspected goods from quarantine into the named place, or to losses if not sellable.

    Raises StockShort when the quarantine does not hold them.
    """
    if sellable:
        course = Course(Kind.QUARANTINE, Reason.INSPECTION, inwards=True)
        return write_moves(movings, course, actor=actor, history=history)
    course = Course(Kind.LOSS, Reason.INSPECTION, inwards=False)
    return write_moves(_in_quarantine(movings), course, actor=actor, history=history)


def _in_quarantine(movings: Sequence[Moving]) -> list[Moving]:
    where = places()
    return [
        replace(moving, location_id=beside(where, moving.location_id, Kind.QUARANTINE))
        for moving in movings
    ]
