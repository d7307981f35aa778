"""A guest's order, and messages about their cart that name no mail address."""

from __future__ import annotations

import threading
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from backoffice.actors import HOUSE
from orders.models.carts import Cart
from orders.models.orders import Order
from orders.services import carts, new_orders, placing
from orders.services.carts import NewCart, NewCartLine, receive_carts
from orders.services.drafts import Contact
from orders.services.placing import place_orders
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, make_channel


def test_an_order_ends_the_cart_that_a_message_without_mail_holds(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    tea, shop, phone = make_sku("TEA", stock=9), make_channel(), make_channel("phone")
    now = timezone.now()

    def told(email: str, minutes: int) -> NewCart:
        return NewCart(
            shop, "c-1", now - timedelta(minutes=minutes),
            (NewCartLine(1, Decimal("9.95"), "TEA"),),
            email=email, opened_at=now - timedelta(hours=3),
        )  # fmt: skip

    held, ended = threading.Event(), threading.Event()
    locked, convert = carts.lock_carts_of, carts.convert_carts

    def without_mail() -> None:
        try:
            with transaction.atomic():
                receive_carts([told("", 5)], actor=HOUSE)
                held.set()
                ended.wait(1)
        finally:
            connection.close()

    second = threading.Thread(target=without_mail)

    def lock_then_told(drafts: Any) -> None:
        locked(drafts)
        # The cart is heard of at this moment, and once more, without its mail address.
        at_once([lambda: receive_carts([told("g@example.com", 10)], actor=HOUSE)])
        second.start()
        assert held.wait(10)

    def convert_noted(*given: Any, **named: Any) -> Any:
        try:
            return convert(*given, **named)
        finally:
            ended.set()

    monkeypatch.setattr(placing, "lock_carts_of", lock_then_told)
    monkeypatch.setattr(new_orders, "convert_carts", convert_noted)
    new = draft(line(tea), channel=phone, contact=Contact(email="g@example.com"))
    place_orders([new], actor=HOUSE)
    second.join()
    cart = Cart.objects.get()
    assert cart.mail == "g@example.com"
    assert (cart.state, cart.order) == (Cart.State.CONVERTED, Order.objects.get())
