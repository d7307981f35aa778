"""Orders that need something special: by tag, by a fragile line, by a late change of address."""

from __future__ import annotations

import pytest
from django.test import Client

from automations.rules.library import rule_templates
from automations.services import rules
from backoffice.actors import HOUSE, person
from backoffice.models import TimelineEntry, User
from orders.models.orders import Order
from orders.models.packages import Package
from orders.services.packing import pack_order
from support.models import Message, Ticket
from tests.automations import factories as make
from tests.inventory.factories import make_sku
from tests.orders.factories import fresh, line, make_channel, pay, place
from tests.orders.parcels import buy, paid
from tests.orders.trust import BATH, make_signal, suspect

pytestmark = pytest.mark.django_db
GIVEN = {"name": "Grace Holloway", "lines": "9 The Paragon", "city": "Bath",
         "postcode": "BA1 5LX", "country": "GB"}  # fmt: skip


@pytest.mark.requirement("R55")
def test_orders_are_found_by_a_tag_and_the_tagging_has_a_name_and_a_time(
    operations_client: Client, operations_user: User
) -> None:
    sku = make_sku(stock=9)
    gift, plain = place(line(sku)), place(line(sku))
    posted = operations_client.post(f"/orders/{gift.number}/_/tag/", {"tag": "Gift wrap"})
    assert posted.status_code == 302
    page = operations_client.get("/orders/?view=all&tag=gift-wrap").content.decode()
    assert f"/orders/{gift.number}/" in page
    assert f"/orders/{plain.number}/" not in page
    told = TimelineEntry.objects.get(subject_id=gift.pk, text="Tagged gift-wrap")
    assert (told.actor_kind, told.user_id) == ("person", operations_user.pk)
    operations_client.post(f"/orders/{gift.number}/_/untag/gift-wrap/", {"sure": "1"})
    assert TimelineEntry.objects.filter(text="Tag removed: gift-wrap").count() == 1
    page = operations_client.get("/orders/?view=all&tag=gift-wrap").content.decode()
    assert f"/orders/{gift.number}/" not in page


@pytest.mark.requirement("R56")
def test_a_paid_order_with_something_fragile_makes_one_task_for_the_warehouse() -> None:
    (template,) = (each for each in rule_templates() if each.key == "fragile-task")
    rule = rules.create_rule(
        name=template.name,
        domain=template.domain,
        body=template.body,
        purpose=template.purpose,
        fallback=template.fallback,
        actor=person(make.author()),
    )
    make.make_live(rule)
    glass = make_sku("GL-1", stock=9, is_fragile=True)
    wool = make_sku("WO-1", stock=9)
    order = place(line(glass), line(glass), line(wool))
    place(line(glass))
    pay(place(line(wool)))
    pay(order, "10.00")
    make.work_all()
    assert not Ticket.objects.exists()
    pay(order, "20.00")
    pay(order, "5.00")
    make.work_all()
    make.work_all()
    task = Ticket.objects.get()
    assert task.order_id == order.pk
    assert order.number in task.subject


def shown(order: Order) -> tuple[str, str]:
    now = fresh(order)
    return now.ship_lines, now.ship_postcode


@pytest.mark.requirement("R65")
def test_an_address_is_changed_until_the_label_is_bought_then_it_becomes_a_ticket(
    support_client: Client, support_user: User
) -> None:
    order = paid(ship_to=BATH)
    url = f"/orders/{order.number}/_/address/"
    assert support_client.post(url, GIVEN).status_code == 302
    assert shown(order) == ("9 The Paragon", "BA1 5LX")
    package: Package = pack_order(order.pk, actor=HOUSE)
    buy(package)
    later = {**GIVEN, "lines": "1 Queen Square", "postcode": "BA1 2HA"}
    for _ in range(2):
        assert support_client.post(url, later).status_code == 302
    assert shown(order) == ("9 The Paragon", "BA1 5LX")
    ticket = Ticket.objects.get()
    assert (ticket.order_id, ticket.priority) == (order.pk, "high")
    note = Message.objects.get(ticket=ticket)
    assert (note.direction, note.user_id) == ("note", support_user.pk)
    assert "1 Queen Square" in note.body
    said = list(TimelineEntry.objects.filter(subject="orders.order").values_list("text", flat=True))
    assert "Queen" not in str(said)


@pytest.mark.requirement("R65")
def test_an_impossible_address_is_refused_at_the_field_or_saved_and_holds_the_order(
    support_client: Client,
) -> None:
    channel = make_channel("careful", checks_addresses=True)
    order = place(line(make_sku(stock=9)), channel=channel, ship_to=BATH)
    url, before = f"/orders/{order.number}/_/address/", shown(order)
    for wrong, says in (
        ({"postcode": "BAI 5LX"}, "Did you mean BA1 5LX?"),
        ({"postcode": "BA"}, "BA is no postcode of United Kingdom"),
        ({"postcode": "BA1 5LX", "country": "DE"}, "BA1 5LX is no postcode of Germany"),
        ({"country": "UK"}, "UK is not one of the available choices"),
        ({"country": "ZZ"}, "ZZ is not one of the available choices"),
    ):
        refused = support_client.post(url, {**GIVEN, **wrong})
        page = refused.content.decode()
        assert (refused.status_code, shown(order)) == (422, before)
        assert says in page
        assert ("The postcode is right as it stands" in page) == ("postcode" in wrong)
    assert not fresh(order).is_held
    posted = support_client.post(url, {**GIVEN, "postcode": "BA", "sure": "on"}, follow=True)
    assert "is held" in posted.content.decode()
    assert shown(order) == ("9 The Paragon", "BA")
    assert fresh(order).is_held


@pytest.mark.requirement("R62")
def test_the_list_of_orders_shows_those_that_wait_for_a_decision(
    operations_client: Client,
) -> None:
    make_signal()
    waiting, fine = suspect(), place(line(make_sku(stock=9)))
    page = operations_client.get("/orders/?view=all&doubted=yes").content.decode()
    assert f"/orders/{waiting.number}/" in page
    assert f"/orders/{fine.number}/" not in page
    page = operations_client.get("/orders/?view=all&doubted=no").content.decode()
    assert f"/orders/{waiting.number}/" not in page
    assert f"/orders/{fine.number}/" in page
