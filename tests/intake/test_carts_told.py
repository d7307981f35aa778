"""Carts by webhook: the same door as a file, whatever order the messages come in."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest
from django.db import OperationalError
from django.test import Client
from django.utils import timezone

from automations.engine import take
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.intake import Delivery, IntakeRoute, IntakeSource
from backoffice.actors import HOUSE
from orders.models.carts import Cart, CartLine
from orders.models.customers import Customer
from orders.services.drafts import Contact
from orders.services.erasure import erase_customer
from tests.intake import factories as hooks
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_customer, place

pytestmark = pytest.mark.django_db
# The same moment all along, so that a message told again says the same.
BEGUN = timezone.now().replace(microsecond=0)
FEED = "orders.cart_reported"
TOLD = {
    "store": {"is": "shop"},
    "cart": {"at": "data.id"},
    "touched_at": {"at": "data.at"},
    "customer": {"at": "data.customer"},
    "mail": {"at": "data.mail"},
    "agreed": {"at": "data.agreed"},
    "lines": {"at": "data.items"},
    "lines.sku": {"at": "sku"},
    "lines.quantity": {"at": "quantity"},
    "lines.price.amount": {"at": "price"},
    "lines.price.currency": {"at": "^data.currency"},
}
SHOPIFY = {
    "store": {"is": "shop"},
    "cart": {"at": "token"},
    "touched_at": {"at": "updated_at"},
    "begun_at": {"at": "created_at"},
    "mail": {"at": "email"},
    "agreed": {"at": "buyer_accepts_marketing"},
    "lines": {"at": "line_items"},
    "lines.sku": {"at": "sku"},
    "lines.description": {"at": "title"},
    "lines.quantity": {"at": "quantity"},
    "lines.price.amount": {"at": "price"},
    "lines.price.currency": {"at": "^currency"},
}
GOODS = [{"sku": "TEA", "quantity": 2, "price": "9.95"}]


def ago(minutes: float) -> datetime:
    return BEGUN - timedelta(minutes=minutes)


def shop() -> IntakeSource:
    make_channel()
    source = hooks.source()
    hooks.read(source, TOLD, feed=FEED)
    return source


def message(own_id: str, minutes: float = 60, **data: Any) -> dict[str, Any]:
    given = {"id": "c-1", "at": ago(minutes).isoformat(), "items": GOODS, "mail": "g@example.com"}
    return hooks.message(own_id, **{**given, **data})


def tell(source: IntakeSource, own_id: str, minutes: float = 60, **data: Any) -> None:
    hooks.send(source, message(own_id, minutes, **data), own_id=own_id)


@pytest.mark.requirement("R21")
def test_a_cart_told_twice_and_out_of_order_stands_as_its_newest_message_says() -> None:
    source = shop()
    tea = make_sku("TEA")
    tell(source, "newest", 30, items=[{"sku": "TEA", "quantity": 3, "price": 4}])
    hooks.take_all()
    same = message("newest", 30, items=[{"sku": "TEA", "quantity": 3, "price": 4}])
    hooks.send(source, same, own_id="newest")
    hooks.send(source, same, own_id="again")
    tell(source, "older", 45)
    hooks.take_all()
    assert hooks.states() == {"newest": "taken", "again": "overtaken", "older": "overtaken"}
    cart, row = Cart.objects.get(), CartLine.objects.get()
    assert (cart.units, cart.total, row.sku, row.unit_price) == (3, Decimal(12), tea, Decimal(4))
    event = Event.objects.get(trigger=FEED)
    assert (event.subject_id, event.actor_kind) == (cart.pk, "outside")
    assert event.facts["cart.total.amount"] == "12.00"
    assert "g@example.com" not in str((event.facts, event.lists))
    assert "as it is then or later" in Delivery.objects.get(external_id="older").says


def test_of_one_batch_the_newest_message_counts_and_starts_rules_once() -> None:
    source = shop()
    for own_id, minutes in (("b", 20), ("a", 50), ("c", 20), ("d", 40)):
        units = 9 if own_id == "c" else 1
        tell(source, own_id, minutes, items=[{"sku": "", "quantity": units, "price": "1"}])
    hooks.take_all()
    assert hooks.states() == {"a": "overtaken", "b": "overtaken", "c": "taken", "d": "overtaken"}
    assert (Cart.objects.get().units, Event.objects.filter(trigger=FEED).count()) == (9, 1)


def test_an_empty_cart_is_over_and_one_without_its_list_is_not_guessed_to_be_empty() -> None:
    source = shop()
    tell(source, "full", 60)
    tell(source, "none", 50, items=None)
    hooks.take_all()
    assert hooks.states() == {"full": "taken", "none": "quarantined"}
    assert "no list of lines at “data.items”" in Failure.objects.get().says
    tell(source, "empty", 40, items=[])
    hooks.take_all()
    assert (hooks.states()["empty"], Cart.objects.get().state) == ("taken", Cart.State.EXPIRED)


@pytest.mark.requirement("R34")
def test_an_order_ends_a_cart_whatever_the_shop_still_tells_of_it() -> None:
    source = shop()
    order = place(line(make_sku("TEA", stock=9)), contact=Contact(email="g@example.com"),
                  placed_at=ago(40))  # fmt: skip
    tell(source, "late", 55)
    tell(source, "later", 10, id="c-2", at=ago(10).isoformat())
    hooks.take_all()
    tell(source, "still", 5)
    hooks.take_all()
    one, two = Cart.objects.order_by("external_id")
    assert (one.state, one.order, two.state) == ("converted", order, "open")
    assert hooks.states() == {"late": "taken", "later": "taken", "still": "overtaken"}
    assert "was ordered" in Delivery.objects.get(external_id="still").says


def test_a_customer_is_known_by_our_number_and_whoever_was_erased_stays_so() -> None:
    source, buyer = shop(), make_customer()
    tell(source, "before", 60, customer=buyer.number, mail="other@example.com", agreed=True)
    hooks.take_all()
    cart = Cart.objects.get()
    assert (cart.customer_id, cart.mail) == (buyer.pk, "other@example.com")
    erase_customer(buyer.pk, why="asked", actor=HOUSE)
    for own_id, minutes, mail in (("same", 30, "other@example.com"), ("new", 20, "g@example.com")):
        tell(source, own_id, minutes, customer=buyer.number, mail=mail, agreed=True, id=own_id)
    tell(source, "known", 10, customer=buyer.number, mail="g@example.com", agreed=True)
    hooks.take_all()
    assert set(hooks.states().values()) == {"taken"}
    assert set(Cart.objects.values_list("mail", flat=True)) == {""}
    assert Customer.objects.get(pk=buyer.pk).email == ""
    assert Customer.objects.count() == 1


@pytest.mark.requirement("R23")
@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({"items": [*GOODS, {"sku": "TEA", "price": "1"}]}, "Number 2 of the list: Lines › Quanti"),
        ({"items": [{**GOODS[0], "quantity": 0}]}, "quantity above zero"),
        ({"items": [{**GOODS[0], "quantity": -1}]}, "quantity above zero"),
        ({"items": [{**GOODS[0], "quantity": 10**17, "price": 0}]}, "can't be right"),
        ({"items": [{**GOODS[0], "quantity": 1.5}]}, "no whole number"),
        ({"items": [{**GOODS[0], "price": "NaN"}]}, "no number"),
        ({"items": [{**GOODS[0], "price": "-1"}]}, "price of zero or more"),
        ({"items": [{**GOODS[0], "price": "0.00001"}]}, "can't be right"),
        ({"items": [{**GOODS[0], "price": "999999999999"}]}, "can't be right"),
        ({"items": ["TEA"]}, "has no names"),
        ({"items": {"sku": "TEA"}}, "no list of lines"),
        ({"items": GOODS * 501}, "too many"),
        ({"currency": "eur"}, "prices are in EUR, but The shop sells in GBP"),
        ({"currency": None}, "known currency"),
        ({"at": "2999-01-01T00:00:00Z"}, "in the future"),
        ({"at": "1970-01-01T00:00:00Z"}, "times of cart c-1 can't be right"),
        ({"at": "2026-11-20 10:00"}, "with its zone"),
        ({"id": "x" * 81}, "at most 80 characters"),
        ({"mail": "nobody"}, "mail address is none"),
        ({"agreed": "perhaps"}, "neither yes nor no"),
    ],
)
def test_what_can_not_be_a_cart_is_a_case_and_no_cart(data: dict[str, Any], says: str) -> None:
    source = shop()
    tell(source, "fine", 60, id="c-2")
    tell(source, "bad", 60, **data)
    hooks.take_all()
    assert hooks.states() == {"fine": "taken", "bad": "quarantined"}
    assert says in Failure.objects.get().says
    assert Cart.objects.get().external_id == "c-2"


def test_a_store_that_is_none_of_ours_is_a_case_that_says_what_to_do() -> None:
    source = shop()
    hooks.read(source, {**TOLD, "store": {"at": "data.store"}}, feed=FEED)
    tell(source, "m", store="elsewhere")
    hooks.take_all()
    case = Failure.objects.get()
    assert "no open store “elsewhere”. Write the key of one of ours" in case.says


def test_a_checkout_as_shopify_tells_of_it_becomes_a_cart() -> None:
    make_channel()
    secret = "secret-of-the-shop-1"
    source = hooks.source("shopify", secret=secret, name="Shopify")
    hooks.read(source, SHOPIFY, topic="checkouts/update", feed=FEED)
    content = hooks.payload("shopify-checkouts-create")
    content |= {"updated_at": ago(60).isoformat(), "created_at": ago(80).isoformat()}
    signing = {"secret": secret, "topic": "checkouts/update"}
    hooks.send(source, content, "shopify", own_id="dollars", **signing)
    hooks.send(source, {**content, "currency": "GBP"}, "shopify", own_id="pounds", **signing)
    hooks.take_all()
    assert hooks.states() == {"dollars": "quarantined", "pounds": "taken"}
    cart = Cart.objects.get()
    assert (cart.external_id, cart.total, cart.line_count) == ("123123123", Decimal(398), 2)
    assert (cart.mail, cart.opened_at) == ("example@email.com", ago(80))
    assert set(CartLine.objects.values_list("code", "description")) == {
        ("IPOD2008PINK", "IPod Nano - 8GB")
    }


def test_a_worker_that_dies_half_way_leaves_no_cart_and_the_next_one_takes_it_once() -> None:
    source = shop()
    tell(source, "m", agreed=True)
    gone = patch.object(take, "_settle", side_effect=OperationalError("gone"))
    with gone, pytest.raises(OperationalError):
        take.take_batch()
    assert (Cart.objects.count(), Customer.objects.count(), hooks.states()) == (
        0,
        0,
        {"m": "waiting"},
    )
    hooks.take_all()
    assert (Cart.objects.count(), Customer.objects.count(), hooks.states()) == (
        1,
        1,
        {"m": "taken"},
    )
    assert Event.objects.filter(trigger=FEED).count() == 1


def test_the_list_of_a_message_is_mapped_on_the_page_and_shown_as_it_is_read(
    administrator_client: Client,
) -> None:
    source = shop()
    IntakeRoute.objects.all().delete()
    tell(source, "m", items=GOODS * 4)
    address = f"/intake/sources/{source.key}/feeds/{FEED}/?topic=thing.changed"
    given = {
        "at_store": "=shop", "at_cart": "data.id", "at_touched_at": "data.at",
        "at_mail": "data.mail", "at_lines": "data.items",
        "at_lines__sku": "sku", "at_lines__quantity": "quantity",
        "at_lines__price__amount": "price", "at_lines__price__currency": "^data.currency",
    }  # fmt: skip
    page = administrator_client.get(address).content.decode()
    assert "^ leads out of the item" in page
    tried = administrator_client.post(address, {**given, "try": "yes"}).content.decode()
    assert "SKU TEA, Quantity 2, Unit price £9.95" in tried
    assert "text of 13" in tried
    assert "g@example.com" not in tried
    wrong = {**given, "at_lines": "=all", "at_lines__price__currency": "^", "at_lines__sku": "a b"}
    refused = administrator_client.post(address, wrong)
    assert refused.status_code == 422
    assert set(refused.context["form"].errors) == {
        "at_lines", "at_lines__price__currency", "at_lines__sku",
    }  # fmt: skip
    assert administrator_client.post(address, given).status_code == 302
    mapping = IntakeRoute.objects.get().mapping
    assert mapping["lines"] == {"at": "data.items"}
    assert mapping["lines.price.currency"] == {"at": "^data.currency"}
