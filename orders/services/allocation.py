"""Stock for orders: promised when they are placed, or later when it has come in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from backoffice.actors import Acting, Actors
from backoffice.sets import save_many
from inventory.models import Reservation
from inventory.services.reservations import Demand, allocate_stock
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.queries.figures import with_parties
from orders.services.drafts import OnShort
from orders.services.errors import NotAllocated
from orders.services.holds import end_holds, place_holds
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.routing import route

LINE = "orders.orderline"
Lines = dict[int, list[OrderLine]]
# Units that are missing, by SKU code, by order id.
Missing = dict[int, dict[str, int]]


@dataclass(frozen=True, slots=True)
class ShortOrders:
    """Orders that were accepted although stock was short."""

    orders: list[Order]
    missing: Missing

    def announce(self, actor: Acting) -> None:
        """Hold them, and say what is missing."""
        place_holds(self.orders, Hold.Reason.OUT_OF_STOCK, _in_words(self.missing), actor=actor)
        signals.orders_short.send(
            sender=Order, orders=self.orders, missing=self.missing, actor=actor, history=False
        )


def _in_words(missing: Missing) -> str:
    """The codes that are short, for one order; for several each order's page lists its own."""
    if len(missing) != 1:
        return ""
    (units,) = missing.values()
    return ", ".join(f"{count} × {code}" for code, count in sorted(units.items()))[:500]


def allocate_new(
    orders: Sequence[Order], lines: Lines, on_short: OnShort, *, actor: Acting
) -> ShortOrders | None:
    """Promise stock to orders just placed; raises StockShort when `on_short` refuses.

    Returns those that got too little, or None.
    """
    wanted = {
        line.pk: line.quantity
        for order in orders
        for line in lines[order.pk]
        if line.is_stocked and not line.awaits_stock
    }
    missing = _claim(orders, lines, wanted, {}, partial=on_short == OnShort.HOLD, actor=actor)
    _leave_stockless([order for order in orders if order.pk in missing], lines, wanted, missing)
    short = [order for order in orders if order.pk in missing]
    return ShortOrders(short, missing) if short else None


@transaction.atomic
def allocate_orders(order_ids: Iterable[int], *, actor: Acting) -> Outcomes:
    """Try again to promise stock to orders that wait for it, in the order they were placed.

    Changed: now fully allocated, their out-of-stock hold released. Refused: still short.
    """
    ids = set(order_ids)
    orders = list(with_parties(lock_orders(ids)))
    waiting = sorted(
        (order for order in orders if not order.is_cancelled and not order.is_history),
        key=lambda order: (order.placed_at, order.pk),
    )
    lines: Lines = defaultdict(list)
    # What was sold ahead gets its stock in its own turn (orders.services.preorder_release).
    rows = OrderLine.objects.filter(order__in=waiting, is_stocked=True, awaits_stock=False)
    for line in rows.select_related("sku"):
        lines[line.order_id].append(line)
    claimed, claims = _claimed(lines)
    _route_again(waiting, lines, claimed)
    wanted = {
        line.pk: line.quantity_open - claimed.get(line.pk, 0)
        for mine in lines.values()
        for line in mine
        if line.quantity_open > claimed.get(line.pk, 0)
    }
    missing = _claim(waiting, lines, wanted, claims, partial=True, actor=actor)
    empty = [order for order in waiting if not _has(lines[order.pk], claimed)]
    _leave_stockless([order for order in empty if order.pk in missing], lines, wanted, missing)
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        needed = any(line.pk in wanted for line in lines.get(order.pk, ()))
        if order.pk in missing:
            listed = _in_words({order.pk: missing[order.pk]})
            done.refused[order.pk] = NotAllocated(f"Order {order} still lacks {listed}.")
        elif needed:
            done.changed.append(order)
        else:
            done.unchanged.append(order)
    release_stocked(done.changed, actor=actor)
    return done


def _has(lines: Sequence[OrderLine], claimed: Mapping[int, int]) -> bool:
    """Whether something is set aside for these lines, or has left."""
    return any(claimed.get(line.pk) or line.quantity_shipped for line in lines)


def _route_again(orders: Sequence[Order], lines: Lines, claimed: Mapping[int, int]) -> None:
    """Choose the place anew for orders that have nothing anywhere."""
    routing = [
        order
        for order in orders
        if order.routed != Order.Routing.MANUAL and not _has(lines[order.pk], claimed)
    ]
    if not routing:
        return
    claiming = {
        (line.sku_id or 0, order.ships_from_id) for order in orders for line in lines[order.pk]
    }
    before = {order.pk: (order.location_id, order.routed) for order in routing}
    route([(order, lines[order.pk]) for order in routing], claiming=claiming)
    moved = [order for order in routing if before[order.pk] != (order.location_id, order.routed)]
    save_many(moved, ["location", "routed"])


def _leave_stockless(
    orders: Sequence[Order],
    lines: Lines,
    wanted: Mapping[int, int],
    missing: Missing,
) -> None:
    """Orders that got nothing at all ship from nowhere until there is something."""
    nowhere = []
    for order in orders:
        units = sum(wanted.get(line.pk, 0) for line in lines[order.pk])
        if sum(missing[order.pk].values()) == units:
            order.location = None
            order.routed = Order.Routing.NOWHERE
            nowhere.append(order)
    save_many(nowhere, ["location", "routed"])


def claim_rest(order: Order, lines: Sequence[OrderLine], *, actor: Acting) -> None:
    """Claim all that is open of these lines where the order ships from; raises StockShort.

    Their earlier claims were given up by the caller.
    """
    mine: Lines = {order.pk: list(lines)}
    _, claims = _claimed(mine)
    wanted = {line.pk: line.quantity_open for line in lines}
    _claim([order], mine, wanted, claims, partial=False, actor=actor)


def _claimed(lines: Lines) -> tuple[dict[int, int], dict[int, int]]:
    """Units allocated now, and claims ever made, by line."""
    ids = [line.pk for mine in lines.values() for line in mine]
    claimed: dict[int, int] = defaultdict(int)
    claims: dict[int, int] = defaultdict(int)
    rows = Reservation.objects.filter(holder=LINE, holder_id__in=ids)
    for pk, state, quantity in rows.values_list("holder_id", "state", "quantity"):
        if pk is None:
            continue
        claims[pk] += 1
        if state == Reservation.State.ALLOCATED:
            claimed[pk] += quantity
    return claimed, claims


def _claim(
    orders: Sequence[Order],
    lines: Mapping[int, Sequence[OrderLine]],
    wanted: Mapping[int, int],
    claims: Mapping[int, int],
    *,
    partial: bool,
    actor: Acting,
) -> Missing:
    """Claim what the lines want; returns what is missing where part was accepted."""
    asking = [
        (order, line)
        for order in orders
        for line in lines.get(order.pk, ())
        if wanted.get(line.pk) and line.sku_id is not None
    ]
    if not asking:
        return {}
    demands = [
        Demand(
            key=f"{LINE}:{line.pk}:{claims.get(line.pk, 0)}",
            sku_id=line.sku_id or 0,
            location_id=order.ships_from_id,
            quantity=wanted[line.pk],
            holder=LINE,
            holder_id=line.pk,
        )
        for order, line in asking
    ]
    by_sku = Actors({line.sku_id or 0: actor.of(order.pk) for order, line in asking})
    claim = allocate_stock(demands, partial=partial, actor=by_sku)
    granted = {row.holder_id: row.quantity for row in claim.reservations}
    missing: Missing = {}
    for order, line in asking:
        lacking = wanted[line.pk] - granted.get(line.pk, 0)
        if lacking and line.sku is not None:
            units = missing.setdefault(order.pk, {})
            units[line.sku.code] = units.get(line.sku.code, 0) + lacking
    return missing


def release_stocked(orders: Sequence[Order], *, actor: Acting) -> None:
    """End the out-of-stock holds of orders that have all they need."""
    holds = list(Hold.objects.filter(order__in=orders, released_at=None).order_by("pk"))
    ending = [hold for hold in holds if hold.reason == Hold.Reason.OUT_OF_STOCK]
    changed = {hold.order_id for hold in ending}
    still_held = {hold.order_id for hold in holds if hold not in ending}
    end_holds([order for order in orders if order.pk in changed], ending, still_held, actor=actor)
