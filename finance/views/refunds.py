"""One refund: asked for by one person, released by another."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from finance.forms import ApproveRefundForm, RejectRefundForm, RequestRefundForm
from finance.models.refunds import Refund
from finance.queries import balance_shown, entries_of
from finance.services.errors import FinanceError
from finance.services.refunds import (
    approve_refund,
    reject_refund,
    request_refund,
    withdraw_refund,
)
from finance.tables import REFUND
from finance.views.alone import paid_or_waits, who_decides, word_of
from orders.models.orders import Order
from orders.queries.conflicts import open_conflicts

REFUSALS = (FinanceError,)
both = require_http_methods(["GET", "HEAD", "POST"])


def _refund(number: str) -> Refund:
    rows = Refund.objects.select_related(
        "order", "requested_by", "approved_by", "payment", "return_order", "claim", "exchange"
    )
    return get_object_or_404(rows, number=number)


@permission_required("finance.view_refund", raise_exception=True)
@require_GET
def refund_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The refund's page, with the verdict first."""
    refund = _refund(number)
    balance = balance_shown(refund.order)
    context = {
        "subject": "finance.refund",
        "record": refund,
        "number": refund.number,
        "list_url": reverse("refund_list"),
        "list_title": "Refunds",
        "state": REFUND[Refund.State(refund.state)],
        "conflicts": open_conflicts(refund.order),
        "is_mine": refund.requested_by_id == request.user.pk,
        "waits": refund.state == Refund.State.REQUESTED,
        "refundable": balance.refundable,
        "paid": refund.order.money(balance.paid),
        "refunded": refund.order.money(balance.refunded),
        "parts": [
            (part, refund.order.money(part.amount), refund.order.money(part.tax))
            for part in refund.lines.select_related("order_line__sku").order_by("pk")
        ],
        "entries": list(entries_of("finance.refund", refund.pk)),
        "others": list(refund.order.refunds.exclude(pk=refund.pk).order_by("pk")),
    }
    return render(request, "finance/refund_detail.html", context)


class AskForm(RequestRefundForm):
    """The key makes a double click ask once."""

    key = forms.CharField(widget=forms.HiddenInput, max_length=60)


@permission_required("finance.request_refund", raise_exception=True)
@both
def refund_request(request: HttpRequest, number: str) -> HttpResponse:
    """Ask finance to pay money of an order back."""
    order = get_object_or_404(Order, number=number)

    def act(values: dict[str, Any]) -> str:
        refund = request_refund(
            order,
            values["amount"],
            values["reason"],
            note=values["note"],
            key=f"page:{values['key']}",
            actor=actors.person(signed_in(request)),
        )
        return paid_or_waits(refund, signed_in(request))

    user = signed_in(request)
    return ask(
        request,
        AskForm(
            request.POST or None,
            initial={"key": uuid4().hex, "amount": [None, order.currency]},
        ),
        title=f"Refund of order {order}",
        text=f"{balance_shown(order).refundable} can still be refunded. "
        f"{who_decides(user, order.currency)}",
        word=word_of(user, order.currency),
        back=reverse("order_detail", args=[number]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("finance.approve_refund", raise_exception=True)
@both
def refund_approve(request: HttpRequest, number: str) -> HttpResponse:
    """Release exactly the amount that was shown."""
    refund = _refund(number)

    def act(values: dict[str, Any]) -> str:
        approve_refund(
            refund,
            amount=values["amount"],
            version=values["version"],
            note=values["note"],
            actor=actors.person(signed_in(request)),
        )
        return f"{refund} of {values['amount']} is approved"

    return ask(
        request,
        ApproveRefundForm(
            request.POST or None, initial={"amount": refund.money, "version": refund.version}
        ),
        title=f"Approve {refund}: {refund.money}",
        text=f"{refund.money} of order {refund.order} go back to the customer. This can't be "
        "undone, only booked back.",
        word=f"Approve {refund.money}",
        back=reverse("refund_detail", args=[number]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("finance.approve_refund", raise_exception=True)
@both
def refund_reject(request: HttpRequest, number: str) -> HttpResponse:
    """Say no, and why."""
    refund = _refund(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        reject_refund(refund, version=values["version"], note=values["note"], actor=actor)
        return f"{refund} is rejected"

    return ask(
        request,
        RejectRefundForm(request.POST or None, initial={"version": refund.version}),
        title=f"Reject {refund}",
        word="Reject",
        danger=True,
        back=reverse("refund_detail", args=[number]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("finance.request_refund", raise_exception=True)
@both
def refund_withdraw(request: HttpRequest, number: str) -> HttpResponse:
    """Take the request back."""
    refund = _refund(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        withdraw_refund(refund, version=refund.version, actor=actor)
        return f"{refund} is withdrawn"

    return ask(
        request,
        forms.Form(request.POST or None),
        title=f"Withdraw {refund}?",
        word="Withdraw",
        back=reverse("refund_detail", args=[number]),
        refusals=REFUSALS,
        act=act,
    )
