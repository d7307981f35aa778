"""Asking for a refund line by line, and what stands of money on a return's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors, panels
from backoffice.dialogs import ask
from backoffice.money import total
from backoffice.views.me import signed_in
from finance.forms import PartsForm
from finance.models.refunds import Refund
from finance.queries import balance_shown
from finance.services.errors import FinanceError
from finance.services.parts import Offered, offered, units_of
from finance.services.refunds import NewRefund, request_refunds
from finance.tables import refund_state
from finance.views.alone import paid_or_waits, who_decides, word_of
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.models.returns import ReturnOrder

both = require_http_methods(["GET", "HEAD", "POST"])
FOR_CLAIM = {
    Claim.Reason.DAMAGED: Refund.Reason.DAMAGED,
    Claim.Reason.LATE: Refund.Reason.LATE,
    Claim.Reason.LOST: Refund.Reason.LOST,
    Claim.Reason.WRONG_ITEM: Refund.Reason.WRONG_ITEM,
}
WHY = {
    ReturnOrder.Reason.WRONG_ITEM: Refund.Reason.WRONG_ITEM,
    ReturnOrder.Reason.DAMAGED: Refund.Reason.DAMAGED,
    ReturnOrder.Reason.CANCELLED: Refund.Reason.CANCELLED,
}


def _ask(
    request: HttpRequest,
    order: Order,
    rows: Sequence[Offered],
    *,
    back: str,
    reason: str,
    title: str,
    about: dict[str, int],
) -> HttpResponse:
    """The dialog of every refund by line; `about` names the record that it is for."""
    form = PartsForm(
        request.POST or None,
        rows=rows,
        currency=order.currency,
        initial={"reason": reason, "key": uuid4().hex},
    )

    def act(values: dict[str, Any]) -> str:
        new = NewRefund(
            order.pk, None, values["reason"], actors.person(signed_in(request)), values["note"],
            key=f"page:{values['key']}", parts=form.parts(), **about,
        )  # fmt: skip
        (answer,) = request_refunds([new])
        if isinstance(answer, FinanceError):
            raise answer
        return paid_or_waits(answer.refund, signed_in(request))

    proposed = total((row.proposed for row in rows), order.currency)
    left = balance_shown(order).refundable
    return ask(
        request,
        form,
        title=title,
        text=f"Proposed: {proposed}. {left} can still be refunded on order {order}. Change any "
        f"amount. {who_decides(signed_in(request), order.currency)}",
        word=word_of(signed_in(request), order.currency),
        back=back,
        refusals=(FinanceError,),
        act=act,
    )


@permission_required("finance.request_refund", raise_exception=True)
@both
def refund_by_line(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for money of some lines of an order."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    return _ask(
        request, order, offered(order, {}), back=reverse("order_detail", args=[number]),
        reason=Refund.Reason.GOODWILL, title=f"Refund of order {order}, line by line", about={},
    )  # fmt: skip


@permission_required("finance.request_refund", raise_exception=True)
@both
def refund_return(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for the money of goods that come back."""
    row = get_object_or_404(
        ReturnOrder.objects.select_related("order__channel"), number=number, order__isnull=False
    )
    order = row.order
    if order is None:
        raise Http404
    return _ask(
        request, order, offered(order, units_of(row), everything_else=False),
        back=reverse("return_detail", args=[number]),
        reason=WHY.get(ReturnOrder.Reason(row.reason), Refund.Reason.RETURNED),
        title=f"Refund of return {row}", about={"return_id": row.pk},
    )  # fmt: skip


@permission_required("finance.request_refund", raise_exception=True)
@both
def refund_claim(request: HttpRequest, number: str) -> HttpResponse:
    """Ask for the money of claimed goods; the claim is decided with it."""
    claim = get_object_or_404(Claim.objects.select_related("order__channel"), number=number)
    units = dict(claim.lines.values_list("order_line", "quantity"))
    return _ask(
        request, claim.order, offered(claim.order, units, everything_else=False),
        back=reverse("claim_detail", args=[number]),
        reason=FOR_CLAIM.get(Claim.Reason(claim.reason), Refund.Reason.OTHER),
        title=f"Refund of claim {claim}", about={"claim_id": claim.pk},
    )  # fmt: skip


@permission_required("finance.view_refund", raise_exception=True)
@require_GET
def claim_money(request: HttpRequest, pk: int) -> HttpResponse:
    """A claim's refunds, on the claim's page."""
    claim = get_object_or_404(Claim.objects.select_related("order__channel"), pk=pk)
    is_open = claim.state == Claim.State.OPEN
    context = {
        "title": "Money back",
        "panel_id": "claim-money",
        "refunds": [(refund, refund_state(refund)) for refund in claim.refunds.order_by("pk")],
        "ask_url": reverse("refund_claim", args=[claim.number]) if is_open else "",
        "left": balance_shown(claim.order).refundable,
    }
    return render(request, "finance/_money_back.html", context)


@permission_required("finance.view_refund", raise_exception=True)
@require_GET
def exchange_money(request: HttpRequest, pk: int) -> HttpResponse:
    """What an exchange moves: what pays for the new goods, and what goes back."""
    row = get_object_or_404(Exchange.objects.select_related("order__channel"), pk=pk)
    context = {
        "title": "Money of the first order",
        "panel_id": "exchange-money",
        "refunds": [(refund, refund_state(refund)) for refund in row.refunds.order_by("pk")],
        "left": balance_shown(row.order).refundable,
    }
    return render(request, "finance/_money_back.html", context)


@permission_required("finance.view_refund", raise_exception=True)
@require_GET
def return_money(request: HttpRequest, pk: int) -> HttpResponse:
    """A return's refunds, on the return's page."""
    row = get_object_or_404(ReturnOrder.objects.select_related("order__channel"), pk=pk)
    may = row.order is not None and (row.authorised_at is not None or row.is_history)
    context = {
        "title": "Money back",
        "panel_id": "return-money",
        "refunds": [(refund, refund_state(refund)) for refund in row.refunds.order_by("pk")],
        "ask_url": reverse("refund_return", args=[row.number]) if may else "",
        "why_not": ""
        if may
        else "It can be asked for once the return has its order and is authorised.",
        "left": balance_shown(row.order).refundable if row.order else None,
    }
    return render(request, "finance/_money_back.html", context)


def register_panels() -> None:
    """Called once when the app is ready."""
    panels.register(
        panels.Panel(
            "orders.returnorder", "Money back", "return_money", "finance.view_refund", order=20
        )
    )
    panels.register(
        panels.Panel("orders.claim", "Money back", "claim_money", "finance.view_refund", order=20)
    )
    panels.register(
        panels.Panel("orders.exchange", "Money", "exchange_money", "finance.view_refund", order=20)
    )
