"""The facts that conditions see. No names, addresses or mail: ids, amounts, codes, countries.

Nobody changes one once it is made; frozen they are not, as each member of a frozen dataclass is set
through a call, which for the sixty of an order took three times as long.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache

from automations.triggers import Country, Tags, labelled
from backoffice.money import Money
from orders.models.customers import Customer
from orders.models.holds import Hold
from orders.models.market import MarketOrder
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.queries.customers import NOTHING, Lately
from orders.queries.figures import LineFigures


@dataclass(slots=True)
class SkuFacts:
    code: str | None = labelled("SKU", about="Upper and lower case differ.")
    fragile: bool = labelled("Fragile", about="A line that is no product is not fragile.")


@dataclass(slots=True)
class LineFacts:
    kind: str = labelled("Kind of line", choices=OrderLine.Kind.choices)
    sku: SkuFacts = labelled("Product")
    quantity: int = labelled("Quantity")
    price: Money = labelled("Unit price")
    line_total: Money = labelled("Line total")


@dataclass(slots=True)
class OrderFacts:
    number: str = labelled("Order number", lasting=True)
    channel: str = labelled("Channel", about="The channel's key, such as web-shop.", lasting=True)
    total: Money = labelled("Order total", lasting=True)
    subtotal: Money = labelled(
        "Subtotal", about="All lines, before postage, discount and tax.", lasting=True
    )
    shipping: Money = labelled("Postage", lasting=True)
    discount: Money = labelled("Discount")
    discount_percent: Decimal = labelled("Discount, %", about="Of a hundred of the subtotal.")
    promotions: Tags = labelled("Promotions", about="The keys of those it got.")
    paid: Money = labelled("Paid so far")
    refunded: Money = labelled("Refunded so far")
    currency: str = labelled("Currency", lasting=True)
    units: int = labelled(
        "Units", about="Units of products, without postage and other lines.", lasting=True
    )
    line_count: int = labelled("Lines", lasting=True)
    country: Country = labelled("Ships to", lasting=True)
    billing_country: Country = labelled("Billed to", lasting=True)
    customer_kind: str | None = labelled(
        "Kind of customer", choices=Customer.Kind.choices, lasting=True
    )
    payment: str = labelled("Payment", choices=Order.Payment.choices)
    fulfilment: str = labelled("Fulfilment", choices=Order.Fulfilment.choices)
    returns: str = labelled("Returns", choices=Order.Return.choices)
    is_held: bool = labelled("On hold")
    tags: Tags = labelled("Order tags")
    placed_at: datetime = labelled("Placed", lasting=True)
    paid_at: datetime | None = labelled("Paid in full")
    ship_by: datetime | None = labelled(
        "Ship by", about="The cut-off it must make; unknown where nothing is to be shipped."
    )
    place: str | None = labelled("Ships from", about="The code of the place, such as MAIN.")
    routed: str | None = labelled("Place chosen because", choices=Order.Routing.choices)
    method: str = labelled("Delivered or collected", choices=Order.Method.choices, lasting=True)
    is_picking: bool = labelled("On the pick list")
    promised_on: date | None = labelled("Rest promised for")
    waits_for_stock: bool = labelled(
        "Waits for goods sold ahead", about="Something of it was sold before its stock came."
    )
    alike_before: int = labelled(
        "Orders like it just before",
        about="Of the same customer, total and units, up to a day before; 0 for guests.",
        lasting=True,
    )
    lines: tuple[LineFacts, ...] = labelled("Lines")


_IN_90_DAYS = "Placed in the last 90 days, today included, without cancelled ones."
_SPENT = "Paid less refunded on the orders of the last 90 days, in the currency of the first order."
_RETURNED = "Of a hundred orders, how many something came back of."
_VIP = "Has spent more than 1,000 in the base currency, net of refunds."


@dataclass(slots=True)
class CustomerFacts:
    number: str = labelled("Customer number", lasting=True)
    kind: str = labelled("Kind", choices=Customer.Kind.choices, lasting=True)
    country: Country = labelled("Customer's country")
    orders_before: int = labelled(
        "Orders before this one", about="How many orders the customer had placed before."
    )
    lifetime_spend: Money | None = labelled(
        "Lifetime spend", about="Paid less refunded, in the currency of the first order."
    )
    tags: Tags = labelled("Customer tags")
    orders_90_days: int = labelled("Orders in 90 days", about=_IN_90_DAYS)
    spend_90_days: Money | None = labelled("Spend in 90 days", about=_SPENT)
    return_rate: Decimal | None = labelled("Return rate", about=_RETURNED)
    is_vip: bool = labelled("VIP", about=_VIP)


@dataclass(slots=True)
class OrderPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")


@dataclass(slots=True)
class CustomerRecordFacts:
    """A customer by itself, not beside an order."""

    number: str = labelled("Customer number", lasting=True)
    kind: str = labelled("Kind", choices=Customer.Kind.choices, lasting=True)
    country: Country = labelled("Country")
    orders: int = labelled("Orders so far")
    lifetime_spend: Money | None = labelled(
        "Lifetime spend", about="Paid less refunded, in the currency of the first order."
    )
    last_order_at: datetime | None = labelled("Last order")
    known_since: datetime = labelled("Known since", lasting=True)
    tags: Tags = labelled("Customer tags")
    orders_90_days: int = labelled("Orders in 90 days", about=_IN_90_DAYS)
    spend_90_days: Money | None = labelled("Spend in 90 days", about=_SPENT)
    return_rate: Decimal | None = labelled("Return rate", about=_RETURNED)
    is_vip: bool = labelled("VIP", about=_VIP)
    has_account: bool = labelled("Has an account", about="Others order as guests.")


@dataclass(slots=True)
class CustomerPayload:
    customer: CustomerRecordFacts = labelled("Customer")


@dataclass(slots=True)
class HoldFacts:
    reason: str = labelled("Reason", choices=Hold.Reason.choices)
    ends_at: datetime | None = labelled("Meant to last until")


@dataclass(slots=True)
class OrderHoldPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    hold: HoldFacts | None = labelled("Hold")


@dataclass(slots=True)
class MarketFacts:
    status: str = labelled("Status there", choices=MarketOrder.Status.choices)
    ship_latest: datetime | None = labelled("To be handed over by")


@dataclass(slots=True)
class MarketPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    market: MarketFacts = labelled("Marketplace")


@dataclass(slots=True)
class CancellationFacts:
    reason: str = labelled("Reason", choices=Order.CancelReason.choices)


@dataclass(slots=True)
class OrderCancelledPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    cancellation: CancellationFacts = labelled("Cancellation")


@dataclass(slots=True)
class TaggedFacts:
    tags: Tags = labelled("Tags added")


@dataclass(slots=True)
class OrderTaggedPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    tagged: TaggedFacts = labelled("Tagging")


# What an inspection finds: what it put back in stock is fit for sale.
CONDITIONS = (("fit", "Fit for sale"), ("partly", "Partly damaged"), ("damaged", "Damaged"))


@dataclass(slots=True)
class ReturnFacts:
    number: str = labelled("Return number", lasting=True)
    state: str = labelled("State", choices=ReturnOrder.State.choices)
    reason: str = labelled("Reason", choices=ReturnOrder.Reason.choices, lasting=True)
    channel: str = labelled("Channel", lasting=True)
    amount: Money = labelled(
        "Value", about="What the returned lines cost at the sale.", lasting=True
    )
    units: int = labelled("Units", lasting=True)
    has_order: bool = labelled("Order found")
    late: bool = labelled("Asked for late", about="After the window of its channel.", lasting=True)
    return_by: datetime | None = labelled("Window ends")
    requested_at: datetime = labelled("Asked for", lasting=True)
    authorised_at: datetime | None = labelled("Authorised")
    received_at: datetime | None = labelled("Received")
    inspected_at: datetime | None = labelled("Inspected")
    condition: str | None = labelled(
        "Condition of the goods",
        choices=CONDITIONS,
        about="What the inspection scrapped is damaged; unknown before it.",
    )
    scrapped: int = labelled("Units scrapped")
    lines: tuple[LineFacts, ...] = labelled("Returned lines")


@dataclass(slots=True)
class ClaimsFacts:
    open: int = labelled("Open claims", about="Claims about its order that nobody decided yet.")
    since: int = labelled(
        "Claims since",
        about="Claims about its order since the inspection, or before it since it was asked for.",
    )


@dataclass(slots=True)
class ReturnedOrderFacts:
    number: str = labelled("Order number", lasting=True)
    total: Money = labelled("Order total", lasting=True)
    country: Country = labelled("Ships to", lasting=True)
    payment: str = labelled("Payment", choices=Order.Payment.choices)
    tags: Tags = labelled("Order tags")
    placed_at: datetime = labelled("Placed", lasting=True)


@dataclass(slots=True)
class ReturnPayload:
    returned: ReturnFacts = labelled("Return")
    order: ReturnedOrderFacts | None = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    claims: ClaimsFacts = labelled("Claims")


_CENT = Decimal("0.01")


# An order tells a dozen amounts, most of them equal to one told just before.
@lru_cache(maxsize=65_536)
def told(amount: Decimal, currency: str) -> Money:
    """The amount in one spelling, whether it was just computed or read: 10.00, 0.0015."""
    plain = amount.quantize(_CENT)
    return Money(plain if plain == amount else amount.normalize(), currency)


def line_facts(lines: Sequence[LineFigures], currency: str) -> tuple[LineFacts, ...]:
    return tuple(
        LineFacts(
            kind=line.kind,
            sku=SkuFacts(line.sku, line.is_fragile),
            quantity=line.quantity,
            price=told(line.unit_price, currency),
            line_total=told(line.line_total, currency),
        )
        for line in lines
    )


_TENTH = Decimal("0.1")


def _percent(order: Order) -> Decimal:
    """The discount as a part of the subtotal, to a tenth of one per cent."""
    if not order.discount or order.subtotal <= 0:
        return Decimal(0)
    return (100 * order.discount / order.subtotal).quantize(_TENTH)


def order_facts(
    order: Order, lines: Sequence[LineFigures], alike: int, promotions: Sequence[str]
) -> OrderFacts:
    customer, place = order.customer, order.location
    return OrderFacts(
        number=order.number,
        channel=order.channel.key,
        total=told(order.total, order.currency),
        subtotal=told(order.subtotal, order.currency),
        shipping=told(order.shipping, order.currency),
        discount=told(order.discount, order.currency),
        discount_percent=_percent(order),
        promotions=Tags(tuple(promotions)),
        paid=told(order.amount_paid, order.currency),
        refunded=told(order.amount_refunded, order.currency),
        currency=order.currency,
        units=order.units,
        line_count=order.line_count,
        country=Country(order.ship_country),
        billing_country=Country(order.bill_country),
        customer_kind=customer.kind if customer else None,
        payment=order.payment,
        fulfilment=order.fulfilment,
        returns=order.returns,
        is_held=order.is_held,
        tags=Tags(tuple(order.tags)),
        placed_at=order.placed_at,
        paid_at=order.paid_at,
        ship_by=order.ship_by,
        place=place.code if place else None,
        routed=order.routed or None,
        method=order.method,
        is_picking=order.picking_since is not None,
        promised_on=order.promised_on,
        waits_for_stock=bool(order.awaits),
        alike_before=alike,
        lines=line_facts(lines, order.currency),
    )


# What customers did in the last 90 days, by their id; whoever did nothing is left out.
Habits = Mapping[int, Lately]


def customer_facts(
    customer: Customer | None, orders_before: int, habits: Habits
) -> CustomerFacts | None:
    """None for a guest nobody recorded."""
    if customer is None:
        return None
    spend, ninety = customer.spend, habits.get(customer.id, NOTHING)
    return CustomerFacts(
        number=customer.number,
        kind=customer.kind,
        country=Country(customer.country),
        orders_before=orders_before,
        lifetime_spend=told(spend.amount, spend.currency) if spend else None,
        tags=Tags(tuple(customer.tags)),
        orders_90_days=ninety.orders,
        spend_90_days=told(ninety.spend, spend.currency) if spend else None,
        return_rate=customer.return_rate,
        is_vip=customer.vip_since is not None,
    )


def customer_payload(customer: Customer, habits: Habits) -> CustomerPayload:
    return CustomerPayload(record_facts(customer, habits))


def record_facts(customer: Customer, habits: Habits) -> CustomerRecordFacts:
    """A customer by itself."""
    spend, ninety = customer.spend, habits.get(customer.id, NOTHING)
    return CustomerRecordFacts(
        number=customer.number,
        kind=customer.kind,
        country=Country(customer.country),
        orders=customer.orders_count,
        lifetime_spend=told(spend.amount, spend.currency) if spend else None,
        last_order_at=customer.last_order_at,
        known_since=customer.created_at,
        tags=Tags(tuple(customer.tags)),
        orders_90_days=ninety.orders,
        spend_90_days=told(ninety.spend, spend.currency) if spend else None,
        return_rate=customer.return_rate,
        is_vip=customer.vip_since is not None,
        has_account=customer.has_login,
    )


def order_payload(
    order: Order,
    lines: Mapping[int, Sequence[LineFigures]],
    alike: Mapping[int, int],
    habits: Habits,
    promotions: Mapping[int, Sequence[str]],
) -> OrderPayload:
    """What rules see of an order; `alike` and `promotions` as the figures have them."""
    given = promotions.get(order.id, ())
    return OrderPayload(
        order_facts(order, lines.get(order.id, ()), alike.get(order.id, 0), given),
        customer_facts(order.customer, order.orders_before, habits),
    )


def returned_order(order: Order) -> ReturnedOrderFacts:
    return ReturnedOrderFacts(
        number=order.number,
        total=told(order.total, order.currency),
        country=Country(order.ship_country),
        payment=order.payment,
        tags=Tags(tuple(order.tags)),
        placed_at=order.placed_at,
    )
