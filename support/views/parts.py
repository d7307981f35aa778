"""What support shows on other pages, on home, in the rail and in the search."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from backoffice import counts, home, panels, search
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.views.me import signed_in
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.queries.customers import everyone_in
from support.forms import AssignForm, MoveQueueForm, SetPriorityForm
from support.models import Ticket
from support.queries import (
    agents_by_name,
    by_due_time,
    last_said,
    tickets_of,
    tickets_of_customers,
    tickets_on_order,
)
from support.services.errors import SupportError
from support.services.tickets import assign, move_queue, set_priority, solve
from support.tables import due, status

SHOWN = 8


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def order_tickets(request: HttpRequest, pk: int) -> HttpResponse:
    """The tickets of an order, on the order's page."""
    order = get_object_or_404(Order, pk=pk)
    rows = [(ticket, status(ticket)) for ticket in tickets_on_order(pk)[:20]]
    return render(request, "support/_order_tickets.html", {"order": order, "rows": rows})


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def customer_tickets(request: HttpRequest, pk: int) -> HttpResponse:
    """A customer's tickets and what was said in them last, on the customer's page."""
    customer = get_object_or_404(Customer, pk=pk)
    family = everyone_in(customer.pk)
    rows = [(ticket, status(ticket)) for ticket in tickets_of_customers(family)[:SHOWN]]
    context = {"customer": customer, "rows": rows, "messages": last_said(family, SHOWN)}
    return render(request, "support/_customer_tickets.html", context)


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def ticket_home_mine(request: HttpRequest) -> HttpResponse:
    """My tickets, the next answer first."""
    mine = tickets_of(signed_in(request))
    context = {
        "title": "My tickets",
        "empty": "None of the open tickets is yours.",
        "rows": [(ticket, due(ticket)) for ticket in mine[:SHOWN]],
        "number": mine.count(),
        "url": f"{reverse('ticket_list')}?assignee={request.user.get_username()}",
        "panel_id": "home-tickets-mine",
    }
    return render(request, "support/_home_tickets.html", context)


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def ticket_home_nobody(request: HttpRequest) -> HttpResponse:
    """Tickets that nobody has taken."""
    rows = by_due_time(Ticket.objects.unsolved().filter(assignee=None))
    context = {
        "title": "Nobody’s tickets",
        "empty": "Every open ticket has someone.",
        "rows": [(ticket, due(ticket)) for ticket in rows[:SHOWN]],
        "number": rows.count(),
        "url": f"{reverse('ticket_list')}?view=nobody",
        "panel_id": "home-tickets-nobody",
    }
    return render(request, "support/_home_tickets.html", context)


def _find_tickets(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    for ticket in Ticket.objects.filter(number__iexact=words)[:limit]:
        url = reverse("ticket_detail", args=[ticket.number])
        yield search.Hit("ticket", str(ticket.number), url, ticket.get_status_display(), "headset")


def _count(user: User) -> counts.Count:
    return counts.Count(Ticket.objects.unsolved().count())


def _each(ids: Sequence[int], act: Callable[[int], object]) -> Iterable[Outcome]:
    """One outcome for each ticket, so that one refusal does not stop the others."""
    for pk in ids:
        try:
            act(pk)
        except SupportError as error:
            yield Outcome(pk, ok=False, message=str(error))
        else:
            yield Outcome(pk, ok=True)


def _assign(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    who = agents_by_name([params["assignee"]])[params["assignee"]]
    return _each(ids, lambda pk: assign([pk], who, actor=actor))


def _prioritise(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda pk: set_priority([pk], params["priority"], actor=actor))


def _move(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda pk: move_queue([pk], params["queue"], actor=actor))


def _solve(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(ids, lambda pk: solve([pk], actor=actor))


BULK = (
    ("assign", "Assign", "Assigned", "support.assign_ticket", _assign, AssignForm, "a", "user"),
    (
        "priority",
        "Set priority",
        "Set the priority of",
        "support.change_ticket",
        _prioritise,
        SetPriorityForm,
        "p",
        "arrow-up",
    ),
    ("move", "Move", "Moved", "support.assign_ticket", _move, MoveQueueForm, "v", "inbox"),
    ("solve", "Solve", "Solved", "support.solve_ticket", _solve, None, "s", "check"),
)


def _register_panels() -> None:
    see = "support.view_ticket"
    panels.register(panels.Panel("orders.order", "Tickets", "order_tickets", see, order=10))
    panels.register(
        panels.Panel(
            "orders.customer", "Tickets and messages", "customer_tickets", see, 10, slot="main"
        )
    )
    panels.register(panels.Panel("orders.customer", "Consent", "customer_consents", see, order=15))


def register_everywhere() -> None:
    """Called once when the app is ready."""
    for key, label, done, permission, run, form, shortcut, icon in BULK:
        bulk.register(
            BulkAction(
                key=f"support.{key}",
                label=label,
                done=done,
                permission=permission,
                run=run,
                form=form,
                shortcut=shortcut,
                icon=icon,
                subject="support.ticket",
            )
        )
    desk = ("support", "administrator")
    mine = home.HomePanel("My tickets", "ticket_home_mine", "support.view_ticket", 20, desk)
    home.register(mine)
    home.register(
        home.HomePanel(
            "Nobody’s tickets",
            "ticket_home_nobody",
            "support.view_ticket",
            25,
            (*desk, "operations", "auditor"),
        )
    )
    _register_panels()
    search.register("Tickets", "support.view_ticket", _find_tickets)
    counts.register("ticket_list", _count)
