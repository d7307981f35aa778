"""Facts of orders that rules can start on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Tags, Trigger, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import (
    CancellationFacts,
    HoldFacts,
    OrderCancelledPayload,
    OrderHoldPayload,
    OrderPayload,
    OrderTaggedPayload,
    TaggedFacts,
    order_payload,
)
from orders.models.holds import Hold
from orders.models.orders import Order, OrderLine
from orders.queries.customers import lately
from orders.queries.figures import (
    alike_before,
    lines_by_order,
    orders_by_id,
    promotions_of,
    with_parties,
)


def payloads_of(
    orders: Sequence[Order], lines: Mapping[int, Sequence[OrderLine]] | None = None
) -> dict[int, OrderPayload]:
    """Orders in hand as rules see them, by id; `lines` saves reading them."""
    with_parties(orders)
    figures = lines_by_order([order.id for order in orders], lines)
    alike = alike_before(orders)
    habits = lately(order.customer_id for order in orders)
    given = promotions_of(orders)
    return {order.id: order_payload(order, figures, alike, habits, given) for order in orders}


def order_payloads(ids: Iterable[int]) -> dict[int, OrderPayload]:
    """Orders as they stand now, by id."""
    return payloads_of(list(orders_by_id(ids).values()))


def _fact(order: Order, payload: Any, at: datetime, actor: Acting, *, history: bool) -> Fact:
    return Fact(
        subject_id=order.id,
        subject_version=order.version,
        payload=payload,
        occurred_at=at,
        actor=actor.of(order.id),
        history=history,
    )


@triggers.register
class OrderPlaced(Trigger):
    key = "orders.order_placed"
    label = "Order placed"
    example = "The shop sends order 1000123 of £574.00 to France."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_placed
    payload_class = OrderPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        lines: Mapping[int, Sequence[OrderLine]],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads = payloads_of(orders, lines)
        return [
            _fact(order, payloads[order.id], order.placed_at, actor, history=history)
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderPayload]:
        return order_payloads(ids)


@triggers.register
class OrderPaid(Trigger):
    key = "orders.order_paid"
    label = "Order paid in full"
    example = "The last part of £574.00 for order 1000123 comes in."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_paid
    payload_class = OrderPayload

    def facts(
        self, *, orders: Sequence[Order], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = payloads_of(orders)
        return [
            _fact(
                order, payloads[order.id], order.paid_at or order.placed_at, actor, history=history
            )
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderPayload]:
        return order_payloads(ids)


class _HoldTrigger(Trigger):
    subject = "orders.order"
    customer = "customer.number"
    payload_class = OrderHoldPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        holds: Sequence[Hold],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads = payloads_of(orders)
        by_id = {order.id: order for order in orders}
        now = timezone.now()
        return [
            _fact(
                by_id[hold.order_id],
                _of_hold(payloads[hold.order_id], hold),
                now,
                actor,
                history=history,
            )
            for hold in holds
        ]


def _of_hold(payload: OrderPayload, hold: Hold | None) -> OrderHoldPayload:
    facts = HoldFacts(hold.reason, hold.ends_at) if hold else None
    return OrderHoldPayload(payload.order, payload.customer, facts)


def _latest_holds(ids: Iterable[int], *, is_open: bool) -> dict[int, Hold]:
    """The last hold of each order that is open, or that is not."""
    rows = Hold.objects.filter(order_id__in=set(ids), released_at__isnull=is_open)
    return {hold.order_id: hold for hold in rows.order_by("released_at", "pk")}


@triggers.register
class OrderHeld(_HoldTrigger):
    key = "orders.order_held"
    label = "Order put on hold"
    example = "Operations holds order 1000123: possible fraud."
    signal = signals.orders_held

    def current(self, ids: Iterable[int]) -> dict[int, OrderHoldPayload]:
        payloads, holds = order_payloads(ids), _latest_holds(ids, is_open=True)
        return {pk: _of_hold(payload, holds.get(pk)) for pk, payload in payloads.items()}


@triggers.register
class OrderReleased(_HoldTrigger):
    key = "orders.order_released"
    label = "Order released from hold"
    example = "Operations releases order 1000123: the address is right."
    signal = signals.orders_released

    def current(self, ids: Iterable[int]) -> dict[int, OrderHoldPayload]:
        payloads, holds = order_payloads(ids), _latest_holds(ids, is_open=False)
        return {pk: _of_hold(payload, holds.get(pk)) for pk, payload in payloads.items()}


@triggers.register
class HoldRanOut(_HoldTrigger):
    key = "orders.hold_ran_out"
    label = "Hold has run out"
    example = "Nobody has decided about order 1000123 in the 48 hours its hold was meant to last."
    signal = signals.holds_ran_out

    def current(self, ids: Iterable[int]) -> dict[int, OrderHoldPayload]:
        payloads, holds = order_payloads(ids), _latest_holds(ids, is_open=True)
        return {pk: _of_hold(payload, holds.get(pk)) for pk, payload in payloads.items()}


@triggers.register
class OrderCancelled(Trigger):
    key = "orders.order_cancelled"
    label = "Order cancelled"
    example = "Support cancels order 1000123: the customer asked."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_cancelled
    payload_class = OrderCancelledPayload

    def facts(
        self, *, orders: Sequence[Order], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = payloads_of(orders)
        return [
            _fact(
                order,
                _cancelled(order, payloads[order.id]),
                order.cancelled_at or timezone.now(),
                actor,
                history=history,
            )
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderCancelledPayload]:
        orders = orders_by_id(ids)
        payloads = payloads_of(list(orders.values()))
        return {pk: _cancelled(order, payloads[pk]) for pk, order in orders.items()}


def _cancelled(order: Order, payload: OrderPayload) -> OrderCancelledPayload:
    return OrderCancelledPayload(
        payload.order, payload.customer, CancellationFacts(order.cancel_reason)
    )


@triggers.register
class OrderTagged(Trigger):
    key = "orders.order_tagged"
    label = "Order tagged"
    example = "A rule tags order 1000123 “high-value”."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_tagged
    payload_class = OrderTaggedPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        tags: Mapping[int, tuple[str, ...]],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads = payloads_of(orders)
        now = timezone.now()
        return [
            _fact(order, _tagged(payloads[order.id], tags[order.id]), now, actor, history=history)
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, OrderTaggedPayload]:
        # A tag that was added and is still there still counts as added.
        return {
            pk: _tagged(payload, payload.order.tags) for pk, payload in order_payloads(ids).items()
        }


def _tagged(payload: OrderPayload, tags: tuple[str, ...]) -> OrderTaggedPayload:
    return OrderTaggedPayload(payload.order, payload.customer, TaggedFacts(Tags(tags)))
