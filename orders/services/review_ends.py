"""How reviews end of themselves: a hold that is released, an order that is cancelled or paid."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.utils import timezone

from backoffice.actors import Acting
from backoffice.sets import save_many
from orders import signals
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import BY_VERDICT_ALONE, HOLD_FOR, Review, ReviewDecision

State = Review.State
# The reviews that a release of their hold settles: nobody is wronged by it but us.
_BY_RELEASE = {reason: kind for kind, reason in HOLD_FOR.items() if kind not in BY_VERDICT_ALONE}
_BY_VERDICT = {reason: kind for kind, reason in HOLD_FOR.items() if kind in BY_VERDICT_ALONE}


def kept_by_verdict(holds: Iterable[Hold]) -> list[Hold]:
    """Those of these holds that only a decision about their open review ends."""
    asked = [hold for hold in holds if hold.reason in _BY_VERDICT]
    if not asked:
        return []
    rows = Review.objects.filter(
        order__in=[hold.order_id for hold in asked],
        kind__in=BY_VERDICT_ALONE,
        state=State.OPEN,
    )
    waiting = set(rows.values_list("order_id", "kind"))
    return [
        hold
        for hold in asked
        if (hold.order_id, _BY_VERDICT[Hold.Reason(hold.reason)].value) in waiting
    ]


def write_settled(
    reviews: Sequence[Review],
    verdict: Review.State,
    *,
    how: str,
    reason: str = "",
    overturns: bool = False,
    actor: Acting,
) -> None:
    """Write down what was decided of reviews in hand; announce_settled tells of it."""
    now = timezone.now()
    decisions = []
    for review in reviews:
        by = actor.of(review.order_id)
        review.state = verdict
        review.how = how
        review.settled_at = now
        review.decided_by = by.label
        review.version += 1
        decisions.append(
            ReviewDecision(
                review=review,
                verdict=verdict,
                how=how,
                reason=reason,
                overturns=overturns,
                actor_kind=by.kind,
                actor_label=by.label,
                user_id=by.user_id,
            )
        )
    save_many(reviews, ["state", "how", "settled_at", "decided_by", "version"])
    ReviewDecision.objects.bulk_create(decisions)


def announce_settled(reviews: Sequence[Review], *, actor: Acting) -> None:
    """Tell that reviews are settled, once what follows for their orders is written."""
    if reviews:
        signals.reviews_settled.send(
            sender=Review,
            orders=[review.order for review in reviews],
            reviews=list(reviews),
            actor=actor,
            history=False,
        )


def pass_released(orders: Sequence[Order], holds: Iterable[Hold], *, actor: Acting) -> None:
    """Holds were released by hand or by a rule: the doubts they stood for are settled."""
    kinds: dict[int, set[str]] = {}
    for hold in holds:
        if kind := _BY_RELEASE.get(Hold.Reason(hold.reason)):
            kinds.setdefault(hold.order_id, set()).add(kind)
    if not kinds:
        return
    by_id = {order.pk: order for order in orders}
    rows = Review.objects.select_for_update(no_key=True).filter(
        order__in=list(kinds), state=State.OPEN
    )
    ending = [row for row in rows.order_by("pk") if row.kind in kinds[row.order_id]]
    _end(ending, by_id, State.PASSED, "released", actor)
    announce_settled(ending, actor=actor)


def withdraw_reviews(
    orders: Sequence[Order], kinds: Iterable[Review.Kind] = tuple(Review.Kind), *, actor: Acting
) -> list[Review]:
    """What was in doubt does not matter any more; returns the reviews that were open.

    The caller announces them, when it has written what follows.
    """
    by_id = {order.pk: order for order in orders}
    rows = Review.objects.select_for_update(no_key=True).filter(
        order__in=list(by_id), kind__in=list(kinds), state=State.OPEN
    )
    ending = list(rows.order_by("pk"))
    _end(ending, by_id, State.WITHDRAWN, "withdrawn", actor)
    return ending


def _end(
    reviews: Sequence[Review],
    orders: dict[int, Order],
    verdict: Review.State,
    how: str,
    actor: Acting,
) -> None:
    if not reviews:
        return
    for review in reviews:
        review.order = orders[review.order_id]
    write_settled(reviews, verdict, how=how, actor=actor)
