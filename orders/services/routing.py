"""Which place an order ships from, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from inventory.models import Sku
from inventory.services.levels import Pair, lock_levels
from orders.models.orders import Order, OrderLine
from orders.models.places import ChannelPlace

Routing = Order.Routing
# An order with its lines; it may have no key yet.
Routed = tuple[Order, Sequence[OrderLine]]
# Open units of what is kept in stock, by SKU id.
Wanted = Mapping[int, int]


def route(orders: Sequence[Routed], *, claiming: Iterable[Pair] = ()) -> None:
    """Choose a place for each order, unsaved: the first that has all of it, else most of it.

    An order that is collected goes to the shop where that happens. Levels of what several places
    could give are locked, so that two orders don't count on one unit. A place that has nothing of
    an order is never chosen: it then has none, and says so. `claiming` are levels that the caller
    will lock besides: all are locked in one go, so that nobody waits for each other in a ring.
    """
    places = _places([order for order, _ in orders])
    choosing = []
    others = set(claiming)
    for order, lines in orders:
        wanted = _wanted(lines)
        if order.method == Order.Method.PICKUP and order.pickup_at_id is not None:
            order.location_id, order.routed = order.pickup_at_id, Routing.STORE
        elif len(places[order.channel_id]) == 1 or not wanted:
            order.location_id, order.routed = order.channel.location_id, Routing.ONLY
        else:
            choosing.append((order, wanted))
        others |= {(sku_id, order.ships_from_id) for sku_id in wanted}
    if choosing:
        _choose(choosing, places, others)


def _places(orders: Sequence[Order]) -> dict[int, list[int]]:
    """Ids of locations by channel, the channel's own first."""
    found = {order.channel_id: [order.channel.location_id] for order in orders}
    rows = ChannelPlace.objects.filter(channel__in=found, location__is_active=True)
    for row in rows.order_by("priority", "pk"):
        if row.location_id not in found[row.channel_id]:
            found[row.channel_id].append(row.location_id)
    return found


def _wanted(lines: Sequence[OrderLine]) -> Wanted:
    wanted: dict[int, int] = defaultdict(int)
    for line in lines:
        wants = line.is_stocked and not line.awaits_stock
        if wants and line.sku_id is not None and line.quantity_open:
            wanted[line.sku_id] += line.quantity_open
    return wanted


def _choose(
    orders: Sequence[tuple[Order, Wanted]], places: Mapping[int, list[int]], others: set[Pair]
) -> None:
    pairs = {
        (sku_id, place)
        for order, wanted in orders
        for place in places[order.channel_id]
        for sku_id in wanted
    }
    left: dict[Pair, int] = defaultdict(int)
    levels = lock_levels(pairs | others)
    left |= {pair: max(0, level.available) for pair, level in levels.items()}
    skus = Sku.objects.filter(pk__in={sku_id for sku_id, _ in pairs}, allow_backorder=True)
    beyond = set(skus.values_list("pk", flat=True))
    for order, wanted in orders:
        mine = places[order.channel_id]
        order.location_id, order.routed = _best(mine, wanted, left)
        if order.location_id is None and beyond & set(wanted):
            # Sold beyond stock: it is made or bought for the channel's own place.
            order.location_id, order.routed = mine[0], Routing.ONLY
        for sku_id, units in wanted.items():
            if order.location_id is not None:
                left[sku_id, order.location_id] -= min(units, left[sku_id, order.location_id])


def _best(
    places: Sequence[int], wanted: Wanted, left: Mapping[Pair, int]
) -> tuple[int | None, Order.Routing]:
    given = {
        place: sum(min(units, left[sku_id, place]) for sku_id, units in wanted.items())
        for place in places
    }
    for place in places:
        if given[place] == sum(wanted.values()):
            return place, Routing.STOCK
    most = max(places, key=lambda place: given[place])
    return (most, Routing.MOST) if given[most] else (None, Routing.NOWHERE)
