"""Reads of support for screens and the apps above."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from backoffice.models import User
from support.models import ConsentEvent, Message, Queue, Ticket


@dataclass(frozen=True, slots=True)
class QueueCount:
    """One queue with its open work: unsolved, past due, nobody's."""

    queue: Queue
    unsolved: int
    overdue: int
    unassigned: int


def by_due_time(tickets: QuerySet[Ticket] | None = None) -> QuerySet[Ticket]:
    """Unsolved tickets, the one whose answer is due first on top; nothing owed comes last."""
    rows = Ticket.objects.unsolved() if tickets is None else tickets
    return rows.select_related("queue", "assignee", "order").order_by(
        F("due_at").asc(nulls_last=True), "pk"
    )


def tickets_of(user: User) -> QuerySet[Ticket]:
    """A person's unsolved tickets by due time."""
    return by_due_time(Ticket.objects.unsolved().filter(assignee=user))


def queue_counts() -> list[QueueCount]:
    """Open work per queue, in one query; closed queues with nothing left are left out."""
    now = timezone.now()
    unsolved = Q(tickets__status__in=Ticket.UNSOLVED)
    rows = Queue.objects.annotate(
        unsolved=Count("tickets", filter=unsolved),
        overdue=Count("tickets", filter=unsolved & Q(tickets__due_at__lt=now)),
        unassigned=Count("tickets", filter=unsolved & Q(tickets__assignee=None)),
    ).order_by("-is_default", "name")
    return [
        QueueCount(row, row.unsolved, row.overdue, row.unassigned)
        for row in rows
        if row.is_active or row.unsolved
    ]


def conversation(ticket: Ticket) -> QuerySet[Message]:
    """What was said in a ticket, oldest first."""
    return ticket.messages.select_related("user", "customer").order_by("at", "pk")


def tickets_in_words(ids: Iterable[int]) -> dict[int, str]:
    """How tickets stand: `new, in General, nobody’s`."""
    rows = Ticket.objects.filter(pk__in=set(ids)).select_related("queue", "assignee")
    return {
        row.pk: f"{row.get_status_display().lower()}, in {row.queue.name}, "
        f"{row.assignee or 'nobody’s'}"
        for row in rows
    }


def tickets_on_order(order_id: int) -> QuerySet[Ticket]:
    """An order's tickets, newest first."""
    return (
        Ticket.objects.filter(order_id=order_id)
        .select_related("queue", "assignee")
        .order_by("-opened_at", "-pk")
    )


def tickets_of_customers(customer_ids: Collection[int]) -> QuerySet[Ticket]:
    """Tickets of these customers, or about their orders, newest first."""
    # Each half has its index; an OR over both would read every ticket.
    theirs = Ticket.objects.order_by().filter(customer__in=customer_ids).values("pk")
    of_orders = Ticket.objects.order_by().filter(order__customer__in=customer_ids).values("pk")
    rows = Ticket.objects.filter(pk__in=theirs.union(of_orders))
    return rows.select_related("queue", "assignee").order_by("-opened_at", "-pk")


def last_said(customer_ids: Collection[int], limit: int) -> list[Message]:
    """What was said to and by these customers last, notes left out; newest first."""
    tickets = tickets_of_customers(customer_ids).order_by().values("pk")
    rows = Message.objects.filter(ticket__in=tickets).exclude(direction=Message.Direction.NOTE)
    return list(rows.select_related("ticket").order_by("-at", "-pk")[:limit])


def consents_of(customer_ids: Collection[int]) -> list[ConsentEvent]:
    """What customers said last, by medium and purpose."""
    rows = ConsentEvent.objects.filter(customer__in=customer_ids).order_by(
        "medium", "purpose", "-pk"
    )
    return list(rows.distinct("medium", "purpose"))


def queue_choices() -> list[tuple[str, str]]:
    """Every queue by slug, open ones first; a closed one says so, and is refused when used."""
    rows = Queue.objects.order_by("-is_active", "name")
    return [(row.slug, row.name if row.is_active else f"{row.name} (closed)") for row in rows]


def agents() -> QuerySet[User]:
    """Staff who may answer tickets, those who left included, by name."""
    return (
        User.objects.filter(groups__permissions__codename="answer_ticket")
        .distinct()
        .order_by("-is_active", "first_name", "last_name", "pk")
    )


def agent_choices() -> list[tuple[str, str]]:
    """Those staff by user name; who left says so, and is refused when used."""
    return [(user.username, f"{user}" if user.is_active else f"{user} (left)") for user in agents()]


def agents_by_name(usernames: Iterable[str]) -> dict[str, User]:
    """Staff by user name, whether or not they may still answer; unknown names are left out."""
    return {user.username: user for user in User.objects.filter(username__in=set(usernames))}
