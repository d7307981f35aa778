"""What happens to holds whose time has run out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import HOUSE, Acting
from backoffice.sets import save_many
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.services.cancelling import cancel_orders
from orders.services.holds import end_holds
from orders.services.outcomes import lock_orders
from orders.services.review_ends import kept_by_verdict

Then, Reason = Hold.Then, Hold.Reason
CANCELLED_FOR = {
    Reason.FRAUD: Order.CancelReason.FRAUD,
    Reason.PAYMENT: Order.CancelReason.UNPAID,
    Reason.OUT_OF_STOCK: Order.CancelReason.OUT_OF_STOCK,
    Reason.CUSTOMER_REQUEST: Order.CancelReason.CUSTOMER,
    Reason.DUPLICATE: Order.CancelReason.DUPLICATE,
    Reason.APPROVAL: Order.CancelReason.DECLINED,
}


def act_on_ended_holds(
    *, now: datetime | None = None, limit: int = 200, actor: Acting = HOUSE
) -> int:
    """Do what holds whose time is over ask for; answers how many were acted on.

    Each is acted on once. One that asks to cancel an order of which something has left is brought
    before people instead. `now` None means the present. Announces orders_released,
    orders_cancelled, and holds_ran_out for what people must look at.
    """
    now = now or timezone.now()
    due = Hold.objects.filter(released_at=None, ran_out_at=None, ends_at__lte=now)
    by_order: dict[int, list[int]] = {}
    for pk, order_id in due.order_by("ends_at", "pk").values_list("pk", "order_id")[:limit]:
        by_order.setdefault(order_id, []).append(pk)
    return sum(_act(order_id, pks, now, actor) for order_id, pks in by_order.items())


@transaction.atomic
def _act(order_id: int, hold_ids: Sequence[int], now: datetime, actor: Acting) -> int:
    (order,) = lock_orders([order_id])
    holds = list(Hold.objects.filter(order=order, released_at=None).order_by("pk"))
    due = [hold for hold in holds if hold.pk in set(hold_ids) and hold.ran_out_at is None]
    if not due:
        return 0
    for hold in due:
        hold.ran_out_at = now
    save_many(due, ["ran_out_at"])
    cancelling = [hold for hold in due if hold.then == Then.CANCEL]
    if cancelling:
        reason = CANCELLED_FOR.get(Reason(cancelling[0].reason), Order.CancelReason.OTHER)
        if cancel_orders([order_id], reason=reason, actor=actor).changed:
            return len(due)
    kept = kept_by_verdict(due)
    releasing = [hold for hold in due if hold.then == Then.RELEASE and hold not in kept]
    if releasing:
        still = {order_id} if len(releasing) < len(holds) else set()
        end_holds([order], releasing, still, actor=actor)
    _bring_before_people(order, [hold for hold in due if hold not in releasing], actor)
    return len(due)


def _bring_before_people(order: Order, holds: Iterable[Hold], actor: Acting) -> None:
    rows = list(holds)
    if not rows:
        return
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"The hold has run out: {hold.get_reason_display().lower()}. Somebody has to decide.",
            actor.of(order.pk),
        )
        for hold in rows
    )
    signals.holds_ran_out.send(sender=Order, orders=[order], holds=rows, actor=actor, history=False)
