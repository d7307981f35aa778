"""Records of orders that schedules go over and buttons stand on. Imported ones start no rule."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import QuerySet

from automations.triggers import Scan, scans
from orders.automation.payloads import (
    CustomerPayload,
    OrderPayload,
    ReturnPayload,
    customer_payload,
)
from orders.automation.returns import return_payloads
from orders.automation.triggers import order_payloads
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.queries.customers import lately, with_lately


def customer_payloads(ids: Iterable[int]) -> dict[int, CustomerPayload]:
    """Customers as they stand now, by id."""
    wanted = set(ids)
    habits = lately(wanted)
    rows = Customer.objects.filter(pk__in=wanted)
    return {customer.pk: customer_payload(customer, habits) for customer in rows}


@scans.register
class Orders(Scan):
    key = subject = "orders.order"
    label = "Orders"
    example = "Every order but imported history."
    customer = "customer.number"
    payload_class = OrderPayload
    columns = {
        "order.number": "number",
        "order.channel": "channel__key",
        "order.total": ("total", "currency"),
        "order.subtotal": ("subtotal", "currency"),
        "order.shipping": ("shipping", "currency"),
        "order.discount": ("discount", "currency"),
        "order.paid": ("amount_paid", "currency"),
        "order.refunded": ("amount_refunded", "currency"),
        "order.currency": "currency",
        "order.units": "units",
        "order.line_count": "line_count",
        "order.country": "ship_country",
        "order.billing_country": "bill_country",
        "order.customer_kind": "customer__kind",
        "order.payment": "payment",
        "order.fulfilment": "fulfilment",
        "order.returns": "returns",
        "order.is_held": "is_held",
        "order.tags": "tags",
        "order.placed_at": "placed_at",
        "order.paid_at": "paid_at",
        "order.ship_by": "ship_by",
        "order.place": "location__code",
        "order.method": "method",
        "order.promised_on": "promised_on",
        # Not orders_before: a guest's is 0 here and unknown to a rule.
        "customer.number": "customer__number",
        "customer.kind": "customer__kind",
        "customer.country": "customer__country",
        "customer.lifetime_spend": ("customer__lifetime_spend", "customer__spend_currency"),
        "customer.tags": "customer__tags",
    }

    def rows(self) -> QuerySet[Order]:
        return Order.objects.filter(is_history=False)

    def current(self, ids: Iterable[int]) -> dict[int, OrderPayload]:
        return order_payloads(ids)


@scans.register
class Returns(Scan):
    key = subject = "orders.returnorder"
    label = "Returns"
    example = "Every return but imported history."
    customer = "customer.number"
    payload_class = ReturnPayload
    columns = {
        "returned.number": "number",
        "returned.state": "state",
        "returned.reason": "reason",
        "returned.channel": "channel__key",
        "returned.amount": ("amount", "currency"),
        "returned.units": "units",
        "returned.late": "is_late",
        "returned.return_by": "return_by",
        "returned.requested_at": "requested_at",
        "returned.authorised_at": "authorised_at",
        "returned.received_at": "received_at",
        "order.number": "order__number",
        "order.total": ("order__total", "order__currency"),
        "order.country": "order__ship_country",
        "order.payment": "order__payment",
        "order.tags": "order__tags",
        "order.placed_at": "order__placed_at",
        "customer.number": "customer__number",
        "customer.kind": "customer__kind",
        "customer.country": "customer__country",
        "customer.tags": "customer__tags",
    }

    def rows(self) -> QuerySet[ReturnOrder]:
        return ReturnOrder.objects.filter(is_history=False)

    def current(self, ids: Iterable[int]) -> dict[int, ReturnPayload]:
        return return_payloads(ids)


@scans.register
class Customers(Scan):
    key = subject = "orders.customer"
    label = "Customers"
    example = "Every customer who is neither merged into another nor erased."
    customer = "customer.number"
    payload_class = CustomerPayload
    columns = {
        "customer.number": "number",
        "customer.kind": "kind",
        "customer.country": "country",
        "customer.orders": "orders_count",
        "customer.lifetime_spend": ("lifetime_spend", "spend_currency"),
        "customer.last_order_at": "last_order_at",
        "customer.known_since": "created_at",
        "customer.tags": "tags",
        "customer.orders_90_days": "lately_orders",
        "customer.spend_90_days": ("lately_spend", "spend_currency"),
        "customer.has_account": "has_login",
    }

    def rows(self) -> QuerySet[Customer]:
        return with_lately(Customer.objects.live())

    def current(self, ids: Iterable[int]) -> dict[int, CustomerPayload]:
        return customer_payloads(ids)
