"""What rules hear of what was sold before its stock came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone

from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from orders import signals
from orders.automation.payloads import CustomerFacts, OrderFacts, OrderPayload, told
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.models.preorders import PreOrder, PreOrderLine, PreOrderNotice


@dataclass(frozen=True, slots=True)
class MovedFacts:
    sku: str = labelled("SKU", about="Upper and lower case differ.")
    was: date | None = labelled("Promised for before", about="Unknown where nobody knew a day.")
    now: date | None = labelled("Promised for now", about="Unknown where nobody knows a day.")
    delayed: bool = labelled(
        "Later than before", about="Also where a day was promised, and nobody knows one now."
    )
    promise: str = labelled("Promise in words", about="Such as 15 January 2027, or no day yet.")
    step: int = labelled("Moves so far", about="1 when its day moves for the first time.")
    why: str = labelled("Why it moved")


@dataclass(frozen=True, slots=True)
class PreOrderMovedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    preorder: MovedFacts | None = labelled("Pre-order")


@dataclass(frozen=True, slots=True)
class ReleasedFacts:
    sku: str = labelled("SKU", about="Upper and lower case differ.")
    units: int = labelled("Units")
    billing: str = labelled("Is paid", choices=PreOrder.Billing.choices)
    due: Money | None = labelled(
        "To pay now", about="What was not to be paid before its stock came; asked for once."
    )


@dataclass(frozen=True, slots=True)
class PreOrderReleasedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    preorder: ReleasedFacts | None = labelled("Pre-order")


def _moved(payload: OrderPayload, notice: PreOrderNotice | None) -> PreOrderMovedPayload:
    if notice is None:
        return PreOrderMovedPayload(payload.order, payload.customer, None)
    move = notice.move
    was, now = notice.was_on, notice.now_on
    facts = MovedFacts(
        move.preorder.sku.code, was, now,
        delayed=was is not None and (now is None or now > was),
        promise=f"{now:%-d %B %Y}" if now else "no day yet",
        step=move.step, why=move.why,
    )  # fmt: skip
    return PreOrderMovedPayload(payload.order, payload.customer, facts)


@triggers.register
class PreOrderMoved(Trigger):
    key = "orders.preorder_moved"
    label = "Day of a pre-order moved"
    example = "The lamp that order 1000123 waits for is promised for 15 January, not 4 December."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.preorders_moved
    fixed = ("preorder",)
    payload_class = PreOrderMovedPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        notices: Sequence[PreOrderNotice],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        versions = {order.pk: order.version for order in orders}
        return [
            Fact(
                each.order_id, versions[each.order_id], _moved(payloads[each.order_id], each), now,
                actor.of(each.order_id), history,
            )
            for each in notices
        ]  # fmt: skip

    def current(self, ids: Iterable[int]) -> dict[int, PreOrderMovedPayload]:
        payloads = order_payloads(ids)
        rows = PreOrderNotice.objects.filter(order__in=list(payloads)).order_by("pk")
        last = {row.order_id: row for row in rows.select_related("move__preorder__sku")}
        return {pk: _moved(payload, last.get(pk)) for pk, payload in payloads.items()}


def _released(
    payload: OrderPayload, line: PreOrderLine | None, currency: str
) -> PreOrderReleasedPayload:
    if line is None:
        return PreOrderReleasedPayload(payload.order, payload.customer, None)
    due = None if line.asked_amount is None else told(line.asked_amount, currency)
    facts = ReleasedFacts(line.preorder.sku.code, line.units, line.billing, due)
    return PreOrderReleasedPayload(payload.order, payload.customer, facts)


@triggers.register
class PreOrderReleased(Trigger):
    key = "orders.preorder_released"
    label = "Stock for a pre-order has come"
    example = "The lamp that order 1000123 waits for has come, and £64.00 are due now."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.preorders_released
    fixed = ("preorder",)
    payload_class = PreOrderReleasedPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        lines: Sequence[PreOrderLine],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        known = {order.pk: order for order in orders}
        return [
            Fact(
                line.order_id, known[line.order_id].version,
                _released(payloads[line.order_id], line, known[line.order_id].currency),
                line.ended_at or now, actor.of(line.order_id), history,
            )
            for line in lines
        ]  # fmt: skip

    def current(self, ids: Iterable[int]) -> dict[int, PreOrderReleasedPayload]:
        payloads = order_payloads(ids)
        rows = PreOrderLine.objects.filter(
            order__in=list(payloads), state=PreOrderLine.State.RELEASED
        ).select_related("preorder__sku")
        last = {row.order_id: row for row in rows.order_by("ended_at", "pk")}
        return {
            pk: _released(payload, last.get(pk), payload.order.currency)
            for pk, payload in payloads.items()
        }
