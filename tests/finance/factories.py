"""What tests of finance start from."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from backoffice.actors import HOUSE
from backoffice.models import LegalEntity
from backoffice.money import Money
from finance.models.ledger import Account
from finance.models.payments import Payment
from finance.services.books import accounts_by_role, open_books
from finance.services.journal import Leg, NewEntry
from finance.services.payments import NewPayment, record_payments
from inventory.models import Location
from inventory.services.locations import open_locations
from inventory.services.moves import receive_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.services.channels import open_channel
from orders.services.drafts import NewLine, NewOrder
from orders.services.placing import place_orders

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
    places = open_locations(entity, prefix=f"{entity.pk}-")
    return open_channel(
        f"shop-{next(_next)}",
        name="Shop",
        kind=Channel.Kind.SHOP,
        currency=currency,
        legal_entity=entity,
        location=places[Location.Kind.INTERNAL],
        ships_unpaid=ships_unpaid,
        checks_addresses=False,
        duplicate_hours=0,
    )


def make_stock(code: str, units: int = 100, cost: Money | None = None) -> None:
    """A SKU with units in the first channel's warehouse."""
    sku = add_skus([NewSku(code, cost=cost)], actor=HOUSE)[code]
    place = (Channel.objects.first() or make_channel()).location_id
    receive_stock([Moving(f"in-{next(_next)}", sku.pk, place, units, NOW)], actor=HOUSE)


def place(*lines: NewLine, channel: Channel | None = None, **fields: Any) -> Order:
    """Place one order of these lines."""
    channel = channel or Channel.objects.first() or make_channel()
    history = "shipped_at" in fields
    draft = NewOrder(channel=channel, lines=lines, **{"placed_at": NOW, **fields})
    (order,) = place_orders([draft], history=history, actor=HOUSE).orders
    return order


def make_order(total: str = "100.00", *, channel: Channel | None = None) -> Order:
    """An unpaid order of one product at this price; nothing of it has been shipped."""
    channel = channel or Channel.objects.first() or make_channel()
    add_skus([NewSku("TUMBLER", allow_backorder=True)], actor=HOUSE)
    return place(NewLine(1, Decimal(total), "TUMBLER"), channel=channel)


def make_orders(entity: LegalEntity, currencies: Sequence[str], count: int) -> list[Order]:
    """Many orders at once, in each of the currencies in turn."""
    channels = [make_channel(entity, currency) for currency in currencies]
    add_skus([NewSku("TUMBLER", allow_backorder=True)], actor=HOUSE)
    line = NewLine(1, Decimal(5), "TUMBLER")
    drafts = [
        NewOrder(channel=channels[n % len(channels)], lines=(line,), placed_at=NOW)
        for n in range(count)
    ]
    return place_orders(drafts, actor=HOUSE).orders


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
