"""A small shop on registries of its own: one trigger, three actions, and events to judge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django import forms
from django.dispatch import Signal

from automations.actions import Action
from automations.catalogue import catalogue_of, flatten
from automations.registry import Registry
from automations.rules.validating import Registries
from automations.triggers import Country, Scan, Tags, Trigger, labelled
from backoffice.money import Money

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
STATES = (("open", "Open"), ("paid", "Paid"), ("held", "Held"))


@dataclass(frozen=True, slots=True)
class Sku:
    code: str = labelled("SKU")
    fragile: bool = labelled("fragile")


@dataclass(frozen=True, slots=True)
class Line:
    sku: Sku = labelled("SKU")
    quantity: int = labelled("quantity")
    price: Money = labelled("price")


@dataclass(frozen=True, slots=True)
class Order:
    number: str = labelled("number")
    total: Money = labelled("total")
    units: int = labelled("units")
    weight: Decimal | None = labelled("weight")
    country: Country = labelled("shipping country")
    billing_country: Country = labelled("billing country")
    state: str = labelled("state", choices=STATES)
    previous_state: str | None = labelled("state before", choices=STATES)
    is_held: bool = labelled("on hold")
    tags: Tags = labelled("tags")
    placed_at: datetime = labelled("placed")
    lines: tuple[Line, ...] = labelled("lines")


@dataclass(frozen=True, slots=True)
class Customer:
    orders_before: int = labelled("orders before")
    lifetime_spend: Money | None = labelled("lifetime spend")


@dataclass(frozen=True, slots=True)
class OrderPaid:
    order: Order = labelled("Order")
    customer: Customer | None = labelled("Customer")


triggers: Registry[Trigger] = Registry(Trigger)
actions: Registry[Action] = Registry(Action)
scans: Registry[Scan] = Registry(Scan)
REGISTRIES = Registries(triggers, actions, scans)
CATALOGUE = catalogue_of(OrderPaid)


@triggers.register
class OnOrderPaid(Trigger):
    key = "shop.order_paid"
    label = "Order paid"
    example = "An order of £128.00 is paid by card."
    subject = "shop.order"
    signal = Signal()
    payload_class = OrderPaid


@triggers.register
class OnOrderCancelled(OnOrderPaid):
    key = "shop.order_cancelled"
    label = "Order cancelled"


@scans.register
class Orders(Scan):
    key = subject = "shop.order"
    label = "Orders"
    example = "Every order."
    payload_class = OrderPaid


def _said(value: Any) -> str:
    return str(next(iter(value.values())) if isinstance(value, dict) else value)


class TagForm(forms.Form):
    tag = forms.SlugField(label="Tag", max_length=20)


class TicketForm(forms.Form):
    subject = forms.CharField(label="Subject", max_length=80)
    priority = forms.ChoiceField(label="Priority", choices=[("low", "Low"), ("high", "High")])
    note = forms.CharField(label="Note", required=False)


class RefundForm(forms.Form):
    amount = forms.DecimalField(label="Amount")
    units = forms.IntegerField(label="Units", required=False, min_value=1)


@actions.register
class AddTag(Action):
    key = "shop.add_tag"
    label = "Add a tag"
    subject = "shop.order"
    form = TagForm
    permission = "shop.change_order"
    writes = ("order.tags",)

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Add the tag “{_said(params['tag'])}”"


@actions.register
class OpenTicket(Action):
    key = "shop.open_ticket"
    label = "Open a ticket"
    subject = "shop.order"
    form = TicketForm
    permission = "shop.add_ticket"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Open a ticket “{_said(params['subject'])}”"


@actions.register
class CountStock(Action):
    key = "shop.count_stock"
    label = "Count the stock"
    subject = "shop.sku"
    form = TagForm
    permission = "shop.change_sku"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Count the stock"


def gbp(amount: str) -> Money:
    return Money(Decimal(amount), "GBP")


def order(**changes: Any) -> Order:
    given: dict[str, Any] = {
        "number": "104-22790",
        "total": gbp("640.00"),
        "units": 3,
        "weight": Decimal("2.5"),
        "country": Country("FR"),
        "billing_country": Country("GB"),
        "state": "paid",
        "previous_state": "open",
        "is_held": False,
        "tags": Tags(("gift", "vip")),
        "placed_at": datetime(2026, 11, 16, 8, 0, tzinfo=UTC),
        "lines": (
            Line(Sku("GL-LMP-03", True), 1, gbp("600.00")),
            Line(Sku("TX-CUS-40", False), 2, gbp("20.00")),
        ),
    }
    return Order(**{**given, **changes})


def paid(
    customer: Customer | None = Customer(0, None), **changes: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Facts and lists of a paid order: £640.00 to France, one fragile line of two."""
    facts, lists = flatten(OrderPaid(order(**changes), customer))
    return facts, dict(lists)


def document(**changes: Any) -> dict[str, Any]:
    """A valid document: orders of £500.00 and more abroad get a tag and a ticket."""
    given: dict[str, Any] = {
        "schema": 1,
        "trigger": {"on": "shop.order_paid"},
        "when": {
            "all": [
                {
                    "field": "order.total",
                    "op": "gte",
                    "value": {"amount": "500.00", "currency": "GBP"},
                },
                {"field": "order.country", "op": "is_not", "value": "GB"},
            ]
        },
        "steps": [
            {"uid": "a1", "do": "shop.add_tag", "with": {"tag": "high-value"}},
            {
                "uid": "a2",
                "do": "shop.open_ticket",
                "with": {"subject": {"text": "Check {{ order.number }}"}, "priority": "high"},
            },
        ],
    }
    return {**given, **changes}
