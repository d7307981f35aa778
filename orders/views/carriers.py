"""Carrier services and channels: cut-offs, collection days, promises."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors, ui
from backoffice.calendars import load
from backoffice.dialogs import ask, seen_version
from backoffice.models import AuditEntry
from backoffice.money import Money
from backoffice.views import audit as audit_view
from backoffice.views.calendars import week_words
from backoffice.views.me import signed_in
from orders.forms.carriers import PromiseForm, ServiceForm
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.queries.clock import clocks, collection_of
from orders.queries.price_pages import wider_move
from orders.services.carriers import (
    CHANNEL,
    SERVICE,
    ServiceEdit,
    add_service,
    edit_promise,
    edit_service,
)
from orders.services.errors import OrderError

both = require_http_methods(["GET", "HEAD", "POST"])
REFUSALS = (OrderError,)


def trail(subject: str, pk: int) -> Iterable[tuple[object, object, str]]:
    """Who changed a record of the settings: when, who, what."""
    told = AuditEntry.objects.filter(subject=subject, subject_id=pk).order_by("-at")[:20]
    return [
        (ui.moment(entry.at), audit_view.who(entry), audit_view.words(entry.verb)) for entry in told
    ]


@permission_required("orders.view_carrierservice", raise_exception=True)
@require_GET
def carrier_detail(request: HttpRequest, key: str) -> HttpResponse:
    """A service, when it collects next, and who ships with it."""
    service = get_object_or_404(CarrierService.objects.select_related("calendar"), key=key)
    days = load([service.calendar.key]) if service.calendar else {}
    channels = Channel.objects.filter(service=service).order_by("name")
    context = {
        "subject": SERVICE,
        "record": service,
        "number": str(service),
        "list_url": reverse("carrier_list"),
        "list_title": "Carriers",
        "price": service.price and Money(service.price, service.currency),
        "week": week_words(service.weekdays),
        "next": collection_of(service, days).ship_by(timezone.now(), 0),
        "channels": channels,
        "entries": trail(SERVICE, service.pk),
    }
    return render(request, "orders/carrier_detail.html", context)


def _edit(values: dict[str, Any]) -> ServiceEdit:
    price = values.pop("price")
    amount, currency = (price.amount, price.currency) if price else (None, "")
    return ServiceEdit(**values, price=amount, currency=currency)


@permission_required("orders.add_carrierservice", raise_exception=True)
@both
def carrier_new(request: HttpRequest) -> HttpResponse:
    """Add a carrier service."""

    def act(values: dict[str, Any]) -> str:
        service = add_service(_edit(values), actor=actors.person(signed_in(request)))
        return f"{service} is there. Channels can ship with it now."

    return ask(
        request,
        ServiceForm(request.POST or None),
        back=reverse("carrier_list"),
        title="New carrier service",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_carrierservice", raise_exception=True)
@both
def carrier_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Change a service; the clocks of the orders that hang on it follow."""
    service = get_object_or_404(CarrierService, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_service(service.pk, _edit(values), version=seen_version(request), actor=actor)
        return f"{service} is changed"

    initial = {name: getattr(service, name) for name in ServiceForm.base_fields}
    initial["countries"] = ", ".join(service.countries)
    initial["price"] = Money(service.price, service.currency) if service.price is not None else None
    return ask(
        request,
        ServiceForm(request.POST or None, initial=initial),
        back=reverse("carrier_detail", args=[key]),
        title=f"Change {service}",
        text="Open orders get a new time to ship by at once.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.view_channel", raise_exception=True)
@require_GET
def channel_detail(request: HttpRequest, key: str) -> HttpResponse:
    """A channel: where it ships from, how, and what it promises."""
    rows = Channel.objects.select_related("service", "location", "legal_entity", "prices_from")
    channel = get_object_or_404(rows, key=key)
    clock = clocks([channel.pk]).collections[channel.pk]
    context = {
        "subject": CHANNEL,
        "record": channel,
        "number": channel.name,
        "list_url": reverse("channel_list"),
        "list_title": "Channels",
        "next": clock.ship_by(timezone.now(), channel.promise_days),
        "insure_from": channel.insure_from and Money(channel.insure_from, channel.currency),
        "places": channel.places.select_related("location"),
        "wider": wider_move(channel),
        "entries": trail(CHANNEL, channel.pk),
    }
    return render(request, "orders/channel_detail.html", context)


@permission_required("orders.change_channel", raise_exception=True)
@both
def channel_promise(request: HttpRequest, key: str) -> HttpResponse:
    """Change how a channel ships, and how soon."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        edit_promise(
            channel.pk,
            **values,
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"{channel} is changed"

    initial = {
        name: getattr(channel, name)
        for name in ("service", "promise_days", "arrives_days", "chooses_service", "news_days")
    }
    return ask(
        request,
        PromiseForm(request.POST or None, initial=initial),
        back=reverse("channel_detail", args=[key]),
        title=f"Promise of {channel}",
        text="Open orders get a new time to ship by at once.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )
