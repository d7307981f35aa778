"""Erasing a customer: what goes and what stays, before anything is done."""

from __future__ import annotations

from http import HTTPStatus

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from backoffice import actors
from backoffice.versions import StaleVersion, whole
from backoffice.views.me import signed_in
from backoffice.workbench import respond
from orders.queries.erasure import preview
from orders.services.erasure import erase_customer
from orders.services.errors import OrderError
from orders.views.customers import customer_or_404, page_of


class EraseForm(forms.Form):
    """Why, and the number once more, for there is no way back."""

    why = forms.CharField(
        label="Why", max_length=200, help_text="Such as the request and its date; no names."
    )
    number = forms.CharField(label="The customer's number, to be sure", max_length=40)

    def __init__(self, *args: object, expected: str, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]
        self.expected = expected

    def clean_number(self) -> str:
        given: str = self.cleaned_data["number"].strip()
        if given != self.expected:
            raise forms.ValidationError(f"Write {self.expected}, the number of this customer.")
        return given


@permission_required("orders.erase_customer", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def customer_erase(request: HttpRequest, number: str) -> HttpResponse:
    """What goes, what stays and why; then it is done for good."""
    customer = customer_or_404(number)
    form, status = EraseForm(request.POST or None, expected=customer.number), HTTPStatus.OK
    if request.method == "POST":
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if form.is_valid():
            try:
                erase_customer(
                    customer.pk,
                    why=form.cleaned_data["why"],
                    version=whole(request.POST.get("version", "")),
                    actor=actors.person(signed_in(request)),
                )
            except OrderError as error:
                form.add_error(None, str(error))
            except StaleVersion as error:
                form.add_error(None, str(error))
                status = HTTPStatus.CONFLICT
            else:
                return respond.go(request, page_of(customer), f"Customer {customer} is erased")
    context = {"customer": customer, "form": form, "preview": preview(customer)}
    return render(request, "orders/customer_erase.html", context, status=status)
