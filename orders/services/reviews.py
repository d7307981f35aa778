"""Reviews: raise a doubt about an order, decide it, take the decision back, ask again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import HOUSE, Acting, Actor
from backoffice.sets import save_many
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import HOLD_FOR, Review
from orders.models.trust import RiskAssessment
from orders.services.cancelling import cancel_orders
from orders.services.errors import OrderError, WrongState
from orders.services.holds import end_holds, place_holds
from orders.services.outcomes import lock_order
from orders.services.review_ends import announce_settled, withdraw_reviews, write_settled

Kind, State = Review.Kind, Review.State
LABEL = "orders.review"
# What is written above a hold is short; the review's page tells all.
_NOTE = 200
# How long people have before a review is brought before them once more.
ANSWER_WITHIN = {
    Kind.FRAUD: timedelta(hours=4),
    Kind.ADDRESS: timedelta(hours=24),
    Kind.DUPLICATE: timedelta(hours=8),
    Kind.CREDIT: timedelta(hours=24),
    Kind.PRICE: timedelta(hours=8),
}
_VERDICT = {
    State.PASSED: RiskAssessment.Verdict.CLEARED,
    State.REFUSED: RiskAssessment.Verdict.CONFIRMED,
}
_SAID = {
    (Kind.FRAUD, State.PASSED): "Found to be no fraud",
    (Kind.FRAUD, State.REFUSED): "Found to be fraud",
    (Kind.ADDRESS, State.PASSED): "Address settled",
    (Kind.DUPLICATE, State.PASSED): "Found to be no duplicate",
    (Kind.DUPLICATE, State.REFUSED): "Found to be a duplicate",
    (Kind.CREDIT, State.PASSED): "Approved over the credit limit",
    (Kind.CREDIT, State.REFUSED): "Not approved over the credit limit",
    (Kind.PRICE, State.PASSED): "Sold at these prices",
    (Kind.PRICE, State.REFUSED): "Not sold at these prices",
}
CANCELLED_FOR = {
    Kind.FRAUD: Order.CancelReason.FRAUD,
    Kind.DUPLICATE: Order.CancelReason.DUPLICATE,
    Kind.CREDIT: Order.CancelReason.DECLINED,
    Kind.PRICE: Order.CancelReason.DECLINED,
}


def open_reviews(
    kind: Review.Kind,
    orders: Sequence[Order],
    found: Mapping[int, dict[str, Any]],
    notes: Mapping[int, str],
    *,
    within: Mapping[int, timedelta] | None = None,
    actor: Acting,
) -> list[Review]:
    """Raise a doubt about locked orders and hold them; one that has it already is left alone.

    `found` and `notes` by order id: what the review's page shows, and a short sentence of it.
    `within` gives orders another time to answer than their kind has. Announces reviews_opened and
    orders_held.
    """
    waiting = set(
        Review.objects.filter(order__in=orders, kind=kind, state=State.OPEN).values_list(
            "order_id", flat=True
        )
    )
    fresh = [order for order in orders if order.pk not in waiting]
    if not fresh:
        return []
    now = timezone.now()
    times = within or {}
    reviews = Review.objects.bulk_create(
        Review(
            order=order,
            kind=kind,
            found=found[order.pk],
            due_at=now + times.get(order.pk, ANSWER_WITHIN[kind]),
        )
        for order in fresh
    )
    _hold(fresh, HOLD_FOR[kind], notes, actor)
    signals.reviews_opened.send(
        sender=Review, orders=list(fresh), reviews=reviews, actor=actor, history=False
    )
    return reviews


def _hold(
    orders: Sequence[Order], reason: Hold.Reason, notes: Mapping[int, str], actor: Acting
) -> None:
    """Hold those that are not held for this reason yet, each with its own note."""
    held = set(
        Hold.objects.filter(order__in=orders, reason=reason, released_at=None).values_list(
            "order_id", flat=True
        )
    )
    by_note: dict[str, list[Order]] = {}
    for order in orders:
        if order.pk not in held:
            by_note.setdefault(notes[order.pk][:_NOTE], []).append(order)
    for note, several in by_note.items():
        place_holds(several, reason, note, actor=actor)


@transaction.atomic
def settle_review(
    review_id: int,
    verdict: Review.State,
    *,
    reason: str,
    how: str = "",
    cancel: bool = False,
    version: int | None = None,
    actor: Actor,
) -> Review:
    """Decide about an order: it goes on (passed), or it does not (refused).

    What was decided about fraud may be decided the other way later; both stand in the review. A
    duplicate, an order over the limit and one at wrong prices that are refused are cancelled, a
    fraud where `cancel` asks for it, else it stays on hold. `reason` says why, for whoever reads
    it later. Raises WrongState, StaleVersion, and what cancelling raises. Announces
    reviews_settled and orders_released, orders_held or orders_cancelled.
    """
    order = lock_order(Review.objects.values_list("order_id", flat=True).get(pk=review_id))
    review = Review.objects.select_for_update(no_key=True).get(pk=review_id)
    review.order = order
    refuse_stale([review], None if version is None else {review_id: version})
    overturns = not review.is_open
    if refusal := _why_not(review, verdict):
        raise refusal
    write_settled([review], verdict, how=how, reason=reason, overturns=overturns, actor=actor)
    _tell(review, verdict, overturns=overturns, actor=actor)
    if review.kind == Kind.FRAUD:
        current = RiskAssessment.objects.filter(order=order, is_current=True)
        current.update(verdict=_VERDICT[verdict])
    if verdict == State.PASSED:
        _let_go(order, HOLD_FOR[Kind(review.kind)], actor)
    elif cancel or review.kind in (Kind.DUPLICATE, Kind.CREDIT, Kind.PRICE):
        cancel_orders([order.pk], reason=CANCELLED_FOR[Kind(review.kind)], actor=actor).or_raise()
    elif review.kind == Kind.FRAUD and not _is_over(order):
        _hold([order], Hold.Reason.FRAUD, {order.pk: reason}, actor)
    review.order = lock_order(order.pk)
    announce_settled([review], actor=actor)
    return review


def _why_not(review: Review, verdict: Review.State) -> OrderError | None:
    if verdict not in (State.PASSED, State.REFUSED):
        return WrongState("Say whether the order goes on or not.")
    if review.kind == Kind.ADDRESS and verdict == State.REFUSED:
        return WrongState("An address is mended or kept. Cancel the order where neither will do.")
    if review.is_open:
        return None
    if review.state == verdict:
        return WrongState(f"{review.decided_by} has decided so already.")
    if review.kind != Kind.FRAUD or review.state == State.WITHDRAWN:
        return WrongState("This has been settled, and what followed from it is done.")
    return None


def _is_over(order: Order) -> bool:
    """Whether a hold would keep nothing back any more."""
    return order.is_cancelled or order.fulfilment == Order.Fulfilment.SHIPPED


def _let_go(order: Order, reason: Hold.Reason, actor: Acting) -> None:
    holds = list(Hold.objects.filter(order=order, released_at=None).order_by("pk"))
    ending = [hold for hold in holds if hold.reason == reason]
    still = {order.pk} if len(ending) < len(holds) else set()
    if ending:
        end_holds([order], ending, still, actor=actor)


def _tell(review: Review, verdict: Review.State, *, overturns: bool, actor: Actor) -> None:
    said = _SAID[Kind(review.kind), verdict]
    text = f"{'Overturned: ' if overturns else ''}{said}{f' ({review.how})' if review.how else ''}"
    timeline.record([timeline.Happened("orders.order", review.order_id, text, actor)])
    audit.record(
        "orders.review_overturned" if overturns else "orders.review_settled",
        "orders.order",
        review.order_id,
        actor=actor,
        kind=review.kind,
        verdict=verdict,
        how=review.how,
    )


@transaction.atomic
def report_fraud(order_id: int, *, reason: str, actor: Actor) -> Review:
    """Say that an order nobody had stopped is a fraud; it is held where it can still be.

    Raises WrongState where its fraud review exists: decide there. Announces as settle_review.
    """
    order = lock_order(order_id)
    if Review.objects.filter(order=order, kind=Kind.FRAUD).exists():
        raise WrongState(f"Order {order} has a fraud review. Decide there.")
    review = Review.objects.create(
        order=order, kind=Kind.FRAUD, found={"reported": True}, due_at=timezone.now()
    )
    return settle_review(review.pk, State.REFUSED, reason=reason, how="reported", actor=actor)


@transaction.atomic
def release_paid(orders: Sequence[Order], *, actor: Acting) -> None:
    """Orders were paid in full: nobody needs to approve that they are not. They are locked."""
    waiting = withdraw_reviews(orders, [Kind.CREDIT], actor=actor)
    for review in waiting:
        _let_go(review.order, Hold.Reason.APPROVAL, actor)
    announce_settled(waiting, actor=actor)


def escalate_reviews(*, now: datetime | None = None, limit: int = 200) -> int:
    """Bring before people what nobody has answered in time, once each; answers how many.

    `now` None means the present. Announces reviews_escalated.
    """
    now = now or timezone.now()
    with transaction.atomic():
        rows = (
            Review.objects.select_for_update(no_key=True, skip_locked=True, of=("self",))
            .filter(state=State.OPEN, escalated_at=None, due_at__lte=now)
            .select_related("order")
            .order_by("due_at", "pk")
        )
        reviews = list(rows[:limit])
        if not reviews:
            return 0
        for review in reviews:
            review.escalated_at = now
        save_many(reviews, ["escalated_at"])
        timeline.record(
            timeline.Happened(
                "orders.order",
                review.order_id,
                f"Nobody has decided in time: {review.get_kind_display().lower()}",
                HOUSE,
            )
            for review in reviews
        )
        signals.reviews_escalated.send(
            sender=Review,
            orders=[review.order for review in reviews],
            reviews=reviews,
            actor=HOUSE,
            history=False,
        )
        return len(reviews)
