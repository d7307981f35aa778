"""Prices for tests, set through the services."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection

from backoffice.actors import HOUSE, Actor
from inventory.models import Sku
from orders.models.channels import Channel
from orders.models.prices import Price, PriceChange
from orders.services.prices import Outcome, Wanted, ask_prices
from tests.inventory.factories import make_sku
from tests.orders.factories import make_channel

TRIGGERS = {
    "orders.price_doubted",
    "orders.price_changed",
    "orders.price_waiting",
    "orders.cart_abandoned",
    "orders.cart_recovered",
    "orders.cart_reported",
}
ACTIONS = {"orders.ask_price"}


def ask(
    amount: str,
    sku: Sku | None = None,
    channel: Channel | None = None,
    *,
    starts_at: datetime | None = None,
    actor: Actor = HOUSE,
) -> Outcome:
    """Ask for one price, by default of the same product in the same channel."""
    sku, channel = sku or make_sku(), channel or make_channel()
    wanted = Wanted(channel.pk, sku.pk, Decimal(amount), starts_at)
    return ask_prices([wanted], why="test", actor=actor)


def set_price(amount: str, sku: Sku | None = None, channel: Channel | None = None) -> Price:
    """A price that is live at once."""
    return ask(amount, sku, channel).live[0]


def wait_for(amount: str, sku: Sku | None = None, *, actor: Actor = HOUSE) -> PriceChange:
    """A price that has to wait."""
    (change,) = ask(amount, sku, actor=actor).waiting
    return change


def costs(sku: Sku, channel: Channel | None = None) -> list[Any]:
    """All prices of a product in a channel, the oldest first."""
    rows = Price.objects.filter(sku=sku, channel=channel or make_channel())
    return list(rows.order_by("starts_at", "pk").values_list("amount", flat=True))


def insert(sku: Sku, channel: Channel, amount: str, *, change: int | None = None) -> None:
    """Write a price past the services, as the application's database role."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_price (channel_id, sku_id, currency, amount, starts_at, origin, "
            "why, actor_kind, actor_label, change_id) "
            "VALUES (%s, %s, %s, %s, clock_timestamp(), 'hand', '', 'system', 'shell', %s)",
            [channel.pk, sku.pk, channel.currency, amount, change],
        )


def hours(number: float) -> timedelta:
    return timedelta(hours=number)
