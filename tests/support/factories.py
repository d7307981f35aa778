"""What tests of support start from."""

from __future__ import annotations

import itertools
from typing import Any

from backoffice.actors import Actor, ActorKind
from support.models import Queue, Ticket
from support.services.messages import NewMessage
from support.services.opening import NewTicket, open_tickets

SHOP = Actor(ActorKind.OUTSIDE, "Mail")
RULE = Actor(ActorKind.RULE, "Tell the VIP desk", rule_id=3, rule_version=6, run_id=77)
_next = itertools.count(1)


def make_queue(slug: str = "parcels", name: str = "Parcels") -> Queue:
    return Queue.objects.create(slug=slug, name=name)


def open_ticket(subject: str = "Where is my mixer?", **fields: Any) -> Ticket:
    """Open one ticket by mail."""
    new = NewTicket(**{"subject": subject, "actor": SHOP, "message": "Hello?", **fields})
    return open_tickets([new])[0].ticket


def mail(ticket: Ticket, body: str = "Any news?", message_id: str = "") -> NewMessage:
    """A mail of the customer, with an id of its own."""
    return NewMessage(ticket.pk, body, message_id or f"<{next(_next)}@example.com>")
