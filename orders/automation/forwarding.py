"""What rules and people hear of shipments that somebody else sends for us."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from automations.cases import CaseKind, NewCase, cases
from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from orders import signals
from orders.automation.payloads import CustomerFacts, OrderFacts, OrderPayload
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.forwarding import ForwardedOrder
from orders.models.orders import Order

State = ForwardedOrder.State


@dataclass(frozen=True, slots=True)
class ForwardFacts:
    reference: str = labelled("Reference", about="Ours; the same however often it is sent.")
    forwarder: str = labelled("Ships for us")
    place: str = labelled("Place", about="The code of the place, such as MAIN.")
    state: str = labelled("State", choices=State.choices)
    sends: int = labelled("Times sent")
    sent_at: datetime | None = labelled("Sent")
    answer_by: datetime | None = labelled("Answer due")
    refused_why: str | None = labelled("Why they refused")


@dataclass(frozen=True, slots=True)
class ForwardPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    forwarded: ForwardFacts | None = labelled("Forwarded shipment")


def _payload(payload: OrderPayload, row: ForwardedOrder | None) -> ForwardPayload:
    if row is None:
        return ForwardPayload(payload.order, payload.customer, None)
    facts = ForwardFacts(
        reference=row.reference,
        forwarder=row.forwarder.name,
        place=row.forwarder.location.code,
        state=row.state,
        sends=row.sends,
        sent_at=row.sent_at,
        answer_by=row.answer_by,
        refused_why=row.refused_why or None,
    )
    return ForwardPayload(payload.order, payload.customer, facts)


class _OnForwarded(Trigger):
    subject = "orders.order"
    customer = "customer.number"
    payload_class = ForwardPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        forwarded: Sequence[ForwardedOrder],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        versions = {order.pk: order.version for order in orders}
        return [
            Fact(
                row.order_id, versions[row.order_id], _payload(payloads[row.order_id], row), now,
                actor.of(row.order_id), history,
            )
            for row in forwarded
        ]  # fmt: skip

    def current(self, ids: Iterable[int]) -> dict[int, ForwardPayload]:
        payloads = order_payloads(ids)
        rows = ForwardedOrder.objects.filter(order__in=list(payloads)).order_by("pk")
        last = {row.order_id: row for row in rows.select_related("forwarder__location")}
        return {pk: _payload(payload, last.get(pk)) for pk, payload in payloads.items()}


@triggers.register
class OrderForwarded(_OnForwarded):
    key = "orders.order_forwarded"
    label = "Shipment forwarded"
    example = "A parcel of order 1000123 is forwarded to the warehouse in Utrecht."
    signal = signals.forwards_sent


@triggers.register
class ForwardRefused(_OnForwarded):
    key = "orders.forward_refused"
    label = "Forwarded shipment refused"
    example = "The supplier has none left of what order 1000123 needs."
    signal = signals.forwards_refused


@triggers.register
class ForwardUnanswered(_OnForwarded):
    key = "orders.forward_unanswered"
    label = "Forwarded shipment not answered in time"
    example = "Eight working hours after it was told, the warehouse has said nothing."
    signal = signals.forwards_unanswered


@cases.register
class NoAnswer(CaseKind):
    key = "orders.forward_unanswered"
    label = "Forwarded, and no answer"
    subject = "orders.order"
    signal = signals.forwards_unanswered
    closed_signals = (signals.forwards_answered,)
    closed_says = "They have answered."

    def cases(
        self,
        *,
        orders: Sequence[Order],
        forwarded: Sequence[ForwardedOrder],
        **sent: Any,
    ) -> list[NewCase]:
        by_id = {order.pk: order for order in orders}
        return [
            NewCase(
                key=_key(row),
                cause=f"No answer from {row.forwarder}"[:300],
                says=f"{row.forwarder} was told of {row.reference} and has not answered in time.",
                subject_id=row.order_id,
                at_stake=by_id[row.order_id].total_money,
                fallback="Ask them whether they have it. Note their answer, send it again under "
                "the same reference, or note that they refused it, and ship it from elsewhere.",
                detail={"reference": row.reference, "sent": str(row.sends)},
            )
            for row in forwarded
        ]

    def closed(self, *, forwarded: Sequence[ForwardedOrder], **sent: Any) -> list[str]:
        return [_key(row) for row in forwarded]


def _key(row: ForwardedOrder) -> str:
    """One for each shipment; sent again and not answered again, it opens anew."""
    return f"orders.forwardedorder:{row.pk}"
