"""What rules hear of consent, and how they write to customers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from automations.actions import Action, Call, Change, Done, How, Rejected, Risk, actions
from automations.triggers import Country, Fact, Tags, Trigger, labelled, triggers
from backoffice.actors import Acting
from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.models.orders import Order
from support import signals
from support.forms import OrderMailForm, WithdrawForm, WriteForm
from support.models import ConsentEvent, Medium, Purpose
from support.services.consent import record_consent
from support.services.errors import SupportError
from support.services.outgoing import NewMail, queue_mail


@dataclass(frozen=True, slots=True)
class WhoFacts:
    number: str = labelled("Customer number")
    kind: str = labelled("Kind", choices=Customer.Kind.choices)
    country: Country = labelled("Country")
    orders: int = labelled("Orders so far")
    tags: Tags = labelled("Customer tags")


@dataclass(frozen=True, slots=True)
class ConsentFacts:
    purpose: str = labelled("What for", choices=Purpose.choices)
    medium: str = labelled("How", choices=Medium.choices)
    source: str = labelled("Where they said so", choices=ConsentEvent.Source.choices)


@dataclass(frozen=True, slots=True)
class ConsentPayload:
    customer: WhoFacts = labelled("Customer")
    consent: ConsentFacts | None = labelled("Consent")


def _payload(customer: Customer, event: ConsentEvent | None) -> ConsentPayload:
    who = WhoFacts(
        customer.number,
        customer.kind,
        Country(customer.country),
        customer.orders_count,
        Tags(tuple(customer.tags)),
    )
    said = ConsentFacts(event.purpose, event.medium, event.source) if event else None
    return ConsentPayload(who, said)


@triggers.register
class ConsentWithdrawn(Trigger):
    key = "support.consent_withdrawn"
    label = "Customer withdrew consent"
    example = "Customer 17850 wants no more news and offers by mail."
    subject = "orders.customer"
    customer = "customer.number"
    signal = signals.consents_withdrawn
    payload_class = ConsentPayload
    fixed = ("consent",)

    def facts(
        self, *, consents: Sequence[ConsentEvent], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [
            Fact(
                event.customer_id,
                event.customer.version,
                _payload(event.customer, event),
                event.at,
                actor.of(event.customer_id),
                history,
            )
            for event in consents
        ]

    def current(self, ids: Iterable[int]) -> Mapping[int, ConsentPayload]:
        rows = Customer.objects.filter(pk__in=set(ids))
        said = ConsentEvent.objects.filter(customer__in=rows, given=False).order_by("pk")
        last = {event.customer_id: event for event in said}
        return {row.pk: _payload(row, last.get(row.pk)) for row in rows}


# Rules that each write are told of each other, whatever they write.
WRITTEN = (Change("customer.mails", How.MAKES, "contact with the customer"),)


@actions.register
class WriteToCustomer(Action):
    """Marketing goes only to those who agreed; the others are skipped, with the reason."""

    key = "support.write_to_customer"
    label = "Write to the customer"
    subject = "orders.customer"
    form = WriteForm
    permission = "support.write_customer"
    risk = Risk.CUSTOMER
    minutes_by_hand = 4
    never_undone = "What was written can't be unwritten."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return WRITTEN

    def execute(self, call: Call) -> Done:
        return self.write(call.subject_id, call)

    def write(self, customer_id: int, call: Call) -> Done:
        """Have a customer written to; says so where they did not agree."""
        mail = queue_mail(
            NewMail(
                customer_id,
                call.params["purpose"],
                call.params["subject"],
                call.params["text"],
                call.key,
                call.actor,
            )
        )
        if mail.skipped:
            return Done(f"Not written to: {mail.get_skipped_display()}")
        return Done("Mail queued")

    def in_words(self, params: Mapping[str, Any]) -> str:
        what = dict(Purpose.choices).get(str(params["purpose"]), "mail")
        subject = params["subject"]
        told = subject.get("text") if isinstance(subject, dict) else subject
        return f"Write to the customer, {str(what).lower()}: “{told}”"


@actions.register
class WriteAboutOrder(Action):
    """It serves an order, so that it needs no consent; a guest has no address that we may use."""

    key = "support.write_about_order"
    label = "Write to the customer about the order"
    subject = "orders.order"
    form = OrderMailForm
    permission = "support.write_customer"
    risk = Risk.CUSTOMER
    minutes_by_hand = 4
    never_undone = "What was written can't be unwritten."

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return WRITTEN

    def execute(self, call: Call) -> Done:
        order = Order.objects.filter(pk=call.subject_id).first()
        if order is None:
            raise Rejected("The order does not exist any more.")
        if order.customer_id is None:
            raise Rejected("A guest placed the order. Write to them by hand.")
        text = (call.params["subject"], call.params["text"])
        mail = queue_mail(NewMail(order.customer_id, Purpose.SERVICE, *text, call.key, call.actor))
        if mail.skipped:
            return Done(f"Not written to: {mail.get_skipped_display()}")
        return Done("Mail queued")

    def in_words(self, params: Mapping[str, Any]) -> str:
        subject = params["subject"]
        told = subject.get("text") if isinstance(subject, dict) else subject
        return f"Write to the customer about the order: “{told}”"


@actions.register
class WriteAboutCart(WriteToCustomer):
    """Only while the cart is as it was left: whoever ordered meanwhile is not reminded."""

    key = "support.write_about_cart"
    label = "Write to the customer about their cart"
    subject = "orders.cart"

    def execute(self, call: Call) -> Done:
        cart = Cart.objects.filter(pk=call.subject_id).first()
        if cart is None:
            raise Rejected("The cart does not exist any more.")
        if cart.state == Cart.State.CONVERTED:
            return Done("Not written to: the cart was ordered", already=True)
        if cart.customer_id is None:
            return Done("Not written to: nobody knows whose cart it is")
        return self.write(cart.customer_id, call)

    def in_words(self, params: Mapping[str, Any]) -> str:
        told = super().in_words(params)
        return told.replace("Write to the customer,", "Write to the customer about their cart,", 1)


@actions.register
class WithdrawConsent(Action):
    key = "support.withdraw_consent"
    label = "Note that the customer wants no more mail"
    subject = "orders.customer"
    form = WithdrawForm
    permission = "support.record_consent"
    announces = ("support.consent_withdrawn",)
    never_undone = "Only the customer can agree again."

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {"consent.purpose": params.get("purpose"), "consent.medium": params.get("medium")}
        return {path: value for path, value in known.items() if value}

    def execute(self, call: Call) -> Done:
        try:
            event = record_consent(
                call.subject_id,
                medium=call.params["medium"],
                purpose=call.params["purpose"],
                given=False,
                source=ConsentEvent.Source.STAFF,
                actor=call.actor,
            )
        except SupportError as error:
            raise Rejected(str(error)) from error
        return Done(f"Noted. {event}")

    def in_words(self, params: Mapping[str, Any]) -> str:
        what = dict(Purpose.choices).get(str(params["purpose"]), "mail")
        return f"Note that the customer wants no more: {str(what).lower()}"
