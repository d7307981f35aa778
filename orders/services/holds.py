"""Holds: keep an order back, let it go again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.sets import save_many
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.errors import AlreadyCancelled, AlreadyShipped, OrderError, WrongState
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.review_ends import kept_by_verdict, pass_released

Reason = Hold.Reason


@dataclass(frozen=True, slots=True)
class Ending:
    """Until when a hold is meant to last, and what happens then."""

    at: datetime
    then: Hold.Then


@transaction.atomic
def hold_orders(
    order_ids: Iterable[int],
    *,
    reason: Hold.Reason,
    note: str = "",
    ending: Ending | None = None,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """Keep orders from being shipped; one that is held for this reason already is left alone.

    `ending` None: until somebody releases it. Refuses cancelled and shipped orders. Raises
    StaleVersion, and OrderError for an end that is over. Announces orders_held.
    """
    if ending is not None and ending.at <= timezone.now():
        raise OrderError("A hold ends later than now. Choose a longer time.")
    ids = set(order_ids)
    orders = lock_orders(ids, versions)
    open_already = set(
        Hold.objects.filter(order__in=orders, reason=reason, released_at=None).values_list(
            "order_id", flat=True
        )
    )
    done = Outcomes(refused=unknown(ids, orders))
    for order in orders:
        refusal = _why_not_held(order)
        if order.pk in open_already:
            done.unchanged.append(order)
        elif refusal:
            done.refused[order.pk] = refusal
        else:
            done.changed.append(order)
    place_holds(done.changed, reason, note, ending=ending, actor=actor)
    return done


def _why_not_held(order: Order) -> OrderError | None:
    if order.is_cancelled:
        return AlreadyCancelled(f"Order {order} is cancelled. There is nothing left to hold.")
    if order.fulfilment == Order.Fulfilment.SHIPPED:
        return AlreadyShipped(f"Order {order} has left already. A return is what can be done now.")
    return None


def place_holds(
    orders: Sequence[Order],
    reason: Hold.Reason,
    note: str,
    *,
    ending: Ending | None = None,
    actor: Acting,
) -> list[Hold]:
    """Put holds on orders that are locked and have none of this reason; announces orders_held."""
    if not orders:
        return []
    holds = []
    for order in orders:
        by = actor.of(order.pk)
        holds.append(
            Hold(
                order=order,
                reason=reason,
                note=note,
                ends_at=ending.at if ending else None,
                then=ending.then if ending else "",
                actor_kind=by.kind,
                actor_label=by.label,
                user_id=by.user_id,
                run_id=by.run_id,
            )
        )
        order.is_held = True
        order.picking_since = None
        order.version += 1
    Hold.objects.bulk_create(holds)
    save_many(orders, ["is_held", "picking_since", "version"])
    _tell(orders, f"Put on hold: {Reason(reason).label.lower()}", actor)
    signals.orders_held.send(
        sender=Order, orders=list(orders), holds=holds, actor=actor, history=False
    )
    return holds


@transaction.atomic
def release_orders(
    order_ids: Iterable[int],
    *,
    reason: Hold.Reason | None = None,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> Outcomes:
    """End the open holds of one reason, or of all (`reason` None); one without is left alone.

    An order stays held while a hold of another reason is open. Refuses where all that is asked for
    waits for somebody's decision. Raises StaleVersion. Announces orders_released.
    """
    ids = set(order_ids)
    orders = lock_orders(ids, versions)
    holds = list(Hold.objects.filter(order__in=orders, released_at=None).order_by("pk"))
    asked = [hold for hold in holds if reason is None or hold.reason == reason]
    kept = kept_by_verdict(asked)
    ending = [hold for hold in asked if hold not in kept]
    changed = {hold.order_id for hold in ending}
    done = Outcomes(refused=unknown(ids, orders))
    waiting = {hold.order_id: hold for hold in kept}
    for order in orders:
        if order.pk in changed:
            done.changed.append(order)
        elif order.pk in waiting:
            done.refused[order.pk] = _undecided(order, waiting[order.pk])
        else:
            done.unchanged.append(order)
    for hold in ending:
        done.reasons.setdefault(hold.order_id, []).append(hold.reason)
    still_held = {hold.order_id for hold in holds if hold not in ending}
    end_holds(done.changed, ending, still_held, actor=actor)
    return done


def _undecided(order: Order, hold: Hold) -> WrongState:
    return WrongState(
        f"Order {order} waits for a decision: {hold.get_reason_display().lower()}. Decide on its "
        "review, and it is released."
    )


@transaction.atomic
def release_hold(order_id: int, hold_id: int, *, actor: Acting) -> Outcomes:
    """End exactly one hold, when it is still open; another one for the same reason stays."""
    orders = lock_orders([order_id])
    holds = list(Hold.objects.filter(order__in=orders, released_at=None).order_by("pk"))
    ending = [hold for hold in holds if hold.pk == hold_id]
    done = Outcomes(refused=unknown([order_id], orders))
    if kept := kept_by_verdict(ending):
        done.refused[order_id] = _undecided(orders[0], kept[0])
        return done
    (done.changed if ending else done.unchanged).extend(orders)
    still_held = {hold.order_id for hold in holds if hold.pk != hold_id}
    end_holds(done.changed, ending, still_held, actor=actor)
    return done


def open_holds(orders: Iterable[Order], reason: Hold.Reason) -> dict[int, int]:
    """The open hold of one reason of each of these orders, by order id."""
    rows = Hold.objects.filter(order__in=orders, reason=reason, released_at=None)
    return dict(rows.values_list("order_id", "pk"))


def end_holds(
    orders: Sequence[Order], holds: Sequence[Hold], still_held: set[int], *, actor: Acting
) -> None:
    """End holds of locked orders; announces orders_released."""
    if not orders:
        return
    close_holds(holds, actor=actor)
    reasons: dict[int, list[str]] = {}
    for hold in holds:
        reasons.setdefault(hold.order_id, []).append(hold.get_reason_display().lower())
    for order in orders:
        order.is_held = order.pk in still_held
        order.version += 1
    save_many(orders, ["is_held", "version"])
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"Released from hold: {', '.join(reasons[order.pk])}",
            actor.of(order.pk),
        )
        for order in orders
    )
    signals.orders_released.send(
        sender=Order, orders=list(orders), holds=list(holds), actor=actor, history=False
    )
    pass_released(orders, holds, actor=actor)


def close_holds(holds: Sequence[Hold], *, actor: Acting) -> None:
    """Write the end of holds, saying nothing."""
    now = timezone.now()
    for hold in holds:
        hold.released_at = now
        hold.released_by = actor.of(hold.order_id).label
    save_many(holds, ["released_at", "released_by"])


def _tell(orders: Sequence[Order], text: str, actor: Acting) -> None:
    timeline.record(
        timeline.Happened("orders.order", order.pk, text, actor.of(order.pk)) for order in orders
    )
