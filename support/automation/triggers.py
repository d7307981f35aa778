"""Facts of tickets that rules can start on, and the tickets that schedules go over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from automations.triggers import Country, Fact, Scan, Tags, Trigger, labelled, scans, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from orders.models.orders import Order
from support import signals
from support.models import Message, Ticket


@dataclass(frozen=True, slots=True)
class TicketFacts:
    number: str = labelled("Ticket number", lasting=True)
    queue: str = labelled("Queue", about="The queue's short name, such as returns.")
    priority: str = labelled("Priority", choices=Ticket.Priority.choices)
    status: str = labelled("Status", choices=Ticket.Status.choices)
    channel: str = labelled("Came by", choices=Ticket.Channel.choices, lasting=True)
    tags: Tags = labelled("Ticket tags")
    is_assigned: bool = labelled("Somebody has it")
    opened_at: datetime = labelled("Opened", lasting=True)
    due_at: datetime | None = labelled("Answer due")


@dataclass(frozen=True, slots=True)
class TicketOrderFacts:
    number: str = labelled("Order number", lasting=True)
    total: Money = labelled("Order total", lasting=True)
    country: Country = labelled("Ships to", lasting=True)
    tags: Tags = labelled("Order tags")
    placed_at: datetime = labelled("Placed", lasting=True)


@dataclass(frozen=True, slots=True)
class TicketPayload:
    ticket: TicketFacts
    order: TicketOrderFacts | None = labelled("Linked order")


def _payload(ticket: Ticket) -> TicketPayload:
    facts = TicketFacts(
        number=ticket.number,
        queue=ticket.queue.slug,
        priority=ticket.priority,
        status=ticket.status,
        channel=ticket.channel,
        tags=Tags(tuple(ticket.tags)),
        is_assigned=ticket.assignee_id is not None,
        opened_at=ticket.opened_at,
        due_at=ticket.due_at,
    )
    return TicketPayload(facts, _order(ticket.order) if ticket.order else None)


def _order(order: Order) -> TicketOrderFacts:
    return TicketOrderFacts(
        number=order.number,
        total=order.total_money,
        country=Country(order.ship_country),
        tags=Tags(tuple(order.tags)),
        placed_at=order.placed_at,
    )


def _fact(ticket: Ticket, at: datetime, actor: Acting, *, history: bool) -> Fact:
    return Fact(
        subject_id=ticket.pk,
        subject_version=ticket.version,
        payload=_payload(ticket),
        occurred_at=at,
        actor=actor.of(ticket.pk),
        history=history,
    )


def _current(ids: Iterable[int]) -> dict[int, TicketPayload]:
    rows = Ticket.objects.filter(pk__in=set(ids)).select_related("queue", "order")
    return {ticket.pk: _payload(ticket) for ticket in rows}


class _TicketTrigger(Trigger):
    subject = "support.ticket"
    payload_class = TicketPayload

    def current(self, ids: Iterable[int]) -> dict[int, TicketPayload]:
        return _current(ids)


@scans.register
class Tickets(Scan):
    key = subject = "support.ticket"
    label = "Tickets"
    example = "Every ticket, solved ones too."
    payload_class = TicketPayload
    columns = {
        "ticket.number": "number",
        "ticket.queue": "queue__slug",
        "ticket.priority": "priority",
        "ticket.status": "status",
        "ticket.channel": "channel",
        "ticket.tags": "tags",
        "ticket.is_assigned": "is_assigned",
        "ticket.opened_at": "opened_at",
        "ticket.due_at": "due_at",
        "order.number": "order__number",
        "order.total": ("order__total", "order__currency"),
        "order.country": "order__ship_country",
        "order.tags": "order__tags",
        "order.placed_at": "order__placed_at",
    }

    def rows(self) -> QuerySet[Ticket]:
        assigned = ExpressionWrapper(Q(assignee__isnull=False), output_field=BooleanField())
        return Ticket.objects.annotate(is_assigned=assigned)

    def current(self, ids: Iterable[int]) -> dict[int, TicketPayload]:
        return _current(ids)


@triggers.register
class TicketOpened(_TicketTrigger):
    key = "support.ticket_opened"
    label = "Ticket opened"
    example = "A customer asks where order 1000123 is."
    signal = signals.tickets_opened

    def facts(
        self, *, tickets: Sequence[Ticket], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [_fact(each, each.opened_at, actor, history=history) for each in tickets]


@triggers.register
class TicketMessageReceived(_TicketTrigger):
    key = "support.ticket_message_received"
    label = "Customer wrote in a ticket"
    example = "A customer answers in ticket T-5521."
    signal = signals.messages_received

    def facts(
        self, *, messages: Sequence[Message], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [_fact(each.ticket, each.at, actor, history=history) for each in messages]


@triggers.register
class TicketSolved(_TicketTrigger):
    key = "support.ticket_solved"
    label = "Ticket solved"
    example = "Support solves ticket T-5521."
    signal = signals.tickets_solved

    def facts(
        self, *, tickets: Sequence[Ticket], actor: Acting, history: bool, **sent: Any
    ) -> list[Fact]:
        return [
            _fact(each, each.solved_at or each.opened_at, actor, history=history)
            for each in tickets
        ]
