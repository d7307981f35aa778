"""What became of what a rule made: told beside its name, also to who may not open it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.urls import reverse

from automations.models.runs import Run
from backoffice import subjects
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from support.models import Ticket
from support.services.tickets import assign, solve
from tests.automations import factories as make
from tests.automations.views import story
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", html)).replace(" ,", ",")


def a_ticket() -> tuple[Run, Order, Ticket]:
    """A run that opened a ticket on an order."""
    story.queues()
    story.export_rule()
    order = story.dear_order()
    make.work_all()
    return Run.objects.get(), order, Ticket.objects.get()


def test_operations_sees_on_the_run_what_became_of_the_ticket_and_opens_it(
    operations_user: User, support_user: User
) -> None:
    run, order, ticket = a_ticket()
    client = signed_in(operations_user)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert page.count(f'href="/tickets/{ticket.number}/"') == 2
    assert words(page).count(f"ticket {ticket.number}, now new, in Export desk, nobody’s") == 2
    assert client.get(f"/tickets/{ticket.number}/").status_code == 200
    assign([ticket.pk], support_user, actor=person(support_user))
    solve([ticket.pk], actor=person(support_user))
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "now solved, in Export desk, Amara Lewis" in words(page)
    panel = client.get(reverse("order_tickets", args=[order.pk])).content.decode()
    assert f'href="/tickets/{ticket.number}/"' in panel
    assert "Solved Export desk" in words(panel)


def test_who_may_not_open_tickets_reads_how_it_stands_and_meets_no_dead_link(
    operations_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, order, ticket = a_ticket()
    closed = replace(subjects.get("support.ticket"), view_permission="support.view_vault")
    monkeypatch.setitem(subjects._subjects, "support.ticket", closed)
    client = signed_in(operations_user)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert words(page).count(f"ticket {ticket.number}, now new, in Export desk, nobody’s") == 2
    assert f"/tickets/{ticket.number}/" not in page
    story_of = client.get(reverse("timeline", args=["orders.order", order.pk])).content.decode()
    assert f"ticket {ticket.number}" in words(story_of)
    assert f"/tickets/{ticket.number}/" not in story_of
