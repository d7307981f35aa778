"""Fraud screening: every signal looks at an order, what it saw is kept, and suspects are held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import transaction

from backoffice import timeline
from backoffice.actors import Acting
from orders import signals
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import RiskAssessment, RiskSignal
from orders.queries.figures import with_parties
from orders.queries.suspicion import look
from orders.services.errors import AlreadyCancelled, AlreadyShipped
from orders.services.marks import Marks, read_marks
from orders.services.outcomes import Outcomes, lock_orders, unknown
from orders.services.reviews import open_reviews

Mode, Outcome = RiskSignal.Mode, RiskAssessment.Outcome
Findings = list[dict[str, Any]]


def screen_orders(orders: Sequence[Order], marks: Marks, *, actor: Acting) -> list[RiskAssessment]:
    """Look at locked orders with the signals as they stand, and hold the suspicious ones.

    Nothing is done while no signal is on. Announces orders_assessed, and what open_reviews does.
    """
    watching = list(RiskSignal.objects.exclude(mode=Mode.OFF).order_by("key"))
    if not orders or not watching:
        return []
    findings: dict[int, Findings] = {order.pk: [] for order in orders}
    for signal in watching:
        for order_id, seen in look(signal, orders, marks).items():
            findings[order_id].append(
                {
                    "key": signal.key,
                    "name": signal.name,
                    "mode": signal.mode,
                    "weight": signal.weight,
                    "fired": seen.fires,
                    "seen": seen.words,
                }
            )
    made = [_assessment(order, findings[order.pk], actor) for order in orders]
    RiskAssessment.objects.filter(order__in=orders, is_current=True).update(is_current=False)
    RiskAssessment.objects.bulk_create(made)
    _announce(orders, made, actor)
    return made


def _assessment(order: Order, findings: Findings, actor: Acting) -> RiskAssessment:
    acting = [row for row in findings if row["fired"] and row["mode"] != Mode.MONITOR]
    modes = {row["mode"] for row in acting}
    by = actor.of(order.pk)
    return RiskAssessment(
        order=order,
        outcome=Outcome.BLOCKED
        if Mode.BLOCK in modes
        else Outcome.REVIEW
        if modes
        else Outcome.CLEAR,
        score=sum(row["weight"] for row in acting),
        findings=findings,
        actor_kind=by.kind,
        actor_label=by.label,
    )


def _announce(orders: Sequence[Order], made: Sequence[RiskAssessment], actor: Acting) -> None:
    by_order = {each.order_id: each for each in made}
    stopped = [order for order in orders if by_order[order.pk].outcome != Outcome.CLEAR]
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"Screened: {by_order[order.pk].get_outcome_display().lower()}, "
            f"score {by_order[order.pk].score}",
            actor.of(order.pk),
        )
        for order in stopped
    )
    open_reviews(
        Review.Kind.FRAUD,
        stopped,
        {order.pk: _found(by_order[order.pk]) for order in stopped},
        {order.pk: "; ".join(reasons(by_order[order.pk])) for order in stopped},
        actor=actor,
    )
    signals.orders_assessed.send(
        sender=Order, orders=list(orders), assessments=by_order, actor=actor, history=False
    )


def reasons(assessment: RiskAssessment) -> list[str]:
    """The names of the signals that stopped the order, the heaviest first."""
    return [str(row["name"]) for row in assessment.fired if row["mode"] != Mode.MONITOR]


def _found(assessment: RiskAssessment) -> dict[str, Any]:
    return {
        "outcome": assessment.outcome,
        "score": assessment.score,
        "reasons": reasons(assessment),
        "signals": [row["key"] for row in assessment.fired if row["mode"] != Mode.MONITOR],
    }


@transaction.atomic
def screen_again(order_ids: Iterable[int], *, actor: Acting) -> Outcomes:
    """Look at orders once more, with the signals and the blocklist as they stand now.

    Refuses cancelled and shipped orders. One that was found to be no fraud is held again where a
    signal says so. Unchanged: no signal is on. Announces orders_assessed, orders_held.
    """
    ids = set(order_ids)
    orders = list(with_parties(lock_orders(ids)))
    done = Outcomes(refused=unknown(ids, orders))
    asking = []
    for order in orders:
        if order.is_cancelled:
            done.refused[order.pk] = AlreadyCancelled(f"Order {order} is cancelled.")
        elif order.fulfilment == Order.Fulfilment.SHIPPED:
            done.refused[order.pk] = AlreadyShipped(f"Order {order} has left already.")
        else:
            asking.append(order)
    made = screen_orders(asking, read_marks(asking), actor=actor)
    (done.changed if made else done.unchanged).extend(asking)
    return done
