"""Taking returns down, letting them come back, how they do, and finding their order."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.counting import counted
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.returns import AuthoriseForm, MatchForm, TakeDownForm, WayBackForm, WindowForm
from orders.models.channels import Channel
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns, note_way_back
from orders.services.channels import edit_return_window
from orders.services.errors import OrderError
from orders.services.intake import find_order_of, take_down_return

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])


def _return(number: str) -> ReturnOrder:
    return get_object_or_404(ReturnOrder.objects.select_related("order"), number=number)


def _page(row: ReturnOrder) -> str:
    return reverse("return_detail", args=[row.number])


@permission_required("orders.add_returnorder", raise_exception=True)
@both
def return_new(request: HttpRequest) -> HttpResponse:
    """Take down a return whose order may not be known."""

    def act(values: dict[str, Any]) -> str:
        row = take_down_return(
            values["channel"],
            values["reference"],
            values["goods"],
            reason=ReturnOrder.Reason(values["reason"]),
            actor=actors.person(signed_in(request)),
        )
        if row.order is None:
            return f"Return {row} waits for somebody who finds its order"
        return f"Return {row} of order {row.order} is requested"

    channels = Channel.objects.filter(is_active=True)
    only = channels[0] if len(channels) == 1 else None
    return ask(
        request,
        TakeDownForm(request.POST or None, initial={"channel": only}),
        back=reverse("return_list"),
        title="New return",
        text="The goods may be here already, or still with the customer.",
        word="Take down",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_authorise(request: HttpRequest, number: str) -> HttpResponse:
    """Let goods come back."""
    row = _return(number)
    user = signed_in(request)
    seen = seen_version(request)

    def act(values: dict[str, Any]) -> str:
        authorise_returns(
            [row.pk],
            why=values["why"],
            takes_late=user.has_perm("orders.take_late_return"),
            versions=None if seen is None else {row.pk: seen},
            actor=actors.person(user),
        )
        return f"Return {row} is authorised"

    late = "It was asked for after the channel’s window: say why it is taken all the same."
    return ask(
        request,
        AuthoriseForm(request.POST or None),
        back=_page(row),
        title=f"Authorise return {row}",
        text=late if row.is_late else "It was asked for in time.",
        word="Authorise",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_way(request: HttpRequest, number: str) -> HttpResponse:
    """Write down the return label and where the goods are handed in."""
    row = _return(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        note_way_back(row.pk, **values, version=seen_version(request), actor=actor)
        return f"Return {row} has its way back"

    initial = {name: getattr(row, name) for name in WayBackForm.base_fields}
    return ask(
        request,
        WayBackForm(request.POST or None, initial=initial),
        back=_page(row),
        title=f"How return {row} comes back",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_returnorder", raise_exception=True)
@both
def return_match(request: HttpRequest, number: str) -> HttpResponse:
    """Give a return the order it belongs to."""
    row = _return(number)

    def act(values: dict[str, Any]) -> str:
        matched = find_order_of(
            row.pk,
            values["reference"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"Return {row} belongs to order {matched.order}"

    return ask(
        request,
        MatchForm(request.POST or None),
        back=_page(row),
        title=f"Order of return {row}",
        text="Its goods are looked for among the lines of this order.",
        word="Match",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.change_channel", raise_exception=True)
@both
def channel_returns(request: HttpRequest, key: str) -> HttpResponse:
    """Change how long goods of a channel may be sent back."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        edit_return_window(
            channel.pk,
            values["return_days"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        days = counted(values["return_days"], "day")
        return f"{channel} takes returns within {days}"

    return ask(
        request,
        WindowForm(request.POST or None, initial={"return_days": channel.return_days}),
        back=reverse("channel_detail", args=[key]),
        title=f"Returns of {channel}",
        text="Returns that were asked for already keep the window they had.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )
