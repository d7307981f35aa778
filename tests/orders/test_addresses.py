"""Delivery addresses: found to be impossible, held with a proposal, mended, the original kept."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from django.test import Client

from backoffice.actors import HOUSE, person
from backoffice.models import User
from config.demo import people
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.reviews import Review, ReviewDecision
from orders.models.trust import OrderMark
from orders.services.address_rules import check_address
from orders.services.addresses import accept_proposal, address_of, mend_address
from orders.services.drafts import Address
from orders.services.errors import WrongState
from orders.services.forgetting import forget_doubts
from orders.services.holds import release_orders
from orders.services.reviews import settle_review
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_store, place, stock
from tests.orders.trust import BATH, review_of

PASSED, ADDRESS = Review.State.PASSED, Review.Kind.ADDRESS
TYPED = replace(BATH, postcode="BAI 2LX")


def ordered(ship_to: Address = TYPED, **fields: object) -> Order:
    channel = make_channel("careful", checks_addresses=True)
    return place(line(make_sku(stock=20)), channel=channel, ship_to=ship_to, **fields)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (TYPED, BATH),
        (replace(BATH, city="Bath BA1 2LX", postcode=""), BATH),
        (replace(BATH, city="BA1 2LX", postcode="BATH"), BATH),
        (replace(BATH, lines="14 Royal Crescent, Bath", city=""), BATH),
        (
            Address("A", "1 Main St", "Boston, MA", "2108", "US"),
            Address("A", "1 Main St", "Boston, MA", "02108", "US"),
        ),
        (
            Address("A", "Gasse 3", "Hamburg", "2O357", "DE"),
            Address("A", "Gasse 3", "Hamburg", "20357", "DE"),
        ),
        (
            Address("A", "Rua 1", "Porto", "4050253", "PT"),
            Address("A", "Rua 1", "Porto", "4050-253", "PT"),
        ),
    ],
)
def test_a_slip_of_the_pen_has_a_proposal(typed: Address, meant: Address) -> None:
    checked = check_address(typed)
    assert checked is not None
    assert checked.problems
    assert checked.proposal == meant
    assert check_address(meant) is None


@pytest.mark.parametrize(
    "hopeless",
    [
        replace(BATH, postcode=""),
        replace(BATH, postcode="12345"),
        replace(BATH, lines=""),
        replace(BATH, country=""),
        replace(BATH, country="XX"),
        Address("A", "1 Main St", "Portland, OR", "05401", "US"),
    ],
)
def test_what_nobody_can_guess_has_problems_and_no_proposal(hopeless: Address) -> None:
    checked = check_address(hopeless)
    assert checked is not None
    assert checked.problems
    assert checked.proposal is None


def test_addresses_of_every_country_of_the_demonstration_are_right() -> None:
    for country in (*people._TOWNS, "GB"):
        for number in range(40):
            told = people.person(str(number), country)
            address = Address(told.name, told.lines, told.city, told.postcode, country)
            assert check_address(address) is None, address
    assert check_address(Address(country="GB")) is None


@pytest.mark.django_db
@pytest.mark.requirement("R64")
def test_a_bad_address_holds_the_order_with_a_proposal_and_the_original_is_kept(
    operations_user: User,
) -> None:
    order = ordered()
    review = review_of(order, ADDRESS)
    assert order.holds.get().reason == Hold.Reason.ADDRESS
    assert review.found["original"] == asdict(TYPED)
    assert review.found["proposal"] == asdict(BATH)
    assert address_of(fresh(order)) == TYPED
    accept_proposal(review.pk, version=review.version, actor=person(operations_user))
    assert address_of(fresh(order)) == BATH
    assert not fresh(order).is_held
    review.refresh_from_db()
    assert (review.state, review.how) == (PASSED, "accepted")
    assert review.found["original"] == asdict(TYPED)
    assert ReviewDecision.objects.get().user == operations_user
    with pytest.raises(WrongState):
        accept_proposal(review.pk, actor=person(operations_user))


@pytest.mark.django_db
@pytest.mark.requirement("R64")
def test_the_address_may_be_kept_as_it_is() -> None:
    order = ordered()
    settle_review(review_of(order, ADDRESS).pk, PASSED, how="kept", reason="They rang", actor=HOUSE)
    assert address_of(fresh(order)) == TYPED
    assert not fresh(order).is_held


@pytest.mark.django_db
def test_an_edit_settles_it_when_the_new_address_can_be_right() -> None:
    order = ordered(replace(BATH, postcode=""))
    still = mend_address(order.pk, replace(BATH, postcode="1"), version=None, actor=HOUSE)
    assert still
    assert fresh(order).is_held
    assert review_of(order, ADDRESS).found["original"]["postcode"] == ""
    assert mend_address(order.pk, BATH, version=None, actor=HOUSE) == ()
    assert not fresh(order).is_held
    assert review_of(order, ADDRESS).how == "edited"
    assert OrderMark.objects.get(order=order, kind="address").value == "14royalcrescent/ba12lxgb"


@pytest.mark.django_db
def test_an_edit_to_an_impossible_address_holds_an_order_that_went_on() -> None:
    order = ordered(BATH)
    assert not order.is_held
    assert mend_address(order.pk, TYPED, version=None, actor=HOUSE)
    assert fresh(order).is_held
    assert review_of(order, ADDRESS).is_open


@pytest.mark.django_db
def test_a_release_by_hand_settles_the_doubt() -> None:
    order = ordered()
    release_orders([order.pk], reason=Hold.Reason.ADDRESS, actor=HOUSE).or_raise()
    assert (review_of(order, ADDRESS).state, review_of(order, ADDRESS).how) == (PASSED, "released")


@pytest.mark.django_db
def test_what_is_collected_and_channels_that_trust_their_addresses_are_not_checked() -> None:
    channel = make_channel("careful", checks_addresses=True)
    shop = make_store(channel=channel)
    sku = make_sku(stock=20)
    stock(sku, 5, shop)
    assert not place(line(sku), channel=channel, ship_to=TYPED, pickup_at_id=shop.pk).is_held
    trusting = make_channel("trusting")
    assert not place(line(sku), channel=trusting, ship_to=TYPED).is_held
    assert not Review.objects.exists()


@pytest.mark.django_db
def test_a_forgotten_buyer_leaves_the_verdict_and_no_address(operations_client: Client) -> None:
    order = ordered()
    review = review_of(order, ADDRESS)
    settle_review(review.pk, PASSED, how="kept", reason="They rang", actor=HOUSE)
    forget_doubts([order.pk])
    review.refresh_from_db()
    assert (review.state, "Crescent" in str(review.found)) == (PASSED, False)
    assert not OrderMark.objects.filter(order=order).exists()
    page = operations_client.get(f"/reviews/{review.pk}/")
    assert page.status_code == 200
