"""What of an order waits because two systems disagree, decided by a person."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from orders.forms.conflicts import DecideForm
from orders.models.conflicts import Conflict
from orders.services.conflicts import decide_conflict
from orders.services.errors import OrderError


@permission_required("orders.decide_conflict", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def conflict_decide(request: HttpRequest, number: str, pk: int) -> HttpResponse:
    """Say which side holds."""
    rows = Conflict.objects.select_related("order")
    conflict = get_object_or_404(rows, pk=pk, order__number=number)

    def act(values: dict[str, Any]) -> str:
        decided = decide_conflict(
            conflict.pk,
            decision=Conflict.Decision(values["decision"]),
            note=values["note"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"Order {conflict.order}: {decided.get_decision_display().lower()}"

    return ask(
        request,
        DecideForm(request.POST or None, conflict=conflict),
        back=reverse("order_detail", args=[number]),
        title=f"Order {conflict.order}: {conflict.get_kind_display().lower()}",
        text=f"{conflict.ours}. {_theirs(conflict)}. What rules were kept from goes on after your "
        "decision, if it is still true. Nothing is cancelled, called back or refunded by it.",
        word="Decide",
        refusals=(OrderError,),
        act=act,
    )


def _theirs(conflict: Conflict) -> str:
    """What the other side says, with every parcel that the decision is about."""
    return ", and parcel ".join([conflict.theirs, *map(str, conflict.also)])
