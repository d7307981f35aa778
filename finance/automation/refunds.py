"""What finance offers to rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from automations.actions import (
    Call,
    Change,
    Counts,
    Done,
    Foreseen,
    How,
    Outcome,
    Rejected,
    Risk,
    SetAction,
    actions,
)
from automations.triggers import Country, Fact, Scan, Tags, Trigger, labelled, scans, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from finance import signals
from finance.automation.asking import AsksForRefund
from finance.forms import RequestRefundForm
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.refunds import NewRefund, request_refunds
from orders.models.orders import Order


@dataclass(frozen=True, slots=True)
class OrderFacts:
    number: str = labelled("Order number", lasting=True)
    total: Money = labelled("Order total", lasting=True)
    paid: Money = labelled("Paid so far")
    refunded: Money = labelled("Refunded so far")
    country: Country = labelled("Ships to", lasting=True)
    channel: str = labelled("Channel", lasting=True)
    tags: Tags = labelled("Order tags")
    placed_at: datetime = labelled("Placed", lasting=True)


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    number: str = labelled("Payment number", lasting=True)
    amount: Money = labelled("Amount", lasting=True)
    provider: str = labelled("Provider", lasting=True)
    method: str = labelled("Method", choices=Payment.Method.choices, lasting=True)
    received_at: datetime = labelled("Received", lasting=True)


@dataclass(frozen=True, slots=True)
class PaymentReceivedPayload:
    payment: PaymentFacts
    order: OrderFacts


@dataclass(frozen=True, slots=True)
class RefundFacts:
    number: str = labelled("Refund number", lasting=True)
    amount: Money = labelled("Amount", lasting=True)
    reason: str = labelled("Reason", choices=Refund.Reason.choices, lasting=True)
    state: str = labelled("State", choices=Refund.State.choices)
    by_rule: bool = labelled("Asked for by a rule", lasting=True)
    requested_at: datetime = labelled("Asked for", lasting=True)


@dataclass(frozen=True, slots=True)
class RefundPayload:
    refund: RefundFacts
    order: OrderFacts


def _order(order: Order) -> OrderFacts:
    return OrderFacts(
        number=order.number,
        total=order.total_money,
        paid=order.money(order.amount_paid),
        refunded=order.money(order.amount_refunded),
        country=Country(order.ship_country),
        channel=order.channel.key,
        tags=Tags(tuple(order.tags)),
        placed_at=order.placed_at,
    )


def _payment(payment: Payment) -> PaymentReceivedPayload:
    facts = PaymentFacts(
        number=payment.number,
        amount=payment.money,
        provider=payment.provider,
        method=payment.method,
        received_at=payment.received_at,
    )
    return PaymentReceivedPayload(facts, _order(payment.order))


def _refund(refund: Refund) -> RefundPayload:
    facts = RefundFacts(
        number=refund.number,
        amount=refund.money,
        reason=refund.reason,
        state=refund.state,
        by_rule=refund.rule_id is not None,
        requested_at=refund.requested_at,
    )
    return RefundPayload(facts, _order(refund.order))


def _payments(ids: Iterable[int]) -> dict[int, PaymentReceivedPayload]:
    rows = Payment.objects.filter(pk__in=set(ids)).select_related("order__channel")
    return {payment.pk: _payment(payment) for payment in rows}


def _refunds(ids: Iterable[int]) -> dict[int, RefundPayload]:
    rows = Refund.objects.filter(pk__in=set(ids)).select_related("order__channel")
    return {refund.pk: _refund(refund) for refund in rows}


@triggers.register
class PaymentReceived(Trigger):
    key = "finance.payment_received"
    label = "Payment received"
    example = "A provider reports £574.00 for order 1000123."
    subject = "finance.payment"
    signal = signals.payments_received
    payload_class = PaymentReceivedPayload

    def facts(
        self, *, payments: Sequence[Payment], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [
            Fact(
                subject_id=payment.pk,
                subject_version=payment.version,
                payload=_payment(payment),
                occurred_at=payment.received_at,
                actor=actor.of(payment.order_id),
                history=history,
            )
            for payment in payments
        ]

    def current(self, ids: Iterable[int]) -> dict[int, PaymentReceivedPayload]:
        return _payments(ids)


class _RefundTrigger(Trigger):
    subject = "finance.refund"
    payload_class = RefundPayload

    def facts(
        self, *, refunds: Sequence[Refund], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [
            Fact(
                subject_id=refund.pk,
                subject_version=refund.version,
                payload=_refund(refund),
                occurred_at=refund.decided_at or refund.requested_at,
                actor=actor.of(refund.pk),
                history=history,
            )
            for refund in refunds
        ]

    def current(self, ids: Iterable[int]) -> dict[int, RefundPayload]:
        return _refunds(ids)


@triggers.register
class RefundRequested(_RefundTrigger):
    key = "finance.refund_requested"
    label = "Refund asked for"
    example = "Support asks for £41.00 back on order 1000123: arrived damaged."
    signal = signals.refunds_requested


@triggers.register
class RefundApproved(_RefundTrigger):
    key = "finance.refund_approved"
    label = "Refund approved"
    example = "Finance approves £41.00 on order 1000123."
    signal = signals.refunds_approved


ORDER_COLUMNS: dict[str, str | tuple[str, str]] = {
    "order.number": "order__number",
    "order.total": ("order__total", "order__currency"),
    "order.paid": ("order__amount_paid", "order__currency"),
    "order.refunded": ("order__amount_refunded", "order__currency"),
    "order.country": "order__ship_country",
    "order.channel": "order__channel__key",
    "order.tags": "order__tags",
    "order.placed_at": "order__placed_at",
}


@scans.register
class Payments(Scan):
    key = subject = "finance.payment"
    label = "Payments"
    example = "Every payment but imported history."
    payload_class = PaymentReceivedPayload
    columns = {
        "payment.number": "number",
        "payment.amount": ("amount", "currency"),
        "payment.provider": "provider",
        "payment.method": "method",
        "payment.received_at": "received_at",
        **ORDER_COLUMNS,
    }

    def rows(self) -> QuerySet[Payment]:
        return Payment.objects.filter(is_history=False)

    def current(self, ids: Iterable[int]) -> dict[int, PaymentReceivedPayload]:
        return _payments(ids)


@scans.register
class Refunds(Scan):
    key = subject = "finance.refund"
    label = "Refunds"
    example = "Every refund but imported history."
    payload_class = RefundPayload
    columns = {
        "refund.number": "number",
        "refund.amount": ("amount", "currency"),
        "refund.reason": "reason",
        "refund.state": "state",
        "refund.requested_at": "requested_at",
        **ORDER_COLUMNS,
    }

    def rows(self) -> QuerySet[Refund]:
        return Refund.objects.filter(is_history=False)

    def current(self, ids: Iterable[int]) -> dict[int, RefundPayload]:
        return _refunds(ids)


@actions.register
class RequestRefund(AsksForRefund, SetAction):
    """Only asks: somebody of finance still approves the money."""

    key = "finance.request_refund"
    label = "Ask for a refund"
    subject = "orders.order"
    form = RequestRefundForm
    permission = "finance.request_refund"
    risk = Risk.MONEY
    makes = "refund request"
    minutes_by_hand = 3
    announces = ("finance.refund_requested",)

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("order.refunds", How.MAKES, "a request to refund the order"),)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {"refund.reason": params.get("reason"), "refund.amount": params.get("amount")}
        told = {path: value for path, value in known.items() if value}
        return {**told, "refund.by_rule": True, "refund.state": Refund.State.REQUESTED.value}

    def counts(self, params: Mapping[str, Any], stake: Money | None) -> Counts:
        """The amount asked for; all that the event is about where none is given."""
        return Counts(money=params.get("amount") or stake)

    def foresee(self, params: Mapping[str, Any], stake: Money | None) -> Foreseen:
        """What finance would book if it approved: all that was paid where no amount is given."""
        amount = params.get("amount") or stake
        if amount is None:
            return Foreseen()
        debit, credit = Account.Role.CUSTOMERS, Account.Role.PSP_CLEARING
        return Foreseen(amount, ((str(debit.label), amount), (str(credit.label), -amount)))

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        answers = request_refunds([_new_refund(call) for call in calls])
        return [
            Rejected(str(answer))
            if isinstance(answer, FinanceError)
            else self.asked(answer.refund, already=not answer.is_new)
            for answer in answers
        ]

    def in_words(self, params: Mapping[str, Any]) -> str:
        amount = params.get("amount")
        reason = Refund.Reason(params["reason"]).label.lower()
        what = _amount_in_words(amount) if amount else "all that can still be refunded"
        return f"Ask finance to refund {what}: {reason}"


def _new_refund(call: Call) -> NewRefund:
    return NewRefund(
        order_id=call.subject_id,
        amount=call.params["amount"],
        reason=call.params["reason"],
        actor=call.actor,
        note=call.params["note"],
        key=call.key,
    )


def _amount_in_words(amount: Any) -> str:
    """An amount as the document stores it: written out, a field or a param."""
    match amount:
        case {"field": str(name)} | {"param": str(name)}:
            return name
        case Money():
            return str(amount)
    return str(Money.from_json(amount))
