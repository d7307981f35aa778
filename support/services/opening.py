"""Open tickets, each by its own actor and only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor, Actors
from orders.models.customers import Customer
from orders.models.orders import Order
from support import signals
from support.models import Message, Queue, Ticket
from support.services.due import answer_due
from support.services.errors import QueueClosed
from support.services.queues import open_queues, refusal
from support.services.writing import LABEL, written_by


@dataclass(frozen=True, slots=True)
class NewTicket:
    """One ticket to open, by its own actor.

    `queue` is a slug, "" the default queue; `message` is the first message ("" for none), written
    by the customer or, `direction` "note", by us; `key` makes a repeat open nothing twice;
    `opened_at` None means now. An order brings its customer along.
    """

    subject: str
    actor: Actor
    key: str = ""
    queue: str = ""
    message: str = ""
    direction: str = Message.Direction.IN
    message_id: str = ""
    priority: str = Ticket.Priority.NORMAL
    channel: str = Ticket.Channel.MAIL
    order: Order | None = None
    customer: Customer | None = None
    follows: Ticket | None = None
    tags: Sequence[str] = ()
    opened_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A ticket, and whether this call made it."""

    ticket: Ticket
    is_new: bool


def open_tickets(tickets: Sequence[NewTicket], *, history: bool = False) -> list[Opened]:
    """Open tickets, answering in their order; those whose key is known are returned as they are.

    Raises QueueClosed when a queue is closed or unknown: nothing is opened then. Announces
    tickets_opened.
    """
    try:
        with transaction.atomic():
            return _open(tickets, history=history)
    except IntegrityError:
        # Another transaction opened one of them a moment ago: now it is seen.
        with transaction.atomic():
            return _open(tickets, history=history)


def _open(tickets: Sequence[NewTicket], *, history: bool) -> list[Opened]:
    queues = open_queues({new.queue for new in tickets})
    for new in tickets:
        if new.queue not in queues:
            raise QueueClosed(refusal(new.queue))
    keyed = _by_key(new.key for new in tickets)
    fresh = _fresh(tickets, keyed)
    now = timezone.now()
    made = Ticket.objects.bulk_create(
        [_ticket(new, queues[new.queue], new.opened_at or now) for new in fresh.values()]
    )
    news = list(fresh.values())
    _write_first_messages(made, news)
    _tell(made, news, queues)
    _announce_opened(made, news, history=history)
    opened = dict(zip(fresh, made, strict=True))
    keyed |= {ticket.key: ticket for ticket in made if ticket.key}
    return [
        Opened(opened.get(place) or keyed[new.key], is_new=place in opened)
        for place, new in enumerate(tickets)
    ]


def _fresh(tickets: Sequence[NewTicket], known: dict[str, Ticket]) -> dict[int, NewTicket]:
    """The tickets to open by their place in the set: of those with one key, the first."""
    fresh: dict[int, NewTicket] = {}
    seen = set(known)
    for place, new in enumerate(tickets):
        if not new.key or new.key not in seen:
            seen.add(new.key)
            fresh[place] = new
    return fresh


def _by_key(keys: Iterable[str]) -> dict[str, Ticket]:
    wanted = {key for key in keys if key}
    rows = Ticket.objects.filter(key__in=wanted) if wanted else Ticket.objects.none()
    return {ticket.key: ticket for ticket in rows}


def _ticket(new: NewTicket, queue: Queue, at: datetime) -> Ticket:
    customer = new.customer.pk if new.customer else new.order.customer_id if new.order else None
    return Ticket(
        queue=queue,
        subject=new.subject[:200],
        priority=new.priority,
        channel=new.channel,
        order=new.order,
        customer_id=customer,
        follows=new.follows,
        tags=sorted(set(new.tags)),
        opened_at=at,
        due_at=answer_due(new.priority, at),
        key=new.key,
    )


def _write_first_messages(tickets: Sequence[Ticket], news: Sequence[NewTicket]) -> None:
    Message.objects.bulk_create(
        Message(
            ticket=ticket,
            direction=new.direction,
            body=new.message,
            message_id=new.message_id,
            at=ticket.opened_at,
            customer_id=ticket.customer_id if new.direction == Message.Direction.IN else None,
            **written_by(new.actor),
        )
        for ticket, new in zip(tickets, news, strict=True)
        if new.message
    )


def _tell(tickets: Sequence[Ticket], news: Sequence[NewTicket], queues: dict[str, Queue]) -> None:
    """Write the opening to the tickets' stories and to those of their orders."""
    entries = []
    for ticket, new in zip(tickets, news, strict=True):
        at = ticket.opened_at
        opened = f"Opened in {queues[new.queue]}, priority {ticket.priority}"
        link = ("orders.order", ticket.order_id) if ticket.order_id else None
        entries.append(timeline.Happened(LABEL, ticket.pk, opened, new.actor, at, link))
        if ticket.order_id:
            entries.append(
                timeline.Happened(
                    "orders.order",
                    ticket.order_id,
                    f"Ticket {ticket.number} opened in {queues[new.queue]}",
                    new.actor,
                    at,
                    (LABEL, ticket.pk),
                )
            )
    timeline.record(entries)


def _announce_opened(
    tickets: Sequence[Ticket], news: Sequence[NewTicket], *, history: bool
) -> None:
    if tickets:
        actor = Actors({ticket.pk: new.actor for ticket, new in zip(tickets, news, strict=True)})
        signals.tickets_opened.send(
            sender=Ticket, tickets=list(tickets), actor=actor, history=history
        )


def why_not_taken_back(ticket_id: int) -> str:
    """Why an opening can't be taken back any more; empty while nobody spoke to the customer."""
    ticket = Ticket.objects.filter(pk=ticket_id).first()
    if ticket is None:
        return "The ticket does not exist any more."
    if ticket.messages.exclude(direction=Message.Direction.NOTE).exists():
        return f"{ticket.number} is a conversation with the customer by now: close it there."
    return ""
