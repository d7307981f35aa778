"""What is sold before its stock comes: set up, moved, filled, closed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.counting import counted
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.models import StockLevel
from inventory.services.errors import InventoryError
from orders.forms.preorders import CapForm, MoveForm, NewPreOrderForm
from orders.models.orders import Order
from orders.models.preorders import PreOrder, PreOrderLine
from orders.queries.preorders import preorders, waiting_orders
from orders.services.errors import OrderError
from orders.services.preorder_release import release_preorder
from orders.services.preorders import (
    PREORDER,
    NewPreOrder,
    change_preorder,
    close_preorder,
    in_words,
    move_preorder,
    open_preorder,
)
from orders.tables.preorders import promised, state
from orders.views.carriers import trail

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])
# Orders that a page lists, and that a dialog names.
LISTED, NAMED = 100, 6


def _preorder(number: str) -> PreOrder:
    return get_object_or_404(preorders().select_related("channel", "sku"), number=number)


def _page(row: PreOrder) -> str:
    return reverse("preorder_detail", args=[row.number])


@permission_required("orders.view_preorder", raise_exception=True)
@require_GET
def preorder_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The pre-order's page."""
    row = _preorder(number)
    lines = row.lines.select_related("order")
    waiting = lines.filter(state=PreOrderLine.State.WAITING).order_by("order__placed_at", "pk")
    levels = StockLevel.objects.sellable().filter(sku=row.sku).select_related("location")
    rows = list(waiting[:LISTED])
    context = {
        "subject": PREORDER,
        "record": row,
        "number": row.number,
        "list_url": reverse("preorder_list"),
        "list_title": "Pre-orders",
        "state": state(row),
        "promised": promised(row),
        "lines": rows,
        "waiting_units": sum(waiting.values_list("units", flat=True)),
        "free": sum(max(level.available, 0) for level in levels),
        "moves": list(row.moves.order_by("-step")),
        "entries": trail(PREORDER, row.pk),
    }
    return render(request, "orders/preorder_detail.html", context)


@permission_required("orders.run_preorder", raise_exception=True)
@both
def preorder_new(request: HttpRequest) -> HttpResponse:
    """Sell a product ahead."""

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        row = open_preorder(NewPreOrder(**values), actor=actor)
        return f"{row.sku} is sold ahead on {row.channel}, as {row}"

    return ask(
        request,
        NewPreOrderForm(request.POST or None),
        back=reverse("preorder_list"),
        title="Sell a product ahead",
        text="From now on each order of it on this channel waits for its stock.",
        word="Sell ahead",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.run_preorder", raise_exception=True)
@both
def preorder_move(request: HttpRequest, number: str) -> HttpResponse:
    """Promise another day, and see who is told."""
    row = _preorder(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        move = move_preorder(row.pk, **values, version=seen_version(request), actor=actor)
        if move is None:
            return "It was promised for that day already. Nobody is told again."
        count = move.notices.count()
        return f"{row.sku} is promised {in_words(move.after)}. Orders told: {count}"

    return ask(
        request,
        MoveForm(request.POST or None, initial={"to": row.promised_on}),
        back=_page(row),
        title=f"Move the day of {row.sku}",
        text=who_is_told(row, waiting_orders(row)),
        word="Move",
        refusals=REFUSALS,
        act=act,
    )


def who_is_told(row: PreOrder, orders: list[Order]) -> str:
    """Before it is done: how many orders hear of it, and which first."""
    if not orders:
        return f"It is promised {in_words(row.promised_on)}. No order waits, so nobody is told."
    named = ", ".join(order.number for order in orders[:NAMED])
    more = f" and {len(orders) - NAMED} more" if len(orders) > NAMED else ""
    many = counted(len(orders), "order")
    return (
        f"It was promised {in_words(row.promised_on)}. Told once: {many}, {named}{more}. "
        "Each of these customers may then cancel."
    )


@permission_required("orders.run_preorder", raise_exception=True)
@both
def preorder_fill(request: HttpRequest, number: str) -> HttpResponse:
    """Set aside what has come, for those who ordered first."""
    row = _preorder(number)

    def act(values: dict[str, Any]) -> str:
        filled = release_preorder(row.pk, actor=actors.person(signed_in(request)))
        if not filled:
            raise OrderError(f"There is too little free stock of {row.sku} for the first in line.")
        orders = len({line.order_id for line in filled})
        return f"Orders that have their {row.sku} set aside now: {orders}"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=_page(row),
        title=f"Set {row.sku} aside",
        text="Those who ordered first get theirs first, each whole. What they were not to pay "
        "before is asked for now.",
        word="Set aside",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.run_preorder", raise_exception=True)
@both
def preorder_edit(request: HttpRequest, number: str) -> HttpResponse:
    """Sell more or fewer ahead."""
    row = _preorder(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        change_preorder(row.pk, values["cap"], version=seen_version(request), actor=actor)
        return f"{row} is changed"

    return ask(
        request,
        CapForm(request.POST or None, initial={"cap": row.cap}),
        back=_page(row),
        title=f"How many of {row.sku} may be sold ahead",
        text=f"Sold ahead so far: {row.sold}.",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.run_preorder", raise_exception=True)
@both
def preorder_close(request: HttpRequest, number: str) -> HttpResponse:
    """Sell no more of it ahead."""
    row = _preorder(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        close_preorder(row.pk, version=seen_version(request), actor=actor)
        return f"{row.sku} is not sold ahead any more"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=_page(row),
        title=f"Sell no more of {row.sku} ahead",
        text="Orders that wait go on waiting. New orders need stock, like any other.",
        word="Close",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )
