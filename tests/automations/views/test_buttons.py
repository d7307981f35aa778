"""A record's page: why schedules did or did not pick it, and the buttons of rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations.models.events import Event
from automations.models.runs import Run
from automations.services import stops
from backoffice.actors import HOUSE, person
from backoffice.models import User
from orders.models.orders import Order
from orders.services.tags import add_tags
from support.models import Ticket
from tests.automations import factories as engine
from tests.automations.schedules import come_round, last_slot
from tests.automations.views.factories import make_live, make_rule, post, some_live_orders

pytestmark = pytest.mark.django_db
WAITING = "waiting-orders"
ASK = "ask-warehouse"


def why(client: Client, order: Order) -> str:
    response = client.get(reverse("why_orders_order", args=[order.pk]))
    assert response.status_code == 200
    return str(response.content.decode())


def test_a_record_says_why_the_last_slot_did_or_did_not_pick_it(
    support_client: Client, operations_user: User
) -> None:
    old, tagged, new = some_live_orders()
    add_tags([tagged.pk], ["waiting"], actor=HOUSE)
    rule = make_rule(operations_user, WAITING)
    make_live(rule)
    assert "It has not come round yet." in why(support_client, old)
    last_slot(rule, timezone.now())
    come_round(timezone.now() + timedelta(days=7))
    run = Run.objects.get()
    assert f"run {run.number}" in why(support_client, old)
    assert "Not picked. As it stands now: Not met:" in why(support_client, new)
    assert "order paid in full" in why(support_client, new)


def buttons(client: Client, order: Order) -> str:
    response = client.get(reverse("buttons_orders_order", args=[order.pk]))
    assert response.status_code == 200
    return str(response.content.decode())


@pytest.mark.requirement("R2")
def test_a_button_asks_first_and_then_starts_once(
    support_client: Client, support_user: User, operations_user: User
) -> None:
    (order, *_) = some_live_orders()
    assert buttons(support_client, order) == ""
    rule = make_rule(operations_user, ASK)
    make_live(rule)
    assert rule.name in buttons(support_client, order)
    address = reverse("press_orders_order", args=[order.pk, rule.slug])
    dialog = support_client.get(address).content.decode()
    assert f"open a ticket in “general”, priority high: “Where is order {order.number}?”" in dialog
    assert "met" in dialog
    assert 'name="after" value="0"' in dialog
    for _ in range(2):
        response = post(support_client, address, after="0")
        assert response.status_code == 204
    assert "nothing was done twice" in response["HX-Trigger"]
    assert Event.objects.filter(key__startswith="press:").count() == 1
    assert "Starting" in buttons(support_client, order)
    assert "hx-trigger" in buttons(support_client, order)
    engine.work_all()
    assert Ticket.objects.get().subject == f"Where is order {order.number}?"
    told = support_client.get(reverse("buttons_orders_order", args=[order.pk]), {"waited": "1"})
    assert "record:changed" in told["HX-Trigger"]
    assert "Ticket T-" in told.content.decode()
    story = support_client.get(reverse("timeline", args=["orders.order", order.pk]))
    assert f"Started the rule “{rule.name}”" in story.content.decode()
    run = Run.objects.get()
    page = support_client.get(reverse("run_detail", args=[run.pk])).content.decode()
    assert "Started by hand" in page
    again = support_client.get(address).content.decode()
    assert f'name="after" value="{Event.objects.get(pk=run.event_id).pk}"' in again


def test_who_may_not_do_what_a_rule_does_is_told_so(
    auditor_client: Client, operations_user: User
) -> None:
    (order, *_) = some_live_orders()
    rule = make_rule(operations_user, ASK)
    make_live(rule)
    page = buttons(auditor_client, order)
    assert "You may not do “Open a ticket”, which it does." in page
    assert "disabled" in page
    address = reverse("press_orders_order", args=[order.pk, rule.slug])
    response = post(auditor_client, address, after="0")
    assert response.status_code == 422
    assert not Event.objects.filter(key__startswith="press:").exists()


def test_a_button_whose_conditions_are_not_met_shows_why_and_can_not_be_pressed(
    support_client: Client, operations_user: User
) -> None:
    (order, *_) = some_live_orders()
    Order.objects.filter(pk=order.pk).update(
        fulfilment="cancelled", cancelled_at=timezone.now(), cancel_reason="customer"
    )
    rule = make_rule(operations_user, ASK)
    make_live(rule)
    address = reverse("press_orders_order", args=[order.pk, rule.slug])
    dialog = support_client.get(address).content.decode()
    assert "Its conditions are not met, so it would do nothing." in dialog
    assert "Run it" not in dialog
    assert post(support_client, address, after="0").status_code == 422
    assert post(support_client, address, after="x").status_code == 400
    assert not Event.objects.filter(key__startswith="press:").exists()


def test_a_press_on_a_page_that_is_behind_answers_409(
    support_client: Client, operations_user: User
) -> None:
    (order, *_) = some_live_orders()
    rule = make_rule(operations_user, ASK)
    make_live(rule)
    address = reverse("press_orders_order", args=[order.pk, rule.slug])
    post(support_client, address, after="0")
    engine.work_all()
    behind = Event.objects.latest("pk").pk + 999
    response = post(support_client, address, after=behind)
    assert response.status_code == 409
    assert "Someone started it meanwhile." in response.content.decode()
    assert Ticket.objects.count() == 1


def test_a_stopped_rules_button_says_so(support_client: Client, operations_user: User) -> None:
    (order, *_) = some_live_orders()
    rule = make_rule(operations_user, ASK)
    make_live(rule)
    stops.stop_rule(rule.pk, reason="Look first.", actor=person(operations_user))
    assert "It is stopped." in buttons(support_client, order)
