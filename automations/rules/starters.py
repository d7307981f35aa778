"""Rules to start from, as plain data: each fits the triggers and actions there are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Starter:
    """A rule that only waits for its owner's figures. `body` is a document without problems."""

    key: str
    name: str
    purpose: str
    domain: str
    fallback: str
    # A trigger's key; of a schedule or a button, what they go to.
    trigger: str
    when: Mapping[str, Any]
    steps: tuple[Mapping[str, Any], ...]
    start: Mapping[str, Any] | None = None

    @property
    def body(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "trigger": dict(self.start) if self.start is not None else {"on": self.trigger},
            "when": dict(self.when),
            "steps": [dict(step) for step in self.steps],
        }


def _gbp(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "GBP"}


STARTERS: tuple[Starter, ...] = (
    Starter(
        key="high-value-abroad",
        name="Look at high-value orders going abroad",
        purpose="Large orders that leave the country get a person's eye before they ship.",
        domain="orders",
        fallback="Filter the orders by total and country each morning and tag them by hand.",
        trigger="orders.order_placed",
        when={
            "all": [
                {"field": "order.total", "op": "gte", "value": _gbp("500")},
                {"field": "order.country", "op": "not_in", "value": ["GB"]},
            ]
        },
        steps=(
            {"uid": "tag", "do": "orders.add_tag", "with": {"tag": "high-value"}},
            {
                "uid": "ticket",
                "do": "support.open_ticket",
                "with": {
                    "queue": "general",
                    "priority": "high",
                    "subject": {"text": "High-value order {{ order.number }} goes abroad"},
                    "message": {"text": "Total {{ order.total }}, to {{ order.country }}."},
                },
            },
        ),
    ),
    Starter(
        key="fragile",
        name="Mark orders with fragile lines",
        purpose="The warehouse sees at a glance what needs padding.",
        domain="orders",
        fallback="The packer reads the lines and pads what is fragile.",
        trigger="orders.order_placed",
        when={
            "some": "order.lines",
            "where": {"all": [{"field": "sku.fragile", "op": "is", "value": True}]},
        },
        steps=({"uid": "tag", "do": "orders.add_tag", "with": {"tag": "fragile"}},),
    ),
    Starter(
        key="hold-address",
        name="Hold orders whose address needs a look",
        purpose="An order paid from one country and sent to another waits for a person.",
        domain="orders",
        fallback="Support compares both addresses on the order's page before it ships.",
        trigger="orders.order_placed",
        when={
            "all": [
                {
                    "field": "order.country",
                    "op": "is_not",
                    "value": {"field": "order.billing_country"},
                },
                {"field": "order.total", "op": "gte", "value": _gbp("250")},
            ]
        },
        steps=(
            {
                "uid": "hold",
                "do": "orders.hold_order",
                "with": {"reason": "address", "note": "Ships and bills to different countries."},
            },
        ),
    ),
    Starter(
        key="vip",
        name="Tag regulars who spend a lot",
        purpose="Everyone who answers these customers knows what they are worth to us.",
        domain="orders",
        fallback="Look up the customer's spend on their page and tag the order.",
        trigger="orders.order_placed",
        when={
            "all": [
                {"field": "customer.lifetime_spend", "op": "gte", "value": _gbp("1000")},
                {"field": "customer.orders_before", "op": "gte", "value": 5},
            ]
        },
        steps=({"uid": "tag", "do": "orders.add_tag", "with": {"tag": "vip"}},),
    ),
    Starter(
        key="bulk-order",
        name="Ask the warehouse about very large orders",
        purpose="An order of many units is checked against what is on the shelf.",
        domain="orders",
        fallback="The warehouse checks orders of 100 units and more by hand.",
        trigger="orders.order_paid",
        when={"all": [{"field": "order.units", "op": "gte", "value": 100}]},
        steps=(
            {
                "uid": "ticket",
                "do": "support.open_ticket",
                "with": {
                    "queue": "general",
                    "priority": "normal",
                    "subject": {"text": "{{ order.units }} units in order {{ order.number }}"},
                },
            },
        ),
    ),
    Starter(
        key="waiting-orders",
        name="Each morning, mark orders that wait too long",
        purpose="What is paid and not shipped after two days gets a person's eye.",
        domain="orders",
        fallback="Filter the orders by payment and fulfilment each morning and tag them by hand.",
        trigger="orders.order",
        start={"every": "0 8 * * 1-5", "zone": "Europe/London", "for": "orders.order"},
        when={
            "all": [
                {"field": "order.payment", "op": "is", "value": "paid"},
                {"field": "order.fulfilment", "op": "is", "value": "unshipped"},
                {"field": "order.paid_at", "op": "older_than", "value": "PT48H"},
                {"not": {"field": "order.tags", "op": "contains", "value": "waiting"}},
            ]
        },
        steps=({"uid": "tag", "do": "orders.add_tag", "with": {"tag": "waiting"}},),
    ),
    Starter(
        key="ask-warehouse",
        name="A button: ask the warehouse about an order",
        purpose="Support opens the warehouse's ticket with one press, with all it needs.",
        domain="support",
        fallback="Open the ticket by hand and write the order's number into it.",
        trigger="orders.order",
        start={"manual": "orders.order"},
        when={"all": [{"field": "order.fulfilment", "op": "is_not", "value": "cancelled"}]},
        steps=(
            {
                "uid": "ticket",
                "do": "support.open_ticket",
                "with": {
                    "queue": "general",
                    "priority": "high",
                    "subject": {"text": "Where is order {{ order.number }}?"},
                },
            },
        ),
    ),
)


def starter(key: str) -> Starter | None:
    """The starter of a key; None for an unknown one."""
    return next((each for each in STARTERS if each.key == key), None)
