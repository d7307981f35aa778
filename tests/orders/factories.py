"""Orders for tests, placed through the services."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from backoffice.actors import HOUSE
from backoffice.money import Money
from inventory.models import Location, Sku
from inventory.services.moves import receive_stock
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import Order, OrderLine
from orders.models.places import ChannelPlace
from orders.models.preorders import PreOrder
from orders.services.carriers import ServiceEdit, add_service, edit_promise
from orders.services.channels import open_channel
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Address, NewLine, NewOrder
from orders.services.payment import Amount, mark_orders_paid
from orders.services.placing import place_orders
from orders.services.preorders import NewPreOrder, open_preorder
from tests.inventory.factories import make_legal_entity, make_warehouse, moving


def make_channel(
    key: str = "shop",
    *,
    ships_unpaid: bool = False,
    checks_addresses: bool = False,
    duplicate_hours: int = 0,
) -> Channel:
    """A channel that trusts its addresses and repeated orders unless a test is about those."""
    return open_channel(
        key,
        name=f"The {key}",
        kind=Channel.Kind.SHOP,
        currency="GBP",
        legal_entity=make_legal_entity(),
        location=make_warehouse(),
        ships_unpaid=ships_unpaid,
        checks_addresses=checks_addresses,
        duplicate_hours=duplicate_hours,
    )


def make_store(code: str = "LEEDS", *, channel: Channel | None = None) -> Location:
    """A second place of the company, to which the channel may route."""
    make_warehouse()
    place, _ = Location.objects.get_or_create(
        code=code,
        defaults={
            "name": code.title(),
            "kind": Location.Kind.INTERNAL,
            "legal_entity": make_legal_entity(),
        },
    )
    if channel is not None:
        ChannelPlace.objects.create(channel=channel, location=place)
    return place


def stock(sku: Sku, quantity: int, place: Location) -> None:
    """Take in units at a place."""
    receive_stock([moving(sku, quantity, location=place)], actor=HOUSE)


def make_service(
    channel: Channel | None = None, *, promise_days: int = 1, **fields: Any
) -> CarrierService:
    """A service that collects from Monday to Friday until 16:30; the channel then ships with it."""
    edit = ServiceEdit(
        **{
            "carrier": "Royal Mail",
            "name": "Tracked 24",
            "time_zone": "Europe/London",
            "cutoff": time(16, 30),
            "weekdays": [1, 2, 3, 4, 5],
            "calendar": None,
            **fields,
        }
    )
    service = add_service(edit, actor=HOUSE)
    if channel is not None:
        edit_promise(
            channel.pk, service=service, promise_days=promise_days, version=None, actor=HOUSE
        )
    return service


def make_customer(number: str = "17850") -> Customer:
    new = NewCustomer(number, name="Grace Holloway", email="g@example.com", country="GB")
    return add_customers([new])[number]


def line(sku: Sku, quantity: int = 1, price: str = "10.00") -> NewLine:
    return NewLine(quantity=quantity, unit_price=Decimal(price), sku=sku.code, description=sku.name)


def postage(price: str = "5.00") -> NewLine:
    return NewLine(
        quantity=1,
        unit_price=Decimal(price),
        kind=OrderLine.Kind.POSTAGE,
        description="Postage",
    )


def draft(*lines: NewLine, **fields: Any) -> NewOrder:
    fields.setdefault("channel", make_channel())
    fields.setdefault("ship_to", Address(name="Grace Holloway", country="FR"))
    return NewOrder(lines=lines, **fields)


def place(*lines: NewLine, **fields: Any) -> Order:
    """One live order."""
    return place_orders([draft(*lines, **fields)], actor=HOUSE).orders[0]


def place_history(*lines: NewLine, shipped_at: datetime | None = None, **fields: Any) -> Order:
    """One imported order; shipped, when a time is given."""
    new = draft(*lines, shipped_at=shipped_at, placed_at=shipped_at, **fields)
    return place_orders([new], history=True, actor=HOUSE).orders[0]


def pay(order: Order, amount: str | None = None) -> Order:
    money = order.total_money if amount is None else Money(Decimal(amount), order.currency)
    return mark_orders_paid([Amount(order.pk, money)], actor=HOUSE)[0]


def fresh(order: Order) -> Order:
    """The order as the database has it now."""
    return Order.objects.get(pk=order.pk)


def sell_ahead(sku: Sku, *, channel: Channel | None = None, **fields: Any) -> PreOrder:
    """Sell a SKU before its stock comes: paid when ordered, promised in thirty days, no cap."""
    given = {
        "billing": PreOrder.Billing.ORDER,
        "reserve": PreOrder.Reserve.SALE,
        "promised_on": timezone.localdate() + timedelta(days=30),
        **fields,
    }
    return open_preorder(NewPreOrder(channel or make_channel(), sku, **given), actor=HOUSE)
