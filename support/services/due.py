"""When the next answer to a customer is due."""

from __future__ import annotations

from datetime import datetime, timedelta

from support.models import Ticket

ANSWER_WITHIN = {
    Ticket.Priority.URGENT: timedelta(hours=1),
    Ticket.Priority.HIGH: timedelta(hours=4),
    Ticket.Priority.NORMAL: timedelta(hours=24),
    Ticket.Priority.LOW: timedelta(hours=72),
}


def answer_due(priority: str, since: datetime) -> datetime:
    """When an answer is due that has been owed `since`."""
    return since + ANSWER_WITHIN[Ticket.Priority(priority)]


def with_priority(ticket: Ticket, priority: str) -> datetime | None:
    """The due time after a change of priority: as much sooner or later as the promise differs."""
    if ticket.due_at is None:
        return None
    before = ANSWER_WITHIN[Ticket.Priority(ticket.priority)]
    return ticket.due_at - before + ANSWER_WITHIN[Ticket.Priority(priority)]
