"""What the warehouse does with one order: set aside, route, pick, promise the rest, ship."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.actors import Actor
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.models import Location
from inventory.services.errors import InventoryError
from orders.forms.parcels import PromiseRestForm, RouteForm, ShipLinesForm
from orders.models.orders import Order, OrderLine
from orders.services.allocation import allocate_orders
from orders.services.backorders import promise_rest, reroute_order
from orders.services.errors import OrderError
from orders.services.outcomes import Outcomes
from orders.services.packing import ready_to_pack
from orders.services.picking import start_picking, stop_picking
from orders.services.shipping import ship_order

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])


def _order(number: str) -> Order:
    return get_object_or_404(Order.objects.select_related("channel"), number=number)


def _ask(
    request: HttpRequest,
    order: Order,
    form: forms.Form,
    title: str,
    word: str,
    act: Callable[[dict[str, Any], Actor], str],
    text: str = "",
) -> HttpResponse:
    actor = actors.person(signed_in(request))
    return ask(
        request,
        form,
        back=reverse("order_detail", args=[order.number]),
        title=title,
        text=text,
        word=word,
        refusals=REFUSALS,
        act=lambda values: act(values, actor),
    )


def _seen(request: HttpRequest, order: Order) -> Mapping[int, int]:
    shown = seen_version(request)
    return {} if shown is None else {order.pk: shown}


@permission_required("orders.ship_order", raise_exception=True)
@both
def order_ship(request: HttpRequest, number: str) -> HttpResponse:
    """Let units leave; the rest stays open."""
    order = _order(number)
    goods = order.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku").order_by("position")
    form = ShipLinesForm(
        request.POST or None,
        lines=[line for line in goods if line.quantity_open],
        ready=ready_to_pack(order),
    )

    def act(values: dict[str, Any], actor: Actor) -> str:
        ship_order(
            order.pk,
            quantities=form.quantities,
            carrier=values["carrier"],
            tracking=values["tracking"],
            key=f"page:{order.pk}:{request.GET.get('version', '')}",
            version=seen_version(request),
            actor=actor,
        )
        order.refresh_from_db(fields=["fulfilment"])
        return f"Order {order}: {order.get_fulfilment_display().lower()}"

    text = "What you leave out stays open and can follow later."
    return _ask(request, order, form, f"Ship order {order}", "Ship", act, text)


@permission_required("orders.pick_order", raise_exception=True)
@both
def order_pick(request: HttpRequest, number: str) -> HttpResponse:
    """Put the order on the pick list."""
    order = _order(number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        start_picking([order.pk], versions=_seen(request, order), actor=actor).or_raise()
        return f"Order {order} is on the pick list"

    text = "Until it has left, or is taken off the list, it is neither cancelled nor changed."
    form = forms.Form(request.POST or None)
    return _ask(request, order, form, f"Pick order {order}?", "Pick", act, text)


@permission_required("orders.pick_order", raise_exception=True)
@both
def order_unpick(request: HttpRequest, number: str) -> HttpResponse:
    """Take the order off the pick list."""
    order = _order(number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        stop_picking([order.pk], versions=_seen(request, order), actor=actor).or_raise()
        return f"Order {order} is off the pick list"

    form = forms.Form(request.POST or None)
    title = f"Take order {order} off the pick list?"
    return _ask(request, order, form, title, "Take off", act, "Its goods go back on the shelf.")


@permission_required("orders.route_order", raise_exception=True)
@both
def order_allocate(request: HttpRequest, number: str) -> HttpResponse:
    """Set stock aside for what is still open."""
    order = _order(number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        done: Outcomes = allocate_orders([order.pk], actor=actor)
        for error in done.refused.values():
            return str(error)
        return f"Order {order} has all it needs set aside"

    form = forms.Form(request.POST or None)
    text = "What there is goes to this order; what is missing is listed afterwards."
    return _ask(request, order, form, f"Set stock aside for {order}?", "Set aside", act, text)


@permission_required("orders.route_order", raise_exception=True)
@both
def order_route(request: HttpRequest, number: str) -> HttpResponse:
    """Ship what is left from another place."""
    order = _order(number)
    places = Location.objects.filter(
        kind=Location.Kind.INTERNAL,
        is_active=True,
        legal_entity_id=order.channel.legal_entity_id,
    )
    form = RouteForm(request.POST or None, initial={"place": order.ships_from_id}, places=places)

    def act(values: dict[str, Any], actor: Actor) -> str:
        place = values["place"]
        reroute_order(order.pk, place.pk, version=seen_version(request), actor=actor)
        return f"Order {order} ships from {place.name}"

    text = "What is set aside elsewhere is given free. A place without the goods is refused."
    return _ask(request, order, form, f"Where order {order} ships from", "Save", act, text)


@permission_required("orders.route_order", raise_exception=True)
@both
def order_promise(request: HttpRequest, number: str) -> HttpResponse:
    """Promise the rest for a day, so that the part that is there may go."""
    order = _order(number)
    initial = {"day": order.promised_on}
    form = PromiseRestForm(request.POST or None, initial=initial)

    def act(values: dict[str, Any], actor: Actor) -> str:
        promise_rest(order.pk, values["day"], version=seen_version(request), actor=actor)
        return f"The rest of order {order} is promised for {values['day']:%-d %B}"

    text = "It waits as a backorder: its out-of-stock hold ends, and its clock goes by this day."
    return _ask(request, order, form, f"Promise the rest of {order}", "Promise", act, text)
