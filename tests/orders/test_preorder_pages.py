"""Pre-orders on screen: set up, moved with who is told, filled, closed, and seen on the order."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from orders.models.preorders import PreOrder, PreOrderLine, PreOrderNotice
from tests.inventory.factories import make_sku, receive
from tests.orders.factories import line, make_channel, place, sell_ahead

pytestmark = pytest.mark.django_db


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == HTTPStatus.OK, address
    return " ".join(answer.content.decode().split())


@pytest.mark.requirement("R68")
def test_a_person_sets_one_up_moves_its_day_and_fills_it(operations_client: Client) -> None:
    today = timezone.localdate()
    make_sku("LAMP")
    assert "Nothing is sold ahead." in shown(operations_client, "/pre-orders/")
    form = {
        "channel": make_channel().pk, "sku": "LAMPE", "cap": "5", "billing": "fulfilment",
        "reserve": "sale", "promised_on": (today - timedelta(days=1)).isoformat(),
    }  # fmt: skip
    refused = operations_client.post("/pre-orders/_/new/", form)
    assert refused.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "There is no SKU LAMPE." in refused.content.decode()
    assert "That day is over." in refused.content.decode()
    assert not PreOrder.objects.exists()
    first, later = today + timedelta(days=20), today + timedelta(days=70)
    good = {**form, "sku": "LAMP", "promised_on": first.isoformat()}
    operations_client.post("/pre-orders/_/new/", good)
    row = PreOrder.objects.get()
    assert row.cap == 5
    page = f"/pre-orders/{row.number}/"

    orders = [place(line(make_sku("LAMP"), 2)) for _ in range(2)]
    asked = shown(operations_client, f"{page}_/move/?version=1")
    assert "Told once: 2 orders" in asked
    assert orders[0].number in asked
    move = {"to": later.isoformat(), "why": "The factory is late"}
    for _ in range(2):  # pressed twice
        operations_client.post(f"{page}_/move/?version=1", move)
    assert PreOrderNotice.objects.count() == 2
    for address in (page, f"/orders/{orders[0].number}/"):
        assert f"{later:%-d %b %Y}" in shown(operations_client, address)
        assert "The factory is late" in shown(operations_client, address)
    assert "The customer may cancel" in shown(operations_client, f"/orders/{orders[0].number}/")

    too_little = operations_client.post(f"{page}_/fill/", {"go": "1"})
    assert "too little free stock" in too_little.content.decode()
    receive(make_sku("LAMP"), 3)
    operations_client.post(f"{page}_/fill/", {"go": "1"})
    assert list(PreOrderLine.objects.order_by("pk").values_list("state", flat=True)) == [
        "released",
        "waiting",
    ]
    told = shown(operations_client, f"/orders/{orders[0].number}/")
    assert "£20.00 asked for" in told
    small = operations_client.post(f"{page}_/edit/?version=2", {"cap": "3"})
    assert "4 are sold ahead already" in small.content.decode()
    operations_client.post(f"{page}_/close/?version=2", {"go": "1"})
    assert "Closed" in shown(operations_client, "/pre-orders/?view=all")


def test_others_look_and_change_nothing(support_client: Client) -> None:
    row = sell_ahead(make_sku("LAMP"))
    assert "Move the day" not in shown(support_client, f"/pre-orders/{row.number}/")
    answer = support_client.post(f"/pre-orders/{row.number}/_/close/", {"go": "1"})
    assert answer.status_code == HTTPStatus.FORBIDDEN
    assert PreOrder.objects.get().is_open


def test_the_list_tells_what_is_late(operations_client: Client) -> None:
    early = timezone.now() - timedelta(days=40)
    with time_machine.travel(early, tick=False):
        sell_ahead(make_sku("LATE"), promised_on=early.date() + timedelta(days=5))
        place(line(make_sku("LATE")))
    sell_ahead(make_sku("SOON"))
    late = shown(operations_client, "/pre-orders/?view=late")
    assert "LATE" in late
    assert "SOON" not in late
