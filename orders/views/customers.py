"""One customer: who they are and what they bought."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from orders.forms.customers import CustomerForm, edit_of
from orders.forms.orders import TagForm
from orders.models.customers import Customer
from orders.queries.credit import credit_of
from orders.queries.customer_page import customer_page
from orders.services.customers import edit_customer, tag_customers, untag_customers
from orders.services.errors import OrderError
from orders.tables.orders import fulfilment_state, payment_state

REFUSALS = (OrderError,)
both = require_http_methods(["GET", "HEAD", "POST"])


def customer_or_404(number: str) -> Customer:
    return get_object_or_404(Customer.objects.select_related("merged_into"), number=number)


def page_of(customer: Customer) -> str:
    return reverse("customer_detail", args=[customer.number])


@permission_required("orders.view_customer", raise_exception=True)
@require_GET
def customer_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The customer's page."""
    customer = customer_or_404(number)
    page = customer_page(customer)
    context = {
        "subject": "orders.customer",
        "record": customer,
        "number": customer.number,
        "list_url": reverse("customer_list"),
        "list_title": "Customers",
        "page": page,
        "orders": [(order, payment_state(order), fulfilment_state(order)) for order in page.orders],
        "is_live": customer.merged_into_id is None and customer.erased_at is None,
        "credit": credit_of([customer.pk]).get(customer.pk),
    }
    return render(request, "orders/customer_detail.html", context)


@permission_required("orders.change_customer", raise_exception=True)
@both
def customer_edit(request: HttpRequest, number: str) -> HttpResponse:
    customer = customer_or_404(number)

    def act(values: dict[str, Any]) -> str:
        edit_customer(
            customer.pk,
            edit_of(values),
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"Customer {customer} is changed"

    now = {name: getattr(customer, name) for name in CustomerForm.base_fields}
    return ask(
        request,
        CustomerForm(request.POST or None, initial=now),
        back=page_of(customer),
        title=f"Change customer {customer}",
        word="Save",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.tag_customer", raise_exception=True)
@both
def customer_tag(request: HttpRequest, number: str) -> HttpResponse:
    customer = customer_or_404(number)

    def act(values: dict[str, Any]) -> str:
        actor = actors.person(signed_in(request))
        tag_customers({customer.pk: [values["tag"]]}, actor=actor)
        return f"Customer {customer} is tagged {values['tag']}"

    return ask(
        request,
        TagForm(request.POST or None),
        back=page_of(customer),
        title="Add a tag",
        word="Add",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.tag_customer", raise_exception=True)
@both
def customer_untag(request: HttpRequest, number: str, tag: str) -> HttpResponse:
    customer = customer_or_404(number)

    def act(values: dict[str, Any]) -> str:
        untag_customers({customer.pk: [tag]}, actor=actors.person(signed_in(request)))
        return f"{tag} is off customer {customer}"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=page_of(customer),
        title=f"Take {tag} off customer {customer}?",
        word="Take off",
        refusals=REFUSALS,
        act=act,
    )
