"""What carriers, shops and payment providers report about our orders."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from automations.triggers import Fact, Feed, Report, Unfit, labelled, triggers
from backoffice.money import Money
from orders.automation.payloads import CustomerFacts, OrderFacts, OrderPayload
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.queries.figures import orders_by_id
from orders.queries.references import Ambiguous, by_reference

PARCEL_STATES = (
    ("announced", "Announced"),
    ("moving", "On its way"),
    ("out_for_delivery", "Out for delivery"),
    ("at_pickup_point", "At a pickup point"),
    ("delivered", "Delivered"),
    ("failed", "Could not be delivered"),
    ("returning", "On its way back"),
    ("lost", "Lost or damaged"),
)
ORDER_STATES = (
    ("placed", "Placed"),
    ("changed", "Changed"),
    ("paid", "Paid"),
    ("payment_failed", "Payment failed"),
    ("cancelled", "Cancelled"),
    ("shipped", "Shipped"),
    ("refunded", "Refunded"),
    ("disputed", "Disputed by the customer’s bank"),
    ("dispute_won", "Dispute won"),
    ("dispute_lost", "Dispute lost"),
)


@dataclass(frozen=True, slots=True)
class ParcelReport:
    source: str = labelled("Source", about="The key of the source, such as royal-mail.")
    topic: str = labelled("Topic", about="What the sender calls this kind of message.")
    order: str = labelled("Our order", about="The number of the order, or its id in the shop.")
    state: str = labelled("Parcel", choices=PARCEL_STATES)
    tracking: str | None = labelled("Tracking number")
    carrier: str | None = labelled("Carrier")
    happened_at: datetime | None = labelled("Happened")


@dataclass(frozen=True, slots=True)
class OrderReport:
    source: str = labelled("Source", about="The key of the source, such as web-shop.")
    topic: str = labelled("Topic", about="What the sender calls this kind of message.")
    order: str = labelled("Our order", about="The number of the order, or its id in the shop.")
    state: str = labelled("What happened", choices=ORDER_STATES)
    reference: str | None = labelled("Their reference", about="Of a payment or a dispute.")
    amount: Money | None = labelled("Amount")
    reason: str | None = labelled("Reason", about="A code, such as fraudulent.")
    happened_at: datetime | None = labelled("Happened")


@dataclass(frozen=True, slots=True)
class ParcelReportedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    report: ParcelReport | None = labelled("Report")


@dataclass(frozen=True, slots=True)
class OrderReportedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    report: OrderReport | None = labelled("Report")


class _OnOrder(Feed):
    """A report about one of our orders, which is what rules then act on."""

    subject = "orders.order"
    customer = "customer.number"
    fixed = ("report",)
    reference = "order"
    payload_class: ClassVar[type[Any]]

    def answers(self, reports: Sequence[Report]) -> list[Fact | Unfit]:
        found = by_reference({report.told.order for report in reports})
        orders = orders_by_id(pk for pk in found.values() if isinstance(pk, int))
        payloads = payloads_of(list(orders.values()))
        answers: list[Fact | Unfit] = []
        for report in reports:
            known = found.get(report.told.order)
            if isinstance(known, int):
                answers.append(self._fact(report, orders[known], payloads[known]))
            else:
                answers.append(self._unfit(report.told.order, known))
        return answers

    def _unfit(self, wanted: str, known: Ambiguous | None) -> Unfit:
        if known is None:
            return Unfit(f"There is no order {wanted} here.", "There is no such order", wait=True)
        says = f"{known.count} orders are called {wanted}, so it can't be told which is meant."
        return Unfit(says, "Several orders have this number")

    def _fact(self, report: Report, order: Order, payload: OrderPayload) -> Fact | Unfit:
        if order.is_history:
            says = f"Order {report.told.order} was imported: history starts no rule."
            return Unfit(says, "Imported order")
        return Fact(
            order.pk,
            order.version,
            self.payload_class(payload.order, payload.customer, report.told),
            report.occurred_at,
            report.actor,
        )

    def current(self, ids: Iterable[int]) -> dict[int, Any]:
        """The orders as they stand now; what was reported is fixed."""
        return {
            pk: self.payload_class(payload.order, payload.customer, None)
            for pk, payload in order_payloads(ids).items()
        }


@triggers.register
class ParcelReported(_OnOrder):
    key = "orders.parcel_reported"
    label = "Carrier reports on a parcel"
    example = "The carrier could not deliver the parcel of order 1000123."
    payload_class = ParcelReportedPayload
    report_class = ParcelReport
    # What was delivered is not on its way any more, whatever arrives late.
    newest_only = True


@triggers.register
class OrderReported(_OnOrder):
    key = "orders.order_reported"
    label = "Shop or payment provider reports on an order"
    example = "The payment provider reports a dispute about order 1000123 over £574.00."
    payload_class = OrderReportedPayload
    report_class = OrderReport
