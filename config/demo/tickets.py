"""Tickets of the demonstration company: what customers of a gift shop write, and a few answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from backoffice.actors import Actor, outside, person
from backoffice.models import User
from backoffice.roles import SUPPORT
from config.demo.slice import chance
from orders.models.orders import Order
from support.models import Ticket
from support.services.messages import reply
from support.services.opening import NewTicket, open_tickets
from support.services.tickets import assign

MAIL = outside("Customer mail")


@dataclass(frozen=True, slots=True)
class Letter:
    """What a customer writes; `answer` is what support says to it, or "" where nobody has yet."""

    subject: str
    body: str
    queue: str = "orders"
    priority: str = Ticket.Priority.NORMAL
    answer: str = ""
    solved: bool = False


_LETTERS = (
    Letter(
        "Where is my parcel?",
        "Hello, I ordered last week and have heard nothing since. Could you tell me where order"
        " {number} is?",
        answer="It left our warehouse on the day you ordered. I have asked the carrier and will"
        " write again tomorrow.",
    ),
    Letter(
        "Two items arrived broken",
        "Two pieces of order {number} were in shards when I opened the box. I can send pictures.",
        queue="returns",
        priority=Ticket.Priority.HIGH,
    ),
    Letter(
        "Invoice with our VAT number",
        "Please send the invoice for order {number} again, with our VAT number on it.",
        answer="The corrected invoice is on its way to you by mail.",
        solved=True,
    ),
    Letter(
        "Wrong colour in the box",
        "I ordered the blue ones and got red ones (order {number}). How do we swap them?",
        queue="returns",
    ),
    Letter(
        "Can you change the address?",
        "We have moved. Can order {number} still go to the new address?",
        priority=Ticket.Priority.HIGH,
    ),
    Letter(
        "Refund not here yet",
        "I sent the goods of order {number} back three weeks ago and still wait for my money.",
        queue="returns",
        priority=Ticket.Priority.URGENT,
    ),
    Letter(
        "A lovely order, thank you",
        "Everything of order {number} came quickly and well packed. Just wanted to say so.",
        answer="Thank you, that made our morning. I have passed it on to the warehouse.",
        solved=True,
    ),
    Letter(
        "Is delivery before Friday possible?",
        "The party is on Saturday. Will order {number} be here in time?",
    ),
)


def write_letters(orders: Sequence[Order]) -> None:
    """Open a ticket for each of these orders; a repeat opens nothing twice."""
    now = timezone.now()
    letters = list(_addressed(orders, now))
    opened = open_tickets([new for new, _ in letters], history=True)
    desk = User.objects.filter(groups__name=SUPPORT, is_active=True).order_by("pk").first()
    for made, (_, letter) in zip(opened, letters, strict=True):
        if desk is None or not made.is_new or not letter.answer:
            continue
        _answer(made.ticket, letter, desk, person(desk))


def _addressed(orders: Sequence[Order], now: datetime) -> Iterator[tuple[NewTicket, Letter]]:
    for place, order in enumerate(orders):
        letter = _LETTERS[place % len(_LETTERS)]
        hours = 1 + chance(order.number, 60)
        yield (
            NewTicket(
                subject=letter.subject,
                actor=MAIL,
                key=f"demo:ticket:{order.number}",
                queue=letter.queue,
                message=letter.body.format(number=order.number),
                priority=letter.priority,
                order=order,
                opened_at=max(order.placed_at, now - timedelta(hours=hours)),
            ),
            letter,
        )


def _answer(ticket: Ticket, letter: Letter, desk: User, actor: Actor) -> None:
    assign([ticket.pk], desk, actor=actor)
    ticket.refresh_from_db()
    then = Ticket.Status.SOLVED if letter.solved else Ticket.Status.PENDING
    reply(ticket.pk, letter.answer, version=ticket.version, actor=actor, then=then)
