"""What claims and exchanges offer to rules: their facts, and what can be done about a claim."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django import forms
from django.db.models import QuerySet

from automations.actions import Action, Call, Change, Done, How, Rejected, Risk, actions
from automations.triggers import Fact, Scan, Trigger, labelled, scans, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from inventory.services.errors import InventoryError
from orders import signals
from orders.automation.actions import label_of
from orders.automation.payloads import (
    CustomerFacts,
    Habits,
    ReturnedOrderFacts,
    customer_facts,
    returned_order,
    told,
)
from orders.forms.claims import RefuseClaimForm, ReshipForm
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.queries.customers import lately
from orders.services.claims import claimable, open_claim, refuse_claim, reship_claim
from orders.services.errors import OrderError

State = Claim.State


@dataclass(frozen=True, slots=True)
class ClaimFacts:
    number: str = labelled("Claim number", lasting=True)
    reason: str = labelled("Reason", choices=Claim.Reason.choices, lasting=True)
    state: str = labelled("State", choices=Claim.State.choices)
    channel: str = labelled("Channel", lasting=True)
    amount: Money = labelled(
        "Worth", about="What the claimed units cost, tax included.", lasting=True
    )
    units: int = labelled("Units", lasting=True)
    has_evidence: bool = labelled("Something was shown")
    opened_at: datetime = labelled("Opened", lasting=True)
    answer_by: datetime = labelled("Answer by")
    decided_at: datetime | None = labelled("Decided")


@dataclass(frozen=True, slots=True)
class ClaimPayload:
    claim: ClaimFacts = labelled("Claim")
    order: ReturnedOrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")


@dataclass(frozen=True, slots=True)
class ExchangeFacts:
    number: str = labelled("Exchange number", lasting=True)
    channel: str = labelled("Channel", lasting=True)
    credit: Money = labelled("Comes back", lasting=True)
    price: Money = labelled("Leaves", lasting=True)
    difference: Money = labelled(
        "Difference",
        about="Above zero the customer pays it, below zero it goes back.",
        lasting=True,
    )
    made_at: datetime = labelled("Made", lasting=True)


@dataclass(frozen=True, slots=True)
class ExchangePayload:
    exchange: ExchangeFacts = labelled("Exchange")
    order: ReturnedOrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")


def claim_payloads(ids: Iterable[int]) -> dict[int, ClaimPayload]:
    rows = Claim.objects.filter(pk__in=set(ids)).select_related("order__channel", "order__customer")
    habits = lately(row.order.customer_id for row in rows)
    return {row.pk: _claim(row, habits) for row in rows}


def _claim(row: Claim, habits: Habits) -> ClaimPayload:
    order = row.order
    facts = ClaimFacts(
        number=row.number,
        reason=row.reason,
        state=row.state,
        channel=order.channel.key,
        amount=told(row.amount, row.currency),
        units=row.units,
        has_evidence=bool(row.evidence),
        opened_at=row.opened_at,
        answer_by=row.answer_by,
        decided_at=row.decided_at,
    )
    customer = customer_facts(order.customer, order.orders_before, habits)
    return ClaimPayload(facts, returned_order(order), customer)


class _ClaimTrigger(Trigger):
    subject = "orders.claim"
    customer = "customer.number"
    payload_class = ClaimPayload

    def facts(
        self, *, claims: Sequence[Claim], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = claim_payloads(row.pk for row in claims)
        return [
            Fact(
                row.pk, row.version, payloads[row.pk], row.decided_at or row.opened_at,
                actor.of(row.pk), history,
            )
            for row in claims
        ]  # fmt: skip

    def current(self, ids: Iterable[int]) -> dict[int, ClaimPayload]:
        return claim_payloads(ids)


@triggers.register
class ClaimOpened(_ClaimTrigger):
    key = "orders.claim_opened"
    label = "Claim opened"
    example = "A customer says that one of the mugs of order 1000123 arrived broken."
    signal = signals.claims_opened


@triggers.register
class ClaimDecided(_ClaimTrigger):
    key = "orders.claim_decided"
    label = "Claim made good or refused"
    example = "Support sends the mug of claim CL100042 again."
    signal = signals.claims_decided


@triggers.register
class ExchangeMade(Trigger):
    key = "orders.exchange_made"
    label = "Exchange made"
    example = "A mug of order 1000123 comes back for a larger one, £4.50 to pay."
    subject = "orders.exchange"
    customer = "customer.number"
    signal = signals.exchanges_made
    payload_class = ExchangePayload

    def facts(
        self, *, exchanges: Sequence[Exchange], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = self.current(row.pk for row in exchanges)
        return [
            Fact(row.pk, row.version, payloads[row.pk], row.made_at, actor.of(row.pk), history)
            for row in exchanges
        ]

    def current(self, ids: Iterable[int]) -> dict[int, ExchangePayload]:
        rows = Exchange.objects.filter(pk__in=set(ids)).select_related(
            "order__channel", "order__customer"
        )
        habits = lately(row.order.customer_id for row in rows)
        return {
            row.pk: ExchangePayload(
                ExchangeFacts(
                    number=row.number,
                    channel=row.order.channel.key,
                    credit=told(row.credit, row.currency),
                    price=told(row.price, row.currency),
                    difference=told(row.difference, row.currency),
                    made_at=row.made_at,
                ),
                returned_order(row.order),
                customer_facts(row.order.customer, row.order.orders_before, habits),
            )
            for row in rows
        }


@scans.register
class Claims(Scan):
    key = subject = "orders.claim"
    label = "Claims"
    example = "Every claim there is."
    customer = "customer.number"
    payload_class = ClaimPayload
    columns = {
        "claim.number": "number",
        "claim.reason": "reason",
        "claim.state": "state",
        "claim.channel": "order__channel__key",
        "claim.amount": ("amount", "currency"),
        "claim.units": "units",
        "claim.opened_at": "opened_at",
        "claim.answer_by": "answer_by",
        "claim.decided_at": "decided_at",
        "order.number": "order__number",
        "order.total": ("order__total", "order__currency"),
        "order.country": "order__ship_country",
        "order.payment": "order__payment",
        "order.tags": "order__tags",
        "order.placed_at": "order__placed_at",
        "customer.number": "order__customer__number",
        "customer.kind": "order__customer__kind",
        "customer.country": "order__customer__country",
        "customer.tags": "order__customer__tags",
    }

    def rows(self) -> QuerySet[Claim]:
        return Claim.objects.all()

    def current(self, ids: Iterable[int]) -> dict[int, ClaimPayload]:
        return claim_payloads(ids)


class OpenForm(forms.Form):
    reason = forms.ChoiceField(label="Reason", choices=Claim.Reason.choices)
    evidence = forms.CharField(
        label="What is known", max_length=1000, required=False, widget=forms.Textarea
    )


@actions.register
class OpenClaim(Action):
    """About every unit that no claim stands for yet; a person narrows it down by a new one."""

    key = "orders.open_claim"
    label = "Open a claim"
    subject = "orders.order"
    form = OpenForm
    permission = "orders.add_claim"
    makes = "claim"
    minutes_by_hand = 4
    announces = ("orders.claim_opened",)
    never_undone = "A claim stays on record. Refuse it instead."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("order.claims", How.MAKES, "a claim about the order"),)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        told_ = {"claim.state": State.OPEN.value}
        return {**told_, "claim.reason": params["reason"]} if params.get("reason") else told_

    def execute(self, call: Call) -> Done:
        order = Order.objects.filter(pk=call.subject_id).first()
        if order is None:
            raise Rejected("The order does not exist any more.")
        known = Claim.objects.filter(key=call.key).first()
        try:
            claim = known or open_claim(
                order.pk,
                {line.pk: left for line, left in claimable(order) if left > 0},
                reason=Claim.Reason(call.params["reason"]),
                evidence=call.params.get("evidence") or "",
                key=call.key,
                actor=call.actor,
            )
        except OrderError as error:
            raise Rejected(str(error)) from error
        return Done(
            f"Claim {claim} opened", link=("orders.claim", claim.pk), already=known is not None
        )

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Open a claim: {label_of(params['reason'], Claim.Reason.choices)}"


class _OnClaim(Action):
    subject = "orders.claim"
    permission = "orders.decide_claim"
    writes = ("claim.state", "claim.decided_at")
    announces: ClassVar[tuple[str, ...]] = ("orders.claim_decided",)
    to: State

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("claim.state", How.SETS, "the claim’s state", self.to.value),)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"claim.state": self.to.value}

    def act(self, call: Call) -> Done:
        raise NotImplementedError

    def execute(self, call: Call) -> Done:
        if Claim.objects.filter(pk=call.subject_id, state=self.to).exists():
            return Done(f"Was {self.to.label.lower()} already", already=True)
        try:
            return self.act(call)
        except (OrderError, InventoryError) as error:
            raise Rejected(str(error)) from error


@actions.register
class ReshipClaim(_OnClaim):
    """It gives goods away, so finance has a say in rules that do it."""

    key = "orders.reship_claim"
    label = "Send claimed goods again"
    form = ReshipForm
    risk = Risk.MONEY
    makes = "order"
    minutes_by_hand = 6
    announces = ("orders.claim_decided", "orders.order_placed")
    never_undone = "The goods may have left. Cancel the order that sends them again."
    to = State.RESHIPPED

    def act(self, call: Call) -> Done:
        made = reship_claim(call.subject_id, note=call.params["note"], actor=call.actor)
        return Done(f"Sent again as order {made}", link=("orders.order", made.pk))

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Send the claimed goods again, without charge"


@actions.register
class RefuseClaim(_OnClaim):
    key = "orders.refuse_claim"
    label = "Refuse the claim"
    form = RefuseClaimForm
    risk = Risk.CUSTOMER
    never_undone = "The customer may have been told. Open another claim."
    to = State.REFUSED

    def act(self, call: Call) -> Done:
        refuse_claim(call.subject_id, note=call.params["note"], actor=call.actor)
        return Done("Refused")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Refuse the claim"
