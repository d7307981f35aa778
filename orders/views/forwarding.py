"""Shipments that somebody else sends: told, answered, refused, gone."""

from __future__ import annotations

import csv
import io
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.sheets import SheetRefused
from backoffice.views.me import signed_in
from backoffice.workbench.export import quoted
from inventory.services.errors import InventoryError
from orders.forms.forwarding import (
    AcknowledgeForm,
    AnswersForm,
    ForwarderForm,
    LeftForm,
    RefusedForm,
)
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.queries.forwarding import rows_of
from orders.services.errors import OrderError
from orders.services.forwarders import FORWARDER, add_forwarder, edit_forwarder
from orders.services.forwarding import (
    acknowledge,
    mark_sent,
    note_shipped,
    refuse_forwarded,
    send_again,
)
from orders.services.forwarding_answers import read_answers
from orders.tables.forwarding import STATE
from orders.views.carriers import trail

State = ForwardedOrder.State
REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])
may_run = permission_required("orders.run_forwarding", raise_exception=True)


def _row(number: str) -> ForwardedOrder:
    rows = ForwardedOrder.objects.select_related("order", "forwarder__location", "package")
    return get_object_or_404(rows, number=number)


def _page(row: ForwardedOrder) -> str:
    return reverse("forwarded_detail", args=[row.number])


@permission_required("orders.view_forwardedorder", raise_exception=True)
@require_GET
def forwarded_detail(request: HttpRequest, number: str) -> HttpResponse:
    """One forwarded shipment: what is in it, and how far it is."""
    row = _row(number)
    context = {
        "subject": "orders.forwardedorder",
        "record": row,
        "number": row.number,
        "list_url": reverse("forwarded_list"),
        "list_title": "Forwarding",
        "state": STATE[State(row.state)],
        "rows": rows_of([row]),
        "is_known": row.state in ForwardedOrder.KNOWN,
        "is_waiting": row.state in (State.SENT, State.UNANSWERED),
        "is_late": row.state == State.UNANSWERED
        or (row.state == State.SENT and row.answer_by and row.answer_by < timezone.now()),
    }
    return render(request, "orders/forwarded_detail.html", context)


@permission_required("orders.run_forwarding", raise_exception=True)
@require_GET
def forwarded_file(request: HttpRequest) -> HttpResponse:
    """What is to be told as CSV: all that is to send, or one shipment; `?of=FW-1`, `?forwarder=3`.

    The file is the same at every download, so that whoever reads a row twice knows its reference.
    """
    wanted = Q(state=State.TO_SEND)
    if number := request.GET.get("of", ""):
        wanted = Q(number=number)
    elif (forwarder := request.GET.get("forwarder", "")).isdecimal():
        wanted &= Q(forwarder=forwarder)
    held = Q(order__is_held=True)
    rows = rows_of(ForwardedOrder.objects.filter(wanted).exclude(held))
    out = io.StringIO()
    writer = csv.writer(out)
    heads = "reference,order,name,street,city,postcode,country,sku,what,units"
    writer.writerow(heads.split(","))
    for row in rows:
        cells = [str(getattr(row, head)) for head in heads.split(",")]
        writer.writerow([quoted(cell) for cell in cells])
    name = f"to-send-{timezone.localtime():%Y-%m-%d-%H%M}"
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return HttpResponse(out.getvalue(), content_type="text/csv; charset=utf-8", headers=headers)


@may_run
@both
def forwarded_send(request: HttpRequest, number: str) -> HttpResponse:
    """Note that they were told, or tell them again."""
    row = _row(number)
    again = row.state in (State.SENT, State.UNANSWERED)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        # The page's count of sends: a second press finds another one.
        seen = seen_version(request)
        if again:
            done = send_again(row.pk, sends=row.sends if seen is None else seen, actor=actor)
        else:
            done = mark_sent(row.pk, actor=actor)
        return f"{row.reference} is sent" if done else f"{row.reference} was sent already"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=_page(row),
        title=f"{row.reference} is sent{' again' if again else ''}",
        text=f"{row.forwarder} was told, under this reference. They answer within "
        f"{row.forwarder.answer_hours} of their working hours.",
        word="Mark sent",
        refusals=REFUSALS,
        act=act,
    )


@may_run
@both
def forwarded_acknowledge(request: HttpRequest, number: str) -> HttpResponse:
    """They will ship it."""
    row = _row(number)

    def act(values: dict[str, Any]) -> str:
        acknowledge(row.pk, theirs=values["theirs"], actor=actors.person(signed_in(request)))
        return f"{row.reference} is acknowledged"

    return ask(
        request,
        AcknowledgeForm(request.POST or None),
        back=_page(row),
        title=f"{row.forwarder} acknowledges {row.reference}",
        word="Acknowledged",
        refusals=REFUSALS,
        act=act,
    )


@may_run
@both
def forwarded_refuse(request: HttpRequest, number: str) -> HttpResponse:
    """They won't ship it."""
    row = _row(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        refuse_forwarded(row.pk, why=values["why"], actor=actor)
        return f"{row.reference} is refused. Its goods can leave from elsewhere."

    return ask(
        request,
        RefusedForm(request.POST or None),
        back=_page(row),
        title=f"{row.forwarder} refuses {row.reference}",
        text="Its parcel is taken apart, so that the order can ship from another place.",
        word="Refused",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )


@may_run
@both
def forwarded_left(request: HttpRequest, number: str) -> HttpResponse:
    """It has left them."""
    row = _row(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        note_shipped(
            row.pk, service_id=values["service"].pk, tracking=values["tracking"], actor=actor
        )
        return f"{row.reference} has left"

    return ask(
        request,
        LeftForm(request.POST or None),
        back=_page(row),
        title=f"{row.reference} has left",
        word="Has left",
        refusals=REFUSALS,
        act=act,
    )


@may_run
@both
def forwarded_answers(request: HttpRequest) -> HttpResponse:
    """Their answers from a file; a row that can't be done is told and never stops another."""

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        try:
            told = read_answers(values["file"].read(), actor=actor)
        except SheetRefused as error:
            raise OrderError(str(error)) from error
        return told.in_words()

    return ask(
        request,
        AnswersForm(request.POST or None, request.FILES or None),
        back=reverse("forwarded_list"),
        title="Answers from a file",
        text="Each row names a reference of ours and what they say about it. A row that is known "
        "already changes nothing.",
        word="Read",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.view_forwarder", raise_exception=True)
@require_GET
def forwarder_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Who ships from a place for us."""
    row = get_object_or_404(Forwarder.objects.select_related("location", "calendar"), pk=pk)
    context = {
        "subject": FORWARDER,
        "record": row,
        "number": row.name,
        "list_url": reverse("forwarder_list"),
        "list_title": "Who ships for us",
        "open": row.forwarded.filter(state__in=[State.TO_SEND, *ForwardedOrder.KNOWN]).count(),
        "late": row.forwarded.filter(state=State.UNANSWERED).count(),
        "entries": trail(FORWARDER, row.pk),
    }
    return render(request, "orders/forwarder_detail.html", context)


@permission_required("orders.add_forwarder", raise_exception=True)
@both
def forwarder_new(request: HttpRequest) -> HttpResponse:
    """Name somebody who ships for us."""

    def act(values: dict[str, Any]) -> str:
        row = add_forwarder(values, actor=actors.person(signed_in(request)))
        return f"What leaves {row.location} is forwarded to {row} from now on"

    return ask(
        request,
        ForwarderForm(request.POST or None),
        back=reverse("forwarder_list"),
        title="Who ships from a place for us",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_forwarder", raise_exception=True)
@both
def forwarder_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Change by when they answer, and whether they still ship for us."""
    row = get_object_or_404(Forwarder, pk=pk)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_forwarder(row.pk, values, version=seen_version(request), actor=actor)
        return f"{row} is changed"

    initial = {name: getattr(row, name) for name in ForwarderForm.base_fields}
    return ask(
        request,
        ForwarderForm(request.POST or None, initial=initial, known=row),
        back=reverse("forwarder_detail", args=[pk]),
        title=f"Change {row}",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )
