"""News that is older than its limit: a case, and no rule spends or writes over it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import pytest
from django.test import Client
from django.utils import timezone

from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.runs import Run
from backoffice.actors import HOUSE, outside, person
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.models.packages import TrackerEvent
from orders.services.cancelling import cancel_orders
from orders.services.conflicts import decide_conflict, notice_old_news
from orders.services.drafts import MarketNews
from orders.services.market import note_market
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking
from orders.tasks import notice_old_news as every_minute
from support.models import OutgoingMail
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, make_customer, pay, place
from tests.orders.parcels import HOME, buy

Said = TrackerEvent.State
EVERY = {
    "all": [{"field": "order.total", "op": "gte", "value": {"amount": "0.00", "currency": "GBP"}}]
}
MAIL = {
    "uid": "m1",
    "do": "support.write_about_order",
    "with": {"subject": "Your order", "text": "It is lost."},
}


def labelled(news_days: int = 7) -> Order:
    """An order whose parcel has a label of a service whose news counts for so long."""
    order = place(line(make_sku(stock=10)), ship_to=HOME, customer_id=make_customer().pk)
    pay(order)
    buy(pack_order(order.pk, actor=HOUSE))
    CarrierService.objects.update(news_days=news_days)
    return fresh(order)


def told(order: Order, state: Said = Said.MOVING, *, days: float = 0) -> None:
    at = timezone.now() - timedelta(days=days)
    event = NewEvent(state, at)
    record_tracking(order.packages.get().pk, [event], actor=outside("Royal Mail"))


def open_cases() -> int:
    found = Failure.objects.filter(kind="orders.news_too_old", blocks=True)
    return found.exclude(state="resolved").count()


@pytest.mark.requirement("R25")
@pytest.mark.django_db
def test_tracking_older_than_its_limit_is_a_case_that_blocks_until_newer_news_comes(
    operations_client: Client,
) -> None:
    order = labelled()
    package, at = order.packages.get(), timezone.now() - timedelta(days=8)
    said = partial(record_tracking, package.pk, [NewEvent(Said.MOVING, at)], actor=HOUSE)
    said()
    every_minute()
    every_minute()
    case = Failure.objects.get(kind="orders.news_too_old")
    assert "What they tell counts for 7 days" in case.says
    assert "Royal Mail, parcel" in case.says
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "Nothing new from the carrier" in page
    make.work_all()
    make.live_rule(name="mail", trigger={"on": "orders.order_tagged"}, when=EVERY, steps=[MAIL])
    operations_client.post(f"/orders/{order.number}/_/tag/", {"tag": "late"})
    make.work_all()
    assert Run.objects.get().parked_for == "case"
    assert not OutgoingMail.objects.exists()
    # The same again, or what is older still and comes late, is no newer news.
    said()
    told(order, Said.ANNOUNCED, days=9)
    assert open_cases() == 1
    told(order, Said.MOVING, days=7.5)
    assert open_cases() == 0
    sweep()
    make.work_all()
    assert (Run.objects.get().state, OutgoingMail.objects.count()) == ("done", 1)
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "mended")
    assert Conflict.objects.get().decision == "news"
    # That was newer, and is older than its limit as well.
    every_minute()
    assert open_cases() == 1
    told(order, Said.DELIVERED)
    assert open_cases() == 0
    every_minute()
    assert open_cases() == 0


@pytest.mark.django_db
def test_what_a_person_decided_about_a_piece_of_news_is_asked_again_only_of_newer_news() -> None:
    order = labelled()
    told(order, days=20)
    assert notice_old_news() == 1
    conflict, actor = Conflict.objects.get(), person(make.author())
    checked = Conflict.Decision.CHECKED
    decide_conflict(conflict.pk, decision=checked, note="Asked.", actor=actor)
    assert (notice_old_news(), open_cases()) == (0, 0)
    told(order, Said.OUT_FOR_DELIVERY, days=9)
    assert (notice_old_news(), open_cases()) == (1, 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("state", "days", "limit", "found"),
    [
        (Said.MOVING, 6.9, 7, 0),
        (Said.MOVING, 7.1, 7, 1),
        (Said.RETURNING, 7.1, 7, 1),
        (Said.MOVING, 4, 3, 1),
        (Said.MOVING, 60, 0, 0),
        (Said.MOVING, 91, 7, 0),
        (Said.ANNOUNCED, 30, 7, 0),
        (Said.AT_PICKUP_POINT, 30, 7, 0),
        (Said.DELIVERED, 30, 7, 0),
    ],
)
def test_each_carrier_says_how_long_its_news_of_parcels_under_way_counts(
    state: Said, days: float, limit: int, found: int
) -> None:
    told(labelled(limit), state, days=days)
    assert (notice_old_news(), open_cases()) == (found, found)


@pytest.mark.django_db
def test_a_parcel_without_a_service_has_the_default_and_one_nobody_told_of_has_no_news() -> None:
    order = place(line(make_sku(stock=10)), ship_to=HOME)
    pay(order)
    pack_order(order.pk, actor=HOUSE)
    assert notice_old_news() == 0
    told(order, days=6)
    assert notice_old_news() == 0
    assert notice_old_news(now=timezone.now() + timedelta(days=2)) == 1


@pytest.mark.django_db
def test_the_limits_are_set_where_carriers_and_channels_are(operations_client: Client) -> None:
    order = labelled()
    service = CarrierService.objects.get()
    page = operations_client.get(f"/settings/carriers/{service.key}/").content.decode()
    assert "Its news counts for" in page
    form = operations_client.get(f"/settings/carriers/{service.key}/_/edit/").content.decode()
    assert "Its news counts for, in days" in form
    key = order.channel.key
    given = {"promise_days": "1", "arrives_days": "", "news_days": "3"}
    operations_client.post(f"/settings/channels/{key}/_/promise/", given)
    assert Channel.objects.get(key=key).news_days == 3


def sold(told_at: datetime) -> Order:
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(kind=Channel.Kind.MARKETPLACE)
    channel.refresh_from_db()
    news = MarketNews(MarketOrder.Status.OPEN, at=told_at)
    return place(line(make_sku(stock=10)), channel=channel, external_id="026-1", market=news)


@pytest.mark.requirement("R25")
@pytest.mark.django_db
def test_a_marketplaces_word_grows_old_and_the_same_word_again_is_news() -> None:
    now = timezone.now()
    order = sold(now - timedelta(days=15))
    assert (notice_old_news(), notice_old_news(), open_cases()) == (1, 0, 1)
    case = Failure.objects.get(kind="orders.news_too_old")
    assert "to be shipped, as of" in case.says
    version = fresh(order).version
    # What was told late of an earlier time says nothing new.
    late = MarketNews(MarketOrder.Status.OPEN, at=now - timedelta(days=16))
    note_market(order.pk, late, actor=HOUSE)
    assert open_cases() == 1
    note_market(order.pk, MarketNews(MarketOrder.Status.OPEN, at=now), actor=HOUSE)
    assert (open_cases(), notice_old_news(), fresh(order).version) == (0, 0, version)
    assert MarketOrder.objects.get().told_at == now
    Channel.objects.update(news_days=0)
    assert notice_old_news(now=now + timedelta(days=30)) == 0


@pytest.mark.django_db
def test_an_order_that_is_cancelled_here_waits_no_more_for_its_marketplaces_word() -> None:
    order = sold(timezone.now() - timedelta(days=20))
    notice_old_news()
    assert open_cases() == 1
    cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE).or_raise()
    assert open_cases() == 0


def test_fifty_looks_at_once_open_one_case_and_news_settles_it_whoever_is_first(
    committed_db: Database,
) -> None:
    order = labelled()
    told(order, days=8)
    answers = at_once([notice_old_news] * 25)
    assert [each for each in answers if isinstance(each, Exception)] == []
    assert (Conflict.objects.count(), open_cases()) == (1, 1)
    both: list[Callable[[], object]] = [notice_old_news, partial(told, order)]
    heard = at_once(both * 12)
    assert [each for each in heard if isinstance(each, Exception)] == []
    assert (Conflict.objects.count(), open_cases()) == (1, 0)
