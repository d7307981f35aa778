"""Carts: taken in once however often told, left behind after a while, ended by any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from automations.triggers import triggers
from backoffice.actors import HOUSE
from backoffice.models import BulkJob
from backoffice.workbench import jobs
from orders.automation.carts import CartAbandoned
from orders.models.carts import Cart, CartLine
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.services.carts import NewCart, NewCartLine, receive_carts, sweep_carts
from orders.services.customers import NewCustomer, add_customers
from orders.services.drafts import Contact
from orders.services.erasure import erase_customer
from orders.services.errors import OrderError
from orders.services.merging import merge_customers
from orders.services.placing import place_orders
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, line, make_channel, make_customer, place

State = Cart.State


def ago(**span: float) -> datetime:
    return timezone.now() - timedelta(**span)


def told(name: str = "c-1", *goods: NewCartLine, **fields: Any) -> NewCart:
    fields.setdefault("channel", make_channel())
    fields.setdefault("active_at", ago(hours=2))
    lines = goods or (NewCartLine(2, Decimal("9.95"), "85123A"),)
    return NewCart(external_id=name, lines=lines, **fields)


def receive(name: str = "c-1", *goods: NewCartLine, **fields: Any) -> Cart:
    return receive_carts([told(name, *goods, **fields)], actor=HOUSE).carts[0]


def fresh(cart: Cart) -> Cart:
    return Cart.objects.get(pk=cart.pk)


def sweep(**later: float) -> int:
    """The sweep as of two minutes later, when what came in has settled."""
    return sweep_carts(now=timezone.now() + timedelta(**(later or {"minutes": 2})))


def events(key: str) -> list[Event]:
    return list(Event.objects.filter(trigger=key).order_by("pk"))


@pytest.mark.django_db
def test_a_cart_is_taken_in_once_and_replaced_by_what_is_newer() -> None:
    make_sku()
    new = told(active_at=ago(minutes=50))
    first = receive_carts([new, new], actor=HOUSE)
    again = receive_carts([new], actor=HOUSE)
    assert [cart.pk for cart in first.carts] == [first.carts[0].pk] * 2
    assert not again.changed
    cart = first.carts[0]
    assert (cart.total, cart.units, Cart.objects.count()) == (Decimal("19.90"), 2, 1)
    # Late messages change nothing, newer ones all of it.
    receive("c-1", NewCartLine(9, Decimal(1)), active_at=ago(minutes=55))
    assert fresh(cart).units == 2
    receive("c-1", NewCartLine(1, Decimal("5.00"), "OTHER"), active_at=ago(minutes=40))
    (row,) = CartLine.objects.all()
    assert (fresh(cart).total, row.code) == (Decimal(5), "OTHER")
    assert row.sku is None
    receive_carts([NewCart(make_channel(), "c-1", ago(minutes=30))], actor=HOUSE)
    assert fresh(cart).state == State.EXPIRED


@pytest.mark.django_db
def test_what_can_not_be_is_refused() -> None:
    for bad in (
        told("", active_at=ago(hours=1)),
        told(active_at=timezone.now() + timedelta(hours=1)),
        told("c-1", NewCartLine(0, Decimal(1))),
        told("c-1", NewCartLine(1, Decimal("NaN"))),
    ):
        with pytest.raises(OrderError):
            receive_carts([bad], actor=HOUSE)
    assert not Cart.objects.exists()


@pytest.mark.django_db
def test_a_cart_nobody_touches_is_abandoned_once_and_one_that_is_touched_again_is_not() -> None:
    buyer = make_customer()
    cart = receive(customer_id=buyer.pk)
    young = receive("c-2", active_at=ago(minutes=20))
    assert (sweep(), sweep()) == (1, 0)
    assert (fresh(cart).state, fresh(young).state) == (State.ABANDONED, State.OPEN)
    (event,) = events("orders.cart_abandoned")
    assert event.subject_id == cart.pk
    payload = CartAbandoned().current([cart.pk])[cart.pk]
    assert payload.cart.minutes_idle == 120
    assert payload.customer is not None
    assert payload.customer.number == buyer.number
    receive(customer_id=buyer.pk, active_at=ago(minutes=1))
    assert fresh(cart).state == State.OPEN
    # What waits on the reminder finds no abandoned cart any more.
    assert triggers["orders.cart_abandoned"].current([cart.pk]) == {}
    assert sweep(days=40) == 0
    assert fresh(young).state == State.EXPIRED


def _guest(mail: str, **fields: Any) -> Order:
    fields.setdefault("channel", make_channel("phone"))
    return place(line(make_sku("TEA", stock=99)), contact=Contact(email=mail), **fields)


@pytest.mark.django_db
def test_an_order_by_any_way_ends_the_carts_of_that_customer_or_mail() -> None:
    buyer = make_customer()
    known = receive("known", customer_id=buyer.pk)
    guest = receive("guest", email="Nobody+shop@example.com")
    other = receive("other", email="else@example.com")
    later = receive("later", active_at=ago(minutes=1), email="nobody@example.com")
    sweep()
    by_phone = place(line(make_sku("TEA", stock=99)), channel=make_channel("phone"),
                     customer_id=buyer.pk)  # fmt: skip
    by_mail = _guest("nobody@example.com", placed_at=ago(minutes=30))
    assert [fresh(cart).order for cart in (known, guest, other, later)] == [
        by_phone, by_mail, None, None,
    ]  # fmt: skip
    assert [event.subject_id for event in events("orders.cart_recovered")] == [known.pk, guest.pk]
    assert triggers["orders.cart_abandoned"].current([known.pk, guest.pk]) == {}


@pytest.mark.django_db
def test_a_cart_that_is_told_of_after_the_order_never_waits() -> None:
    order = _guest("g2@example.com")
    cart = receive("late", email="g2@example.com")
    assert (cart.state, cart.order) == (State.CONVERTED, order)
    assert (sweep(), events("orders.cart_abandoned")) == (0, [])
    # What was ordered stays so, whatever the shop still says.
    assert receive("late", email="g2@example.com", active_at=ago(minutes=1)).order == order


@pytest.mark.django_db
def test_merged_customers_share_their_carts_and_the_erased_leave_none() -> None:
    buyers = add_customers([NewCustomer(n, name=n, email=f"{n}@example.com") for n in ("a1", "b2")])
    cart = receive("m", customer_id=buyers["b2"].pk)
    merge_customers(buyers["a1"].pk, buyers["b2"].pk, actor=HOUSE)
    place(line(make_sku("TEA", stock=9)), customer_id=buyers["a1"].pk)
    assert fresh(cart).state == State.CONVERTED
    lone = Customer.objects.get(pk=make_customer().pk)
    left = receive("e", customer_id=lone.pk)
    assert left.mail == "g@example.com"
    erase_customer(lone.pk, why="asked", actor=HOUSE)
    assert (fresh(left).mail, fresh(left).state) == ("", State.EXPIRED)


@pytest.mark.django_db
def test_carts_come_from_a_file_that_is_shown_first(operations_client: Client) -> None:
    make_sku()
    make_channel()
    rows = (
        "cart,store,mail,sku,quantity,price,touched",
        "f-1,shop,g@example.com,85123A,2,9.95,2026-11-20 10:00",
        "f-1,shop,g@example.com,TEA,1,3.00,2026-11-20 10:00",
        "f-2,shop,,85123A,none,9.95,2026-11-20 10:00",
        "f-3,nowhere,,85123A,1,9.95,2026-11-20 10:00",
        "f-4,shop,,85123A,1,9.95,2999-11-20 10:00",
    )
    upload = SimpleUploadedFile("carts.csv", "\n".join(rows).encode())
    page = operations_client.post("/carts/_/file/", {"file": upload})
    sheet = page.context["sheet"]
    assert ([each.total for each in sheet.good], len(sheet.bad)) == (["£22.90"], 3)
    assert not Cart.objects.exists()
    operations_client.post("/carts/_/file/job/", {"rows": page.context["rows"]})
    job = BulkJob.objects.get()
    operations_client.post(f"/jobs/{job.pk}/start/")
    while jobs.run_chunk(job.pk):
        pass
    cart = Cart.objects.get()
    assert (cart.external_id, cart.line_count, cart.total) == ("f-1", 2, Decimal("22.90"))
    assert "TEA" in operations_client.get(f"/carts/{cart.number}/").content.decode()


@pytest.mark.django_db
def test_a_message_that_is_no_news_sees_an_order_that_left_its_cart_out() -> None:
    buyer = make_customer()
    tea, shop = make_sku("TEA", stock=99), make_channel("phone")
    news = told("r", customer_id=buyer.pk, opened_at=ago(hours=3), active_at=ago(minutes=60))
    placed = place_orders([draft(line(tea), channel=shop, customer_id=buyer.pk)], actor=HOUSE)
    cart = receive_carts([news], actor=HOUSE).carts[0]
    # As it stands where a message held the cart while the order was placed.
    Cart.objects.filter(pk=cart.pk).update(state=State.OPEN, order=None, ended_at=None)
    late = told("r", customer_id=buyer.pk, opened_at=ago(hours=3), active_at=ago(minutes=70))
    receive_carts([late], actor=HOUSE)
    assert (fresh(cart).state, fresh(cart).order) == (State.CONVERTED, placed.orders[0])


def test_fifty_messages_of_a_cart_and_its_order_at_once_leave_it_ordered(
    committed_db: Database,
) -> None:
    buyer = make_customer()
    tea, shop = make_sku("TEA", stock=99), make_channel("phone")
    begun = ago(hours=3)
    messages = [
        partial(
            receive_carts,
            [told("r", customer_id=buyer.pk, opened_at=begun, active_at=ago(minutes=60 + n))],
            actor=HOUSE,
        )
        for n in range(48)
    ]
    new = draft(line(tea), channel=shop, customer_id=buyer.pk)
    works: list[Callable[[], Any]] = [
        *messages,
        sweep,
        partial(place_orders, [new], actor=HOUSE),
    ]
    answers: list[Any] = at_once(works)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    cart = Cart.objects.get()
    assert (cart.state, cart.order) == (State.CONVERTED, Order.objects.get())
    assert cart.lines.count() == 1
