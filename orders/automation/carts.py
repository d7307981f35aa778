"""What rules hear of carts: that one was left behind, and that one came true after all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from django.db.models import QuerySet

from automations.triggers import Fact, Scan, Trigger, labelled, scans, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from orders import signals
from orders.automation.payloads import CustomerFacts, customer_facts, told
from orders.models.carts import Cart, CartLine
from orders.queries.customers import lately

State = Cart.State


@dataclass(frozen=True, slots=True)
class CartLineFacts:
    sku: str | None = labelled("SKU", about="As the shop has it; unknown where it does not say.")
    is_known: bool = labelled("A product of ours")
    quantity: int = labelled("Quantity")
    price: Money = labelled("Unit price")
    line_total: Money = labelled("Line total")


@dataclass(frozen=True, slots=True)
class CartFacts:
    number: str = labelled("Cart number", lasting=True)
    channel: str = labelled("Channel", lasting=True)
    state: str = labelled("State", choices=State.choices)
    total: Money = labelled("Cart total")
    units: int = labelled("Units")
    line_count: int = labelled("Lines")
    opened_at: datetime = labelled("Begun", lasting=True)
    active_at: datetime = labelled("Touched last")
    abandoned_at: datetime | None = labelled("Found abandoned")
    minutes_idle: int | None = labelled(
        "Minutes without anybody", about="Until it was found abandoned."
    )
    has_mail: bool = labelled("Its mail address is known")
    order: str | None = labelled("Order that it became")
    lines: tuple[CartLineFacts, ...] = labelled("Lines")


@dataclass(frozen=True, slots=True)
class CartPayload:
    cart: CartFacts = labelled("Cart")
    customer: CustomerFacts | None = labelled("Customer")


def _lines(lines: Iterable[CartLine], currency: str) -> tuple[CartLineFacts, ...]:
    return tuple(
        CartLineFacts(
            sku=line.sku.code if line.sku else line.code or None,
            is_known=line.sku is not None,
            quantity=line.quantity,
            price=told(line.unit_price, currency),
            line_total=told(line.line_total, currency),
        )
        for line in sorted(lines, key=lambda line: line.position)
    )


def _facts(cart: Cart) -> CartFacts:
    idle = None
    if cart.abandoned_at is not None:
        idle = int((cart.abandoned_at - cart.active_at).total_seconds() // 60)
    return CartFacts(
        number=cart.number,
        channel=cart.channel.key,
        state=cart.state,
        total=told(cart.total, cart.currency),
        units=cart.units,
        line_count=cart.line_count,
        opened_at=cart.opened_at,
        active_at=cart.active_at,
        abandoned_at=cart.abandoned_at,
        minutes_idle=idle,
        has_mail=bool(cart.mail or (cart.customer and cart.customer.email)),
        order=cart.order.number if cart.order else None,
        lines=_lines(cart.lines.all(), cart.currency),
    )


def cart_payloads(ids: Iterable[int], states: Sequence[str] = ()) -> dict[int, CartPayload]:
    """Carts as they stand now, by id; with `states`, only those in one of them."""
    rows = Cart.objects.filter(pk__in=set(ids))
    if states:
        rows = rows.filter(state__in=states)
    carts = list(rows.select_related("channel", "customer", "order").prefetch_related("lines__sku"))
    habits = lately(cart.customer_id for cart in carts)
    return {
        cart.pk: CartPayload(
            _facts(cart),
            customer_facts(
                cart.customer, cart.customer.orders_count if cart.customer else 0, habits
            ),
        )
        for cart in carts
    }


class _CartTrigger(Trigger):
    subject = "orders.cart"
    customer = "customer.number"
    payload_class = CartPayload
    states: ClassVar[tuple[str, ...]] = ()

    def facts(
        self, *, carts: Sequence[Cart], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        payloads = cart_payloads(cart.pk for cart in carts)
        return [
            Fact(
                cart.pk, cart.version, payloads[cart.pk],
                cart.ended_at or cart.abandoned_at or cart.active_at, actor.of(cart.pk), history,
            )
            for cart in carts
        ]  # fmt: skip

    def current(self, ids: Iterable[int]) -> dict[int, CartPayload]:
        # One that is not as it was any more is gone for what waits on it, whatever it asks.
        return cart_payloads(ids, self.states)


@triggers.register
class CartAbandoned(_CartTrigger):
    """Ordered, touched again or expired meanwhile, it is none any more: no late reminder."""

    key = "orders.cart_abandoned"
    label = "Cart left behind"
    example = "A customer left a cart of £64.00 in the web shop an hour ago."
    signal = signals.carts_abandoned
    states = (State.ABANDONED,)


@triggers.register
class CartRecovered(_CartTrigger):
    key = "orders.cart_recovered"
    label = "Abandoned cart ordered after all"
    example = "The cart of £64.00 that was left behind became order 1000123."
    signal = signals.carts_recovered
    states = (State.CONVERTED,)


@scans.register
class Carts(Scan):
    key = subject = "orders.cart"
    label = "Carts"
    example = "Every cart, ordered or not."
    customer = "customer.number"
    payload_class = CartPayload
    columns = {
        "cart.number": "number",
        "cart.channel": "channel__key",
        "cart.state": "state",
        "cart.total": ("total", "currency"),
        "cart.units": "units",
        "cart.line_count": "line_count",
        "cart.opened_at": "opened_at",
        "cart.active_at": "active_at",
        "cart.abandoned_at": "abandoned_at",
        "cart.order": "order__number",
        "customer.number": "customer__number",
        "customer.kind": "customer__kind",
        "customer.country": "customer__country",
        "customer.tags": "customer__tags",
    }

    def rows(self) -> QuerySet[Cart]:
        return Cart.objects.all()

    def current(self, ids: Iterable[int]) -> dict[int, CartPayload]:
        return cart_payloads(ids)
