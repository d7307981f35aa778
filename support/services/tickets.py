"""Change tickets: priority, assignee, queue, status."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice.actors import Acting
from backoffice.models import User
from support import signals
from support.models import Ticket
from support.services.due import answer_due, with_priority
from support.services.errors import AssigneeInactive, QueueClosed, StaleTicket, TicketClosed
from support.services.queues import bring_home, homes_of, open_queues, refusal
from support.services.writing import save, say


@transaction.atomic
def set_priority(
    tickets: Iterable[int], priority: str, *, actor: Acting, version: int | None = None
) -> list[Ticket]:
    """Set the priority of tickets, by id; returns those that changed. `version` as in `lock`."""
    changed = [ticket for ticket in lock(tickets, version) if ticket.priority != priority]
    for ticket in changed:
        ticket.due_at = with_priority(ticket, priority)
        ticket.priority = priority
    save(changed, ["priority", "due_at"])
    say(changed, lambda ticket: f"Priority set to {ticket.priority}", actor)
    return changed


@transaction.atomic
def assign(
    tickets: Iterable[int], assignee: User | None, *, actor: Acting, version: int | None = None
) -> list[Ticket]:
    """Give tickets to a member of staff, None takes them back; returns those that changed.

    Raises AssigneeInactive when that person has left or may not answer tickets.
    """
    if assignee is not None and not can_answer(assignee):
        raise AssigneeInactive(
            f"{assignee} can't answer tickets any more. Choose somebody else and retry."
        )
    changed = [
        ticket
        for ticket in lock(tickets, version)
        if ticket.assignee_id != (assignee.pk if assignee else None)
    ]
    for ticket in changed:
        ticket.assignee = assignee
        if assignee and ticket.status == Ticket.Status.NEW:
            ticket.status = Ticket.Status.OPEN
    save(changed, ["assignee", "status"])
    words = f"Assigned to {assignee}" if assignee else "Assigned to nobody"
    say(changed, lambda ticket: words, actor)
    if changed:
        signals.tickets_assigned.send(sender=Ticket, tickets=changed, actor=actor, history=False)
    return changed


@transaction.atomic
def move_queue(
    tickets: Iterable[int], queue: str, *, actor: Acting, version: int | None = None
) -> list[Ticket]:
    """Move tickets to the queue with this slug; raises QueueClosed when it takes none."""
    target = open_queues([queue]).get(queue)
    if target is None or not queue:
        raise QueueClosed(refusal(queue))
    changed = [ticket for ticket in lock(tickets, version) if ticket.queue_id != target.pk]
    for ticket in changed:
        ticket.queue = target
    save(changed, ["queue"])
    say(changed, lambda ticket: f"Moved to {target}", actor)
    return changed


@transaction.atomic
def set_status(
    tickets: Iterable[int], status: str, *, actor: Acting, version: int | None = None
) -> list[Ticket]:
    """Set the status of tickets; returns those that changed.

    Solving and reopening are announced. Raises TicketClosed for a ticket that is closed for good,
    for closing one that is not solved, and for going back to new.
    """
    ids = set(tickets)
    homes = homes_of(ids)
    changed = [ticket for ticket in lock(ids, version) if ticket.status != status]
    for ticket in changed:
        _guard_status(ticket, status)
        if status in Ticket.UNSOLVED:
            bring_home(ticket, homes)
    now = timezone.now()
    solved = [ticket for ticket in changed if status == Ticket.Status.SOLVED]
    reopened = [t for t in changed if not t.is_unsolved and status in Ticket.UNSOLVED]
    for ticket in changed:
        apply_status(ticket, status, now)
    save(changed, ["queue", "status", "solved_at", "due_at"])
    words = Ticket.Status(status).label
    say(changed, lambda ticket: f"Status set to {words.lower()}", actor)
    if solved:
        signals.tickets_solved.send(sender=Ticket, tickets=solved, actor=actor, history=False)
    if reopened:
        signals.tickets_reopened.send(sender=Ticket, tickets=reopened, actor=actor, history=False)
    return changed


def solve(tickets: Iterable[int], *, actor: Acting, version: int | None = None) -> list[Ticket]:
    """Solve tickets: nothing is owed until the customer writes again."""
    return set_status(tickets, Ticket.Status.SOLVED, actor=actor, version=version)


def reopen(tickets: Iterable[int], *, actor: Acting, version: int | None = None) -> list[Ticket]:
    """Open solved tickets again."""
    return set_status(tickets, Ticket.Status.OPEN, actor=actor, version=version)


def lock(tickets: Iterable[int], version: int | None = None) -> list[Ticket]:
    """Lock tickets by id, in the house's order.

    `version` is the one a form was filled in on, for a single ticket; None where nobody looked at
    a form. Raises StaleTicket when it is no longer the ticket's.
    """
    rows = list(
        Ticket.objects.select_for_update(no_key=True, of=("self",))
        .filter(pk__in=set(tickets))
        .order_by("pk")
    )
    for ticket in rows:
        if version is not None and ticket.version != version:
            raise StaleTicket(
                f"{ticket.number} changed while you were writing. Your text is kept: read what is "
                "new, then send it again."
            )
    return rows


def can_answer(user: User) -> bool:
    """Whether tickets may be given to this member of staff."""
    return user.is_active and user.has_perm("support.answer_ticket")


def apply_status(ticket: Ticket, status: str, now: datetime) -> None:
    """Set a status and what follows from it, on the locked row, unsaved."""
    was_unsolved = ticket.is_unsolved
    ticket.status = status
    if status in (Ticket.Status.SOLVED, Ticket.Status.CLOSED):
        ticket.solved_at = ticket.solved_at or now
        ticket.due_at = None
    elif not was_unsolved:
        ticket.solved_at = None
        ticket.due_at = answer_due(ticket.priority, now)


def _guard_status(ticket: Ticket, status: str) -> None:
    if ticket.status == Ticket.Status.CLOSED:
        raise TicketClosed(f"{ticket.number} is closed for good. Open a follow-up instead.")
    if status == Ticket.Status.NEW:
        raise TicketClosed(f"{ticket.number} has been seen already: set it to open.")
    if status == Ticket.Status.CLOSED and ticket.status != Ticket.Status.SOLVED:
        raise TicketClosed(f"{ticket.number} is not solved. Solve it first.")
