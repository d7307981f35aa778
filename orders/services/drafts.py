"""What is handed in to place orders."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from orders.models.channels import Channel
from orders.models.market import MarketOrder
from orders.models.orders import OrderLine

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class LineSource:
    """Which row of which document of which kind of file a line came from."""

    kind: str
    document: str
    row: int


@dataclass(frozen=True, slots=True)
class NewLine:
    """One line. `sku` is the exact code, needed for products only; `unit_price` and `tax` are in
    the order's currency, `tax` for the whole line. `is_fragile` None takes the SKU's."""

    quantity: int
    unit_price: Decimal
    sku: str | None = None
    kind: OrderLine.Kind = OrderLine.Kind.STOCK
    description: str = ""
    tax: Decimal = ZERO
    is_fragile: bool | None = None
    source: LineSource | None = None


@dataclass(frozen=True, slots=True)
class Address:
    """Where to ship or whom to bill; `country` is ISO 3166-1 alpha-2, empty when unknown."""

    name: str = ""
    lines: str = ""
    city: str = ""
    postcode: str = ""
    country: str = ""


@dataclass(frozen=True, slots=True)
class Contact:
    """By what the buyer can be known again; empty where the shop does not say.

    `card` is the fingerprint that the payment provider gives a card, never its number.
    """

    email: str = ""
    phone: str = ""
    card: str = ""
    ip: str = ""


@dataclass(frozen=True, slots=True)
class MarketNews:
    """What a marketplace says of an order: how far it is, and by when it must be handed over.

    `ship_latest` None: it did not say. `at` is when that held there; None means now.
    """

    status: MarketOrder.Status
    ship_latest: datetime | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewOrder:
    """One order. Amounts are in the channel's currency.

    `external_id` is the shop's id: an order whose id is known is not placed again. `number` is
    taken if it is free, else the order gets our next one. `placed_at` None means now; `bill_to`
    None means as shipped. `pickup_at_id` is the shop where it is collected; None: it is delivered.
    `follows_id` is the order that it makes up for, None for most. `shipped_at` is for history
    alone: the goods left then. `codes` are what the buyer typed to get a promotion; with
    `takes_promotions` False, or a `discount` of the shop's own, the order gets none of ours.
    `market` is what a marketplace says of it, None for shops.
    """

    channel: Channel
    lines: tuple[NewLine, ...]
    external_id: str = ""
    number: str = ""
    customer_id: int | None = None
    placed_at: datetime | None = None
    ship_to: Address = field(default_factory=Address)
    bill_to: Address | None = None
    contact: Contact = field(default_factory=Contact)
    shipping: Decimal = ZERO
    shipping_tax: Decimal = ZERO
    discount: Decimal = ZERO
    prices_include_tax: bool = True
    tags: tuple[str, ...] = ()
    pickup_at_id: int | None = None
    follows_id: int | None = None
    shipped_at: datetime | None = None
    codes: tuple[str, ...] = ()
    takes_promotions: bool = True
    market: MarketNews | None = None


class OnShort(StrEnum):
    """What to do when stock is short.

    REFUSE raises StockShort and places nothing. HOLD is for orders a customer has paid elsewhere:
    a fact, so it is accepted, gets what there is, and waits under an out-of-stock hold.
    """

    REFUSE = "refuse"
    HOLD = "hold"
