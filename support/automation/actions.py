"""What rules can do to tickets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from automations.actions import Call, Change, Done, How, Outcome, Rejected, SetAction, actions
from backoffice.actors import Acting, Actors
from orders.models.orders import Order
from support.forms import AssignForm, NoteForm, OpenTicketForm, SetPriorityForm
from support.models import Message, Ticket
from support.queries import agents_by_name
from support.services import messages, opening, tickets
from support.services.errors import AssigneeInactive
from support.services.opening import NewTicket, open_tickets
from support.services.queues import open_queues, refusal


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
    announces = ("support.ticket_opened",)

    def tells(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        known = {"ticket.queue": params.get("queue"), "ticket.priority": params.get("priority")}
        told = {path: value for path, value in known.items() if value}
        return {**told, "ticket.channel": Ticket.Channel.RULE.value, "ticket.is_assigned": False}

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

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (Change("ticket.priority", How.SETS, "the priority", params.get("priority")),)

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

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        return (
            Change("ticket.assignee", How.SETS, "who has the ticket", params.get("assignee")),
            Change("ticket.is_assigned", How.SETS, "that somebody has it", True, follows=True),
        )

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
