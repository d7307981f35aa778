"""Duplicate orders: held beside their twin, never cancelled unasked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from backoffice.actors import HOUSE
from inventory.models import Sku
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.services.cancelling import cancel_orders
from orders.services.drafts import Contact, NewOrder
from orders.services.errors import WrongState
from orders.services.placing import place_orders
from orders.services.reviews import settle_review
from tests.bed.databases import Database, at_once
from tests.inventory.factories import level, make_sku
from tests.orders.factories import draft, fresh, line, make_channel, make_customer
from tests.orders.trust import BATH, review_of

DUPLICATE = Review.Kind.DUPLICATE
NOW = timezone.now()
GUEST = Contact(email="guest@example.com")


def new(sku: Sku, **fields: object) -> NewOrder:
    fields.setdefault("channel", make_channel("watchful", duplicate_hours=24))
    fields.setdefault("ship_to", BATH)
    return draft(line(sku, 2, "20.00"), **fields)


def put(order: NewOrder) -> Order:
    return place_orders([order], actor=HOUSE).orders[0]


@pytest.mark.django_db
@pytest.mark.requirement("R61")
def test_the_second_of_two_like_orders_is_held_for_review_and_not_cancelled() -> None:
    sku, customer = make_sku(stock=20), make_customer()
    first = put(new(sku, customer_id=customer.pk))
    second = put(new(sku, customer_id=customer.pk))
    assert (fresh(first).is_held, fresh(second).is_held) == (False, True)
    assert second.holds.get().reason == Hold.Reason.DUPLICATE
    assert review_of(second, DUPLICATE).found["other"] == first.pk
    assert not fresh(second).is_cancelled
    assert level(sku).allocated == 4


@pytest.mark.django_db
def test_a_guest_is_known_by_mail_whatever_its_spelling() -> None:
    sku = make_sku(stock=20)
    put(new(sku, contact=GUEST))
    other = put(new(sku, contact=Contact(email="else@example.com")))
    again = put(new(sku, contact=Contact(email="Guest+2@Example.com")))
    assert (other.is_held, again.is_held) == (False, True)


@pytest.mark.django_db
@pytest.mark.parametrize("apart", ["time", "goods", "address", "channel", "cancelled"])
def test_orders_that_differ_are_no_duplicates(apart: str) -> None:
    sku, customer = make_sku(stock=50), make_customer()
    fields: dict[str, object] = {"customer_id": customer.pk}
    first = put(new(sku, **fields, placed_at=NOW - timedelta(hours=25 if apart == "time" else 1)))
    if apart == "goods":
        sku = make_sku("OTHER", stock=50)
    if apart == "address":
        fields["ship_to"] = replace(BATH, lines="15 Royal Crescent")
    if apart == "channel":
        fields["channel"] = make_channel("careless")
    if apart == "cancelled":
        cancel_orders([first.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    second = put(new(sku, **fields, placed_at=NOW))
    assert not second.is_held
    assert not Review.objects.exists()


@pytest.mark.django_db
def test_of_two_in_one_delivery_of_the_shop_the_later_waits() -> None:
    sku, customer = make_sku(stock=20), make_customer()
    drafts = [
        new(sku, customer_id=customer.pk, placed_at=NOW - timedelta(minutes=n)) for n in (1, 2)
    ]
    later, earlier = place_orders(drafts, actor=HOUSE).orders
    assert (later.is_held, earlier.is_held) == (True, False)


@pytest.mark.django_db
@pytest.mark.requirement("R61")
def test_a_person_says_that_it_is_none_or_cancels_it() -> None:
    sku, customer = make_sku(stock=20), make_customer()
    first, second, third = (put(new(sku, customer_id=customer.pk)) for _ in range(3))
    passed, refused = Review.State.PASSED, Review.State.REFUSED
    settle_review(review_of(second, DUPLICATE).pk, passed, reason="Wants two", actor=HOUSE)
    settle_review(review_of(third, DUPLICATE).pk, refused, reason="Slip", actor=HOUSE)
    assert not fresh(second).is_held
    assert not fresh(second).is_cancelled
    assert fresh(third).cancel_reason == Order.CancelReason.DUPLICATE
    assert not fresh(first).is_cancelled
    with pytest.raises(WrongState):
        settle_review(review_of(second, DUPLICATE).pk, refused, reason="After all", actor=HOUSE)
    assert not fresh(second).is_cancelled


@pytest.mark.requirement("R61")
def test_of_fifty_orders_of_one_guest_at_once_one_goes_on(committed_db: Database) -> None:
    sku = make_sku(stock=200)
    one = new(sku, contact=GUEST, placed_at=NOW)
    answers = at_once([lambda: place_orders([one], actor=HOUSE)] * 50)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert Order.objects.count() == 50
    assert Order.objects.filter(is_held=False).count() == 1
    assert Review.objects.filter(kind=DUPLICATE, state="open").count() == 49
