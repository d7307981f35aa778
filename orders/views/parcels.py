"""Parcels of an order: packed, labelled, handed over, tracked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.actors import Actor
from backoffice.counting import counted
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.models import Location
from inventory.services.errors import InventoryError
from orders.forms.parcels import (
    DeliveryForm,
    LabelForm,
    PackForm,
    ServiceChoiceForm,
    TrackingForm,
)
from orders.models.orders import Order, OrderLine
from orders.models.packages import Label, Package, TrackerEvent
from orders.queries.carrier_offers import offers
from orders.services.choosing import choose_service, set_service
from orders.services.delivery import Delivery, redeliver
from orders.services.errors import OrderError, ParcelTrouble
from orders.services.labels import Wanted, buy_label, void_label
from orders.services.packing import (
    Parcel,
    hand_over,
    pack_order,
    ready_to_pack,
    set_customs,
    unpack_package,
)
from orders.services.tracking import NewEvent, record_tracking

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])
may_pack = permission_required("orders.pack_order", raise_exception=True)
Act = Callable[[dict[str, Any], Actor], str]


def _ask(
    request: HttpRequest,
    order: Order,
    form: forms.Form,
    title: str,
    word: str,
    act: Act,
    **more: Any,
) -> HttpResponse:
    actor = actors.person(signed_in(request))
    return ask(
        request,
        form,
        back=reverse("order_detail", args=[order.number]),
        title=title,
        word=word,
        refusals=REFUSALS,
        act=lambda values: act(values, actor),
        **more,
    )


def _package(number: str) -> Package:
    return get_object_or_404(
        Package.objects.select_related("order__channel__service", "order__service"), number=number
    )


@may_pack
@both
def package_new(request: HttpRequest, number: str) -> HttpResponse:
    """Pack what is set aside, or a part of it, into one parcel."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    ready = ready_to_pack(order)
    goods = order.lines.filter(kind=OrderLine.Kind.STOCK, pk__in=ready).select_related("sku")
    form = PackForm(request.POST or None, lines=list(goods.order_by("position")), ready=ready)

    def act(values: dict[str, Any], actor: Actor) -> str:
        package = pack_order(
            order.pk,
            quantities=form.quantities,
            parcel=Parcel(values["weight_grams"], values["side_cm"], values["declared"]),
            version=seen_version(request),
            actor=actor,
        )
        return f"Parcel {package} is packed"

    text = "One parcel of what is set aside. To split the order, write fewer units, or 0, of what "
    text += "goes into another parcel, and pack that one next."
    return _ask(request, order, form, f"Pack order {order}", "Pack", act, text=text)


@may_pack
@both
def package_label(request: HttpRequest, number: str) -> HttpResponse:
    """Enter the label that somebody bought, with what customs ask where it leaves the country."""
    package = _package(number)
    order = package.order
    lines = list(package.lines.select_related("order_line__sku").order_by("pk"))
    form = LabelForm(
        request.POST or None,
        customs=lines if package.needs_customs else [],
        initial={
            "service": order.service_id or order.channel.service_id,
            "key": uuid4().hex,
        },
    )

    def act(values: dict[str, Any], actor: Actor) -> str:
        if package.needs_customs:
            set_customs(package.pk, form.customs_data, actor=actor)
        wanted = Wanted(
            package.pk,
            values["service"].pk,
            f"page:{values['key']}",
            values["tracking"],
            values["cost"],
        )
        try:
            label = buy_label(wanted, actor=actor)
        except ParcelTrouble as error:
            if error.trouble in (Package.Trouble.OVERSIZE, Package.Trouble.COUNTRY):
                raise OrderError(f"{error} Choose another service.") from error
            raise
        return f"Parcel {package} has the label {label}"

    known = len(lines) - len(form.customs)
    text = (
        f"Customs data is known of {known} of {counted(len(lines), 'line')}, from their SKUs."
        if package.needs_customs and known
        else ""
    )
    return _ask(request, order, form, f"Label of parcel {package}", "Save", act, text=text)


@may_pack
@both
def package_void(request: HttpRequest, number: str) -> HttpResponse:
    """Give the label back."""
    package = _package(number)
    label = get_object_or_404(Label, package=package, state__in=Label.LIVE)

    def act(values: dict[str, Any], actor: Actor) -> str:
        voided = void_label(label.pk, actor=actor)
        if voided.state == Label.State.VOIDED:
            return f"The label {voided} is voided"
        return f"The carrier is asked to take the label {voided} back"

    form = forms.Form(request.POST or None)
    title = f"Void the label of parcel {package}?"
    text = f"{label.carrier} {label.tracking}: give it back at the carrier too."
    return _ask(request, package.order, form, title, "Void", act, text=text, danger=True)


@may_pack
@both
def package_unpack(request: HttpRequest, number: str) -> HttpResponse:
    """Take the parcel apart again."""
    package = _package(number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        unpack_package(package.pk, actor=actor)
        return f"Parcel {package} is taken apart"

    form = forms.Form(request.POST or None)
    text = "Its units can be packed anew."
    title = f"Take parcel {package} apart?"
    return _ask(request, package.order, form, title, "Take apart", act, text=text)


@may_pack
@both
def package_leave(request: HttpRequest, number: str) -> HttpResponse:
    """Let the parcel leave."""
    package = _package(number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        hand_over(package.pk, actor=actor)
        return f"Parcel {package} has left"

    form = forms.Form(request.POST or None)
    text = "Its units are shipped and leave the stock now."
    return _ask(
        request, package.order, form, f"Hand parcel {package} over?", "Hand over", act, text=text
    )


@may_pack
@both
def package_track(request: HttpRequest, number: str) -> HttpResponse:
    """Note what the carrier says of the parcel."""
    package = _package(number)
    form = TrackingForm(request.POST or None, initial={"occurred_at": timezone.localtime()})

    def act(values: dict[str, Any], actor: Actor) -> str:
        event = NewEvent(
            TrackerEvent.State(values["state"]), values["occurred_at"], note=values["note"]
        )
        known = record_tracking(package.pk, [event], actor=actor)
        return f"Parcel {package}: {known.get_state_display().lower()}"

    text = "An earlier step that comes late is kept, and takes nothing back."
    return _ask(
        request, package.order, form, f"Tracking of parcel {package}", "Note", act, text=text
    )


@permission_required("orders.change_order", raise_exception=True)
@both
def order_delivery(request: HttpRequest, number: str) -> HttpResponse:
    """Switch between delivery and collection, and do the fee anew."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)
    places = Location.objects.filter(
        kind=Location.Kind.INTERNAL,
        is_active=True,
        legal_entity_id=order.channel.legal_entity_id,
    )
    form = DeliveryForm(
        request.POST or None,
        places=places,
        currency=order.currency,
        initial={
            "method": order.method,
            "pickup_at": order.pickup_at_id,
            "service": order.service_id,
            "fee": order.shipping,
        },
    )

    def act(values: dict[str, Any], actor: Actor) -> str:
        wanted = Delivery(values["fee"], values["pickup_at"], values["service"])
        changed = redeliver(order.pk, wanted, version=seen_version(request), actor=actor)
        how = changed.get_method_display().lower()
        return f"Order {order} is {how}; {changed.get_payment_display().lower()}"

    text = "Its labels are voided. A lower fee leaves it overpaid, a higher one partly unpaid."
    return _ask(request, order, form, f"Delivery of order {order}", "Save", act, text=text)


@may_pack
@both
def order_service(request: HttpRequest, number: str) -> HttpResponse:
    """Choose the carrier service the order leaves with, and keep why."""
    order = get_object_or_404(Order.objects.select_related("channel"), number=number)

    def act(values: dict[str, Any], actor: Actor) -> str:
        version, service = seen_version(request), values["service"]
        if service is None:
            choice = choose_service(order.pk, version=version, actor=actor)
        else:
            choice = set_service(order.pk, service, values["why"], version=version, actor=actor)
        return f"Order {order} leaves with {choice.service}"

    found = "; ".join(
        f"{each.service} {each.price}"
        + (f", arrives {each.arrives_on:%-d %B}" if each.arrives_on else "")
        for each in offers(order, timezone.now())
        if not each.refusal
    )
    text = f"Today: {found}." if found else "No service with a price takes this order."
    form = ServiceChoiceForm(request.POST or None)
    return _ask(request, order, form, f"Carrier of order {order}", "Choose", act, text=text)
