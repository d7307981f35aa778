"""One claim, and how it is made good or refused. Its refund is asked for on finance's part."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.claims import ClaimForm, RefuseClaimForm, ReshipForm
from orders.models.claims import Claim
from orders.models.orders import Order
from orders.queries.conflicts import open_conflicts
from orders.services.claims import claimable, open_claim, refuse_claim, reship_claim
from orders.services.errors import OrderError
from orders.tables.claims import CLAIM

REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("orders.view_claim", raise_exception=True)
@require_GET
def claim_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The claim's page."""
    claim = get_object_or_404(
        Claim.objects.select_related("order__customer", "order__channel", "reship"), number=number
    )
    is_open = claim.state == Claim.State.OPEN
    context = {
        "subject": "orders.claim",
        "record": claim,
        "number": claim.number,
        "list_url": reverse("claim_list"),
        "list_title": "Claims",
        "state": CLAIM[Claim.State(claim.state)],
        "is_open": is_open,
        "is_late": is_open and claim.answer_by < timezone.now(),
        "conflicts": open_conflicts(claim.order),
        "lines": list(claim.lines.select_related("order_line__sku").order_by("pk")),
    }
    return render(request, "orders/claim_detail.html", context)


@permission_required("orders.add_claim", raise_exception=True)
@both
def claim_new(request: HttpRequest, number: str) -> HttpResponse:
    """Take down what a customer complains of."""
    order = get_object_or_404(Order, number=number)

    def act(values: dict[str, Any]) -> str:
        claim = open_claim(
            order.pk,
            form.units(),
            reason=Claim.Reason(values["reason"]),
            evidence=values["evidence"],
            actor=actors.person(signed_in(request)),
        )
        return f"Claim {claim} is open"

    lines = [(line, left) for line, left in claimable(order) if left > 0]
    form = ClaimForm(request.POST or None, lines=lines)
    return ask(
        request,
        form,
        back=reverse("order_detail", args=[number]),
        title=f"Claim about order {order}",
        text="A claim asks for no goods back. To take goods back, ask for a return.",
        word="Open claim",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.decide_claim", raise_exception=True)
@both
def claim_reship(request: HttpRequest, number: str) -> HttpResponse:
    """Send the goods again, without charge."""
    claim = get_object_or_404(Claim.objects.select_related("order"), number=number)

    def act(values: dict[str, Any]) -> str:
        made = reship_claim(
            claim.pk,
            note=values["note"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"Order {made} sends the goods of claim {claim} again"

    return ask(
        request,
        ReshipForm(request.POST or None),
        back=reverse("claim_detail", args=[number]),
        title=f"Send the goods of claim {claim} again",
        text=f"An order without charge is placed, to the address of order {claim.order}.",
        word="Send again",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.decide_claim", raise_exception=True)
@both
def claim_refuse(request: HttpRequest, number: str) -> HttpResponse:
    """Say no, and why."""
    claim = get_object_or_404(Claim, number=number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        refuse_claim(claim.pk, note=values["note"], version=seen_version(request), actor=actor)
        return f"Claim {claim} is refused"

    return ask(
        request,
        RefuseClaimForm(request.POST or None),
        back=reverse("claim_detail", args=[number]),
        title=f"Refuse claim {claim}",
        word="Refuse",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )
