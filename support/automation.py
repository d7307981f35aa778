"""What support offers to rules."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet

from automations.actions import Call, Done, Outcome, Rejected, SetAction, actions
from automations.triggers import Country, Fact, Scan, Tags, Trigger, labelled, scans, triggers
from backoffice.actors import Acting, Actors
from backoffice.money import Money
from orders.models.orders import Order
from support import signals
from support.forms import AssignForm, NoteForm, OpenTicketForm, SetPriorityForm
from support.models import Message, Ticket
from support.queries import agents_by_name
from support.services import messages, opening, tickets
from support.services.errors import AssigneeInactive
from support.services.opening import NewTicket, open_tickets
from support.services.queues import open_queues, refusal


@dataclass(frozen=True, slots=True)
class TicketFacts:
    number: str = labelled("Ticket number")
    queue: str = labelled("Queue", about="The queue's short name, such as returns.")
    priority: str = labelled("Priority", choices=Ticket.Priority.choices)
    status: str = labelled("Status", choices=Ticket.Status.choices)
    channel: str = labelled("Came by", choices=Ticket.Channel.choices)
    tags: Tags = labelled("Ticket tags")
    is_assigned: bool = labelled("Somebody has it")
    opened_at: datetime = labelled("Opened")
    due_at: datetime | None = labelled("Answer due")


@dataclass(frozen=True, slots=True)
class TicketOrderFacts:
    number: str = labelled("Order number")
    total: Money = labelled("Order total")
    country: Country = labelled("Ships to")
    tags: Tags = labelled("Order tags")
    placed_at: datetime = labelled("Placed")


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


@actions.register
class OpenTicket(SetAction):
    """The message stands in the ticket as a note for staff: it is not sent to the customer."""

    key = "support.open_ticket"
    label = "Open a ticket"
    subject = "orders.order"
    form = OpenTicketForm
    permission = "support.add_ticket"
    makes = "ticket"
    minutes_by_hand = 6

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        queues = open_queues({call.params["queue"] for call in calls})
        orders = Order.objects.in_bulk([call.subject_id for call in calls])
        answers: dict[int, Done | Outcome] = {}
        news: dict[int, NewTicket] = {}
        for index, call in enumerate(calls):
            slug, order = call.params["queue"], orders.get(call.subject_id)
            if slug not in queues:
                answers[index] = Rejected(refusal(slug))
            elif order is None:
                answers[index] = Rejected("The order does not exist any more.")
            else:
                news[index] = _new_ticket(call, order)
        for index, opened in zip(news, open_tickets(list(news.values())), strict=True):
            ticket, queue = opened.ticket, queues[calls[index].params["queue"]]
            answers[index] = Done(
                f"Ticket {ticket.number} opened in {queue}",
                link=("support.ticket", ticket.pk),
                already=not opened.is_new,
                undo={"ticket": ticket.pk, "number": ticket.number},
            )
        return [answers[index] for index in range(len(calls))]

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        return opening.why_not_taken_back(done["ticket"]) if done else "This can't be undone."

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        """The ticket is closed with a note, never deleted."""
        if why := opening.why_not_taken_back(done["ticket"]):
            raise Rejected(why)
        text = "A rule opened this ticket, and that was undone."
        messages.add_note(done["ticket"], text, actor=call.actor, key=call.key)
        solved = tickets.solve([done["ticket"]], actor=call.actor)
        return Done(f"Ticket {done['number']} closed with a note", already=not solved)

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Close ticket {done['number']} with a note"

    def in_words(self, params: Mapping[str, Any]) -> str:
        queue, priority = _written(params["queue"]), _written(params.get("priority", "normal"))
        return f"Open a ticket in “{queue}”, priority {priority}: “{_written(params['subject'])}”"


@actions.register
class SetPriority(SetAction):
    key = "support.set_priority"
    label = "Set a ticket's priority"
    subject = "support.ticket"
    form = SetPriorityForm
    permission = "support.change_ticket"
    writes = ("ticket.priority", "ticket.due_at")

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        before = _now(calls, "priority")

        def act(priority: str, ids: list[int], actor: Acting) -> list[Ticket]:
            return tickets.set_priority(ids, priority, actor=actor)

        return _in_groups(calls, "priority", act, lambda value: f"Priority set to {value}", before)

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        return _changed_since(subject_id, "priority", done, "The priority")

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        if why := self.why_not_undone(call.subject_id, done):
            raise Rejected(why)
        tickets.set_priority([call.subject_id], done["was"], actor=call.actor)
        return Done(f"Priority set back to {done['was']}")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Set the priority back to {done['was']}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Set the ticket's priority to {_written(params['priority'])}"


@actions.register
class AssignTicket(SetAction):
    key = "support.assign_ticket"
    label = "Assign a ticket"
    subject = "support.ticket"
    form = AssignForm
    permission = "support.assign_ticket"
    writes = ("ticket.is_assigned", "ticket.status")

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        before = _now(calls, "assignee__username")
        found = agents_by_name(call.params["assignee"] for call in calls)
        good = {name for name, user in found.items() if tickets.can_answer(user)}

        def act(name: str, ids: list[int], actor: Acting) -> list[Ticket] | Outcome:
            if name not in good:
                return Rejected(
                    f"{found.get(name, name)} can't answer tickets any more. "
                    "Choose somebody else and retry."
                )
            return tickets.assign(ids, found[name], actor=actor)

        return _in_groups(calls, "assignee", act, lambda name: f"Assigned to {name}", before)

    def why_not_undone(self, subject_id: int, done: Mapping[str, Any]) -> str:
        return _changed_since(subject_id, "assignee__username", done, "The assignee")

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        if why := self.why_not_undone(call.subject_id, done):
            raise Rejected(why)
        owner = agents_by_name([done["was"]]).get(done["was"]) if done["was"] else None
        try:
            tickets.assign([call.subject_id], owner, actor=call.actor)
        except AssigneeInactive as error:
            raise Rejected(str(error)) from error
        return Done(f"Assigned to {owner.username if owner else 'nobody'} again")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Give the ticket back to {done['was'] or 'nobody'}"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Assign the ticket to {_written(params['assignee'])}"


@actions.register
class AddNote(SetAction):
    key = "support.add_note"
    label = "Write a note in a ticket"
    subject = "support.ticket"
    form = NoteForm
    permission = "support.answer_ticket"
    never_undone = "A note stays as it was written: people may have acted on it."

    def execute_many(self, calls: Sequence[Call]) -> list[Done | Outcome]:
        written = messages.add_notes(
            [
                messages.NewNote(call.subject_id, call.params["text"], call.actor, call.key)
                for call in calls
            ]
        )
        new = {message.message_id for message in written}
        return [Done("Note written", already=call.key not in new) for call in calls]

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Write a note in the ticket: “{_written(params['text'])}”"


def _new_ticket(call: Call, order: Order) -> NewTicket:
    return NewTicket(
        subject=call.params["subject"],
        actor=call.actor,
        key=call.key,
        queue=call.params["queue"],
        message=call.params["message"],
        direction=Message.Direction.NOTE,
        priority=call.params["priority"],
        channel=Ticket.Channel.RULE,
        order=order,
    )


def _in_groups(
    calls: Sequence[Call],
    param: str,
    act: Callable[[str, list[int], Acting], Sequence[Ticket] | Outcome],
    says: Callable[[str], str],
    before: Mapping[int, str],
) -> list[Done | Outcome]:
    """Run calls with equal parameters together; a ticket that had the value says so.

    `before` is what stood there, for undoing.
    """
    answers: dict[int, Done | Outcome] = {}
    for value in dict.fromkeys(call.params[param] for call in calls):
        group = [index for index, call in enumerate(calls) if call.params[param] == value]
        of = {calls[index].subject_id: calls[index].actor for index in group}
        done = act(value, list(of), Actors(of))
        changed = {} if isinstance(done, Outcome) else {ticket.pk: ticket for ticket in done}
        for index in group:
            pk = calls[index].subject_id
            if isinstance(done, Outcome):
                answers[index] = done
            elif pk not in changed:
                answers[index] = Done(says(value), already=True)
            else:
                kept = {"was": before.get(pk, ""), "is": value, "version": changed[pk].version}
                answers[index] = Done(says(value), undo=kept)
    return [answers[index] for index in range(len(calls))]


def _now(calls: Sequence[Call], column: str) -> dict[int, str]:
    """What stands in a column of the calls' tickets, empty for nothing."""
    rows = Ticket.objects.filter(pk__in={call.subject_id for call in calls})
    return {pk: value or "" for pk, value in rows.values_list("pk", column)}


def _changed_since(subject_id: int, column: str, done: Mapping[str, Any], what: str) -> str:
    """Why a value is not set back: somebody has set another since. Empty: nobody has."""
    if not done:
        return "This can't be undone."
    rows = Ticket.objects.filter(pk=subject_id)
    now = rows.values_list(column, flat=True).first() or ""
    return "" if now == done["is"] else f"{what} is {now or 'nobody'} by now: someone changed it."


def _written(value: Any) -> str:
    """A parameter as the document stores it: written out, a field, a param or a text."""
    match value:
        case {"field": str(name)} | {"param": str(name)} | {"text": str(name)}:
            return name
    return str(value)
