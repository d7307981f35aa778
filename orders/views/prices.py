"""Prices of a product, changes that wait, and exchange rates."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.counting import counted
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.models import Sku
from orders.forms.prices import (
    AgreeForm,
    FloorForm,
    PriceForm,
    PriceGuardForm,
    RateForm,
    RefuseForm,
)
from orders.models.channels import Channel
from orders.models.price_guards import PriceGuardChange
from orders.models.prices import PriceChange
from orders.queries.price_pages import price_history, prices_of, valid_price
from orders.queries.prices import set_minimums
from orders.services.errors import OrderError
from orders.services.price_floors import set_floor
from orders.services.price_guards import agree_to_looser, keep_as_tight, where
from orders.services.prices import Outcome, Wanted, ask_prices, decide_price
from orders.services.rates import NewRate, edit_price_guard, note_rate
from orders.tables.prices import STATES, doubts, move

REFUSALS = (OrderError,)
State = PriceChange.State
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("orders.view_price", raise_exception=True)
@require_GET
def price_detail(request: HttpRequest, code: str) -> HttpResponse:
    """What a product costs in each channel, and how its prices came about."""
    sku = get_object_or_404(Sku, code=code)
    context = {
        "subject": "inventory.sku",
        "record": sku,
        "number": sku.code,
        "list_url": reverse("price_list"),
        "list_title": "Prices",
        "channels": prices_of(sku),
        "history": price_history(sku),
    }
    return render(request, "orders/price_detail.html", context)


@permission_required("orders.view_price", raise_exception=True)
@require_GET
def sku_prices(request: HttpRequest, pk: int) -> HttpResponse:
    """The part of a product's page that tells its prices."""
    sku = get_object_or_404(Sku, pk=pk)
    context = {"sku": sku, "channels": prices_of(sku, bare=False)}
    return render(request, "orders/_sku_prices.html", context)


def _subject(code: str, key: str) -> tuple[Sku, Channel]:
    return get_object_or_404(Sku, code=code), get_object_or_404(Channel, key=key)


def _said(done: Outcome, sku: Sku, channel: Channel) -> str:
    """What became of one product's price; of several, how many."""
    mine = [change for change in done.waiting if change.channel_id == channel.pk]
    if mine:
        return f"{mine[0].money} for {sku} waits for finance: {doubts(mine[0])}"
    if not done.live:
        return f"{sku} costs so much already"
    return f"{sku} costs {done.live[0].money} in {channel}"


@permission_required("orders.change_price", raise_exception=True)
@both
def price_change(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """Ask for a new price: live at once, or waiting where it is out of bounds."""
    sku, channel = _subject(code, key)
    valid = valid_price(sku.pk, channel)

    def act(values: dict[str, Any]) -> str:
        wanted = Wanted(channel.pk, sku.pk, values["amount"], values["starts_at"])
        actor = actors.person(signed_in(request))
        return _said(ask_prices([wanted], why=values["why"], actor=actor), sku, channel)

    now = f"It costs {valid.money} now." if valid else "It has no price there yet."
    return ask(
        request,
        PriceForm(request.POST or None, channel=channel),
        title=f"Price of {sku} in {channel}",
        text=f"{now} One that moves by more than {channel.price_variance}%, or lies under the "
        "floor, waits until somebody else, of finance, agrees.",
        word="Change the price",
        back=reverse("price_detail", args=[code]),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.guard_price", raise_exception=True)
@both
def price_floor(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """Say what a product may not cost less than."""
    sku, channel = _subject(code, key)
    least = set_minimums([(channel.pk, sku.pk)]).get((channel.pk, sku.pk))

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if set_floor(channel, sku.pk, values["amount"], why=values["why"], actor=actor):
            return "Asked: another of finance has to agree that it may cost less"
        return f"The least price of {sku} in {channel} is set"

    return ask(
        request,
        FloorForm(request.POST or None, initial={"amount": least.amount if least else None}),
        title=f"Least price of {sku} in {channel}, in {channel.currency}",
        text="New prices and new orders are held against it. Prices that are valid stay so. More "
        "holds at once; less, or none any more, takes another of finance.",
        word="Set the least price",
        back=reverse("price_detail", args=[code]),
        refusals=REFUSALS,
        act=act,
    )


def _change(pk: int) -> PriceChange:
    rows = PriceChange.objects.select_related("sku", "channel", "was", "rate", "asked_by")
    return get_object_or_404(rows, pk=pk)


@permission_required("orders.view_pricechange", raise_exception=True)
@require_GET
def pricechange_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A change with what it was held against, and what the price is by now."""
    change = _change(pk)
    user = signed_in(request)
    valid = valid_price(change.sku_id, change.channel)
    context = {
        "subject": "inventory.sku",
        "record": change.sku,
        "number": change.sku.code,
        "list_url": reverse("pricechange_list"),
        "list_title": "Price changes",
        "change": change,
        "state": (*STATES[State(change.state)], change.get_state_display()),
        "valid": valid,
        "move": move(change),
        "doubts": doubts(change),
        "is_stale": change.is_waiting
        and change.starts_at is None
        and (valid.pk if valid else None) != change.was_id,
        "is_mine": change.asked_by_id == user.pk,
        "may_agree": user.has_perm("orders.agree_price"),
    }
    return render(request, "orders/pricechange_detail.html", context)


def _decide(
    request: HttpRequest, pk: int, verdict: PriceChange.State, form: forms.Form, **words: Any
) -> HttpResponse:
    change = _change(pk)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        done = decide_price(pk, verdict, note=values.get("note", ""), actor=actor)
        return f"{change.money} for {change.sku} is {done.get_state_display().lower()}"

    return ask(
        request, form, back=reverse("pricechange_detail", args=[pk]), refusals=REFUSALS, act=act,
        **words,
    )  # fmt: skip


@permission_required("orders.agree_price", raise_exception=True)
@both
def pricechange_agree(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a price become valid although it is out of bounds."""
    change = _change(pk)
    was = change.was_money or "no price"
    return _decide(
        request, pk, State.AGREED, AgreeForm(request.POST or None),
        title=f"Agree: {change.sku} costs {change.money} in {change.channel}?",
        text=f"It was {was} when this was asked. It waits because: {doubts(change)}.",
        word=f"Agree to {change.money}",
    )  # fmt: skip


@permission_required("orders.agree_price", raise_exception=True)
@both
def pricechange_refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """Leave the price as it is."""
    change = _change(pk)
    return _decide(
        request, pk, State.REFUSED, RefuseForm(request.POST or None),
        title=f"Refuse {change.money} for {change.sku}?", word="Refuse", danger=True,
        text="The price stays as it is.", leave="Leave it waiting",
    )  # fmt: skip


@permission_required("orders.change_price", raise_exception=True)
@both
def pricechange_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take back what one asked for."""
    change = _change(pk)
    return _decide(
        request, pk, State.WITHDRAWN, forms.Form(request.POST or None),
        title=f"Withdraw {change.money} for {change.sku}?", word="Withdraw",
        leave="Leave it waiting",
    )  # fmt: skip


@permission_required("orders.add_exchangerate", raise_exception=True)
@both
def rate_new(request: HttpRequest) -> HttpResponse:
    """Note an exchange rate; prices that follow by it move, through the guard."""

    def act(values: dict[str, Any]) -> str:
        row, done = note_rate(NewRate(**values), actor=actors.person(signed_in(request)))
        if not (done.live or done.waiting):
            return f"Noted: {row}"
        moved = counted(len(done.live), "price")
        return f"Noted: {row}. {moved} moved, waiting for finance: {len(done.waiting)}"

    return ask(
        request,
        RateForm(request.POST or None),
        title="Note an exchange rate",
        text="Prices of channels that follow another move at once where they stay within bounds.",
        word="Note the rate",
        back=reverse("rate_list"),
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.guard_price", raise_exception=True)
@both
def channel_prices(request: HttpRequest, key: str) -> HttpResponse:
    """Say how far prices of a channel may move alone, and whose they follow."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        done = edit_price_guard(channel.pk, **values, version=seen_version(request), actor=actor)
        if done.price_variance < values["price_variance"]:
            return "Asked: another of finance has to agree that prices may move further"
        return f"{channel} is changed"

    initial = {"price_variance": channel.price_variance, "prices_from": channel.prices_from_id}
    return ask(
        request,
        PriceGuardForm(request.POST or None, initial=initial, channel=channel),
        back=reverse("channel_detail", args=[key]),
        title=f"Price guard of {channel}",
        text="Acts on prices and orders from now on. What waits goes on waiting. That prices may "
        "move further takes another of finance.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.guard_price", raise_exception=True)
@both
def price_looser(request: HttpRequest, pk: int, verdict: str) -> HttpResponse:
    """Agree to a lower floor or a wider move, or leave it as it is."""
    rows = PriceGuardChange.objects.select_related("channel", "sku", "asked_by")
    change = get_object_or_404(rows, pk=pk)
    if verdict not in ("agree", "keep"):
        raise Http404
    agrees = verdict == "agree"

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        if agrees:
            agree_to_looser(pk, actor=actor)
            return f"{change.wanted} holds from now on"
        keep_as_tight(pk, actor=actor)
        return "It stays as it is"

    of = f"Least price of {change.sku}" if change.sku else "How far prices may move"
    asks = f"{change.asked_by} asks for {change.wanted}, not {change.before}: {change.why}"
    is_open = change.state == PriceGuardChange.State.WAITING
    return ask(
        request,
        forms.Form(request.POST or None),
        back=where(change),
        title=f"{of} in {change.channel}" if agrees else "Leave it as it is",
        text=asks if is_open else "Nobody asks for it any more.",
        word=f"Agree to {change.wanted}" if agrees else "Leave it",
        danger=agrees,
        refusals=REFUSALS,
        act=act,
    )
