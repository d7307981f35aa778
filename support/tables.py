"""The lists of tickets and queues."""

from __future__ import annotations

from django.db.models import Q
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Age, Choice, Text, yes_no
from orders.tables.stores import store_filters
from support.models import Queue, Ticket
from support.queries import agent_choices, queue_choices

STATUS = {
    Ticket.Status.NEW: ("info", "inbox"),
    Ticket.Status.OPEN: ("warn", "headset"),
    Ticket.Status.PENDING: ("wait", "clock"),
    Ticket.Status.ON_HOLD: ("wait", "player-pause"),
    Ticket.Status.SOLVED: ("ok", "circle-check"),
    Ticket.Status.CLOSED: ("wait", "lock"),
}
PRIORITY = {
    Ticket.Priority.LOW: ("wait", "arrow-down"),
    Ticket.Priority.NORMAL: ("wait", "minus"),
    Ticket.Priority.HIGH: ("warn", "arrow-up"),
    Ticket.Priority.URGENT: ("bad", "alert-circle"),
}
UNSOLVED = "status=new&status=open&status=pending&status=on_hold"


def status(ticket: Ticket) -> SafeString:
    token, sign = STATUS[Ticket.Status(ticket.status)]
    return ui.status(token, ticket.get_status_display(), sign)


def priority(ticket: Ticket) -> SafeString:
    token, sign = PRIORITY[Ticket.Priority(ticket.priority)]
    return ui.status(token, ticket.get_priority_display(), sign)


def due(ticket: Ticket) -> SafeString | str:
    """When the next answer is due; red once it is late."""
    if ticket.due_at is None:
        return ui.NONE
    if ticket.due_at < timezone.now():
        return ui.status("bad", ui.ago(ticket.due_at))
    return ui.ago(ticket.due_at)


def assignee(ticket: Ticket) -> SafeString | str:
    return ui.person(ticket.assignee) if ticket.assignee else ui.NONE


TICKETS = Workbench[Ticket](
    key="support.tickets",
    title="Tickets",
    noun="ticket",
    url_name="ticket_list",
    permission="support.view_ticket",
    queryset=lambda user: Ticket.objects.all(),
    decorate=lambda rows: rows.select_related("queue", "assignee", "order", "customer"),
    row_label=lambda ticket: ticket.number,
    row_url=lambda ticket: reverse("ticket_detail", args=[ticket.number]),
    columns=(
        Column("number", "Ticket", "number", sort="pk", main=True),
        Column("subject", "Subject", "subject", wide=True),
        Column("status", "Status", status, sort="status", export=lambda t: t.status),
        Column("priority", "Priority", priority, export=lambda t: t.priority),
        Column("queue", "Queue", "queue.name", sort="queue__name"),
        Column("assignee", "Assignee", assignee, export=lambda t: t.assignee),
        Column("order", "Order", lambda t: t.order.number if t.order else ui.NONE),
        Column(
            "due", "Answer due", due, sort="due_at", export=lambda t: t.due_at, hint="No one waits"
        ),
        Column("opened", "Opened", "opened_at", sort="opened_at", kind="time"),
        Column("channel", "Came by", lambda t: t.get_channel_display(), default=False),
    ),
    filters=(
        Choice(
            key="status",
            label="Status",
            options=Ticket.Status.choices,
            field="status",
            pinned=True,
        ),
        Choice(
            key="queue",
            label="Queue",
            options=queue_choices,
            field="queue__slug",
            pinned=True,
        ),
        Choice(key="priority", label="Priority", options=Ticket.Priority.choices, field="priority"),
        Choice(key="assignee", label="Assignee", options=agent_choices, field="assignee__username"),
        yes_no("nobody", "Nobody’s", Q(assignee=None)),
        yes_no("late", "Answer is late", Q(due_at__lt=Now())),
        Age(key="age", label="Age", field="opened_at"),
        Text(key="order", label="Order", field="order__number", lookup="exact"),
        Choice(key="channel", label="Came by", options=Ticket.Channel.choices, field="channel"),
        Text(key="customer", label="Customer number", field="customer__number", lookup="exact"),
        *store_filters("order__channel"),
    ),
    search=lambda words: (
        Q(number__iexact=words) | Q(subject__icontains=words) | Q(order__number=words)
    ),
    search_hint="Number, subject or order",
    sort=("due_at", "pk"),
    views=(
        View(
            "unsolved",
            "Unsolved",
            f"{UNSOLVED}&sort=due",
            default_for=("support",),
            empty="Every ticket is solved.",
        ),
        View("late", "Late", f"{UNSOLVED}&late=yes&sort=due", empty="No answer is late."),
        View("nobody", "Nobody’s", f"{UNSOLVED}&nobody=yes&sort=due", empty="All have someone."),
        View("urgent", "Urgent", f"{UNSOLVED}&priority=urgent&priority=high&sort=due"),
        View("all", "All"),
    ),
    bulk=("support.assign", "support.priority", "support.move", "support.solve"),
    actions_template="support/_ticket_actions.html",
    empty=Empty("No tickets yet.", "They come from customers, or a rule opens them."),
)

QUEUES = Workbench[Queue](
    key="support.queues",
    title="Queues",
    noun="queue",
    url_name="queue_list",
    permission="support.view_queue",
    queryset=lambda user: Queue.objects.all(),
    row_label=lambda queue: queue.name,
    row_url=lambda queue: reverse("queue_detail", args=[queue.slug]),
    columns=(
        Column("name", "Queue", "name", sort="name", main=True),
        Column("description", "For", "description", wide=True),
        Column(
            "state",
            "State",
            lambda q: (
                ui.status("ok", "Open") if q.is_active else ui.status("wait", "Closed", "ban")
            ),
            sort="is_active",
            export=lambda q: q.is_active,
        ),
        Column("default", "Default", "is_default"),
    ),
    filters=(yes_no("open", "Open", Q(is_active=True)),),
    search=("name__icontains",),
    sort=("name",),
    empty=Empty("No queues yet."),
)
