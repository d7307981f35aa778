"""One customer: who they are and what they bought."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET

from orders.models.customers import Customer
from orders.queries.credit import credit_of
from orders.queries.pages import customer_page


@permission_required("orders.view_customer", raise_exception=True)
@require_GET
def customer_detail(request: HttpRequest, number: str) -> HttpResponse:
    """The customer's page."""
    customer = get_object_or_404(Customer, number=number)
    context = {
        "subject": "orders.customer",
        "record": customer,
        "number": customer.number,
        "list_url": reverse("customer_list"),
        "list_title": "Customers",
        "page": customer_page(customer),
        "credit": credit_of([customer.pk]).get(customer.pk),
    }
    return render(request, "orders/customer_detail.html", context)
