"""What is said in tickets: by customers, to them, and among staff."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice.actors import Acting, Actor, Actors
from support import signals
from support.models import Message, Queue, Ticket
from support.services.due import answer_due
from support.services.errors import EmptyMessage, TicketClosed
from support.services.opening import NewTicket, open_tickets
from support.services.queues import bring_home, homes_of
from support.services.tickets import apply_status, lock
from support.services.writing import save, say, written_by


@dataclass(frozen=True, slots=True)
class NewMessage:
    """One message of a customer. `message_id` is the mail's own, so that it counts once."""

    ticket_id: int
    body: str
    message_id: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewNote:
    """One note for staff. `key` makes a repeat say nothing twice; "" for none."""

    ticket_id: int
    body: str
    actor: Actor
    key: str = ""


@transaction.atomic
def add_messages(
    messages: Sequence[NewMessage], *, actor: Acting, history: bool = False
) -> list[Message]:
    """Add messages of customers and return the new ones; a known message id is left out.

    A message reopens a solved ticket and ends a wait for the customer; to a ticket that is closed
    for good it opens a follow-up. `actor.of()` is asked with the ticket's id.
    """
    messages = _redirected(messages)
    queues = homes_of(new.ticket_id for new in messages)
    tickets = {ticket.pk: ticket for ticket in lock({new.ticket_id for new in messages})}
    fresh = _unknown(messages)
    now = timezone.now()
    closed = [new for new in fresh if _is_closed(tickets[new.ticket_id])]
    answered = [new for new in fresh if not _is_closed(tickets[new.ticket_id])]
    followed = _follow_up(closed, tickets, queues, actor, history=history)
    written = Message.objects.bulk_create(
        Message(
            ticket=tickets[new.ticket_id],
            direction=Message.Direction.IN,
            body=new.body,
            message_id=new.message_id,
            at=new.at or now,
            customer_id=tickets[new.ticket_id].customer_id,
            **written_by(actor.of(new.ticket_id)),
        )
        for new in answered
    )
    _wake(written, queues, actor, history=history)
    if written:
        signals.messages_received.send(
            sender=Message, messages=written, actor=actor, history=history
        )
    return written + followed


@transaction.atomic
def reply(
    ticket_id: int,
    body: str,
    *,
    version: int,
    actor: Actor,
    key: str = "",
    then: str = Ticket.Status.PENDING,
) -> Message:
    """Answer the customer and set the status `then`; the first answer stops the first clock.

    A repeated `key` answers with the message that stands. Raises StaleTicket when somebody was
    faster, TicketClosed, EmptyMessage.
    """
    known = Message.objects.filter(message_id=key).first() if key else None
    if known is not None:
        return known
    body = _body(body)
    (ticket,) = lock([ticket_id], version)
    if _is_closed(ticket):
        raise TicketClosed(f"{ticket.number} is closed for good. Open a follow-up instead.")
    now = timezone.now()
    message = Message.objects.create(
        ticket=ticket,
        direction=Message.Direction.OUT,
        body=body,
        message_id=key,
        at=now,
        **written_by(actor),
    )
    ticket.first_response_at = ticket.first_response_at or now
    was_unsolved = ticket.is_unsolved
    apply_status(ticket, then, now)
    ticket.due_at = None
    save([ticket], ["status", "first_response_at", "due_at", "solved_at"])
    say([ticket], lambda _: f"Answered, now {ticket.get_status_display().lower()}", actor)
    if was_unsolved and then == Ticket.Status.SOLVED:
        signals.tickets_solved.send(sender=Ticket, tickets=[ticket], actor=actor, history=False)
    return message


@transaction.atomic
def add_notes(notes: Sequence[NewNote]) -> list[Message]:
    """Write notes for staff and return the new ones; a known key is left out."""
    tickets = {ticket.pk: ticket for ticket in lock({note.ticket_id for note in notes})}
    keys = {note.key for note in notes if note.key}
    known = set(
        Message.objects.filter(message_id__in=keys).values_list("message_id", flat=True)
        if keys
        else []
    )
    fresh = [note for note in notes if not note.key or note.key not in known]
    now = timezone.now()
    written = Message.objects.bulk_create(
        Message(
            ticket=tickets[note.ticket_id],
            direction=Message.Direction.NOTE,
            body=_body(note.body),
            message_id=note.key,
            at=now,
            **written_by(note.actor),
        )
        for note in fresh
    )
    noted = {note.ticket_id: note.actor for note in fresh}
    changed = [tickets[pk] for pk in sorted(noted)]
    save(changed, [])
    say(changed, lambda ticket: "Note written", Actors(noted))
    return written


def add_note(ticket_id: int, body: str, *, actor: Actor, key: str = "") -> Message | None:
    """Write one note; None when its key is known."""
    return next(iter(add_notes([NewNote(ticket_id, body, actor, key)])), None)


def _redirected(messages: Sequence[NewMessage]) -> list[NewMessage]:
    """Send messages to a ticket that has an open follow-up there instead."""
    rows = (
        Ticket.objects.filter(follows__in={new.ticket_id for new in messages})
        .exclude(status=Ticket.Status.CLOSED)
        .order_by("pk")
    )
    newest = dict(rows.values_list("follows_id", "pk"))
    return [replace(new, ticket_id=newest.get(new.ticket_id, new.ticket_id)) for new in messages]


def _unknown(messages: Sequence[NewMessage]) -> list[NewMessage]:
    """The messages nobody has stored, each once; the unique constraint guards the race."""
    ids = {new.message_id for new in messages}
    seen = set(Message.objects.filter(message_id__in=ids).values_list("message_id", flat=True)) - {
        ""
    }
    fresh = []
    for new in messages:
        if new.message_id not in seen:
            fresh.append(new)
            seen |= {new.message_id} - {""}
    return fresh


def _is_closed(ticket: Ticket) -> bool:
    return ticket.status == Ticket.Status.CLOSED


def _follow_up(
    messages: Iterable[NewMessage],
    tickets: dict[int, Ticket],
    queues: dict[str, Queue],
    actor: Acting,
    *,
    history: bool,
) -> list[Message]:
    """Open a new ticket for each message to a closed one; returns their first messages."""
    open_ids = {queue.pk: slug for slug, queue in queues.items() if slug}
    news = [
        NewTicket(
            subject=old.subject,
            actor=actor.of(old.pk),
            key=f"follows:{new.message_id}",
            queue=open_ids.get(old.queue_id, ""),
            message=new.body,
            message_id=new.message_id,
            priority=old.priority,
            channel=old.channel,
            order=old.order,
            customer=old.customer,
            follows=old,
            opened_at=new.at,
        )
        for new in messages
        for old in [tickets[new.ticket_id]]
    ]
    if not news:
        return []
    opened = open_tickets(news, history=history)
    return list(Message.objects.filter(ticket__in=[each.ticket for each in opened]))


def _wake(
    messages: Sequence[Message], homes: dict[str, Queue], actor: Acting, *, history: bool
) -> None:
    """Bring the tickets of new messages back to work, with an answer owed."""
    latest = {message.ticket_id: message.at for message in messages}
    tickets = list({message.ticket_id: message.ticket for message in messages}.values())
    reopened = [ticket for ticket in tickets if not ticket.is_unsolved]
    for ticket in tickets:
        bring_home(ticket, homes)
        if ticket.status != Ticket.Status.NEW:
            apply_status(ticket, Ticket.Status.OPEN, latest[ticket.pk])
        ticket.due_at = ticket.due_at or answer_due(ticket.priority, latest[ticket.pk])
    save(tickets, ["queue", "status", "due_at", "solved_at"])
    say(tickets, lambda ticket: "The customer wrote", actor)
    if reopened:
        signals.tickets_reopened.send(sender=Ticket, tickets=reopened, actor=actor, history=history)


def _body(text: str) -> str:
    if not text.strip():
        raise EmptyMessage("Write something first.")
    return text.strip()
