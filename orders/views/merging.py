"""Duplicates: proposed, looked at side by side, merged, kept apart, taken apart again."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.counting import counted
from backoffice.dialogs import ask
from backoffice.versions import StaleVersion, whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from orders.forms.customers import CustomerForm
from orders.models.customers import Customer, CustomerMerge
from orders.models.orders import Order
from orders.queries.countries import country_name
from orders.queries.customers import MOST_PROPOSALS, proposals, suggested
from orders.services.errors import OrderError
from orders.services.merging import CHOSEN, keep_apart, merge_customers, undo_merge
from orders.views.customers import customer_or_404, page_of

both = require_http_methods(["GET", "HEAD", "POST"])


@dataclass(frozen=True, slots=True)
class Row:
    """One field of both; `differs` where people choose, `takes` where the other's is proposed."""

    name: str
    label: str
    mine: str
    other: str
    differs: bool
    takes: bool


@permission_required("orders.view_customer", raise_exception=True)
@require_GET
def customer_duplicates(request: HttpRequest) -> HttpResponse:
    """Customers who may be one person, to be looked at."""
    found = [(pair, *suggested(pair.one, pair.other)) for pair in proposals()]
    context = {"rows": found, "most": MOST_PROPOSALS, "is_full": len(found) >= MOST_PROPOSALS}
    return render(request, "orders/customer_duplicates.html", context)


def _rows(survivor: Customer, merged: Customer) -> list[Row]:
    rows = []
    for name in CHOSEN:
        mine, other = (_shown(customer, name) for customer in (survivor, merged))
        label = str(CustomerForm.base_fields[name].label)
        differs = bool(mine and other and mine != other)
        takes = bool(other and not mine)
        rows.append(Row(name, label, mine, other, differs, takes))
    return rows


def _shown(customer: Customer, name: str) -> str:
    if name == "country":
        return country_name(customer.country) if customer.country else ""
    if name == "kind":
        return str(customer.get_kind_display())
    return str(getattr(customer, name))


def _versions(request: HttpRequest, *customers: Customer) -> dict[int, int]:
    """The versions that the page showed, so that nothing unseen is merged."""
    seen = {each.pk: whole(request.POST.get(f"version-{each.pk}", "")) for each in customers}
    return {pk: version for pk, version in seen.items() if version is not None}


@permission_required("orders.merge_customer", raise_exception=True)
@both
def customer_merge(request: HttpRequest, number: str, other: str) -> HttpResponse:
    """Two customers side by side; the first one stays."""
    survivor, merged = customer_or_404(number), customer_or_404(other)
    problem, status = "", HTTPStatus.OK
    if request.method == "POST":
        take = {name: request.POST.get(f"take-{name}") == "other" for name in CHOSEN}
        try:
            merge_customers(
                survivor.pk,
                merged.pk,
                take=take,
                versions=_versions(request, survivor, merged),
                actor=actors.person(signed_in(request)),
            )
        except (OrderError, StaleVersion) as refusal:
            problem = str(refusal)
            stale = isinstance(refusal, StaleVersion)
            status = HTTPStatus.CONFLICT if stale else HTTPStatus.UNPROCESSABLE_ENTITY
        else:
            return respond.go(request, page_of(survivor), f"{merged} is merged into {survivor}")
    context = {
        "survivor": survivor,
        "merged": merged,
        "rows": _rows(survivor, merged),
        "problem": problem,
        "orders": [
            list(Order.objects.filter(customer=each).order_by("-placed_at")[:5])
            for each in (survivor, merged)
        ],
    }
    return render(request, "orders/customer_merge.html", context, status=status)


@permission_required("orders.merge_customer", raise_exception=True)
@both
def customer_apart(request: HttpRequest, number: str, other: str) -> HttpResponse:
    one, two = customer_or_404(number), customer_or_404(other)

    def act(values: dict[str, Any]) -> str:
        keep_apart(one.pk, two.pk, actor=actors.person(signed_in(request)))
        return f"{one} and {two} are kept apart"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=reverse("customer_duplicates"),
        title=f"{one} and {two} are two people?",
        text="They are not proposed again.",
        word="Keep apart",
        refusals=(OrderError,),
        act=act,
    )


@permission_required("orders.merge_customer", raise_exception=True)
@both
def merge_undo(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a merge back; says before what goes back and what stays."""
    merge = get_object_or_404(CustomerMerge.objects.select_related("survivor", "merged"), pk=pk)
    back = merge.moves.filter(kind="order").count()
    later = Order.objects.filter(customer=merge.survivor, placed_at__gt=merge.at)
    names = list(later.order_by("placed_at").values_list("number", flat=True))
    stays = f" What was ordered since stays with {merge.survivor}: {', '.join(names[:10])}."

    def act(values: dict[str, Any]) -> str:
        undone = undo_merge(merge.pk, actor=actors.person(signed_in(request)))
        went = counted(undone.moved_back, "order")
        return f"{merge.merged} is apart again: {went} went back"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=page_of(merge.survivor),
        title=f"Take {merge.merged} out of {merge.survivor} again?",
        text=f"{counted(back, 'order')} and the fields that the merge changed go "
        f"back to how they were.{stays if names else ''}",
        word="Take apart",
        refusals=(OrderError,),
        act=act,
    )
