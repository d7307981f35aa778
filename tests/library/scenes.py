"""What happens in the company for each template: once as its first example has it, once otherwise.

Everything goes through the services, so that the events are the ones the product makes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from orders.models.customers import Customer
from orders.services.drafts import Address
from tests.inventory.factories import make_sku, receive
from tests.library.happenings import (
    HOLD,
    RETURN,
    ago,
    cancelled,
    claimed,
    customer,
    falls_low,
    first_refund,
    fragile,
    gift_card,
    held,
    inspected,
    left_behind,
    misdirected,
    moved_by,
    order,
    paid_at,
    paid_fragile,
    paid_twice,
    piled_up,
    press,
    refuses_to_press,
    regular,
    reports,
    returned,
    second_refund,
    several,
    stayed_away,
    stopped,
    taken_off,
    ticket,
    two_alike,
    waits,
    written_off,
)
from tests.orders.factories import pay


@dataclass(frozen=True, slots=True)
class Scene:
    """`ends` is the state of the run: held when it asks a person."""

    fires: Callable[[], object]
    passes: Callable[[], object]
    ends: str = "done"


SCENES: dict[str, Scene] = {
    "high-value-abroad": Scene(lambda: order("640.00", country="FR"), lambda: order("640.00")),
    "fragile": Scene(lambda: fragile(True, False), lambda: fragile(False, False)),
    "fragile-task": Scene(lambda: paid_fragile(True, False), lambda: paid_fragile(False)),
    "heavy-suspect": Scene(lambda: stopped(40, 35), lambda: stopped(40)),
    "address-ask": Scene(lambda: misdirected("12345"), lambda: misdirected("BAI 2LX")),
    "hold-address": Scene(
        lambda: order("310.00", country="ES", bill_to=Address(country="DE")),
        lambda: order("310.00", country="DE", bill_to=Address(country="DE")),
    ),
    "vip": Scene(
        lambda: order(customer_id=regular(5, "286.00")),
        lambda: [order(customer_id=regular(2, "715.00")), order(customer_id=None)],
    ),
    "welcome-vip": Scene(lambda: regular(2, "600.00"), lambda: regular(1, "1100.00")),
    "win-back": Scene(
        lambda: stayed_away("Nothing for six months"), lambda: stayed_away("Stayed away")
    ),
    "duplicate-order": Scene(
        lambda: two_alike(timedelta(minutes=11)), lambda: two_alike(timedelta(hours=25))
    ),
    "first-large-order": Scene(
        lambda: order("520.00"),
        lambda: [order("520.00", customer_id=regular(3, "20.00")), order("52.00")],
    ),
    "large-discount": Scene(
        lambda: order("300.00", discount=Decimal(130)),
        lambda: order("300.00", discount=Decimal(15)),
    ),
    "bulk-order": Scene(lambda: pay(order("288.00", 144)), lambda: pay(order("24.00", 12))),
    "late-shipment": Scene(lambda: waits(order(), ships=False), gift_card),
    "waiting-orders": Scene(
        lambda: paid_at(order(placed_at=ago(days=5)), ago(days=4)),
        lambda: [paid_at(order(placed_at=ago(days=5)), ago(hours=20)), order()],
    ),
    "held-too-long": Scene(
        lambda: held(order(placed_at=ago(days=6)), HOLD.ADDRESS),
        lambda: held(order(placed_at=ago(hours=30)), HOLD.ADDRESS),
        ends="held",
    ),
    "never-paid": Scene(
        lambda: order(placed_at=ago(days=21)),
        lambda: [
            order(placed_at=ago(days=21), customer_id=customer(Customer.Kind.COMPANY).pk),
            order(placed_at=ago(days=2)),
            order(placed_at=ago(days=21), customer_id=None),
        ],
    ),
    "fraud-hold": Scene(
        lambda: held(order(), HOLD.FRAUD), lambda: held(order(), HOLD.CUSTOMER_REQUEST)
    ),
    "ask-warehouse": Scene(lambda: press(order()), refuses_to_press),
    "parcel-trouble": Scene(
        lambda: reports("orders.parcel_reported", "failed"),
        lambda: reports("orders.parcel_reported", "delivered"),
    ),
    "dispute": Scene(
        lambda: reports("orders.order_reported", "disputed"),
        lambda: reports("orders.order_reported", "dispute_won"),
    ),
    "return-received": Scene(
        lambda: returned("180.00", take_in=True),
        lambda: returned("12.00", take_in=True),
        ends="held",
    ),
    "return-damaged": Scene(
        lambda: returned("40.00", RETURN.DAMAGED, take_in=False),
        lambda: returned("40.00", RETURN.UNWANTED, take_in=False),
        ends="held",
    ),
    "return-unclaimed": Scene(
        lambda: inspected(scrap=True), lambda: inspected(scrap=False), ends="held"
    ),
    "claim-opened": Scene(lambda: claimed("64.00"), lambda: claimed("12.00"), ends="held"),
    "return-too-late": Scene(
        lambda: returned("12.00", late=True),
        lambda: several(lambda: returned("12.00"), lambda: returned("120.00", late=True)),
    ),
    "refund-cancelled": Scene(lambda: cancelled("45.00"), lambda: cancelled("450.00")),
    "second-refund": Scene(second_refund, first_refund, ends="held"),
    "overpaid": Scene(lambda: paid_twice("20.00"), lambda: paid_twice("0.00"), ends="held"),
    "stock-low": Scene(falls_low, lambda: falls_low(allow_backorder=True), ends="held"),
    "overstock": Scene(
        lambda: receive(make_sku("MUG2"), 1400), lambda: receive(make_sku("MUG2"), 140), ends="held"
    ),
    "price-overstock": Scene(lambda: piled_up(1400), lambda: piled_up(140)),
    "cart-reminder": Scene(lambda: left_behind("64.00"), lambda: left_behind("4.00")),
    "write-off": Scene(lambda: written_off(12), lambda: written_off(2), ends="held"),
    "promotion-too-deep": Scene(lambda: taken_off(45), lambda: taken_off(10)),
    "preorder-moved": Scene(lambda: moved_by(60), lambda: moved_by(7)),
    "vip-ticket": Scene(
        lambda: ticket(order(tags=("gift", "vip"))),
        lambda: several(lambda: ticket(order(tags=("gift",))), ticket),
    ),
    "high-value-ticket": Scene(
        lambda: ticket(order("640.00")), lambda: several(lambda: ticket(order("24.00")), ticket)
    ),
    "unanswered-ticket": Scene(
        lambda: ticket(opened_at=ago(days=5)), lambda: ticket(opened_at=ago(minutes=5))
    ),
}
