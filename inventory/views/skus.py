"""One SKU: what there is of it, where, for whom, and how it moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.forms import AdjustmentForm, CustomsForm, MovementForm, ReorderPointForm
from inventory.models import Location, Reservation, Sku, StockLevel, StockMove
from inventory.services.errors import InventoryError
from inventory.services.moves import adjust_stock, receive_stock, write_off_stock
from inventory.services.skus import set_customs_data, set_reorder_point
from inventory.services.writing import Moving
from inventory.tables import free, on_hand, promised, state

REFUSALS = (InventoryError,)
MOVES_SHOWN = 30
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("inventory.view_sku", raise_exception=True)
@require_GET
def sku_detail(request: HttpRequest, code: str) -> HttpResponse:
    """The SKU's page."""
    sku = get_object_or_404(Sku.objects.prefetch_related("levels__location"), code=code)
    moves = StockMove.objects.filter(sku=sku).select_related("from_location", "to_location")
    claims = Reservation.objects.filter(sku=sku, state__in=Reservation.OPEN)
    context = {
        "subject": "inventory.sku",
        "record": sku,
        "number": sku.code,
        "list_url": reverse("sku_list"),
        "list_title": "Inventory",
        "state": state(sku),
        "on_hand": on_hand(sku),
        "promised": promised(sku),
        "free": free(sku),
        "levels": sorted(sku.levels.all(), key=_place),
        "moves": list(moves.order_by("-occurred_at", "-id")[:MOVES_SHOWN]),
        "claims": list(claims.select_related("location").order_by("created_at")[:MOVES_SHOWN]),
    }
    return render(request, "inventory/sku_detail.html", context)


def _place(level: StockLevel) -> tuple[str, str]:
    return level.location.kind, level.location.code


class PlacedForm(forms.Form):
    """Adds where the goods are; the key makes a repeated submission do nothing twice."""

    location = forms.ModelChoiceField(
        Location.objects.filter(kind=Location.Kind.INTERNAL, is_active=True), empty_label=None
    )
    key = forms.CharField(widget=forms.HiddenInput, max_length=60)


class ReceiptForm(PlacedForm, MovementForm):
    field_order = ("location", "quantity", "note")


class CorrectionForm(PlacedForm, AdjustmentForm):
    field_order = ("location", "quantity", "note")


def _move(
    request: HttpRequest,
    code: str,
    form_class: type[PlacedForm],
    *,
    words: tuple[str, str],
    service: Callable[..., list[StockMove]],
) -> HttpResponse:
    sku = get_object_or_404(Sku, code=code)

    def act(values: dict[str, Any]) -> str:
        moving = Moving(
            key=f"page:{values['key']}",
            sku_id=sku.pk,
            location_id=values["location"].pk,
            quantity=values["quantity"],
            note=values["note"],
        )
        service([moving], actor=actors.person(signed_in(request)))
        number = f"{values['quantity']:,}".replace("-", "−")
        return words[1].format(number=number, sku=sku, place=values["location"])

    return ask(
        request,
        form_class(request.POST or None, initial={"key": uuid4().hex}),
        title=f"{words[0]} {sku}",
        word=words[0],
        back=reverse("sku_detail", args=[sku.code]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("inventory.receive_stock", raise_exception=True)
@both
def sku_receive(request: HttpRequest, code: str) -> HttpResponse:
    """Take goods in."""
    words = ("Receive", "Received {number} of {sku} in {place}")
    return _move(request, code, ReceiptForm, words=words, service=receive_stock)


@permission_required("inventory.write_off_stock", raise_exception=True)
@both
def sku_write_off(request: HttpRequest, code: str) -> HttpResponse:
    """Give goods up."""
    words = ("Write off", "Wrote off {number} of {sku} in {place}")
    return _move(request, code, ReceiptForm, words=words, service=write_off_stock)


@permission_required("inventory.adjust_stock", raise_exception=True)
@both
def sku_adjust(request: HttpRequest, code: str) -> HttpResponse:
    """Correct what is on hand."""
    words = ("Adjust", "Adjusted {sku} by {number} in {place}")
    return _move(request, code, CorrectionForm, words=words, service=adjust_stock)


@permission_required("inventory.set_reorder_point", raise_exception=True)
@both
def sku_reorder_point(request: HttpRequest, code: str) -> HttpResponse:
    """Say from which stock on people are told."""
    sku = get_object_or_404(Sku, code=code)

    def act(values: dict[str, Any]) -> str:
        set_reorder_point([sku.pk], values["point"], actor=actors.person(signed_in(request)))
        return f"People are told when {values['point']} or fewer of {sku} are left"

    return ask(
        request,
        ReorderPointForm(request.POST or None, initial={"point": sku.reorder_point}),
        title=f"Reorder point of {sku}",
        word="Set",
        back=reverse("sku_detail", args=[sku.code]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("inventory.change_sku", raise_exception=True)
@both
def sku_customs(request: HttpRequest, code: str) -> HttpResponse:
    """Say what customs ask about the SKU."""
    sku = get_object_or_404(Sku, code=code)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        set_customs_data(sku.pk, **values, version=seen_version(request), actor=actor)
        return f"Parcels abroad declare {sku} like this from now on"

    initial = {"hs_code": sku.hs_code, "origin": sku.origin_country}
    return ask(
        request,
        CustomsForm(request.POST or None, initial=initial),
        title=f"Customs data of {sku}",
        word="Save",
        back=reverse("sku_detail", args=[sku.code]),
        refusals=REFUSALS,
        act=act,
    )
