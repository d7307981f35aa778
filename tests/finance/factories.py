"""What tests of finance start from."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal

from backoffice.actors import HOUSE
from backoffice.models import LegalEntity
from backoffice.money import Money
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.services.books import accounts_by_role, open_books
from finance.services.journal import Leg, NewEntry
from finance.services.payments import NewPayment, record_payments
from inventory.models import Location
from orders.models.channels import Channel
from orders.models.orders import Order

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Role = Account.Role
_next = itertools.count(1)


def pounds(amount: str | int | Decimal) -> Money:
    return Money(Decimal(amount), "GBP")


def make_entity(name: str = "Kestrel Gifts Ltd", zone: str = "Europe/London") -> LegalEntity:
    """A legal entity with open books."""
    entity = LegalEntity.objects.create(name=name, country="GB", currency="GBP", time_zone=zone)
    open_books(entity)
    return entity


def make_channel(
    entity: LegalEntity | None = None, currency: str = "GBP", *, ships_unpaid: bool = False
) -> Channel:
    entity = entity or LegalEntity.objects.first() or make_entity()
    location, _ = Location.objects.get_or_create(
        code=f"LEEDS-{entity.pk}",
        defaults={"name": "Leeds", "kind": Location.Kind.INTERNAL, "legal_entity": entity},
    )
    return Channel.objects.create(
        key=f"shop-{next(_next)}",
        name="Shop",
        kind=Channel.Kind.SHOP,
        currency=currency,
        legal_entity=entity,
        location=location,
        ships_unpaid=ships_unpaid,
    )


def make_order(
    total: str = "100.00", *, channel: Channel | None = None, placed_at: datetime = NOW
) -> Order:
    """An unpaid order of one amount, whose lines do not matter."""
    channel = channel or Channel.objects.first() or make_channel()
    return Order.objects.create(
        number=f"F-{next(_next)}",
        channel=channel,
        currency=channel.currency,
        subtotal=Decimal(total),
        total=Decimal(total),
        placed_at=placed_at,
    )


def pay(order: Order, amount: str | Decimal | None = None, reference: str = "") -> Payment:
    """Record a payment of an order; without an amount, its total."""
    money = order.money(order.total if amount is None else Decimal(amount))
    new = NewPayment(order.pk, "stripe", reference or f"pi_{next(_next)}", money, NOW)
    return record_payments([new], actor=HOUSE).payments[0]


def make_paid_order(total: str = "100.00", channel: Channel | None = None) -> Order:
    order = make_order(total, channel=channel)
    pay(order)
    order.refresh_from_db()
    return order


def an_entry(entity: LegalEntity, *amounts: tuple[Account.Role, str, str]) -> NewEntry:
    """An entry of (role, amount, currency), debits above zero; its source is new each time."""
    books = accounts_by_role([entity.pk])
    return NewEntry(
        entity_id=entity.pk,
        posted_on=date(2026, 11, 20),
        code="test",
        source=("tests.fact", next(_next), "booked"),
        legs=[
            Leg(books.account(entity.pk, role), Money(Decimal(amount), currency))
            for role, amount, currency in amounts
        ],
        actor=HOUSE,
    )
