"""A hold says how long it lasts and what happens then; that happens once, by the usual services."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from automations.models.failures import Failure
from backoffice.actors import HOUSE
from orders.forms.orders import HoldForm
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.queries.checks import orders_that_differ
from orders.services.errors import OrderError
from orders.services.hold_ends import act_on_ended_holds
from orders.services.holds import Ending, hold_orders, release_orders
from orders.services.shipping import ship_order
from orders.tasks import act_on_ended_holds as sweep
from tests.bed.databases import at_once
from tests.inventory.factories import level, make_sku
from tests.orders.factories import fresh, line, pay, place

Then = Hold.Then
LATER = timedelta(hours=3)


def held(then: Hold.Then, reason: Hold.Reason = Hold.Reason.FRAUD) -> Order:
    order = place(line(make_sku(stock=10), 2))
    pay(order)
    ending = Ending(timezone.now() + timedelta(hours=2), then)
    hold_orders([order.pk], reason=reason, ending=ending, actor=HOUSE).or_raise()
    return fresh(order)


@pytest.mark.django_db
@pytest.mark.requirement("R146")
@pytest.mark.parametrize("then", list(Then))
def test_a_hold_does_what_it_said_when_its_time_is_over_and_only_then(then: Hold.Then) -> None:
    order = held(then)
    assert act_on_ended_holds() == 0
    assert fresh(order).is_held
    later = timezone.now() + LATER
    assert act_on_ended_holds(now=later) == 1
    now = fresh(order)
    assert now.is_held == (then == Then.REMIND)
    assert now.is_cancelled == (then == Then.CANCEL)
    assert orders_that_differ([order.pk]) == []
    version = now.version
    assert act_on_ended_holds(now=later) == 0
    assert fresh(order).version == version


@pytest.mark.django_db
def test_a_reminder_becomes_a_case_that_closes_with_the_hold() -> None:
    order = held(Then.REMIND)
    act_on_ended_holds(now=timezone.now() + LATER)
    assert Event.objects.filter(trigger="orders.hold_ran_out", subject_id=order.pk).count() == 1
    case = Failure.objects.get()
    assert case.state == Failure.State.OPEN
    release_orders([order.pk], actor=HOUSE)
    case.refresh_from_db()
    assert case.state == Failure.State.RESOLVED


@pytest.mark.django_db
def test_a_cancellation_takes_its_reason_from_the_hold_and_gives_the_stock_back() -> None:
    order = held(Then.CANCEL, Hold.Reason.CUSTOMER_REQUEST)
    act_on_ended_holds(now=timezone.now() + LATER)
    assert fresh(order).cancel_reason == Order.CancelReason.CUSTOMER
    assert level(make_sku()).allocated == 0


@pytest.mark.django_db
def test_an_order_of_which_something_has_left_is_brought_before_people_instead() -> None:
    order = place(line(make_sku(stock=10), 2))
    pay(order)
    ship_order(order.pk, quantities={order.lines.get().pk: 1}, actor=HOUSE)
    ending = Ending(timezone.now() + timedelta(hours=1), Then.CANCEL)
    hold_orders([order.pk], reason=Hold.Reason.ADDRESS, ending=ending, actor=HOUSE)
    act_on_ended_holds(now=timezone.now() + LATER)
    assert (fresh(order).is_cancelled, fresh(order).is_held) == (False, True)
    assert Failure.objects.count() == 1


@pytest.mark.django_db
def test_one_hold_that_ends_leaves_the_others() -> None:
    order = held(Then.RELEASE)
    hold_orders([order.pk], reason=Hold.Reason.ADDRESS, actor=HOUSE)
    act_on_ended_holds(now=timezone.now() + LATER)
    assert fresh(order).is_held
    assert Hold.objects.get(released_at=None).reason == Hold.Reason.ADDRESS
    assert orders_that_differ([order.pk]) == []


@pytest.mark.django_db
def test_a_hold_that_was_released_before_does_nothing_later() -> None:
    order = held(Then.CANCEL)
    release_orders([order.pk], actor=HOUSE)
    assert act_on_ended_holds(now=timezone.now() + LATER) == 0
    assert not fresh(order).is_cancelled


@pytest.mark.django_db
def test_an_end_that_is_over_or_says_nothing_is_refused() -> None:
    order = place(line(make_sku(stock=10)))
    past = Ending(timezone.now() - timedelta(hours=1), Then.RELEASE)
    with pytest.raises(OrderError):
        hold_orders([order.pk], reason=Hold.Reason.OTHER, ending=past, actor=HOUSE)
    with pytest.raises(IntegrityError), transaction.atomic():
        Hold.objects.create(
            order=order, reason="other", ends_at=timezone.now(), actor_kind="system",
            actor_label="shell",
        )  # fmt: skip
    assert not Hold.objects.exists()
    for given in ({"lasts": 5}, {"then": "release"}, {"lasts": 0, "then": "release"}):
        assert not HoldForm({"reason": "fraud", **given}).is_valid()
    # A rule cancels by the action of that name, whose risk people approve.
    assert not HoldForm({"reason": "fraud", "lasts": 5, "then": "cancel"}).is_valid()


def test_fifty_sweeps_at_once_act_once(committed_db: None) -> None:
    order = held(Then.RELEASE)
    Hold.objects.update(ends_at=timezone.now() - timedelta(minutes=1))
    answers = at_once([act_on_ended_holds] * 50)
    assert sum(answer for answer in answers if isinstance(answer, int)) == 1
    assert [each for each in answers if isinstance(each, Exception)] == []
    assert fresh(order).version == order.version + 1


@pytest.mark.django_db
def test_the_dialog_offers_what_the_person_might_do(operations_client: Client) -> None:
    order = place(line(make_sku(stock=10)))
    address = f"/orders/{order.number}/_/hold/?version={order.version}"
    assert "Cancel the order" in operations_client.get(address).content.decode()
    answer = operations_client.post(
        address, {"reason": "fraud", "note": "", "lasts": "48", "then": "cancel"}
    )
    assert answer.status_code == 302
    hold = Hold.objects.get()
    assert hold.ends_at is not None
    assert timedelta(hours=47) < hold.ends_at - timezone.now() < timedelta(hours=48)
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "then cancel the order" in page
    Hold.objects.update(ends_at=timezone.now() - timedelta(minutes=1))
    sweep()
    assert fresh(order).is_cancelled
