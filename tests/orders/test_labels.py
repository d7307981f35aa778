"""Labels: one live one for each parcel, whoever presses, retries or loses an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import HOUSE
from inventory.queries.levels import levels_that_differ
from orders.models.orders import Order
from orders.models.packages import Label
from orders.services import ports
from orders.services.cancelling import cancel_orders
from orders.services.errors import (
    LabelExists,
    OrderError,
    WrongState,
)
from orders.services.labels import Wanted, buy_label, void_label
from orders.services.packing import (
    hand_over,
    pack_order,
    unpack_package,
)
from orders.services.ports import CarrierDown, LabelRefused
from tests.bed.databases import at_once
from tests.orders.factories import (
    fresh,
)
from tests.orders.parcels import Post, buy, by_post, paid, service


@pytest.fixture
def post() -> Iterator[Post]:
    """The carrier behind the service that these tests ship with."""
    carrier = Post()
    ports.PORTS["post"] = carrier
    yield carrier
    del ports.PORTS["post"]


@pytest.mark.django_db
@pytest.mark.requirement("R71")
def test_a_parcel_has_one_live_label_and_a_number_stands_on_one_parcel() -> None:
    package, other = pack_order(paid().pk, actor=HOUSE), pack_order(paid().pk, actor=HOUSE)
    label = buy(package)
    assert buy(package).pk == label.pk
    with pytest.raises(LabelExists):
        buy(package, "JD02", key="two")
    with pytest.raises(LabelExists):
        buy(other, "JD01", key="three")
    with pytest.raises(LabelRefused):
        buy(other, "  ", key="four")
    for package_, tracking in ((package, "JD09"), (other, "JD01")):
        with pytest.raises(IntegrityError), transaction.atomic():
            Label.objects.create(
                package=package_, service=service(), key=f"shell-{tracking}", state="bought",
                carrier="Royal Mail", tracking=tracking, actor_label="shell",
            )  # fmt: skip
    assert Label.objects.filter(state__in=Label.LIVE).count() == 1
    with pytest.raises(WrongState):
        unpack_package(package.pk, actor=HOUSE)
    void_label(label.pk, actor=HOUSE)
    assert void_label(label.pk, actor=HOUSE).state == Label.State.VOIDED
    assert buy(package, "JD03", key="five").tracking == "JD03"


@pytest.mark.requirement("R71")
def test_fifty_who_buy_one_label_at_once_pay_once(committed_db: None, post: Post) -> None:
    package = pack_order(paid().pk, actor=HOUSE)
    wanted = [Wanted(package.pk, by_post().pk, f"key-{n % 2}") for n in range(50)]

    def attempt(each: Wanted) -> Callable[[], object]:
        return lambda: buy_label(each, actor=HOUSE)

    answers = at_once([attempt(each) for each in wanted])
    odd = [a for a in answers if not isinstance(a, Label | LabelExists)]
    assert odd == []
    assert post.bought == 1
    assert Label.objects.filter(package=package, state="bought").count() == 1


@pytest.mark.requirement("R71")
def test_a_label_whose_answer_was_lost_is_found_again_and_not_paid_twice(
    committed_db: None, post: Post
) -> None:
    package = pack_order(paid().pk, actor=HOUSE)
    wanted = Wanted(package.pk, by_post().pk, "key")
    post.loses = 1
    with pytest.raises(CarrierDown):
        buy_label(wanted, actor=HOUSE)
    assert Label.objects.get().state == Label.State.BUYING
    # Nobody else may look it up while the first attempt may still be answered.
    with pytest.raises(LabelExists):
        buy_label(wanted, actor=HOUSE)
    Label.objects.update(buying_until=timezone.now())
    # Another press of the button, with a key of its own, finishes what was begun.
    label = buy_label(Wanted(package.pk, wanted.service_id, "another"), actor=HOUSE)
    assert (label.state, label.tracking, label.key) == ("bought", "P0001", "key")
    assert post.bought == 1


def test_voiding_against_handing_over_has_one_winner(committed_db: None) -> None:
    for number in range(4):
        package = pack_order(paid().pk, actor=HOUSE)
        label = buy(package, f"JD{number}", key=f"k{number}")
        at_once(
            [
                lambda: void_label(label.pk, actor=HOUSE),  # noqa: B023
                lambda: hand_over(package.pk, actor=HOUSE),  # noqa: B023
            ]
            * 5
        )
        package.refresh_from_db()
        label.refresh_from_db()
        assert (package.shipment_id is None) == (label.state == Label.State.VOIDED)
    assert levels_that_differ() == []


def test_a_label_against_cancelling_leaves_no_live_label_on_a_cancelled_order(
    committed_db: None,
) -> None:
    reason = Order.CancelReason.OTHER
    for number in range(4):
        order = paid()
        package = pack_order(order.pk, actor=HOUSE)
        at_once(
            [
                lambda: buy(package, f"C{number}", key=f"c{number}"),  # noqa: B023
                lambda: cancel_orders([order.pk], reason=reason, actor=HOUSE),  # noqa: B023
            ]
            * 5
        )
        live = Label.objects.filter(package=package, state__in=Label.LIVE).exists()
        assert not (fresh(order).is_cancelled and live)


@pytest.mark.django_db
def test_an_order_with_a_live_label_is_not_cancelled_and_its_open_parcels_are_taken_apart() -> None:
    order = paid()
    package = pack_order(order.pk, actor=HOUSE)
    label = buy(package)
    done = cancel_orders([order.pk], reason=Order.CancelReason.OTHER, actor=HOUSE)
    assert isinstance(done.refused[order.pk], OrderError)
    assert not fresh(order).is_cancelled
    void_label(label.pk, actor=HOUSE)
    cancel_orders([order.pk], reason=Order.CancelReason.OTHER, actor=HOUSE).or_raise()
    package.refresh_from_db()
    assert package.unpacked_at is not None


@pytest.mark.requirement("R71")
@pytest.mark.usefixtures("committed_db")
def test_one_number_given_to_many_parcels_at_once_stands_on_one_and_none_is_stuck() -> None:
    packages = [pack_order(paid().pk, actor=HOUSE) for _ in range(8)]
    service()

    def try_it(number: int) -> Callable[[], object]:
        return lambda: buy(packages[number], "JD77", key=f"once-{number}")

    answers = at_once([try_it(number) for number in range(8)])
    assert sum(isinstance(answer, Label) for answer in answers) == 1
    assert all(isinstance(answer, Label | LabelExists) for answer in answers), answers
    assert Label.objects.filter(state="bought").count() == 1
    assert not Label.objects.filter(state="buying").exists()
    bought = Label.objects.get(state="bought").package_id
    for number, package in enumerate(packages):
        if package.pk != bought:
            assert buy(package, f"JD9{number}", key=f"again-{number}").state == "bought"


@pytest.mark.django_db
def test_the_key_of_a_voided_label_gets_no_label_and_says_so() -> None:
    package = pack_order(paid().pk, actor=HOUSE)
    void_label(buy(package, "JD05", key="file").pk, actor=HOUSE)
    with pytest.raises(LabelExists, match="voided"):
        buy(package, "JD05", key="file")
    assert buy(package, "JD05", key="another").state == "bought"
