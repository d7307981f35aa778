"""What finance shows on other pages, on home, in the rail and in the search."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from backoffice import counts, home, panels, search
from backoffice.models import User
from backoffice.money import Money
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.queries import balance_shown
from finance.tables import refund_state
from orders.models.customers import Customer
from orders.models.orders import Order

SHOWN = 8


@permission_required("finance.view_payment", raise_exception=True)
@require_GET
def order_money(request: HttpRequest, pk: int) -> HttpResponse:
    """An order's payments and refunds, on the order's page."""
    order = get_object_or_404(Order, pk=pk)
    balance = balance_shown(order)
    context = {
        "order": order,
        "payments": list(order.payments.order_by("pk")),
        "refunds": [(refund, refund_state(refund)) for refund in order.refunds.order_by("pk")],
        "refundable": balance.refundable,
        "account": _account(order.money(balance.balance)),
        "may_pay": order.amount_paid < order.total and not order.is_cancelled,
    }
    return render(request, "finance/_order_money.html", context)


@permission_required("finance.view_payment", raise_exception=True)
@require_GET
def customer_money(request: HttpRequest, pk: int) -> HttpResponse:
    """A customer's latest payments and refunds, on the customer's page."""
    customer = get_object_or_404(Customer, pk=pk)
    payments = Payment.objects.filter(order__customer=customer).select_related("order")
    refunds = Refund.objects.filter(order__customer=customer).select_related("order")
    context = {
        "customer": customer,
        "payments": list(payments.order_by("-received_at")[:SHOWN]),
        "refunds": [
            (refund, refund_state(refund)) for refund in refunds.order_by("-requested_at")[:SHOWN]
        ],
    }
    return render(request, "finance/_customer_money.html", context)


def _account(balance: Money) -> tuple[str, Money]:
    """What the order's customer account says, in words: goods shipped less what was paid."""
    if balance.amount < 0:
        return "In the customer’s favour", -balance
    return ("The customer owes" if balance else "Customer account"), balance


@permission_required("finance.view_refund", raise_exception=True)
@require_GET
def refund_home_waiting(request: HttpRequest) -> HttpResponse:
    """Refunds that wait for finance, oldest first."""
    waiting = Refund.objects.filter(state=Refund.State.REQUESTED).select_related("order")
    context = {
        "rows": list(waiting.order_by("requested_at")[:SHOWN]),
        "number": waiting.count(),
        "url": f"{reverse('refund_list')}?view=waiting",
    }
    return render(request, "finance/_home_refunds.html", context)


def _find_refunds(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    for refund in Refund.objects.filter(number=words.upper())[:limit]:
        url = reverse("refund_detail", args=[refund.number])
        text = f"{refund.money}, {refund.get_state_display().lower()}"
        yield search.Hit("refund", str(refund.number), url, text, "receipt-refund")


def _find_payments(words: str, user: User, limit: int) -> Iterable[search.Hit]:
    for payment in Payment.objects.filter(number=words.upper())[:limit]:
        url = reverse("payment_detail", args=[payment.number])
        yield search.Hit("payment", str(payment.number), url, str(payment.money), "credit-card")


def _waiting(user: User) -> counts.Count | None:
    number = Refund.objects.filter(state=Refund.State.REQUESTED).count()
    return counts.Count(number) if number else None


def register_everywhere() -> None:
    """Called once when the app is ready."""
    panels.register(
        panels.Panel(
            "orders.order", "Payments and refunds", "order_money", "finance.view_payment", order=20
        )
    )
    panels.register(
        panels.Panel(
            "orders.customer", "Payments and refunds", "customer_money", "finance.view_payment",
            order=20, slot="main",
        )
    )  # fmt: skip
    home.register(
        home.HomePanel(
            "Refunds waiting",
            "refund_home_waiting",
            "finance.view_refund",
            15,
            ("finance", "auditor"),
        )
    )
    search.register("Refunds", "finance.view_refund", _find_refunds)
    search.register("Payments", "finance.view_payment", _find_payments)
    counts.register("refund_list", _waiting)
