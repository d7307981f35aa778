"""Orders at a price that can't be meant wait for a person; all others go on."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.money import Money
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.services.errors import WrongState
from orders.services.holds import release_orders
from orders.services.price_floors import set_floor
from orders.services.reviews import settle_review
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, place
from tests.orders.prices import set_price
from tests.orders.trust import review_of

pytestmark = pytest.mark.django_db
PRICE, State = Review.Kind.PRICE, Review.State


@pytest.fixture
def misprinted() -> Order:
    """An order of a lamp at 1.49 that costs 14.90."""
    lamp = make_sku("LAMP", stock=9)
    set_price("14.90", lamp)
    return place(line(lamp, 2, "1.49"))


@pytest.mark.requirement("R84")
def test_an_order_at_a_misprinted_price_is_held_until_a_person_releases_it(
    misprinted: Order, operations_client: Client, operations_user: User
) -> None:
    hold = misprinted.holds.get()
    assert (misprinted.is_held, hold.reason) == (True, Hold.Reason.PRICE_CHECK)
    assert hold.note == "LAMP at £1.49, its price is £14.90."
    # No rule and no button lets it go but the verdict; PostgreSQL agrees.
    refused = release_orders([misprinted.pk], actor=HOUSE).refused[misprinted.pk]
    assert isinstance(refused, WrongState)
    with pytest.raises(DatabaseError), transaction.atomic():
        Hold.objects.filter(pk=hold.pk).update(released_at=timezone.now())
    page = operations_client.get(f"/orders/{misprinted.number}/").content.decode()
    for said in ("£14.90", "£1.49", "90.0% off"):
        assert said in page
    review = review_of(misprinted, PRICE)
    assert "90.0% off" in operations_client.get(f"/reviews/{review.pk}/").content.decode()
    operations_client.post(f"/reviews/{review.pk}/_/pass/", {"reason": "A promise by mail"})
    assert not fresh(misprinted).is_held
    assert review_of(misprinted, PRICE).decided_by == operations_user.get_full_name()


def test_refused_it_is_cancelled(misprinted: Order, operations_user: User) -> None:
    review = review_of(misprinted, PRICE)
    settle_review(review.pk, State.REFUSED, reason="Misprint", actor=person(operations_user))
    assert (fresh(misprinted).is_cancelled, fresh(misprinted).cancel_reason) == (True, "declined")


def test_orders_within_bounds_or_of_products_without_a_price_go_on() -> None:
    lamp = make_sku("LAMP", stock=9, cost=Money(Decimal(10), "GBP"))
    unpriced = make_sku("BARE", stock=9, cost=Money(Decimal(10), "GBP"))
    set_price("14.90", lamp)
    assert not place(line(lamp, 1, "12.00"), line(unpriced, 1, "0.01")).is_held
    assert place(line(lamp, 1, "14.90"), line(lamp, 1, "19.40")).is_held  # 30.2% more
    set_floor(make_channel(), unpriced.pk, Decimal(12), why="Brand", actor=HOUSE)
    under = place(line(unpriced, 1, "11.99"))
    assert under.holds.get().note == "BARE at £11.99, it may not cost less than £12.00."
