"""Prices of what sells most, changes that wait, an order at a misprint, and carts left behind."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from django.db.models import Count, Max, Min
from django.utils import timezone

from backoffice.actors import Actor, outside, person
from backoffice.models import User
from backoffice.roles import FINANCE, OPERATIONS
from inventory.models import Sku
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.models.customers import Customer
from orders.models.orders import OrderLine
from orders.models.prices import Price, PriceChange
from orders.services.carts import NewCart, NewCartLine, receive_carts, sweep_carts
from orders.services.drafts import Address, NewLine, NewOrder, OnShort
from orders.services.placing import place_orders
from orders.services.price_floors import set_floor
from orders.services.prices import Wanted, ask_prices, decide_price
from orders.services.rates import NewRate, note_rate

SHOP = outside("Web shop")
_PRICED = 24
_BATH = Address("Iris Blake", "8 Green Park", "Bath", "BA1 1JB", "GB")


def add_selling(channel: Channel) -> None:
    """Prices and carts, made once."""
    steady = _steady(channel)
    if not Price.objects.exists() and steady:
        _price(channel, steady)
    if not Cart.objects.exists() and steady:
        _fill_carts(channel, steady)


def _steady(channel: Channel) -> list[tuple[Sku, Decimal]]:
    """The products that sold most often, of those that always cost the same; with that price."""
    rows = (
        OrderLine.objects.filter(
            order__channel=channel, kind=OrderLine.Kind.STOCK, unit_price__gt=1
        )
        .values("sku")
        .annotate(times=Count("pk"), low=Min("unit_price"), high=Max("unit_price"))
        .order_by("-times", "sku")
    )
    found = [(row["sku"], row["low"]) for row in rows if row["low"] == row["high"]][:_PRICED]
    skus = Sku.objects.in_bulk([pk for pk, _ in found])
    return [(skus[pk], price) for pk, price in found]


def _somebody(role: str) -> Actor:
    user = User.objects.filter(groups__name=role, is_active=True).order_by("pk").first()
    return person(user) if user else SHOP


def _price(channel: Channel, steady: Sequence[tuple[Sku, Decimal]]) -> None:
    """Prices as they were sold at; some moved since, one waits, one was agreed, one is planned."""
    operator, clerk = _somebody(OPERATIONS), _somebody(FINANCE)
    first = [Wanted(channel.pk, sku.pk, price) for sku, price in steady]
    ask_prices(first, why="As the shop sells it", actor=operator)
    (agreed, was), (waits, now), (planned, later), (floored, usual), (printed, price) = (
        steady[number % len(steady)] for number in range(5)
    )
    done = ask_prices(
        [Wanted(channel.pk, agreed.pk, _times(was, "1.4"))], why="New supplier", actor=operator
    )
    if done.waiting and clerk.user_id is not None:
        decide_price(
            done.waiting[0].pk, PriceChange.State.AGREED, note="Checked with the supplier",
            actor=clerk,
        )  # fmt: skip
    ask_prices([Wanted(channel.pk, waits.pk, now * 10)], why="Price list May", actor=operator)
    ask_prices(
        [Wanted(channel.pk, planned.pk, _times(later, "0.9"), timezone.now() + timedelta(days=7))],
        why="Week of tea",
        actor=operator,
    )
    set_floor(channel, floored.pk, _times(usual, "0.8"), why="Brand", actor=clerk)
    note_rate(
        NewRate("GBP", "EUR", Decimal("1.1873"), timezone.localdate(), "Bank"), actor=operator
    )
    line = NewLine(quantity=2, unit_price=_times(price, "0.1"), sku=printed.code)
    order = NewOrder(channel=channel, lines=(line,), external_id="misprint-1", ship_to=_BATH)
    place_orders([order], on_short=OnShort.HOLD, actor=SHOP)


def _times(price: Decimal, factor: str) -> Decimal:
    return (price * Decimal(factor)).quantize(Decimal("0.01"))


def _fill_carts(channel: Channel, steady: Sequence[tuple[Sku, Decimal]]) -> None:
    """Some left behind, one of which came true, one that is being filled, one of a guest."""
    now = timezone.now()
    buyers = list(Customer.objects.live().exclude(email="").order_by("-last_order_at", "pk")[8:12])
    goods = [NewCartLine(2, price, sku.code, sku.name) for sku, price in steady]
    wanted = [
        (f"cart-{5001 + number}", hours, buyer, tuple(goods[number : number + 2 + number % 2]))
        for number, (hours, buyer) in enumerate(
            zip((5, 3, 2, 26), (buyer.pk for buyer in buyers), strict=False)
        )
    ]
    carts = [
        NewCart(channel, name, now - timedelta(hours=hours), lines, customer_id=buyer)
        for name, hours, buyer, lines in wanted
    ]
    carts.append(NewCart(channel, "cart-5005", now - timedelta(minutes=4), tuple(goods[5:7])))
    carts.append(
        NewCart(
            channel, "cart-5006", now - timedelta(hours=4), tuple(goods[6:8]),
            email="guest@example.com",
        )
    )  # fmt: skip
    receive_carts(carts, actor=SHOP)
    sweep_carts(now=timezone.now() + timedelta(minutes=2))
    if buyers:
        sku, price = steady[-1]
        line = NewLine(quantity=1, unit_price=price, sku=sku.code)
        order = NewOrder(
            channel=channel, lines=(line,), external_id="came-back-1", ship_to=_BATH,
            customer_id=buyers[0].pk,
        )  # fmt: skip
        place_orders([order], on_short=OnShort.HOLD, actor=SHOP)
