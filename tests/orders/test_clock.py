"""By when an order must leave: the channel's promise, the carrier's cut-off, the days it comes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from backoffice import calendars
from backoffice.actors import HOUSE
from backoffice.models import Calendar
from backoffice.versions import StaleVersion
from orders.models.carriers import CarrierService
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.queries.clock import Collection
from orders.services.carriers import ServiceEdit, edit_promise, edit_service
from orders.services.clock import rewind_clocks
from orders.services.errors import OrderError
from orders.services.holds import hold_orders
from orders.services.shipping import ship_order
from orders.tasks import rewind_clocks as rewind_task
from tests.inventory.factories import make_sku
from tests.orders.factories import (
    fresh,
    line,
    make_channel,
    make_service,
    pay,
    place,
    place_history,
)

LONDON = ZoneInfo("Europe/London")
WEEK = Collection(LONDON, time(16, 30))
# A Tuesday.
MORNING = datetime(2026, 11, 24, 9, 0, tzinfo=LONDON)


def at(day: int, hour: int = 16, minute: int = 30, month: int = 11) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=LONDON)


@pytest.mark.parametrize(
    ("start", "days", "due"),
    [
        (at(24, 9), 0, at(24)),
        (at(24, 16, 30), 0, at(24)),
        (at(24, 16, 31), 0, at(25)),
        (at(24, 9), 2, at(26)),
        (at(27, 17), 0, at(30)),  # Friday after the cut-off: Monday
        (at(28, 9), 1, at(1, month=12)),  # Saturday: Monday is the first day
        # The night on which British clocks go back: half past four stays half past four.
        (datetime(2026, 10, 23, 12, tzinfo=LONDON), 1, datetime(2026, 10, 26, 16, 30, tzinfo=UTC)),
        (datetime(2026, 10, 22, 12, tzinfo=LONDON), 1, datetime(2026, 10, 23, 15, 30, tzinfo=UTC)),
    ],
)
def test_a_promise_counts_days_on_which_the_carrier_collects(
    start: datetime, days: int, due: datetime
) -> None:
    assert WEEK.ship_by(start, days) == due


def test_an_order_from_another_zone_counts_by_the_clock_of_the_cut_off() -> None:
    late_in_tokyo = datetime(2026, 11, 25, 1, 0, tzinfo=ZoneInfo("Asia/Tokyo"))
    assert WEEK.ship_by(late_in_tokyo, 0) == at(24)


def test_a_service_that_never_collects_names_no_day() -> None:
    assert Collection(LONDON, weekdays=frozenset()).ship_by(MORNING, 0) is None


@pytest.mark.django_db
@pytest.mark.requirement("R146")
def test_each_order_has_a_time_to_ship_by_that_counts_from_its_payment() -> None:
    channel = make_channel()
    make_service(channel)
    with time_machine.travel(MORNING, tick=False):
        order = place(line(make_sku(stock=9)), channel=channel)
    assert order.ship_by == at(25)
    with time_machine.travel(MORNING + timedelta(days=2), tick=False):
        pay(order)
    assert fresh(order).ship_by == at(27)


@pytest.mark.django_db
def test_a_channel_that_trusts_its_buyers_counts_from_the_order() -> None:
    channel = make_channel("trade", ships_unpaid=True)
    make_service(channel)
    with time_machine.travel(MORNING, tick=False):
        order = place(line(make_sku(stock=9)), channel=channel)
    with time_machine.travel(MORNING + timedelta(days=2), tick=False):
        pay(order)
    assert fresh(order).ship_by == at(25)


@pytest.mark.django_db
def test_without_a_carrier_the_working_day_of_the_company_ends_the_promise() -> None:
    with time_machine.travel(MORNING, tick=False):
        order = place(line(make_sku(stock=9)))
    assert order.ship_by == datetime(2026, 11, 25, 23, 59, 59, tzinfo=LONDON)


@pytest.mark.django_db
def test_history_has_no_clock() -> None:
    order = place_history(line(make_sku()))
    pay(order)
    assert fresh(order).ship_by is None
    assert rewind_clocks() == 0


@pytest.mark.django_db
def test_a_changed_cut_off_winds_the_clocks_of_open_orders_alone() -> None:
    channel = make_channel()
    service = make_service(channel)
    sku = make_sku(stock=9)
    with time_machine.travel(MORNING, tick=False):
        still_open, gone = (place(line(sku), channel=channel) for _ in range(2))
        pay(gone)
        ship_order(gone.pk, actor=HOUSE)
    before = fresh(still_open).version
    edit = ServiceEdit(
        service.carrier, service.name, "Europe/Berlin", time(8), [1, 2, 3, 4, 5], None
    )
    edit_service(service.pk, edit, version=service.version, actor=HOUSE)
    assert fresh(still_open).ship_by == datetime(2026, 11, 26, 8, tzinfo=ZoneInfo("Europe/Berlin"))
    assert fresh(still_open).version == before + 1
    assert fresh(gone).ship_by == at(25)
    with pytest.raises(StaleVersion):
        edit_service(service.pk, edit, version=service.version, actor=HOUSE)


@pytest.mark.django_db
def test_a_holiday_that_is_entered_later_is_found_by_the_sweep() -> None:
    calendar = calendars.make_calendar("Britain", today=date(2026, 11, 1), actor=HOUSE)
    channel = make_channel()
    make_service(channel, calendar=calendar)
    with time_machine.travel(MORNING, tick=False):
        order = place(line(make_sku(stock=9)), channel=channel)
        calendars.set_days(
            calendar.pk,
            [(date(2026, 11, 25), "Stocktaking")],
            is_open=False,
            version=Calendar.objects.get().version,
            today=date(2026, 11, 24),
            actor=HOUSE,
        )
        rewind_task()
    assert fresh(order).ship_by == at(26)
    assert rewind_clocks() == 0


@pytest.mark.django_db
def test_a_service_that_ships_orders_is_not_switched_off() -> None:
    channel = make_channel()
    service = make_service(channel)
    off = ServiceEdit("Royal Mail", "Tracked 24", "Europe/London", time(16), [1], None, False)
    with pytest.raises(OrderError):
        edit_service(service.pk, off, version=None, actor=HOUSE)
    service.refresh_from_db()
    assert (service.is_active, service.version) == (True, 1)
    edit_promise(channel.pk, service=None, promise_days=2, version=None, actor=HOUSE)
    edit_service(service.pk, off, version=None, actor=HOUSE)
    with pytest.raises(OrderError):
        edit_promise(channel.pk, service=fresh_service(service.pk), promise_days=0, version=None,
                     actor=HOUSE)  # fmt: skip
    channel.refresh_from_db()
    assert (channel.service, channel.promise_days) == (None, 2)


def fresh_service(pk: int) -> CarrierService:
    return CarrierService.objects.get(pk=pk)


def numbers(client: Client, query: str) -> set[str]:
    listing = client.get(f"/orders/?{query}").context["listing"]
    return {row.record.number for row in listing.rows}


@pytest.mark.django_db
@pytest.mark.requirement("R146")
def test_what_will_miss_todays_cut_off_is_the_first_view_of_the_desk(
    operations_client: Client,
) -> None:
    channel = make_channel()
    make_service(channel, promise_days=0, weekdays=[1, 2, 3, 4, 5, 6, 7], cutoff=time(16))
    sku = make_sku(stock=99)
    now = timezone.now().astimezone(LONDON).replace(hour=11, minute=0)
    with time_machine.travel(now, tick=True):
        held, unpaid, ready, late, tomorrow = (place(line(sku), channel=channel) for _ in range(5))
        for order in (held, ready, late, tomorrow):
            pay(order)
        hold_orders([held.pk], reason=Hold.Reason.ADDRESS, actor=HOUSE)
        Order.objects.filter(pk=late.pk).update(ship_by=now - timedelta(days=1))
        Order.objects.filter(pk=tomorrow.pk).update(ship_by=now + timedelta(days=1, hours=3))
        at_risk = {held.number, unpaid.number, late.number}
        assert numbers(operations_client, "") == at_risk
        assert numbers(operations_client, "view=all&ship=late") == {late.number}
        assert numbers(operations_client, "view=all&ship=tomorrow") == {tomorrow.number}
        assert numbers(operations_client, "view=all&ship=today") == {
            held.number,
            unpaid.number,
            ready.number,
        }
        panel = operations_client.get("/orders/_/home/at-risk/").content.decode()
        assert all(number in panel for number in at_risk)
        assert ready.number not in panel
        first = operations_client.get("/orders/?view=all&sort=ship_by").context["listing"]
        assert first.rows[0].record.number == late.number


@pytest.mark.django_db
def test_a_cut_off_is_changed_on_the_carriers_page(operations_client: Client) -> None:
    channel = make_channel()
    service = make_service(channel)
    with time_machine.travel(MORNING, tick=False):
        order = place(line(make_sku(stock=9)), channel=channel)
    page = operations_client.get(f"/settings/carriers/{service.key}/").content.decode()
    assert "16:30" in page
    form = {
        "carrier": "Royal Mail",
        "name": "Tracked 24",
        "cutoff": "12:00",
        "time_zone": "Europe/Nowhere",
        "weekdays": ["1", "2", "3", "4", "5"],
        "news_days": "7",
        "is_active": "on",
    }
    address = f"/settings/carriers/{service.key}/_/edit/?version=1"
    refused = operations_client.post(address, form)
    assert refused.status_code == 422
    assert "no such time zone" in refused.content.decode()
    assert fresh(order).ship_by == at(25)
    operations_client.post(address, {**form, "time_zone": "Europe/London"})
    assert fresh(order).ship_by == at(25, 12, 0)
    page = operations_client.get(f"/settings/channels/{channel.key}/").content.decode()
    assert "Royal Mail Tracked 24" in page
