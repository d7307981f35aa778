"""Carts: one of them, and many from a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backoffice import actors
from backoffice.actors import Actor
from backoffice.dialogs import ask, seen_version
from backoffice.money import Money
from backoffice.views.me import signed_in
from backoffice.workbench import bulk, jobs, respond, shown
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.forms.carts import CartFileForm, CartMinutesForm
from orders.models.carts import Cart
from orders.models.channels import Channel
from orders.services import cart_file as files
from orders.services.cart_file import Line
from orders.services.channels import edit_cart_minutes
from orders.services.errors import OrderError
from orders.tables.carts import CARTS, STATES, whose

SALT = "orders.cart_file"
may_receive = permission_required("orders.receive_cart", raise_exception=True)


@permission_required("orders.view_cart", raise_exception=True)
@require_GET
def cart_detail(request: HttpRequest, number: str) -> HttpResponse:
    """A cart: what is in it, whose it is, and what became of it."""
    rows = Cart.objects.select_related("channel", "customer", "order")
    cart = get_object_or_404(rows, number=number)
    token, sign = STATES[Cart.State(cart.state)]
    lines = [
        (line, Money(line.unit_price, cart.currency), Money(line.line_total, cart.currency))
        for line in cart.lines.select_related("sku").order_by("position")
    ]
    context = {
        "subject": "orders.cart",
        "record": cart,
        "number": cart.number,
        "list_url": reverse("cart_list"),
        "list_title": "Carts",
        "state": (token, cart.get_state_display(), sign),
        "whose": whose(cart),
        "lines": lines,
        "was_recovered": cart.order_id is not None and cart.abandoned_at is not None,
    }
    return render(request, "orders/cart_detail.html", context)


@permission_required("orders.change_channel", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def channel_carts(request: HttpRequest, key: str) -> HttpResponse:
    """Say when carts of a channel count as abandoned."""
    channel = get_object_or_404(Channel, key=key)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        edit_cart_minutes(channel.pk, values["minutes"], version=seen_version(request), actor=actor)
        return f"{channel} is changed"

    return ask(
        request,
        CartMinutesForm(request.POST or None, initial={"minutes": channel.cart_minutes}),
        back=reverse("channel_detail", args=[key]),
        title=f"When carts of {channel} are abandoned",
        text="Carts that were found abandoned stay so until somebody touches them.",
        word="Save",
        refusals=(OrderError,),
        act=act,
    )


@may_receive
@require_http_methods(["GET", "HEAD", "POST"])
def cart_file(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see what would become of each of its carts."""
    form = CartFileForm(request.POST or None, request.FILES or None)
    sheet = shown.look_at(form, lambda given: files.check(given["file"].read()))
    rows = {line.number: asdict(line) for line in sheet.good} if sheet else {}
    return shown.show(
        request,
        "orders/cart_file.html",
        form,
        back="cart_list",
        job="cart_file_job",
        sheet=sheet,
        rows=shown.seal(rows, signed_in(request), salt=SALT) if rows else "",
    )


@may_receive
@require_POST
def cart_file_job(request: HttpRequest) -> HttpResponse:
    """Draft the job for exactly the carts that were shown."""
    user = signed_in(request)
    rows = shown.unseal(request.POST.get("rows", ""), user, salt=SALT)
    if rows is None:
        return shown.too_old(request, "cart_file")
    job = jobs.draft_job(
        bulk.get("carts.from_file"),
        [int(number) for number in rows],
        screen=CARTS.key,
        params={"rows": rows},
        back=reverse("cart_list"),
        user=user,
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))


def _from_file(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    """The ids are the numbers of the first rows of carts."""
    lines = [Line(**params["rows"][str(number)]) for number in ids]
    for told in files.apply(lines, actor=actor):
        message = f"Cart {told.name}: {told.problem or told.says}"
        yield Outcome(told.number, ok=not told.problem, message=message)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(
        BulkAction(
            key="carts.from_file",
            label="Take in carts of",
            done="Took in carts of",
            permission="orders.receive_cart",
            run=_from_file,
            icon="upload",
        )
    )
