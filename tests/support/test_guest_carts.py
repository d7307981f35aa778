"""A guest's cart: written about only where the guest agreed with it, and never after a no."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail as box
from django.test import Client
from django.utils import timezone

from automations.actions import Call, Done, actions
from backoffice.actors import HOUSE, outside
from orders.models.carts import Cart
from orders.models.customers import Customer
from orders.services.carts import NewCart, NewCartLine, receive_carts, sweep_carts
from orders.services.erasure import erase_customer
from orders.services.guests import Agreed, tell_agreed
from orders.services.merging import merge_customers
from support.models import ConsentEvent, OutgoingMail, Suppression
from support.services.consent import digest_of, record_consent
from support.services.outgoing import send_due
from tests.orders.factories import make_channel, make_customer
from tests.orders.test_merging import make
from tests.support.factories import RULE

pytestmark = pytest.mark.django_db
SHOP = outside("Web shop")
Skip, State = OutgoingMail.Skip, OutgoingMail.State


def cart_of(mail: str, name: str = "c-1", *, agreed: bool = True, **fields: Any) -> Cart:
    """A cart as the feed takes it in."""
    at = timezone.now() - timedelta(minutes=fields.pop("minutes", 120))
    new = NewCart(
        make_channel(), name, at, (NewCartLine(1, Decimal(64), "TEA"),), email=mail, **fields
    )
    (cart,) = receive_carts([new], actor=SHOP).carts
    if agreed:
        tell_agreed([Agreed(cart, mail, SHOP)])
    return Cart.objects.get(pk=cart.pk)


def remind(cart: Cart, key: str = "1:3:a1") -> str:
    text = {"purpose": "marketing", "subject": "Your cart", "text": "It is still here."}
    done = actions["support.write_about_cart"].execute(
        Call(key=key, subject_id=cart.pk, params=text, actor=RULE)
    )
    assert isinstance(done, Done)
    return done.says


@pytest.mark.requirement("R34")
@pytest.mark.requirement("R87")
def test_a_guest_who_agreed_is_reminded_where_they_wrote_and_unsubscribes_like_anybody(
    client: Client,
) -> None:
    cart = cart_of("Ada+shop@example.com")
    sweep_carts(now=timezone.now() + timedelta(minutes=2))
    assert remind(cart) == "Mail queued"
    assert send_due() == 1
    (message,) = box.outbox
    assert message.to == ["Ada+shop@example.com"]
    said = ConsentEvent.objects.get()
    assert (said.source, said.actor_label) == ("checkout", "Web shop")
    assert cart.number in said.wording
    guest = Customer.objects.get()
    assert (cart.customer, guest.has_login, guest.orders_count) == (guest, False, 0)
    client.post(message.extra_headers["List-Unsubscribe"].strip("<>"))
    # The shop goes on saying yes; the person said no.
    later = cart_of("ada@example.com", "c-2", minutes=5)
    assert later.customer == guest
    assert "they said no" in remind(later, "1:3:a2")
    assert [event.given for event in ConsentEvent.objects.order_by("pk")] == [True, False]


def test_a_guest_who_did_not_agree_stays_nobody_and_is_not_written_to() -> None:
    cart = cart_of("ada@example.com", agreed=False)
    assert "nobody knows whose cart it is" in remind(cart)
    assert not Customer.objects.exists()
    assert not OutgoingMail.objects.exists()


def test_an_unticked_box_is_no_no_and_a_second_yes_no_second_row() -> None:
    first = cart_of("ada@example.com")
    cart_of("ada@example.com", "c-2", agreed=False)
    third = cart_of("ada@example.com", "c-3")
    assert (ConsentEvent.objects.count(), Customer.objects.count()) == (1, 1)
    assert first.customer == third.customer


def test_a_customer_who_said_no_is_not_asked_by_the_shop_again() -> None:
    customer = make_customer()
    record_consent(customer.pk, medium="mail", purpose="marketing", given=False, source="form",
                   actor=HOUSE)  # fmt: skip
    cart = cart_of(customer.email)
    assert cart.customer == customer
    assert "they said no" in remind(cart)


def test_a_yes_for_another_address_than_the_customers_is_none_for_theirs() -> None:
    customer = make_customer()
    cart_of("other@example.com", customer_id=customer.pk)
    assert not ConsentEvent.objects.exists()
    cart_of(customer.email, "c-2", customer_id=customer.pk)
    assert ConsentEvent.objects.get().customer == customer


@pytest.mark.requirement("R87")
def test_erasing_a_guest_by_their_address_takes_all_and_the_shop_does_not_bring_it_back(
    operations_client: Client,
) -> None:
    cart = cart_of("ada@example.com")
    guest = Customer.objects.get()
    assert guest.number in operations_client.get("/customers/?q=ada@example.com").content.decode()
    assert remind(cart) == "Mail queued"
    erase_customer(guest.pk, why="asked", actor=HOUSE)
    mail = OutgoingMail.objects.get()
    assert (mail.state, mail.skipped, mail.body) == (State.SKIPPED, Skip.ERASED, "")
    cart.refresh_from_db()
    assert (cart.mail, cart.state) == ("", Cart.State.EXPIRED)
    again = cart_of("ADA@example.com", "c-2", minutes=5)
    assert (again.customer, Customer.objects.count()) == (None, 1)
    assert "nobody knows" in remind(again, "1:3:a2")
    assert send_due() == 0


def test_who_asked_to_be_forgotten_is_not_written_to_because_a_shop_says_yes() -> None:
    Suppression.objects.create(digest=digest_of("g@example.com"))
    customer = make_customer()
    cart = cart_of(customer.email)
    assert not ConsentEvent.objects.exists()
    assert "they never agreed" in remind(cart)


@pytest.mark.parametrize("mail", ["ada@localhost@example", "a b@example.com", "ada@-"])
def test_what_is_no_address_makes_no_customer(mail: str) -> None:
    cart = cart_of(mail)
    assert cart.customer is None
    assert not Customer.objects.exists()


def test_an_address_that_several_have_or_a_merged_record_is_nobodys() -> None:
    one, two = make("1"), make("2")
    Customer.objects.filter(pk__in=[one.pk, two.pk]).update(email="both@example.com")
    assert cart_of("both@example.com").customer is None
    Customer.objects.filter(pk=one.pk).update(email="kept@example.com")
    merge_customers(one.pk, two.pk, actor=HOUSE)
    assert cart_of("both@example.com", "c-2").customer is None
    assert Customer.objects.count() == 2


def test_a_number_that_is_taken_is_not_the_guests() -> None:
    first = cart_of("a@example.com", agreed=False)
    taken = make(f"GC{int(first.number[1:]) + 1}")
    second = cart_of("b@example.com", "c-2")
    assert (second.customer, f"G{second.number}") == (None, taken.number)
