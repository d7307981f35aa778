"""One payment, and recording one by hand."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from finance.forms import RecordPaymentForm
from finance.models.payments import Payment
from finance.queries import entries_of
from finance.services.errors import FinanceError
from finance.services.payments import NewPayment, record_payments
from orders.models.orders import Order


@permission_required("finance.view_payment", raise_exception=True)
@require_GET
def payment_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The payment's page."""
    payment = get_object_or_404(Payment.objects.select_related("order"), number=number)
    context = {
        "subject": "finance.payment",
        "record": payment,
        "number": payment.number,
        "list_url": reverse("payment_list"),
        "list_title": "Payments",
        "entries": list(entries_of("finance.payment", payment.pk)),
        "refunds": list(payment.order.refunds.order_by("pk")),
    }
    return render(request, "finance/payment_detail.html", context)


@permission_required("finance.record_payment", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def payment_record(request: HttpRequest, number: str) -> HttpResponse:
    """Write down a payment of an order that reached us another way."""
    order = get_object_or_404(Order, number=number)

    def act(values: dict[str, Any]) -> str:
        new = NewPayment(
            order_id=order.pk,
            provider=values["provider"],
            external_id=values["external_id"],
            amount=values["amount"],
            method=values["method"],
            received_at=values["received_at"],
        )
        record_payments([new], actor=actors.person(signed_in(request)))
        return f"{values['amount']} for order {order} is booked"

    now = {
        "amount": order.money(max(order.total - order.amount_paid, order.total * 0)),
        "received_at": timezone.localtime().replace(microsecond=0, tzinfo=None),
    }
    return ask(
        request,
        RecordPaymentForm(request.POST or None, initial=now),
        title=f"Payment for order {order}",
        word="Record",
        back=reverse("order_detail", args=[number]),
        refusals=(FinanceError,),
        act=act,
    )
