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
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.services.errors import OrderError
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
    row = get_object_or_404(ReturnOrder.objects.select_related("order", "customer"), number=number)
    context = {
        "subject": "orders.returnorder",
        "record": row,
        "number": row.number,
        "list_url": reverse("return_list"),
        "list_title": "Returns",
        "state": RETURN_STATE[ReturnOrder.State(row.state)],
        "amount": Money(row.amount, row.currency),
        "lines": [
            (line, Money(line.line_total, row.currency))
            for line in row.lines.select_related("sku").order_by("pk")
        ],
    }
    return render(request, "orders/return_detail.html", context)


def _page(row: ReturnOrder) -> str:
    return reverse("return_detail", args=[row.number])


class RequestForm(forms.Form):
    """How many units of each line come back, and why."""

    reason = forms.ChoiceField(choices=ReturnOrder.Reason.choices)

    def __init__(self, *args: Any, lines: list[OrderLine], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for line in lines:
            left = line.quantity_shipped - line.quantity_returned
            self.fields[f"line_{line.pk}"] = forms.IntegerField(
                label=line.description,
                min_value=0,
                max_value=left,
                initial=0,
                help_text=f"of {left} that can come back",
            )

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not any(values.get(name) for name in self.fields if name.startswith("line_")):
            raise forms.ValidationError("Say how many units of at least one line come back.")
        return values


@permission_required("orders.add_returnorder", raise_exception=True)
@both
def return_request(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for goods of an order to come back."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    lines = [line for line in order.lines.order_by("position") if _can_come_back(line)]

    def act(values: dict[str, Any]) -> str:
        wanted = tuple(
            NewReturnLine(quantity=values[f"line_{line.pk}"], order_line_id=line.pk)
            for line in lines
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


def _can_come_back(line: OrderLine) -> bool:
    return line.quantity_shipped > line.quantity_returned


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


class InspectForm(forms.Form):
    """Which lines are scrapped; the rest goes back in stock."""

    scrap = forms.MultipleChoiceField(
        required=False, widget=forms.CheckboxSelectMultiple, label="Scrap these lines"
    )

    def __init__(self, *args: Any, lines: list[ReturnLine], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["scrap"]
        if isinstance(field, forms.MultipleChoiceField):
            field.choices = [(str(line.pk), str(line)) for line in lines]


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_inspect(request: HttpRequest, number: str) -> HttpResponse:
    """Say what may be sold again."""
    row = get_object_or_404(ReturnOrder, number=number)

    def act(values: dict[str, Any]) -> str:
        scrap = [int(pk) for pk in values["scrap"]]
        inspect_returns([row.pk], scrap=scrap, actor=actors.person(signed_in(request)))
        return f"Return {row} is inspected"

    form = InspectForm(request.POST or None, lines=list(row.lines.order_by("pk")))
    text = "What is not ticked goes back in stock."
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
        refuse_returns([row.pk], actor=actors.person(signed_in(request)))
        return f"Return {row} is refused"

    form = forms.Form(request.POST or None)
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
