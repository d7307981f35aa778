"""The rest of an order: promised for a day, or sent from somewhere else."""

from __future__ import annotations

from datetime import date

from django.db import transaction

from backoffice import timeline
from backoffice.actors import Acting, Actors
from inventory.models import Location, StockLevel
from inventory.services.levels import lock_levels
from inventory.services.reservations import release_stock
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.services.allocation import LINE, claim_rest, release_stocked
from orders.services.clock import OPEN, refuse_day, set_ship_by
from orders.services.errors import (
    AlreadyCancelled,
    AlreadyShipped,
    NotAllocated,
    OrderError,
    PickingBegun,
    WrongState,
)
from orders.services.holds import end_holds
from orders.services.outcomes import lock_order


@transaction.atomic
def promise_rest(order_id: int, on: date, *, version: int | None = None, actor: Acting) -> Order:
    """Promise what an order still lacks for a day: it waits as a backorder, the rest may go.

    Its out-of-stock hold ends, and its clock counts to that day. Raises OrderError for a day that
    is over, AlreadyCancelled, AlreadyShipped, StaleVersion. Announces orders_backordered.
    """
    order = _open(lock_order(order_id, version))
    refuse_day(on)
    if order.awaits == Order.Awaits.ALL:
        raise OrderError(
            f"What is open of order {order} was sold ahead. Move the day of its pre-order."
        )
    if order.promised_on == on:
        return order
    order.promised_on = on
    set_ship_by([order])
    order.version += 1
    order.save(update_fields=["promised_on", "ship_by", "version"])
    timeline.record(
        [
            timeline.Happened(
                "orders.order",
                order.pk,
                f"The rest is promised for {on:%-d %B %Y}",
                actor.of(order.pk),
            )
        ]
    )
    holds = list(Hold.objects.filter(order=order, released_at=None).order_by("pk"))
    ending = [hold for hold in holds if hold.reason == Hold.Reason.OUT_OF_STOCK]
    if ending:
        still = {order.pk} if len(holds) > len(ending) else set()
        end_holds([order], ending, still, actor=actor)
    signals.orders_backordered.send(sender=Order, orders=[order], actor=actor, history=False)
    return order


def _open(order: Order) -> Order:
    if order.is_cancelled:
        raise AlreadyCancelled(f"Order {order} is cancelled. Nothing of it is still to come.")
    if order.fulfilment not in OPEN:
        raise AlreadyShipped(f"Order {order} has nothing left to ship.")
    return order


@transaction.atomic
def reroute_order(
    order_id: int, location_id: int, *, version: int | None = None, actor: Acting
) -> Order:
    """Ship what is left of an order from another place; its claims move there.

    Raises StockShort when the place has too little, NotAllocated when it has nothing of a line,
    PickingBegun, WrongState, OrderError, AlreadyCancelled, AlreadyShipped, StaleVersion. Announces
    orders_routed.
    """
    order = _open(lock_order(order_id, version))
    place = Location.objects.select_related("legal_entity").get(pk=location_id)
    _refuse_place(order, place)
    if order.location_id == place.pk:
        return order
    if order.picking_since is not None:
        raise PickingBegun(f"Order {order} is being picked. Take it off the pick list first.")
    if order.packages.filter(unpacked_at=None, shipment=None).exists():
        raise WrongState(f"Part of order {order} is packed. Take its parcels apart first.")
    rows = order.lines.filter(is_stocked=True, awaits_stock=False)
    lines = list(rows.select_related("sku"))
    waiting = [line for line in lines if line.quantity_open]
    _refuse_stockless(order, place, waiting)
    # What is given free and what is claimed, in one go: no two wait for each other in a ring.
    both = (order.ships_from_id, place.pk)
    lock_levels((line.sku_id or 0, where) for line in waiting for where in both)
    by_sku = Actors({line.sku_id or 0: actor.of(order.pk) for line in lines})
    release_stock(LINE, [line.pk for line in waiting], actor=by_sku)
    order.location = place
    order.routed = Order.Routing.MANUAL
    order.version += 1
    order.save(update_fields=["location", "routed", "version"])
    claim_rest(order, waiting, actor=actor)
    timeline.record(
        [
            timeline.Happened(
                "orders.order", order.pk, f"Ships from {place.name}", actor.of(order.pk)
            )
        ]
    )
    release_stocked([order], actor=actor)
    signals.orders_routed.send(sender=Order, orders=[order], actor=actor, history=False)
    return order


def _refuse_place(order: Order, place: Location) -> None:
    if place.kind != Location.Kind.INTERNAL or not place.is_active:
        raise OrderError(f"{place.name} ships nothing. Choose a warehouse or shop in use.")
    if place.legal_entity_id != order.channel.legal_entity_id:
        raise OrderError(
            f"{place.name} belongs to {place.legal_entity}, which is not the company that sold "
            f"order {order}."
        )


def _refuse_stockless(order: Order, place: Location, lines: list[OrderLine]) -> None:
    """Also what may be sold beyond stock is not sent from where there is none of it."""
    there = dict(
        StockLevel.objects.filter(
            location=place, sku__in={line.sku_id for line in lines}, on_hand__gt=0
        ).values_list("sku_id", "on_hand")
    )
    missing = sorted({line.sku.code for line in lines if line.sku and line.sku_id not in there})
    if missing:
        raise NotAllocated(f"{place.name} has no {', '.join(missing)} for order {order}.")
