"""Insurance of parcels: noted, or done without because two people said so."""

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
from orders.forms.covers import InsuranceForm, InsureFromForm, UninsuredForm
from orders.models.channels import Channel
from orders.models.packages import Package
from orders.queries.covers import cover_of
from orders.services.cover import (
    Insurance,
    agree_uninsured,
    ask_uninsured,
    edit_insurance,
    insure_package,
)
from orders.services.errors import OrderError

both = require_http_methods(["GET", "HEAD", "POST"])
may_pack = permission_required("orders.pack_order", raise_exception=True)
REFUSALS = (OrderError,)


def _package(number: str) -> Package:
    return get_object_or_404(Package.objects.select_related("order__channel"), number=number)


def _page(package: Package) -> str:
    return reverse("order_detail", args=[package.order.number])


@may_pack
@both
def package_insure(request: HttpRequest, number: str) -> HttpResponse:
    """Note that a parcel is insured."""
    package = _package(number)
    currency = package.currency

    def act(values: dict[str, Any]) -> str:
        cover = insure_package(
            package.pk, Insurance(**values), actor=actors.person(signed_in(request))
        )
        return f"Parcel {package} is insured for {cover.covered}"

    initial = {"amount": package.declared.plain()}
    return ask(
        request,
        InsuranceForm(request.POST or None, initial=initial, currency=currency),
        back=_page(package),
        title=f"Insure parcel {package}",
        text=f"It is declared at {package.declared}.",
        word="Note it",
        refusals=REFUSALS,
        act=act,
    )


@may_pack
@both
def package_uninsured(request: HttpRequest, number: str) -> HttpResponse:
    """Ask that a parcel of value goes uninsured."""
    package = _package(number)

    def act(values: dict[str, Any]) -> str:
        ask_uninsured(package.pk, values["why"], actor=actors.person(signed_in(request)))
        return f"Parcel {package} waits for a second person"

    return ask(
        request,
        UninsuredForm(request.POST or None),
        back=_page(package),
        title=f"Send parcel {package} uninsured?",
        text=f"It is declared at {package.declared}. Somebody else has to agree.",
        word="Ask",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.agree_uninsured", raise_exception=True)
@both
def package_agree(request: HttpRequest, number: str) -> HttpResponse:
    """Agree that a parcel goes uninsured."""
    package = _package(number)
    cover = cover_of(package)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        agree_uninsured(package.pk, version=seen_version(request), actor=actor)
        return f"Parcel {package} may leave uninsured"

    asked = f"{cover.asked_label} asks: {cover.why}" if cover else "Nobody asks for it any more."
    return ask(
        request,
        forms.Form(request.POST or None),
        back=_page(package),
        title=f"Let parcel {package} go uninsured?",
        text=f"It is declared at {package.declared}. {asked}",
        word="Agree",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_channel", raise_exception=True)
@both
def channel_insurance(request: HttpRequest, key: str) -> HttpResponse:
    """Say from which declared value on a channel's parcels are insured."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_insurance(channel.pk, values["least"], version=seen_version(request), actor=actor)
        return f"{channel} is changed"

    return ask(
        request,
        InsureFromForm(
            request.POST or None,
            initial={"least": channel.insure_from},
            currency=channel.currency,
        ),
        back=reverse("channel_detail", args=[key]),
        title=f"Insurance of {channel}",
        text="A parcel of that value gets no label before it is insured, or two people agreed that "
        "it goes without. What is labelled already is asked about when it leaves.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )
