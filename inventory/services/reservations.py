"""Claims on stock: hold, allocate, release, ship, expire.

Every change of a claim happens under the lock of its level, checked and taken in one transaction:
that is what keeps fifty buyers of the last unit from getting it twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice.actors import HOUSE, Acting
from inventory import signals
from inventory.models import Location, Reservation, Sku, StockLevel, StockMove
from inventory.queries.places import places
from inventory.services.errors import InventoryError, Shortage
from inventory.services.levels import Pair, list_short, lock_levels, refuse_short
from inventory.services.low_stock import notice_low_stock
from inventory.services.writing import Course, Moving, write_moves

State = Reservation.State


@dataclass(frozen=True, slots=True)
class Demand:
    """A quantity of one SKU in one place, wanted for a holder (`orders.orderline`, 4711)."""

    key: str
    sku_id: int
    location_id: int
    quantity: int
    holder: str
    holder_id: int | None = None


@dataclass(frozen=True, slots=True)
class Claimed:
    """What was claimed now, and what fell short of the demand (only when part was accepted)."""

    reservations: list[Reservation]
    short: list[Shortage]


def allocate_stock(demands: Sequence[Demand], *, partial: bool = False, actor: Acting) -> Claimed:
    """Promise stock to order lines; raises StockShort listing every short SKU.

    With `partial`, claims what there is, in the order of `demands`, and returns what is short.
    Demands whose key is known are left alone. `actor` is asked by SKU id.
    """
    return _claim(demands, State.ALLOCATED, None, partial=partial, actor=actor)


def hold_stock(
    demands: Sequence[Demand], *, expires_at: datetime, actor: Acting
) -> list[Reservation]:
    """Hold stock for baskets until a moment; raises StockShort listing every short SKU."""
    return _claim(demands, State.HELD, expires_at, partial=False, actor=actor).reservations


@transaction.atomic
def _claim(
    demands: Sequence[Demand],
    state: Reservation.State,
    expires_at: datetime | None,
    *,
    partial: bool,
    actor: Acting,
) -> Claimed:
    if any(demand.quantity <= 0 for demand in demands):
        raise InventoryError("A quantity to claim is a whole number above zero.")
    levels = lock_levels((demand.sku_id, demand.location_id) for demand in demands)
    fresh = _unclaimed(demands)
    # Summed per SKU first: two lines of one SKU must not each pass alone.
    wanted: dict[Pair, int] = defaultdict(int)
    for demand in fresh:
        wanted[demand.sku_id, demand.location_id] += demand.quantity
    left = _left(wanted, levels)
    short = {pair: left[pair] for pair in wanted if wanted[pair] > left[pair]}
    where = places()
    if not partial:
        refuse_short(short, wanted, where)
    reservations = Reservation.objects.bulk_create(_grants(fresh, left, state, expires_at))
    touched = {reservation.sku_id for reservation in reservations}
    notice_low_stock(touched, actor=actor)
    return Claimed(reservations, list_short(short, wanted, where))


def _unclaimed(demands: Sequence[Demand]) -> list[Demand]:
    keys = [demand.key for demand in demands]
    known = set(Reservation.objects.filter(key__in=keys).values_list("key", flat=True))
    return [demand for demand in demands if demand.key not in known]


def _left(wanted: Mapping[Pair, int], levels: Mapping[Pair, StockLevel]) -> dict[Pair, int]:
    """What each pair can still promise; all that is wanted, of a SKU sold beyond stock."""
    beyond = set(
        Sku.objects.filter(
            pk__in={sku_id for sku_id, _ in wanted}, allow_backorder=True
        ).values_list("pk", flat=True)
    )
    return {
        pair: quantity
        if pair[0] in beyond
        else (max(levels[pair].available, 0) if pair in levels else 0)
        for pair, quantity in wanted.items()
    }


def _grants(
    demands: Sequence[Demand],
    left: dict[Pair, int],
    state: Reservation.State,
    expires_at: datetime | None,
) -> list[Reservation]:
    """Reservations for as much of each demand as is left, in turn."""
    rows = []
    for demand in demands:
        pair = (demand.sku_id, demand.location_id)
        granted = min(demand.quantity, left[pair])
        if granted <= 0:
            continue
        left[pair] -= granted
        rows.append(
            Reservation(
                key=demand.key,
                sku_id=demand.sku_id,
                location_id=demand.location_id,
                quantity=granted,
                state=state,
                holder=demand.holder,
                holder_id=demand.holder_id,
                expires_at=expires_at,
            )
        )
    return rows


@transaction.atomic
def release_stock(holder: str, holder_ids: Iterable[int], *, actor: Acting) -> list[Reservation]:
    """Give up every open claim of these holders. Returns the claims released now."""
    claims = _locked_claims(
        Reservation.objects.filter(holder=holder, holder_id__in=set(holder_ids)).values_list(
            "pk", flat=True
        )
    )
    return _end(claims, State.RELEASED, actor=actor)


@transaction.atomic
def release_claims(keys: Iterable[str], *, actor: Acting) -> list[Reservation]:
    """Give up open claims by key, such as a basket's. Returns the claims released now."""
    claims = _locked_claims(
        Reservation.objects.filter(key__in=set(keys)).values_list("pk", flat=True)
    )
    return _end(claims, State.RELEASED, actor=actor)


def expire_reservations(
    *, now: datetime | None = None, limit: int = 1000, actor: Acting = HOUSE
) -> list[Reservation]:
    """End holds that have run out, at most `limit` of them; announces reservations_expired.

    `now` None means the present. Returns the claims expired now.
    """
    now = now or timezone.now()
    due = Reservation.objects.filter(state=State.HELD, expires_at__lte=now).order_by("expires_at")
    with transaction.atomic():
        claims = _locked_claims(due.values_list("pk", flat=True)[:limit])
        ended = _end(claims, State.EXPIRED, actor=actor)
        if ended:
            signals.reservations_expired.send(
                sender=Reservation, reservations=ended, actor=actor, history=False
            )
    return ended


def _locked_claims(pks: Iterable[int]) -> list[Reservation]:
    """The open ones among these claims, read under the locks of their levels."""
    ids = list(pks)
    claims = Reservation.objects.filter(pk__in=ids, state__in=Reservation.OPEN)
    lock_levels(claims.values_list("sku_id", "location_id"))
    return list(claims.order_by("pk"))


def _end(
    claims: Sequence[Reservation], state: Reservation.State, *, actor: Acting
) -> list[Reservation]:
    now = timezone.now()
    for claim in claims:
        claim.state = state
        claim.ended_at = now
    Reservation.objects.filter(pk__in=[claim.pk for claim in claims]).update(
        state=state, ended_at=now
    )
    # A SKU that rises above its reorder point can fall, and be announced, again.
    notice_low_stock({claim.sku_id for claim in claims}, actor=actor)
    return list(claims)


@dataclass(frozen=True, slots=True)
class Shipping:
    """A move to customers that uses up what `holder_id` has allocated in the move's place."""

    holder_id: int
    moving: Moving


@transaction.atomic
def ship_reserved(holder: str, shippings: Sequence[Shipping], *, actor: Acting) -> list[StockMove]:
    """Ship what these holders have allocated; raises StockShort when less is allocated or there.

    A claim shipped in part stays open for the rest. Returns the moves written now.
    """
    known = set(
        StockMove.objects.filter(
            key__in=[shipping.moving.key for shipping in shippings]
        ).values_list("key", flat=True)
    )
    fresh = [shipping for shipping in shippings if shipping.moving.key not in known]
    claims = _locked_claims(
        Reservation.objects.filter(
            holder=holder,
            holder_id__in={shipping.holder_id for shipping in fresh},
            state=State.ALLOCATED,
        ).values_list("pk", flat=True)
    )
    _use_up(claims, fresh)
    course = Course(Location.Kind.CUSTOMER, StockMove.Reason.SHIPMENT, inwards=False, promised=True)
    return write_moves([shipping.moving for shipping in fresh], course, actor=actor, history=False)


def _use_up(claims: Sequence[Reservation], shippings: Sequence[Shipping]) -> None:
    """Turn claims into shipped ones, splitting the last of each holder where only part goes."""
    open_claims: dict[tuple[int | None, int, int], list[Reservation]] = defaultdict(list)
    for claim in claims:
        open_claims[claim.holder_id, claim.sku_id, claim.location_id].append(claim)
    short: dict[Pair, int] = {}
    wanted: dict[Pair, int] = defaultdict(int)
    now = timezone.now()
    changed: list[Reservation] = []
    split: list[Reservation] = []
    for shipping in shippings:
        moving = shipping.moving
        pair = (moving.sku_id, moving.location_id)
        wanted[pair] += moving.quantity
        mine = open_claims[shipping.holder_id, *pair]
        held = sum(claim.quantity for claim in mine)
        if held < moving.quantity:
            short[pair] = short.get(pair, 0) + held
            continue
        _consume(mine, moving, now, changed, split)
    refuse_short(short, wanted, places())
    Reservation.objects.bulk_update(changed, ["state", "quantity", "ended_at"])
    Reservation.objects.bulk_create(split)


def _consume(
    mine: list[Reservation],
    moving: Moving,
    now: datetime,
    changed: list[Reservation],
    split: list[Reservation],
) -> None:
    left = moving.quantity
    while left:
        claim = mine[0]
        taken = min(left, claim.quantity)
        left -= taken
        changed.append(claim)
        if taken == claim.quantity:
            mine.pop(0)
            claim.state, claim.ended_at = State.SHIPPED, now
            continue
        claim.quantity -= taken
        split.append(
            Reservation(
                key=f"{claim.key}/{moving.key}"[:120],
                sku_id=claim.sku_id,
                location_id=claim.location_id,
                quantity=taken,
                state=State.SHIPPED,
                holder=claim.holder,
                holder_id=claim.holder_id,
                ended_at=now,
            )
        )
