"""Pick lists and packing slips, to be printed."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_GET

from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.queries.papers import Slip, pick_lists, slip_of_order, slip_of_parcel


def _answer(content: bytes, name: str) -> HttpResponse:
    headers = {"Content-Disposition": f'inline; filename="{name}.pdf"'}
    return HttpResponse(content, content_type="application/pdf", headers=headers)


def _printed(slip: Slip) -> bytes:
    from orders.services.papers_pdf import slip_pdf  # noqa: PLC0415 - it says why

    return slip_pdf(slip)


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_pick_list(request: HttpRequest) -> HttpResponse:
    """What is on the pick list, by place; `?place=MAIN` of one place."""
    from orders.services.papers_pdf import pick_list_pdf  # noqa: PLC0415 - it says why

    return _answer(pick_list_pdf(pick_lists(request.GET.get("place", ""))), "pick-list")


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_slip(request: HttpRequest, number: str) -> HttpResponse:
    """The packing slip of an order."""
    rows = Order.objects.select_related("channel__legal_entity", "pickup_at")
    order = get_object_or_404(rows, number=number)
    return _answer(_printed(slip_of_order(order)), f"packing-slip-{order.pk}")


@permission_required("orders.view_package", raise_exception=True)
@require_GET
def package_slip(request: HttpRequest, number: str) -> HttpResponse:
    """The packing slip of a parcel."""
    rows = Package.objects.select_related("order__channel__legal_entity", "order__pickup_at")
    package = get_object_or_404(rows, number=number)
    label = package.labels.filter(state=Label.State.BOUGHT).first()
    slip = slip_of_parcel(package, label.tracking if label else "")
    return _answer(_printed(slip), f"packing-slip-{package.pk}")
