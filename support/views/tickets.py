"""One ticket: what was said, what is owed, and the answer."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.versions import StaleVersion
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from orders.models.orders import Order
from support.forms import (
    AssignForm,
    MoveQueueForm,
    NoteForm,
    OpenTicketForm,
    ReplyForm,
    SetPriorityForm,
)
from support.models import Ticket
from support.queries import agents_by_name, conversation
from support.services.errors import SupportError
from support.services.messages import add_note, reply
from support.services.opening import NewTicket, open_tickets
from support.services.tickets import assign, move_queue, reopen, set_priority, solve
from support.tables import PRIORITY, STATUS, due

REFUSALS = (SupportError,)
both = require_http_methods(["GET", "HEAD", "POST"])


def _ticket(number: str) -> Ticket:
    rows = Ticket.objects.select_related("queue", "assignee", "order", "customer")
    return get_object_or_404(rows, number=number)


def _page(number: str) -> str:
    return reverse("ticket_detail", args=[number])


def _show(
    request: HttpRequest, ticket: Ticket, form: ReplyForm | None = None, status: int = 200
) -> HttpResponse:
    context = {
        "subject": "support.ticket",
        "record": ticket,
        "number": ticket.number,
        "list_url": reverse("ticket_list"),
        "list_title": "Tickets",
        "status": STATUS[Ticket.Status(ticket.status)],
        "priority": PRIORITY[Ticket.Priority(ticket.priority)],
        "due": due(ticket),
        "messages_of": list(conversation(ticket)),
        "form": form
        or ReplyForm(initial={"version": ticket.version, "key": f"page:{uuid4().hex}"}),
    }
    return render(request, "support/ticket_detail.html", context, status=status)


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def ticket_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The ticket's page."""
    return _show(request, _ticket(number))


@permission_required("support.answer_ticket", raise_exception=True)
@require_POST
def ticket_reply(request: HttpRequest, number: str) -> HttpResponse:
    """Answer the customer; a stale page gets its text back with what is new above it."""
    ticket = _ticket(number)
    form = ReplyForm(request.POST)
    if not form.is_valid():
        return _show(request, ticket, form, 422)
    values = form.cleaned_data
    try:
        reply(
            ticket.pk,
            values["text"],
            version=values["version"],
            key=values["key"],
            then=values["then"],
            actor=actors.person(signed_in(request)),
        )
    except StaleVersion as error:
        fresh = request.POST.copy()
        fresh["version"] = str(ticket.version)
        form = ReplyForm(fresh)
        form.add_error(None, str(error))
        return _show(request, ticket, form, 409)
    except SupportError as error:
        form.add_error(None, str(error))
        return _show(request, ticket, form, 422)
    return respond.go(request, _page(number), "The answer is written down")


@permission_required("support.answer_ticket", raise_exception=True)
@both
def ticket_note(request: HttpRequest, number: str) -> HttpResponse:
    ticket = _ticket(number)

    def act(values: dict[str, Any]) -> str:
        add_note(ticket.pk, values["text"], actor=actors.person(signed_in(request)))
        return "The note is written down"

    return _ask(request, ticket, NoteForm, title="Note for staff", word="Write", act=act)


def _ask(
    request: HttpRequest,
    ticket: Ticket,
    form_class: type[forms.Form],
    *,
    title: str,
    word: str,
    act: Any,
    initial: dict[str, Any] | None = None,
) -> HttpResponse:
    return ask(
        request,
        form_class(request.POST or None, initial=initial),
        title=title,
        word=word,
        back=_page(ticket.number),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("support.assign_ticket", raise_exception=True)
@both
def ticket_assign(request: HttpRequest, number: str) -> HttpResponse:
    ticket = _ticket(number)

    def act(values: dict[str, Any]) -> str:
        who = agents_by_name([values["assignee"]])[values["assignee"]]
        actor = actors.person(signed_in(request))
        assign([ticket.pk], who, actor=actor, version=seen_version(request))
        return f"{ticket} is {who}'s"

    now = {"assignee": ticket.assignee.username if ticket.assignee else request.user.get_username()}
    return _ask(
        request, ticket, AssignForm, title=f"Assign {ticket}", word="Assign", act=act, initial=now
    )


@permission_required("support.change_ticket", raise_exception=True)
@both
def ticket_priority(request: HttpRequest, number: str) -> HttpResponse:
    ticket = _ticket(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        set_priority([ticket.pk], values["priority"], actor=actor, version=seen_version(request))
        return f"{ticket} has the priority {values['priority']}"

    now = {"priority": ticket.priority}
    return _ask(
        request,
        ticket,
        SetPriorityForm,
        title=f"Priority of {ticket}",
        word="Set",
        act=act,
        initial=now,
    )


@permission_required("support.assign_ticket", raise_exception=True)
@both
def ticket_move(request: HttpRequest, number: str) -> HttpResponse:
    ticket = _ticket(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        move_queue([ticket.pk], values["queue"], actor=actor, version=seen_version(request))
        return f"{ticket} has moved"

    now = {"queue": ticket.queue.slug}
    return _ask(
        request, ticket, MoveQueueForm, title=f"Move {ticket}", word="Move", act=act, initial=now
    )


@permission_required("support.solve_ticket", raise_exception=True)
@require_POST
def ticket_solve(request: HttpRequest, number: str) -> HttpResponse:
    """Solve the ticket, or open it again."""
    ticket = _ticket(number)
    actor = actors.person(signed_in(request))
    try:
        if ticket.is_unsolved:
            solve([ticket.pk], actor=actor, version=seen_version(request))
        else:
            reopen([ticket.pk], actor=actor, version=seen_version(request))
    except StaleVersion as error:
        return respond.toast(str(error), level="bad", refresh=False)
    except SupportError as error:
        return respond.toast(str(error), level="bad", refresh=False)
    said = "is solved" if ticket.is_unsolved else "is open again"
    return respond.go(request, _page(number), f"{ticket} {said}")


class NewTicketForm(OpenTicketForm):
    """A ticket that a person opens, about an order or not."""

    order = forms.CharField(max_length=40, required=False, label="Order number")
    field_order = ("subject", "queue", "priority", "order", "message")

    def clean_order(self) -> Order | None:
        number = self.cleaned_data["order"].strip()
        if not number:
            return None
        order = Order.objects.filter(number=number).select_related("customer").first()
        if order is None:
            raise forms.ValidationError(f"There is no order {number}.")
        return order


@permission_required("support.add_ticket", raise_exception=True)
@both
def ticket_new(request: HttpRequest) -> HttpResponse:
    """Open a ticket by hand."""
    form = NewTicketForm(request.POST or None, initial={"order": request.GET.get("order", "")})
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            values = form.cleaned_data
            new = NewTicket(
                subject=values["subject"],
                actor=actors.person(signed_in(request)),
                queue=values["queue"],
                message=values["message"],
                direction="note",
                priority=values["priority"],
                channel=Ticket.Channel.PHONE,
                order=values["order"],
            )
            try:
                (opened,) = open_tickets([new])
            except SupportError as error:
                form.add_error(None, str(error))
            else:
                number = opened.ticket.number
                return respond.go(request, _page(number), f"{number} is open")
    context = {"title": "New ticket", "form": form, "word": "Open", "action": request.path}
    return render(request, "components/dialog.html", context, status=status)
