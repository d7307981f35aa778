"""The one place that writes moves; the levels follow in the database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting, Actor, Actors
from backoffice.sets import Stencil, insert_many
from inventory import signals
from inventory.models import Location, Sku, StockLevel, StockMove
from inventory.queries.places import Places, places
from inventory.services.errors import InventoryError
from inventory.services.levels import Pair, lock_levels, refuse_short
from inventory.services.low_stock import notice_low_stock

Reason = StockMove.Reason
MOVES = Stencil(StockMove)


@dataclass(frozen=True, slots=True)
class Moving:
    """A quantity of one SKU to move in or out of one of our places.

    `key` is unique to the intent; `at` None means now; `source` names what caused it by label and
    id; `note` is a word such as `damaged`; `actor` overrides the set's actor for this move.
    """

    key: str
    sku_id: int
    location_id: int
    quantity: int
    at: datetime | None = None
    note: str = ""
    source: str = ""
    source_id: int | None = None
    actor: Actor | None = None


@dataclass(frozen=True, slots=True)
class Course:
    """Which way goods go: between the named place and the location of kind `far` beside it."""

    far: Location.Kind
    reason: StockMove.Reason
    inwards: bool
    # What leaves was promised, and its claim has just ended, so no availability is asked.
    promised: bool = False


def beside(where: Places, location_id: int, kind: Location.Kind) -> int:
    """The location of this kind beside a place; raises InventoryError when there is none."""
    found = where.beside(location_id, kind)
    if found is None:
        raise InventoryError(
            f"The legal entity of {where.code(location_id)} has no location of the kind "
            f"“{kind.label}”. Add one first."
        )
    return found


@transaction.atomic
def write_moves(
    movings: Sequence[Moving], course: Course, *, actor: Acting, history: bool
) -> list[StockMove]:
    """Write what is not written yet, by key; raises StockShort when a place can't give it.

    Announces stock_moved (and stock_written_off), and notices low stock unless it is history.
    """
    where = places()
    fresh = _unwritten(movings)
    if not fresh:
        return []
    who = Actors({moving.sku_id: moving.actor or actor.of(moving.sku_id) for moving in fresh})
    rows = _rows(fresh, course, where, actor)
    if not history:
        _guard(rows, where, promised=course.promised)
    moves = list(insert_many(rows))
    _tell(moves, where, who)
    _announce(moves, course.reason, who, history=history)
    return moves


def _unwritten(movings: Sequence[Moving]) -> list[Moving]:
    """The movings whose key is new, each key once; raises InventoryError for a bad quantity."""
    with connection.cursor() as cursor:
        # One array, where `key__in` would send a parameter each.
        cursor.execute(
            "SELECT key FROM inventory_stockmove WHERE key = ANY(%s)",
            [[moving.key for moving in movings]],
        )
        known = {key for (key,) in cursor.fetchall()}
    fresh = {moving.key: moving for moving in movings if moving.key not in known}
    if any(moving.quantity <= 0 for moving in fresh.values()):
        raise InventoryError("A quantity to move is a whole number above zero.")
    return list(fresh.values())


def _rows(
    movings: Sequence[Moving], course: Course, where: Places, actor: Acting
) -> list[StockMove]:
    now = timezone.now()
    ends = {
        place: beside(where, place, course.far)
        for place in {moving.location_id for moving in movings}
    }
    rows = []
    for moving in movings:
        ours, other = moving.location_id, ends[moving.location_id]
        by = moving.actor or actor.of(moving.sku_id)
        rows.append(
            MOVES.row(
                sku_id=moving.sku_id,
                from_location_id=other if course.inwards else ours,
                to_location_id=ours if course.inwards else other,
                quantity=moving.quantity,
                reason=course.reason,
                note=moving.note,
                source=moving.source,
                source_id=moving.source_id,
                key=moving.key,
                occurred_at=moving.at or now,
                actor_kind=by.kind,
                actor_label=by.label,
                user_id=by.user_id,
                run_id=by.run_id,
            )
        )
    return rows


def _guard(rows: Sequence[StockMove], where: Places, *, promised: bool) -> None:
    """Lock the levels that are touched, and refuse what one can't give."""
    wanted: dict[Pair, int] = defaultdict(int)
    for row in rows:
        if where.by_id[row.from_location_id].kind in Location.OURS:
            wanted[row.sku_id, row.from_location_id] += row.quantity
    into = {(row.sku_id, row.to_location_id) for row in rows}
    levels = lock_levels(into | set(wanted))
    can_give = {
        pair: _can_give(levels[pair], promised=promised) if pair in levels else 0 for pair in wanted
    }
    refuse_short(
        {pair: left for pair, left in can_give.items() if wanted[pair] > left}, wanted, where
    )


def _can_give(level: StockLevel, *, promised: bool) -> int:
    """What may leave; a backorder promises what is not there, so only the shelf counts."""
    if promised or level.may_backorder:
        return level.on_hand
    return level.available


_TOLD = {
    Reason.RECEIPT: "Received {} at {}",
    Reason.OPENING_INFERRED: "Opening stock of {} inferred at {}",
    Reason.WRITE_OFF: "Wrote off {} at {}",
    Reason.ADJUSTMENT: "Adjusted by {} at {}",
}


def _tell(moves: Sequence[StockMove], where: Places, who: Actors) -> None:
    """Timelines of SKUs; shipments and returns stand on the order's instead."""
    entries = []
    for move in moves:
        told = _TOLD.get(Reason(move.reason))
        if told is None:
            return
        inwards = where.by_id[move.to_location_id].kind in Location.OURS
        place = where.code(move.to_location_id if inwards else move.from_location_id)
        missing = move.reason == Reason.ADJUSTMENT and not inwards
        text = told.format(f"−{move.quantity}" if missing else move.quantity, place)
        entries.append(
            timeline.Happened(
                "inventory.sku",
                move.sku_id,
                f"{text}: {move.note}" if move.note else text,
                who.of(move.sku_id),
                at=move.occurred_at,
            )
        )
    timeline.record(entries)


def _announce(
    moves: list[StockMove], reason: StockMove.Reason, who: Actors, *, history: bool
) -> None:
    skus = set(who.by_subject)
    signals.stock_moved.send(sender=StockMove, moves=moves, actor=who, history=history)
    if reason == Reason.WRITE_OFF:
        Sku.objects.filter(pk__in=skus).update(version=F("version") + 1)
        signals.stock_written_off.send(sender=StockMove, moves=moves, actor=who, history=history)
    if not history:
        notice_low_stock(skus, actor=who)
