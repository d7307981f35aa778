"""Many messages about the same carts and orders, taken by many workers at once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from automations.engine.take import take_batch
from automations.models.events import Event
from backoffice.actors import HOUSE
from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.drafts import Contact
from orders.services.placing import place_orders
from support.models import ConsentEvent
from tests.bed.databases import Database, at_once
from tests.intake import factories as hooks
from tests.intake.test_carts_told import TOLD as CART
from tests.intake.test_carts_told import shop, tell
from tests.intake.test_market_told import fair, hear, there
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line


def test_fifty_messages_of_five_carts_and_an_order_leave_each_as_it_should_be(
    committed_db: Database,
) -> None:
    source, tea = shop(), make_sku("TEA", stock=9)
    for number in range(50):
        goods = [{"sku": "TEA", "quantity": 100 - number, "price": "1"}]
        mail = "buys@example.com" if number % 5 == 0 else "g@example.com"
        name = f"c-{number % 5}"
        tell(source, f"m{number}", 60 + number, id=name, items=goods, mail=mail, agreed=True)
    new = draft(line(tea), contact=Contact(email="buys@example.com"), placed_at=timezone.now())
    works: list[Callable[[], Any]] = [partial(take_batch, 7)] * 8
    answers: list[Any] = at_once([*works, partial(place_orders, [new], actor=HOUSE)])
    assert [each for each in answers if isinstance(each, Exception)] == []
    hooks.take_all()
    assert set(hooks.states().values()) <= {"taken", "overtaken"}
    carts = dict(Cart.objects.values_list("external_id", "units"))
    assert {f"c-{n}": 100 - n for n in range(1, 5)}.items() <= carts.items()
    assert Cart.objects.get(external_id="c-0").order == Order.objects.get()
    # One guest, one yes, however many carts say so at once.
    assert Customer.objects.filter(email="g@example.com").count() == 1
    guests = Customer.objects.values_list("pk", flat=True)
    assert ConsentEvent.objects.filter(customer__in=guests).count() == len(guests)


def test_fifty_reports_of_five_orders_leave_each_as_far_as_it_was_told(
    committed_db: Database,
) -> None:
    source = fair()
    for number in range(5):
        there(f"026-{number}")
    now = timezone.now()
    for number in range(50):
        status = ("Pending", "Unshipped", "Shipped")[number % 3]
        at = now - timedelta(minutes=number)
        hear(source, f"m{number}", status, at, order=f"026-{number % 5}")
    answers: list[Any] = at_once([partial(take_batch, 7)] * 8)
    assert [each for each in answers if isinstance(each, Exception)] == []
    hooks.take_all()
    assert set(hooks.states().values()) <= {"taken", "overtaken"}
    assert set(MarketOrder.objects.values_list("status", flat=True)) == {"shipped"}
    # Each order moved at most twice, and rules heard of each move once.
    assert Event.objects.filter(trigger="orders.market_reported").count() <= 10


@pytest.mark.django_db
def test_carts_and_news_of_orders_are_written_in_transactions_of_their_own() -> None:
    fair_source, shop_source = fair(), hooks.source(name="Shop")
    hooks.read(shop_source, CART, feed="orders.cart_reported")
    there("026-1")
    hear(fair_source, "news", "Shipped", timezone.now() - timedelta(minutes=5))
    tell(shop_source, "cart")
    assert take_batch() == 2
    assert hooks.states() == {"news": "taken", "cart": "waiting"}
    assert take_batch() == 1
    assert hooks.states() == {"news": "taken", "cart": "taken"}
