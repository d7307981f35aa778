"""One exchange, and making one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.claims import ExchangeForm
from orders.models.exchanges import Exchange
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.errors import OrderError
from orders.services.exchanges import exchange_goods
from orders.services.intake import can_come_back
from orders.tables.claims import due_words
from orders.tables.orders import FULFILMENT, PAYMENT
from orders.tables.returns import RETURN_STATE

both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("orders.view_exchange", raise_exception=True)
@require_GET
def exchange_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The exchange's page: what comes back, what leaves, and what is due."""
    row = get_object_or_404(
        Exchange.objects.select_related("order__channel", "return_order", "replacement"),
        number=number,
    )
    made = row.replacement
    context = {
        "subject": "orders.exchange",
        "record": row,
        "number": row.number,
        "list_url": reverse("exchange_list"),
        "list_title": "Exchanges",
        "credit": row.money("credit"),
        "price": row.money("price"),
        "due": due_words(row),
        "back": list(row.return_order.lines.select_related("sku").order_by("pk")),
        "leaves": list(made.lines.select_related("sku").order_by("position")),
        "return_state": RETURN_STATE[ReturnOrder.State(row.return_order.state)],
        "payment": PAYMENT[Order.Payment(made.payment)],
        "fulfilment": FULFILMENT[Order.Fulfilment(made.fulfilment)],
        "to_pay": made.money(max(made.total - made.amount_paid, made.total * 0)),
    }
    return render(request, "orders/exchange_detail.html", context)


@permission_required("orders.add_exchange", raise_exception=True)
@both
def exchange_new(request: HttpRequest, number: str) -> HttpResponse:
    """Let goods come back for others that leave."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    user = signed_in(request)

    def act(values: dict[str, Any]) -> str:
        made = exchange_goods(
            order.pk,
            form.units(),
            values["goods"],
            reason=ReturnOrder.Reason(values["reason"]),
            why=values["why"],
            takes_late=user.has_perm("orders.take_late_return"),
            actor=actors.person(user),
        )
        return f"Exchange {made}: {due_words(made)}"

    lines = [(line, left) for line, left in can_come_back(order) if left > 0]
    form = ExchangeForm(request.POST or None, lines=lines)
    return ask(
        request,
        form,
        back=reverse("order_detail", args=[number]),
        title=f"Exchange goods of order {order}",
        text="What comes back pays for what leaves, once finance agrees. The customer pays what "
        "is missing on the new order; what is left goes back to them.",
        word="Exchange",
        refusals=(OrderError, InventoryError),
        act=act,
    )
