"""Cancelling orders of which nothing has left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting, Actors
from backoffice.sets import save_many
from inventory.services.reservations import release_stock
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package
from orders.services.allocation import LINE
from orders.services.errors import AlreadyShipped, LabelExists, PickingBegun
from orders.services.figures import uncount_cancelled
from orders.services.holds import close_holds
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.review_ends import announce_settled, withdraw_reviews


@transaction.atomic
def cancel_orders(
    order_ids: Iterable[int],
    *,
    reason: Order.CancelReason,
    versions: Mapping[int, int] | None = None,
    times: Mapping[int, datetime] | None = None,
    history: bool = False,
    actor: Acting,
) -> Outcomes:
    """Cancel orders and give their stock free; one that is cancelled already is left alone.

    Refuses an order that is being picked, has a label, or of which something has left: the order's
    lock decides between this and those. Its parcels are taken apart. Money stays as it is; finance
    hears of it. `times` by order id says when history was cancelled; None means now. Raises
    StaleVersion. Announces orders_cancelled.
    """
    ids = set(order_ids)
    orders = lock_orders(ids, versions)
    gone = set(
        OrderLine.objects.filter(order__in=orders, quantity_shipped__gt=0).values_list(
            "order_id", flat=True
        )
    )
    live = Label.objects.filter(package__order__in=orders, state__in=Label.LIVE)
    labelled = set(live.values_list("package__order_id", flat=True))
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        if order.is_cancelled:
            done.unchanged.append(order)
        elif order.pk in gone:
            done.refused[order.pk] = AlreadyShipped(
                f"Part of order {order} has left already, so it can't be cancelled. Ask for a "
                "return instead."
            )
        elif order.pk in labelled:
            done.refused[order.pk] = LabelExists(
                f"A parcel of order {order} has a label. Void it first, so that it is paid back."
            )
        elif order.picking_since is not None:
            done.refused[order.pk] = PickingBegun(
                f"Order {order} is being picked. Take it off the pick list first."
            )
        else:
            done.changed.append(order)
    _cancel(done.changed, reason, times or {}, history=history, actor=actor)
    return done


def _cancel(
    orders: Sequence[Order],
    reason: Order.CancelReason,
    times: Mapping[int, datetime],
    *,
    history: bool,
    actor: Acting,
) -> None:
    if not orders:
        return
    now = timezone.now()
    for order in orders:
        order.cancelled_at = times.get(order.pk, now)
        order.cancel_reason = reason
        order.fulfilment = Order.Fulfilment.CANCELLED
        order.is_held = False
        order.version += 1
    save_many(orders, ["cancelled_at", "cancel_reason", "fulfilment", "is_held", "version"])
    OrderLine.objects.filter(order__in=orders).update(quantity_cancelled=F("quantity"))
    Package.objects.filter(order__in=orders, unpacked_at=None).update(unpacked_at=now)
    close_holds(list(Hold.objects.filter(order__in=orders, released_at=None)), actor=actor)
    withdrawn = withdraw_reviews(orders, actor=actor)
    uncount_cancelled(orders)
    _give_back(orders, actor=actor)
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"Cancelled: {Order.CancelReason(reason).label.lower()}",
            actor.of(order.pk),
            at=order.cancelled_at,
        )
        for order in orders
    )
    signals.orders_cancelled.send(sender=Order, orders=list(orders), actor=actor, history=history)
    announce_settled(withdrawn, actor=actor)


def _give_back(orders: Sequence[Order], *, actor: Acting) -> None:
    lines = list(
        OrderLine.objects.filter(order__in=orders, is_stocked=True).values_list(
            "pk", "sku_id", "order_id"
        )
    )
    by_sku = Actors({sku_id or 0: actor.of(order_id) for _, sku_id, order_id in lines})
    release_stock(LINE, [pk for pk, _, _ in lines], actor=by_sku)
