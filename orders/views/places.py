"""The places a channel ships from."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from orders.forms.places import NewPlaceForm, PlaceTurnForm
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.places import ChannelPlace
from orders.queries.due import TO_SHIP
from orders.services.errors import OrderError
from orders.services.places import add_place, edit_place, remove_place

REFUSALS = (OrderError,)
both = require_http_methods(["GET", "HEAD", "POST"])
may_change = permission_required("orders.change_channel", raise_exception=True)


def _place(key: str, pk: int) -> ChannelPlace:
    rows = ChannelPlace.objects.select_related("channel", "location")
    return get_object_or_404(rows, channel__key=key, pk=pk)


@may_change
@both
def channel_place_new(request: HttpRequest, key: str) -> HttpResponse:
    """One more place that orders of the channel may ship from."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        row = add_place(channel.pk, **values, version=seen_version(request), actor=actor)
        return f"{channel} ships from {row.location.name} too"

    return ask(
        request,
        NewPlaceForm(request.POST or None, channel=channel),
        back=reverse("channel_detail", args=[key]),
        title=f"One more place for {channel}",
        text="An order leaves from the first place that has all of it, else from where most is.",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@may_change
@both
def channel_place_edit(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """When it is a place's turn, and whether customers collect there."""
    row = _place(key, pk)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_place(row.pk, **values, version=seen_version(request), actor=actor)
        return f"{row.location.name} is changed"

    initial = {"priority": row.priority, "hands_over": row.hands_over}
    return ask(
        request,
        PlaceTurnForm(request.POST or None, initial=initial),
        back=reverse("channel_detail", args=[key]),
        title=f"{row.location.name} for {row.channel}",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@may_change
@both
def channel_place_remove(request: HttpRequest, key: str, pk: int) -> HttpResponse:
    """Route nothing there any more."""
    row = _place(key, pk)
    left = Order.objects.filter(TO_SHIP, channel=row.channel, location=row.location).count()

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        remove_place(row.pk, version=seen_version(request), actor=actor)
        return f"{row.channel} ships from {row.location.name} no more"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=reverse("channel_detail", args=[key]),
        title=f"Ship nothing more of {row.channel} from {row.location.name}",
        text=f"Open orders that ship from there: {left}. They still do, unless somebody says from "
        "where else.",
        word="Remove",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )
