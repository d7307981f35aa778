"""Screens of support without a browser."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.models import TimelineEntry, User
from support.models import Queue
from tests.support.factories import make_queue, open_ticket

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def test_a_queue_with_tickets_closes_only_with_another_to_move_them_to(
    administrator_client: Client,
) -> None:
    queue, other = make_queue("parcels", "Parcels"), make_queue("export", "Export desk")
    ticket = open_ticket(queue="parcels")
    address = f"/queues/{queue.slug}/_/close/"
    asked = administrator_client.get(address, headers=HTMX)
    offered = [value for value, _ in asked.context["form"].fields["move_to"].choices]
    assert "parcels" not in map(str, offered)
    assert "1 in it now." in asked.content.decode()
    refused = administrator_client.post(address, {"move_to": ""}, headers=HTMX)
    assert refused.status_code == 422
    assert Queue.objects.get(slug="parcels").is_active
    administrator_client.post(address, {"move_to": "export"}, headers=HTMX)
    ticket.refresh_from_db()
    assert (ticket.queue, Queue.objects.get(slug="parcels").is_active) == (other, False)
    page = administrator_client.get(f"/queues/{queue.slug}/").content.decode()
    assert "is closed, 1 ticket moved" in page


def test_a_queue_without_tickets_closes_at_once_and_tells_its_changes(
    administrator_client: Client,
) -> None:
    untouched = administrator_client.get("/queues/general/").content.decode()
    assert "It has been open since it was made." in untouched
    queue = make_queue()
    address = f"/queues/{queue.slug}/_/close/"
    answer = administrator_client.post(address, {"move_to": ""}, headers=HTMX)
    assert answer.status_code == 204
    assert not Queue.objects.get(slug=queue.slug).is_active


def test_the_story_names_whom_a_ticket_was_given_to(
    support_client: Client, support_user: User
) -> None:
    ticket = open_ticket()
    support_client.post(
        f"/tickets/{ticket.number}/_/assign/", {"assignee": support_user.username}, headers=HTMX
    )
    told = TimelineEntry.objects.filter(subject="support.ticket", subject_id=ticket.pk)
    assert "Assigned to Amara Lewis" in told.values_list("text", flat=True)
