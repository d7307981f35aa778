"""Stock for what was sold ahead: set aside in order of placing, and what is due asked for once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import HOUSE, Acting, Actors
from backoffice.sets import save_many
from inventory.models import StockLevel
from inventory.services.levels import lock_levels
from inventory.services.reservations import Demand, allocate_stock
from orders import signals
from orders.models.orders import Order, OrderLine
from orders.models.places import ChannelPlace
from orders.models.preorders import PreOrder, PreOrderLine
from orders.queries.figures import with_parties
from orders.queries.preorders import lines_of
from orders.services.allocation import LINE
from orders.services.outcomes import lock_orders
from orders.services.preorder_due import not_yet_due
from orders.services.preorder_marks import wind_ahead

State = PreOrderLine.State
AT_ONCE = 200


def release_due(*, actor: Acting = HOUSE) -> int:
    """Set stock aside for what was sold ahead wherever some has come; answers for how many lines.

    What is set aside on the promised day waits for that day.
    """
    waiting = PreOrder.objects.filter(lines__state=State.WAITING).distinct()
    due = Q(reserve=PreOrder.Reserve.SALE) | Q(promised_on__lte=timezone.localdate())
    rows = list(waiting.filter(due).order_by("pk").values_list("pk", "sku"))
    stock = StockLevel.objects.sellable().filter(sku__in={sku for _, sku in rows})
    there = stock.filter(on_hand__gt=F("allocated") + F("reserved"))
    skus = set(there.values_list("sku", flat=True))
    return sum(len(release_preorder(pk, actor=actor)) for pk, sku in rows if sku in skus)


@transaction.atomic
def release_preorder(preorder_id: int, *, actor: Acting) -> list[PreOrderLine]:
    """Set aside what stock there is for the orders that wait longest, each whole or not at all.

    Nobody is passed over: the first that can't be filled ends it. What an order was not to pay
    before is asked for now, once. Answers the lines released. Announces preorders_released.
    """
    row = PreOrder.objects.select_related("channel").get(pk=preorder_id)
    waiting = PreOrderLine.objects.filter(preorder=row, state=State.WAITING)
    first = waiting.order_by("order__placed_at", "pk").values_list("order", flat=True)[:AT_ONCE]
    orders = with_parties(lock_orders(set(first)))
    # Before the levels, as everywhere: rows that are written twice lock their pre-order at the end.
    PreOrder.objects.select_for_update(no_key=True).get(pk=preorder_id)
    known = {order.pk: order for order in orders if not order.is_cancelled}
    lines = list(waiting.filter(order__in=known).select_related("order_line"))
    lines.sort(key=lambda line: (known[line.order_id].placed_at, line.pk))
    filled = _fill(row, lines, known)
    if not filled:
        return []
    _set_aside(row, filled, actor)
    _release([each.line for each in filled], known, actor)
    return [each.line for each in filled]


@dataclass(frozen=True, slots=True)
class _Filled:
    line: PreOrderLine
    order: Order
    place: int


def _fill(row: PreOrder, lines: Sequence[PreOrderLine], orders: dict[int, Order]) -> list[_Filled]:
    """Where each line gets its units from, in turn, under the locks of the levels."""
    more = ChannelPlace.objects.filter(channel=row.channel, location__is_active=True)
    places = [row.channel.location_id, *more.values_list("location", flat=True)]
    places += [order.ships_from_id for order in orders.values()]
    levels = lock_levels((row.sku_id, place) for place in places)
    left = {place: max(level.available, 0) for (_, place), level in levels.items()}
    tied = _tied(orders)
    filled = []
    for line in lines:
        order = orders[line.order_id]
        allowed = [order.ships_from_id] if order.pk in tied else dict.fromkeys(places)
        place = next((each for each in allowed if left.get(each, 0) >= line.units), None)
        if place is None:
            break
        left[place] -= line.units
        filled.append(_Filled(line, order, place))
        order.location_id = place
        tied.add(order.pk)
    return filled


def _tied(orders: dict[int, Order]) -> set[int]:
    """Orders that can't ship from elsewhere: collected, placed by hand, or partly there already."""
    ordinary = OrderLine.objects.filter(order__in=orders, is_stocked=True, awaits_stock=False)
    tied = set(ordinary.values_list("order", flat=True))
    chosen = (Order.Routing.MANUAL, Order.Routing.STORE)
    return tied | {order.pk for order in orders.values() if order.routed in chosen}


def _set_aside(row: PreOrder, filled: Sequence[_Filled], actor: Acting) -> None:
    demands = [
        Demand(
            key=f"{LINE}:{each.line.order_line_id}:0",
            sku_id=row.sku_id,
            location_id=each.place,
            quantity=each.line.units,
            holder=LINE,
            holder_id=each.line.order_line_id,
        )
        for each in filled
    ]
    by_sku = Actors({row.sku_id: actor.of(filled[0].order.pk)})
    allocate_stock(demands, actor=by_sku)


def _release(lines: Sequence[PreOrderLine], known: dict[int, Order], actor: Acting) -> None:
    now = timezone.now()
    orders = [known[pk] for pk in sorted({line.order_id for line in lines})]
    later = {order.pk: not_yet_due(order) for order in orders}
    for line in lines:
        line.state, line.ended_at = State.RELEASED, now
        line.order_line.awaits_stock = False
    save_many(lines, ["state", "ended_at"])
    save_many([line.order_line for line in lines], ["awaits_stock"])
    wind_ahead(orders, lines_of(orders))
    for order in orders:
        order.routed = order.routed or Order.Routing.ONLY
        order.version += 1
    save_many(orders, ["awaits", "promised_on", "ship_by", "location", "routed", "version"])
    asked = _ask(lines, orders, later, now)
    timeline.record(
        timeline.Happened("orders.order", order.pk, _says(order, asked), actor.of(order.pk))
        for order in orders
    )
    signals.preorders_released.send(
        sender=PreOrder, orders=orders, lines=list(lines), actor=actor, history=False
    )


def _ask(
    lines: Sequence[PreOrderLine],
    orders: Iterable[Order],
    later: dict[int, Decimal],
    now: datetime,
) -> dict[int, Decimal]:
    """What each order has to pay now that its stock is there; on its first line, written once.

    `later`: what was not due before, by order id. What was paid too early is not asked for.
    """
    first: dict[int, PreOrderLine] = {}
    for line in lines:
        if line.billing == PreOrder.Billing.FULFILMENT:
            first.setdefault(line.order_id, line)
    asked = {}
    for order in orders:
        if order.pk not in first:
            continue
        still = not_yet_due(order)
        received = order.amount_paid - order.amount_refunded
        due = min(later[order.pk] - still, order.total - still - received)
        if due > 0:
            first[order.pk].asked_amount, first[order.pk].asked_at = due, now
            asked[order.pk] = due
    save_many([first[pk] for pk in asked], ["asked_amount", "asked_at"])
    return asked


def _says(order: Order, asked: dict[int, Decimal]) -> str:
    if order.pk not in asked:
        return "The stock it was ordered ahead of has come"
    return f"The stock it was ordered ahead of has come: {order.money(asked[order.pk])} is due now"
