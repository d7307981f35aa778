"""What a marketplace says of an order, entered by hand."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from orders.forms.market import MarketForm
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.drafts import MarketNews
from orders.services.errors import OrderError
from orders.services.market import note_market


@permission_required("orders.change_order", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def order_market(request: HttpRequest, number: str) -> HttpResponse:
    """Note what the marketplace says of the order now."""
    order = get_object_or_404(Order.objects.select_related("channel", "market"), number=number)
    known = getattr(order, "market", None)

    def act(values: dict[str, Any]) -> str:
        status = MarketOrder.Status(values["status"])
        called_off = status == MarketOrder.Status.CANCELLED
        if known is not None and not (
            called_off or status in (known.status, *MarketOrder.NEXT[known.status])
        ):
            raise OrderError(f"There it is {known.get_status_display().lower()} already.")
        news = MarketNews(status, values["ship_latest"])
        row = note_market(order.pk, news, actor=actors.person(signed_in(request)))
        return f"Order {order}, {order.channel}: {row.get_status_display().lower()}"

    latest = known.ship_latest if known else None
    initial = {
        "status": known.status if known else MarketOrder.Status.OPEN,
        "ship_latest": timezone.localtime(latest) if latest else None,
    }
    return ask(
        request,
        MarketForm(request.POST or None, initial=initial),
        back=reverse("order_detail", args=[number]),
        title=f"Order {order} at {order.channel}",
        text="What is pending there is held; what was cancelled there is held until somebody "
        "cancels it here too.",
        word="Note it",
        refusals=(OrderError,),
        act=act,
    )
