"""The carrier of an order: the cheapest that keeps the promise, and why it was that one."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.db import IntegrityError, transaction
from django.test import Client

from backoffice.actors import HOUSE
from backoffice.versions import StaleVersion
from orders.models.carriers import CarrierService
from orders.models.choices import ServiceChoice
from orders.models.orders import Order
from orders.services.cancelling import cancel_orders
from orders.services.carriers import edit_promise
from orders.services.choosing import choose_service, choose_services, set_service
from orders.services.errors import AlreadyCancelled, LabelExists, OrderError
from orders.services.packing import Parcel, pack_order
from tests.orders.factories import fresh, make_service
from tests.orders.parcels import ABROAD, buy, paid

pytestmark = pytest.mark.django_db

# A Tuesday morning: what is packed is collected that day.
MORNING = datetime(2026, 11, 24, 9, tzinfo=UTC)


@pytest.fixture(autouse=True)
def tuesday() -> Any:
    with time_machine.travel(MORNING, tick=False):
        yield


def service(name: str, price: str | None, days: int | None, **more: Any) -> CarrierService:
    cost = None if price is None else Decimal(price)
    fields = {"price": cost, "currency": "GBP" if price else "", "transit_days": days, **more}
    return make_service(name=name, cutoff=time(16), **fields)


def promised(order: Order, days: int | None, *, chooses: bool = False) -> Order:
    edit_promise(
        order.channel_id, service=None, promise_days=1, arrives_days=days,
        chooses_service=chooses, version=None, actor=HOUSE,
    )  # fmt: skip
    return fresh(order)


@pytest.mark.requirement("R72")
def test_the_cheapest_that_arrives_in_time_is_chosen_and_the_reason_stands_on_the_page(
    operations_client: Client,
) -> None:
    service("Slow", "2.10", 5)
    service("Middle", "3.20", 2)
    service("Fast", "7.00", 1)
    order = promised(paid(), 3)
    operations_client.post(f"/orders/{order.number}/_/service/", {"service": "", "why": ""})
    choice = ServiceChoice.objects.get()
    assert (choice.service.name, choice.reason) == ("Middle", "cheapest")
    assert (
        choice.why == "The cheapest of 2 that arrive by 27 November: £3.20; arrives on 26 November."
    )
    assert fresh(order).service == choice.service
    page = operations_client.get(f"/orders/{order.number}/").content.decode()
    assert choice.why in page
    assert "Royal Mail Slow £2.10: too late" in page
    assert "Royal Mail Fast £7.00: dearer" in page


@pytest.mark.requirement("R72")
def test_where_none_keeps_the_promise_the_first_to_arrive_is_chosen_and_says_so() -> None:
    service("Slow", "2.10", 5)
    service("Middle", "3.20", 2)
    order = promised(paid(), 1)
    choice = choose_service(order.pk, actor=HOUSE)
    assert (choice.service.name, choice.reason) == ("Middle", "fastest")
    assert choice.why.startswith("None of 2 arrives by 25 November; this one does first")
    assert choose_service(promised(paid(), None).pk, actor=HOUSE).service.name == "Slow"


@pytest.mark.requirement("R72")
def test_a_person_chooses_another_one_for_a_reason(operations_client: Client) -> None:
    cheap, fast = service("Slow", "2.10", 5), service("Fast", "7.00", 1)
    order = promised(paid(), None)
    address = f"/orders/{order.number}/_/service/"
    said = operations_client.post(address, {"service": fast.pk, "why": " "})
    assert "Say why this service." in said.content.decode()
    operations_client.post(address, {"service": fast.pk, "why": "A gift for tomorrow."})
    choice = ServiceChoice.objects.get()
    assert (choice.service, choice.reason, choice.why) == (fast, "person", "A gift for tomorrow.")
    offered = operations_client.get(address).content.decode()
    assert "Royal Mail Slow £2.10, arrives 1 December" in offered
    choose_service(order.pk, actor=HOUSE)
    assert ServiceChoice.objects.get().service == cheap


def test_what_a_service_does_not_take_is_not_chosen() -> None:
    service("At home", "1.00", 1, countries=["GB"])
    service("Light", "1.50", 1, max_grams=500)
    service("In euros", "0.50", 1, currency="EUR")
    service("Off", "0.20", 1, is_active=False)
    service("Without a price", None, 1)
    anyhow = service("Anything", "9.00", 3)
    order = promised(paid(), None)
    choice = choose_service(order.pk, actor=HOUSE)
    assert choice.service.name == "At home"
    refused = [row["verdict"] for row in choice.considered if row["price"] == ""]
    assert refused == ["has no price in GBP"] * 2
    service("In France", "0.10", 1, countries=["FR"])
    rows = choose_service(order.pk, actor=HOUSE).considered
    assert "does not go to GB" in [row["verdict"] for row in rows]
    pack_order(order.pk, parcel=Parcel(weight_grams=900), actor=HOUSE)
    CarrierService.objects.filter(name="At home").update(max_grams=800)
    assert choose_service(order.pk, actor=HOUSE).service == anyhow
    CarrierService.objects.update(price=None, currency="")
    with pytest.raises(OrderError, match="Give one a price"):
        choose_service(order.pk, actor=HOUSE)
    there = paid(ship_to=ABROAD)
    with pytest.raises(OrderError, match="does not go to FR"):
        set_service(there.pk, CarrierService.objects.get(name="At home"), "x", actor=HOUSE)
    with pytest.raises(OrderError, match="switched off"):
        set_service(there.pk, CarrierService.objects.get(name="Off"), "x", actor=HOUSE)


def test_it_is_chosen_by_itself_when_the_order_is_packed_where_the_channel_says_so() -> None:
    cheap = service("Slow", "2.10", 5)
    order = promised(paid(), None, chooses=True)
    pack_order(order.pk, actor=HOUSE)
    assert fresh(order).service == cheap
    CarrierService.objects.update(price=None, currency="")
    other = paid()
    assert pack_order(other.pk, actor=HOUSE).number
    assert fresh(other).service is None


def test_what_is_labelled_cancelled_collected_or_changed_meanwhile_is_refused() -> None:
    service("Slow", "2.10", 5)
    order = promised(paid(), None)
    with pytest.raises(StaleVersion):
        choose_service(order.pk, version=order.version - 1, actor=HOUSE)
    buy(pack_order(order.pk, actor=HOUSE))
    with pytest.raises(LabelExists, match="Void it first"):
        choose_service(order.pk, actor=HOUSE)
    gone = paid()
    cancel_orders([gone.pk], reason=Order.CancelReason.OTHER, actor=HOUSE)
    with pytest.raises(AlreadyCancelled):
        choose_service(gone.pk, actor=HOUSE)
    third = paid()
    done = choose_services([gone.pk, third.pk, 0], actor=HOUSE)
    assert [each.pk for each in done.changed] == [third.pk]
    assert set(done.refused) == {gone.pk, 0}
    assert [each.pk for each in choose_services([third.pk], actor=HOUSE).unchanged] == [third.pk]


def test_a_service_has_a_price_with_a_currency_and_its_page_shows_it(
    operations_client: Client,
) -> None:
    row = service("Slow", None, None)
    form = {
        "carrier": "Royal Mail", "name": "Slow", "cutoff": "16:00", "time_zone": "Europe/London",
        "weekdays": ["1", "2"], "price_0": "3.40", "price_1": "GBP", "transit_days": "2",
        "news_days": "7", "is_active": "on",
    }  # fmt: skip
    operations_client.post(f"/settings/carriers/{row.key}/_/edit/?version={row.version}", form)
    page = operations_client.get(f"/settings/carriers/{row.key}/").content.decode()
    assert "£3.40 a parcel" in page
    assert "2 days on its way" in page
    with pytest.raises(IntegrityError, match="carrierservice_price"), transaction.atomic():
        CarrierService.objects.update(currency="")
