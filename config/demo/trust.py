"""Orders that somebody must look at: suspects, bad addresses, a duplicate, one over the limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from backoffice.actors import Actor, outside, person
from backoffice.models import User
from backoffice.money import Money
from backoffice.roles import FINANCE, OPERATIONS
from inventory.models import StockLevel
from orders.models.channels import Channel
from orders.models.credit import CreditAccount
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import MarkKind, RiskSignal
from orders.services.blocklist import block_mark
from orders.services.channels import edit_checks
from orders.services.credit import CreditEdit, edit_credit
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, Contact, NewLine, NewOrder, OnShort
from orders.services.placing import place_orders
from orders.services.reviews import settle_review
from orders.services.risk_signals import SignalEdit, add_signal, edit_signal

SHOP = outside("Web shop")
Kind, Mode = RiskSignal.Kind, RiskSignal.Mode
_YORK = Address("Zoe Marsh", "12 Mill Lane", "York", "YO31 7QB", "GB")
_LYON = Address("Zoe Marsh", "3 Rue Cler", "Lyon", "69002", "FR")
# The demonstration begins anew after some hours with the same orders; those are no duplicates.
_DUPLICATE_HOURS = 1
_SIGNALS = (
    (Kind.MISMATCH, SignalEdit("Billed to another country", Mode.REVIEW, 40)),
    (
        Kind.VELOCITY,
        SignalEdit("Same card three times an hour", Mode.REVIEW, 35, "card", 3, 60),
    ),
    (
        Kind.VELOCITY,
        SignalEdit("Same address five times a day", Mode.MONITOR, 20, "address", 5, 1440),
    ),
    (
        Kind.REGION,
        SignalEdit("Goes overseas", Mode.MONITOR, 15, countries=("AU", "BR", "SG")),
    ),
    (Kind.BLOCKLIST, SignalEdit("On the blocklist", Mode.BLOCK, 90)),
)


def add_trust(channel: Channel) -> list[Order]:
    """Signals, a blocklist, credit for some companies, and an order for each doubt; made once."""
    if RiskSignal.objects.exists():
        return []
    edit_checks(
        channel.pk,
        checks_addresses=True,
        duplicate_hours=_DUPLICATE_HOURS,
        version=None,
        actor=SHOP,
    )
    channel.refresh_from_db()
    operator, clerk = _somebody(OPERATIONS), _somebody(FINANCE)
    for kind, edit in _SIGNALS:
        signal = add_signal(kind, edit, actor=operator)
        if edit.mode != Mode.MONITOR:
            why = "It was right for a month"
            edit_signal(signal.pk, edit, reason=why, may_loosen=False, actor=operator)
    block_mark(MarkKind.MAIL, "rush@example.com", reason="Three chargebacks", actor=operator)
    placed = _place(channel, _give_credit(clerk))
    _decide_some(placed, operator)
    return placed


def _somebody(role: str) -> Actor:
    user = User.objects.filter(groups__name=role, is_active=True).order_by("pk").first()
    return person(user) if user else SHOP


def _give_credit(clerk: Actor) -> Customer:
    """Credit for the companies that bought last; the first of them has little."""
    companies = Customer.objects.filter(kind=Customer.Kind.COMPANY)
    found = list(companies.order_by("-last_order_at", "pk")[:4])
    if not found:
        new = NewCustomer(
            "90001", "Marsh Interiors", "marsh@example.com", "GB", Customer.Kind.COMPANY
        )
        found = list(add_customers([new]).values())
    for number, company in enumerate(found):
        limit = Money(Decimal(50 if number == 0 else 2000 * number), "GBP")
        edit = CreditEdit(
            limit, CreditAccount.Resets.MONTH if number else CreditAccount.Resets.NEVER
        )
        edit_credit(company.pk, edit, reason="Agreed with the company", actor=clerk)
    return found[0]


def _place(channel: Channel, company: Customer) -> list[Order]:
    """One order after the other, as they would come."""
    buyers = add_customers(
        [NewCustomer("90002", "Zoe Marsh", "zoe@example.com", "GB"),
         NewCustomer("90003", "Leon Hughes", "leon@example.com", "GB")]
    )  # fmt: skip
    zoe, leon = buyers["90002"].pk, buyers["90003"].pk
    abroad: dict[str, Any] = {
        "bill_to": _LYON,
        "contact": Contact(card="fp-4711", ip="203.0.113.9"),
    }
    home = replace(_YORK, name="Leon Hughes", lines="4 Station Road")
    wanted: list[tuple[int, dict[str, Any]]] = [
        *((units, {"customer_id": zoe, "ship_to": _YORK, **abroad}) for units in (2, 3, 4)),
        (
            5,
            {
                "ship_to": replace(_YORK, name="R. Rush"),
                "contact": Contact(email="rush@example.com"),
            },
        ),
        (2, {"customer_id": leon, "ship_to": replace(home, postcode="Y031 7QB")}),
        (3, {"customer_id": leon, "ship_to": replace(home, postcode="")}),
        (6, {"customer_id": leon, "ship_to": home}),
        (6, {"customer_id": leon, "ship_to": home}),
        (24, {"customer_id": company.pk, "ship_to": replace(_YORK, name=company.name)}),
    ]
    code = _code(channel)
    placed = []
    for number, (units, fields) in enumerate(wanted, 1):
        line = NewLine(quantity=units, unit_price=Decimal("9.95"), sku=code)
        new = NewOrder(channel=channel, lines=(line,), external_id=f"doubt-{number}", **fields)
        placed += place_orders([new], on_short=OnShort.HOLD, actor=SHOP).orders
    return placed


def _code(channel: Channel) -> str:
    """The product of which most is on the shelf."""
    levels = StockLevel.objects.filter(location=channel.location_id).select_related("sku")
    return levels.order_by("-on_hand", "pk")[0].sku.code


def _decide_some(placed: list[Order], operator: Actor) -> None:
    """One suspect was none: the signals have a rate from the first day."""
    review = Review.objects.filter(order=placed[0], kind=Review.Kind.FRAUD).first()
    if review is not None:
        settle_review(
            review.pk,
            Review.State.PASSED,
            reason="She rang: it is a present, paid by her mother.",
            actor=operator,
        )
