"""Orders with something to doubt, for tests."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from backoffice.actors import HOUSE
from backoffice.money import Money
from orders.models.credit import CreditAccount
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import RiskSignal
from orders.services.credit import CreditEdit, edit_credit
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address
from orders.services.risk_signals import SignalEdit, add_signal, edit_signal
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place

BATH = Address("Grace Holloway", "14 Royal Crescent", "Bath", "BA1 2LX", "GB")
PARIS = Address("Grace Holloway", "3 Rue Cler", "Paris", "75007", "FR")
TRIGGERS = {
    "orders.risk_assessed",
    "orders.fraud_suspected",
    "orders.address_doubted",
    "orders.duplicate_suspected",
    "orders.approval_asked",
    "orders.review_settled",
    "orders.review_unanswered",
}
ACTIONS = {"orders.screen_order", "orders.block_buyer"}
Kind, Mode = RiskSignal.Kind, RiskSignal.Mode


def make_signal(
    kind: RiskSignal.Kind = Kind.MISMATCH,
    mode: RiskSignal.Mode = Mode.REVIEW,
    *,
    name: str = "",
    weight: int = 40,
    **fields: Any,
) -> RiskSignal:
    """A signal that was moved out of monitor."""
    edit = SignalEdit(name or kind.label, mode, weight, **fields)
    signal = add_signal(kind, edit, actor=HOUSE)
    return edit_signal(signal.pk, edit, reason="test", may_loosen=True, actor=HOUSE)


def suspect(**fields: Any) -> Order:
    """An order billed to France and shipped to Bath."""
    fields.setdefault("ship_to", BATH)
    fields.setdefault("bill_to", PARIS)
    return place(line(make_sku(stock=50), 1, "20.00"), **fields)


def review_of(order: Order, kind: Review.Kind = Review.Kind.FRAUD) -> Review:
    """The newest review of an order."""
    return Review.objects.filter(order=order, kind=kind).latest("pk")


def make_company(number: str = "C100", limit: str | None = "500", **fields: Any) -> Customer:
    """A company, with credit unless the limit is None."""
    new = NewCustomer(
        number,
        name="Holloway Interiors",
        email=f"{number.lower()}@example.com",
        country="GB",
        kind=Customer.Kind.COMPANY,
    )
    company = add_customers([new])[number]
    if limit is not None:
        fields.setdefault("resets", CreditAccount.Resets.NEVER)
        edit = CreditEdit(Money(Decimal(limit), "GBP"), **fields)
        edit_credit(company.pk, edit, reason="test", actor=HOUSE)
    return company
