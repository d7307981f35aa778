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
from orders.services.conflicts import notice_disagreements, settle_what_was_sold
from orders.services.errors import AlreadyShipped, LabelExists, OrderError, PickingBegun
from orders.services.figures import uncount_cancelled
from orders.services.forwarding_marks import known_elsewhere, let_go, why_not_stopped
from orders.services.holds import close_holds
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.preorder_marks import drop_ahead
from orders.services.promoting import give_uses_back
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

    Refuses an order that is being picked, has a label, was forwarded to somebody who may ship it,
    or of which something has left: the order's lock decides between this and those. Its parcels are
    taken apart. Money stays as it is; finance hears of it. `times` by order id says when history
    was cancelled; None means now. Raises StaleVersion. Announces orders_cancelled, and
    conflicts_found where a carrier has its parcel.
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
    elsewhere = known_elsewhere(order.pk for order in orders)
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        if order.is_cancelled:
            done.unchanged.append(order)
        elif order.pk in elsewhere:
            done.refused[order.pk] = why_not_stopped(elsewhere[order.pk])
        elif refusal := _why_not(order, is_gone=order.pk in gone, is_labelled=order.pk in labelled):
            done.refused[order.pk] = refusal
        else:
            done.changed.append(order)
    _cancel(done.changed, reason, times or {}, history=history, actor=actor)
    return done


def _why_not(order: Order, *, is_gone: bool, is_labelled: bool) -> OrderError | None:
    if is_gone:
        return AlreadyShipped(
            f"Part of order {order} has left already, so it can't be cancelled. Ask for a "
            "return instead."
        )
    if is_labelled:
        return LabelExists(
            f"A parcel of order {order} has a label. Void it first, so that it is paid back."
        )
    if order.picking_since is not None:
        return PickingBegun(f"Order {order} is being picked. Take it off the pick list first.")
    return None


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
        order.awaits = Order.Awaits.NOTHING
        order.version += 1
    fields = ["cancelled_at", "cancel_reason", "fulfilment", "is_held", "awaits", "version"]
    save_many(orders, fields)
    OrderLine.objects.filter(order__in=orders).update(
        quantity_cancelled=F("quantity"), awaits_stock=False
    )
    packages = Package.objects.filter(order__in=orders, unpacked_at=None)
    let_go(list(packages))
    packages.update(unpacked_at=now)
    close_holds(list(Hold.objects.filter(order__in=orders, released_at=None)), actor=actor)
    withdrawn = withdraw_reviews(orders, actor=actor)
    uncount_cancelled(orders)
    # Promotions before what is sold ahead, as placing locks them.
    give_uses_back(orders, actor=actor)
    drop_ahead(orders)
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
    settle_what_was_sold(orders)
    notice_disagreements(orders, actor=actor)


def _give_back(orders: Sequence[Order], *, actor: Acting) -> None:
    lines = list(
        OrderLine.objects.filter(order__in=orders, is_stocked=True).values_list(
            "pk", "sku_id", "order_id"
        )
    )
    by_sku = Actors({sku_id or 0: actor.of(order_id) for _, sku_id, order_id in lines})
    release_stock(LINE, [pk for pk, _, _ in lines], actor=by_sku)
