"""Orders of marketplaces: known once, forward only, out by the deadline they promised."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from automations.models.events import Event
from backoffice.actors import HOUSE
from orders.models.channels import Channel
from orders.models.holds import Hold
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.drafts import MarketNews, NewOrder
from orders.services.errors import OrderError
from orders.services.market import note_market
from orders.services.placing import place_orders
from tests.bed.databases import Database, at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, fresh, line, make_channel, place

Status = MarketOrder.Status


def market() -> Channel:
    channel = make_channel()
    Channel.objects.filter(pk=channel.pk).update(kind=Channel.Kind.MARKETPLACE)
    channel.refresh_from_db()
    return channel


def sold(number: str = "026-1", **fields: Any) -> NewOrder:
    sku = make_sku(f"SKU{number}", stock=5)
    return draft(line(sku), channel=market(), external_id=number, **fields)


def soon(hours: int) -> datetime:
    return timezone.now().replace(microsecond=0) + timedelta(hours=hours)


def shell(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


@pytest.mark.requirement("R69")
@pytest.mark.django_db
def test_its_number_is_placed_once_and_its_deadline_is_the_orders_where_it_is_earlier(
    operations_client: Client,
) -> None:
    due = soon(3)
    told = sold(market=MarketNews(Status.OPEN, ship_latest=due))
    order = place_orders([told], actor=HOUSE).orders[0]
    again = place_orders([told], actor=HOUSE)
    assert (again.orders, again.new_ids) == ([order], frozenset())
    assert fresh(order).ship_by == due
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "the deadline of" in page
    assert "026-1" in page
    assert "To be shipped" in page
    listed = operations_client.get("/orders/?view=all&columns=number,ship_by").content.decode()
    assert f"{timezone.localtime(due):%H:%M}" in listed
    later = place_orders([sold("026-2", market=MarketNews(Status.OPEN, soon(900)))], actor=HOUSE)
    assert later.orders[0].ship_by is not None
    assert later.orders[0].ship_by < soon(300)


@pytest.mark.requirement("R69")
@pytest.mark.django_db
def test_what_is_pending_there_is_held_and_what_was_cancelled_there_waits_for_a_person(
    operations_client: Client,
) -> None:
    order = place_orders([sold(market=MarketNews(Status.PENDING))], actor=HOUSE).orders[0]
    assert fresh(order).is_held
    address = f"/orders/{order.number}/_/market/"
    due = timezone.localtime(soon(2))
    form = {"status": "open", "ship_latest": f"{due:%Y-%m-%dT%H:%M}"}
    operations_client.post(address, form)
    order = fresh(order)
    assert (order.is_held, order.ship_by) == (False, due.replace(second=0))
    said = operations_client.post(address, {"status": "pending", "ship_latest": ""})
    assert "to be shipped already" in said.content.decode()
    operations_client.post(address, {"status": "cancelled", "ship_latest": ""})
    (hold,) = Hold.objects.filter(order=order, released_at=None)
    assert hold.reason == Hold.Reason.CUSTOMER_REQUEST
    assert "Cancel it here too" in hold.note
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert "Cancelled there" in page
    told = Event.objects.filter(trigger="orders.market_changed").order_by("pk")
    assert [event.facts["market.status"] for event in told] == ["open", "cancelled"]


@pytest.mark.django_db
def test_its_deadline_holds_also_where_we_promised_no_day() -> None:
    order = place_orders([sold()], actor=HOUSE).orders[0]
    Order.objects.filter(pk=order.pk).update(awaits=Order.Awaits.ALL, promised_on=None)
    due = soon(3)
    note_market(order.pk, MarketNews(Status.OPEN, due), actor=HOUSE)
    assert fresh(order).ship_by == due


@pytest.mark.django_db
def test_what_is_told_late_or_twice_changes_nothing() -> None:
    order = place_orders([sold()], actor=HOUSE).orders[0]
    now = timezone.now()
    note_market(order.pk, MarketNews(Status.SHIPPED, at=now + timedelta(hours=1)), actor=HOUSE)
    version = fresh(order).version
    for late in (
        MarketNews(Status.SHIPPED, at=now + timedelta(hours=1)),
        MarketNews(Status.PENDING, at=now),
        MarketNews(Status.OPEN, soon(1), at=now),
        MarketNews(Status.CANCELLED, at=now + timedelta(hours=2)),
    ):
        row = note_market(order.pk, late, actor=HOUSE)
        assert (row.status, row.ship_latest) == (Status.SHIPPED, None)
    assert fresh(order).version == version
    assert not fresh(order).is_held


@pytest.mark.django_db
def test_a_marketplaces_order_without_its_number_and_a_shops_status_are_refused() -> None:
    with pytest.raises(OrderError, match="needs the number it has there"):
        place_orders([sold("")], actor=HOUSE)
    order = place_orders([sold("026-9")], actor=HOUSE).orders[0]
    with pytest.raises(IntegrityError, match="needs the number"):
        shell("UPDATE orders_order SET external_id = ''")
    note_market(order.pk, MarketNews(Status.SHIPPED), actor=HOUSE)
    for forged in (
        "UPDATE orders_marketorder SET status = 'open'",
        "UPDATE orders_marketorder SET told_at = told_at - interval '1 day'",
        "DELETE FROM orders_marketorder",
    ):
        with pytest.raises(IntegrityError, match="forward only"):
            shell(forged)
    again = replace(sold("026-9"), external_id="", follows_id=order.pk)
    sent_again = place_orders([again], actor=HOUSE).orders[0]
    assert not MarketOrder.objects.filter(order=sent_again).exists()
    Channel.objects.filter(pk=order.channel_id).update(kind=Channel.Kind.SHOP)
    other = place(line(make_sku("MUG", stock=1)))
    with pytest.raises(OrderError, match="was sold by no marketplace"):
        note_market(other.pk, MarketNews(Status.OPEN), actor=HOUSE)
    with pytest.raises(IntegrityError, match="sold by no marketplace"):
        shell(
            "INSERT INTO orders_marketorder (order_id, status, told_at) "
            f"VALUES ({other.pk}, 'open', now())"
        )


@pytest.mark.requirement("R69")
def test_fifty_deliveries_of_one_order_and_its_news_at_once_make_one_order(
    committed_db: Database,
) -> None:
    told = sold(market=MarketNews(Status.PENDING))
    placed = at_once([lambda: place_orders([told], actor=HOUSE)] * 25)
    assert [each for each in placed if isinstance(each, Exception)] == []
    order = Order.objects.get()
    at = timezone.now() + timedelta(minutes=1)
    news = [MarketNews(Status.OPEN, soon(5), at), MarketNews(Status.CANCELLED, at=at)]
    tell = [partial(note_market, order.pk, each, actor=HOUSE) for each in news]
    heard = at_once(tell * 12)
    assert [each for each in heard if isinstance(each, Exception)] == []
    assert MarketOrder.objects.get().status == Status.CANCELLED
    assert Hold.objects.filter(released_at=None, reason=Hold.Reason.CUSTOMER_REQUEST).count() == 1
    assert not Hold.objects.filter(released_at=None, reason=Hold.Reason.PAYMENT).exists()
