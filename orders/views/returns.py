"""One return, and the steps it takes."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.money import Money
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.returns import InspectForm, RefusalForm, RequestForm
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.queries.conflicts import open_conflicts
from orders.services.errors import OrderError
from orders.services.intake import can_come_back
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    refuse_returns,
    request_returns,
)
from orders.tables.returns import RETURN_STATE

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("orders.view_returnorder", raise_exception=True)
@require_GET
def return_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The return's page."""
    row = get_object_or_404(
        ReturnOrder.objects.select_related("order", "customer", "channel"), number=number
    )
    may_authorise = row.authorised_at is None and row.state != ReturnOrder.State.REFUSED
    context = {
        "subject": "orders.returnorder",
        "record": row,
        "number": row.number,
        "list_url": reverse("return_list"),
        "list_title": "Returns",
        "state": RETURN_STATE[ReturnOrder.State(row.state)],
        "cause": row.unmatched_cause.replace("_", " "),
        "conflicts": open_conflicts(row.order) if row.order is not None else [],
        "coming": row.state in ReturnOrder.COMING,
        "may_authorise": may_authorise and not row.is_history,
        "amount": Money(row.amount, row.currency),
        "lines": [
            (line, Money(line.line_total, row.currency))
            for line in row.lines.select_related("sku").order_by("pk")
        ],
    }
    return render(request, "orders/return_detail.html", context)


def _page(row: ReturnOrder) -> str:
    return reverse("return_detail", args=[row.number])


@permission_required("orders.add_returnorder", raise_exception=True)
@both
def return_request(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for goods of an order to come back."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    lines = [(line, left) for line, left in can_come_back(order) if left > 0]

    def act(values: dict[str, Any]) -> str:
        wanted = tuple(
            NewReturnLine(quantity=values[f"line_{line.pk}"], order_line_id=line.pk)
            for line, _ in lines
            if values[f"line_{line.pk}"]
        )
        draft = NewReturn(
            channel=order.channel,
            lines=wanted,
            order_id=order.pk,
            customer_id=order.customer_id,
            reason=ReturnOrder.Reason(values["reason"]),
        )
        (made,) = request_returns([draft], actor=actors.person(signed_in(request)))
        return f"Return {made} is requested"

    form = RequestForm(request.POST or None, lines=lines)
    return ask(
        request,
        form,
        back=reverse("order_detail", args=[number]),
        title=f"Return of order {order}",
        word="Request",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_receive(request: HttpRequest, number: str) -> HttpResponse:
    """Book the goods into quarantine."""
    row = get_object_or_404(ReturnOrder, number=number)

    def act(values: dict[str, Any]) -> str:
        receive_returns([row.pk], actor=actors.person(signed_in(request)))
        return f"Return {row} is received, in quarantine until it is inspected"

    form = forms.Form(request.POST or None)
    text = "The goods go into quarantine. They are sellable once they are inspected."
    return ask(
        request,
        form,
        back=_page(row),
        title=f"Receive return {row}",
        text=text,
        word="Receive",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_inspect(request: HttpRequest, number: str) -> HttpResponse:
    """Say what may be sold again."""
    row = get_object_or_404(ReturnOrder, number=number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        inspect_returns([row.pk], scrap=form.units(), actor=actor)
        return f"Return {row} is inspected"

    lines = list(row.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku").order_by("pk"))
    form = InspectForm(request.POST or None, lines=lines)
    text = "What is not scrapped goes back in stock. This is said once, and never changed."
    return ask(
        request,
        form,
        back=_page(row),
        title=f"Inspect return {row}",
        text=text,
        word="Done",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_refuse(request: HttpRequest, number: str) -> HttpResponse:
    """Refuse a return that was asked for."""
    row = get_object_or_404(ReturnOrder, number=number)

    def act(values: dict[str, Any]) -> str:
        refusal = ReturnOrder.Refusal(values["refusal"])
        refuse_returns([row.pk], refusal=refusal, actor=actors.person(signed_in(request)))
        return f"Return {row} is refused"

    initial = {"refusal": ReturnOrder.Refusal.LATE} if row.is_late else {}
    form = RefusalForm(request.POST or None, initial=initial)
    return ask(
        request,
        form,
        back=_page(row),
        title=f"Refuse return {row}?",
        word="Refuse",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )
