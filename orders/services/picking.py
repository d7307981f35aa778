"""Picking: from the moment somebody takes goods off the shelf until they have left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.sets import save_many
from orders import signals
from orders.models.orders import Order
from orders.queries.allocated import allocated_units
from orders.queries.figures import with_parties
from orders.services.errors import NotAllocated, OrderError
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.readiness import why_not_ready

OPEN = (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)


@transaction.atomic
def start_picking(
    order_ids: Iterable[int], *, versions: Mapping[int, int] | None = None, actor: Acting
) -> Outcomes:
    """Put orders on the pick list; one that is on it already is left alone.

    Refuses what is unpaid, held, cancelled, shipped, or has nothing set aside. Raises StaleVersion.
    Announces orders_picking.
    """
    ids = set(order_ids)
    orders = list(with_parties(lock_orders(ids, versions)))
    units = allocated_units(order.pk for order in orders)
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        if order.picking_since is not None:
            done.unchanged.append(order)
        elif refusal := _why_not_picked(order, units.get(order.pk, 0)):
            done.refused[order.pk] = refusal
        else:
            done.changed.append(order)
    now = timezone.now()
    for order in done.changed:
        order.picking_since = now
    _save(done.changed, "Put on the pick list", actor)
    if done.changed:
        signals.orders_picking.send(sender=Order, orders=done.changed, actor=actor, history=False)
    return done


def _why_not_picked(order: Order, units: int) -> OrderError | None:
    if refusal := why_not_ready(order):
        return refusal
    if order.fulfilment not in OPEN:
        return OrderError(f"Order {order} has nothing left to pick.")
    if not units and order.units:
        return NotAllocated(f"Order {order} has no stock set aside yet. Allocate it first.")
    return None


@transaction.atomic
def stop_picking(
    order_ids: Iterable[int], *, versions: Mapping[int, int] | None = None, actor: Acting
) -> Outcomes:
    """Take orders off the pick list again; one that is not on it is left alone.

    Raises StaleVersion.
    """
    ids = set(order_ids)
    orders = lock_orders(ids, versions)
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        (done.unchanged if order.picking_since is None else done.changed).append(order)
    for order in done.changed:
        order.picking_since = None
    _save(done.changed, "Taken off the pick list", actor)
    return done


def _save(orders: Sequence[Order], text: str, actor: Acting) -> None:
    for order in orders:
        order.version += 1
    save_many(orders, ["picking_since", "version"])
    timeline.record(
        timeline.Happened("orders.order", order.pk, text, actor.of(order.pk)) for order in orders
    )
