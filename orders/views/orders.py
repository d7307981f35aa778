"""One order: its state, its lines, and what can be done about it."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.orders import AddressForm, CancelForm, DeskHoldForm, TagForm, ending
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.queries.conflicts import open_conflicts
from orders.queries.pages import order_page
from orders.queries.preorders import ahead_part
from orders.queries.reviews import trust_part
from orders.services.addresses import ask_readdress, mend_address
from orders.services.calling_off import call_off_order
from orders.services.drafts import Address
from orders.services.errors import AlreadyShipped, LabelExists, OrderError
from orders.services.holds import hold_orders, release_orders
from orders.services.tags import add_tags, remove_tags
from orders.tables.orders import FULFILMENT, PAYMENT, RETURN

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])


def _order(number: str) -> Order:
    return get_object_or_404(
        Order.objects.select_related("customer", "channel__service", "location", "follows"),
        number=number,
    )


def _page(order: Order) -> str:
    return reverse("order_detail", args=[order.number])


def _seen(request: HttpRequest, order: Order) -> dict[int, int]:
    """The version the page showed, so that a stale button does nothing."""
    shown = seen_version(request)
    return {} if shown is None else {order.pk: shown}


@permission_required("orders.view_order", raise_exception=True)
@require_GET
def order_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The order's page."""
    order = _order(number)
    page = order_page(order)
    context = {
        "subject": "orders.order",
        "record": order,
        "number": order.number,
        "list_url": reverse("order_list"),
        "list_title": "Orders",
        "page": page,
        "trust": trust_part(order),
        "conflicts": open_conflicts(order),
        "ahead": ahead_part(order),
        "forwarded": order.forwarded.select_related("forwarder").order_by("pk"),
        "payment": PAYMENT[Order.Payment(order.payment)],
        "fulfilment": FULFILMENT[Order.Fulfilment(order.fulfilment)],
        "returned": RETURN[Order.Return(order.returns)],
    }
    return render(request, "orders/order_detail.html", context)


@permission_required("orders.hold_order", raise_exception=True)
@both
def order_hold(request: HttpRequest, number: str) -> HttpResponse:
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        hold_orders(
            [order.pk],
            reason=Hold.Reason(values["reason"]),
            note=values["note"],
            ending=ending(values),
            versions=_seen(request, order),
            actor=actors.person(signed_in(request)),
        ).or_raise()
        return f"Order {order} is on hold"

    user = signed_in(request)
    form = DeskHoldForm(
        request.POST or None,
        may_release=user.has_perm("orders.release_order"),
        may_cancel=user.has_perm("orders.cancel_order"),
    )
    return ask(
        request,
        form,
        back=_page(order),
        title=f"Hold order {order}",
        word="Hold",
        refusals=REFUSALS,
        act=act,
    )


class ReleaseForm(forms.Form):
    """Which hold ends; all of them when none is chosen."""

    reason = forms.ChoiceField(required=False, label="Which hold")

    def __init__(self, *args: Any, holds: list[Hold], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["reason"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [
                ("", "All holds"),
                *((hold.reason, hold.get_reason_display()) for hold in holds),
            ]


@permission_required("orders.release_order", raise_exception=True)
@both
def order_release(request: HttpRequest, number: str) -> HttpResponse:
    order = _order(number)
    holds = list(order.holds.filter(released_at=None))

    def act(values: dict[str, Any]) -> str:
        release_orders(
            [order.pk],
            reason=Hold.Reason(values["reason"]) if values["reason"] else None,
            versions=_seen(request, order),
            actor=actors.person(signed_in(request)),
        ).or_raise()
        return f"Order {order} is released"

    form = ReleaseForm(request.POST or None, holds=holds)
    return ask(
        request,
        form,
        back=_page(order),
        title=f"Release order {order}",
        word="Release",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.tag_order", raise_exception=True)
@both
def order_tag(request: HttpRequest, number: str) -> HttpResponse:
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        add_tags([order.pk], [values["tag"]], actor=actor).or_raise()
        return f"Order {order} is tagged {values['tag']}"

    return ask(
        request,
        TagForm(request.POST or None),
        back=_page(order),
        title="Add a tag",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.tag_order", raise_exception=True)
@both
def order_untag(request: HttpRequest, number: str, tag: str) -> HttpResponse:
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        remove_tags([order.pk], [tag], actor=actors.person(signed_in(request))).or_raise()
        return f"{tag} is off order {order}"

    form = forms.Form(request.POST or None)
    return ask(
        request,
        form,
        back=_page(order),
        title=f"Take {tag} off order {order}?",
        word="Take off",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.cancel_order", raise_exception=True)
@both
def order_cancel(request: HttpRequest, number: str) -> HttpResponse:
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        call_off_order(
            order.pk,
            reason=Order.CancelReason(values["reason"]),
            version=_seen(request, order).get(order.pk),
            actor=actors.person(signed_in(request)),
        )
        return f"Order {order} is cancelled"

    return ask(
        request,
        CancelForm(request.POST or None),
        back=_page(order),
        title=f"Cancel order {order}",
        text="Its stock is set free and its labels are given back. This can't be undone. Money "
        "that was paid stays until a refund is approved.",
        word="Cancel the order",
        danger=True,
        leave="Keep the order",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_order", raise_exception=True)
@both
def order_address(request: HttpRequest, number: str) -> HttpResponse:
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        actor, address = actors.person(signed_in(request)), Address(**values)
        try:
            wrong = mend_address(
                order.pk, address, version=_seen(request, order).get(order.pk), actor=actor
            )
        except (LabelExists, AlreadyShipped) as too_late:
            ask_readdress(order.pk, address, actor=actor)
            return f"{too_late} A ticket was opened with the new address."
        if wrong:
            return f"The address is saved, but order {order} is held. {' '.join(wrong)}"
        return f"Order {order} goes to the new address"

    now = {
        "name": order.ship_name,
        "lines": order.ship_lines,
        "city": order.ship_city,
        "postcode": order.ship_postcode,
        "country": order.ship_country,
    }
    form = AddressForm(request.POST or None, initial=now)
    return ask(
        request,
        form,
        back=_page(order),
        title=f"Address of order {order}",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )
