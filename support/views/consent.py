"""What customers agreed to: on their page, noted by staff, and withdrawn by themselves."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import login_not_required, permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from orders.models.customers import Customer
from orders.queries.customers import everyone_in
from support.forms import ConsentForm, CustomerMailForm
from support.models import ConsentEvent, Medium, OutgoingMail, Purpose
from support.queries import consents_of
from support.services.consent import record_consent
from support.services.errors import SupportError
from support.services.outgoing import NewMail, queue_mail, read_token

SHOWN = 5
both = require_http_methods(["GET", "HEAD", "POST"])


@permission_required("support.view_ticket", raise_exception=True)
@require_GET
def customer_consents(request: HttpRequest, pk: int) -> HttpResponse:
    """What a customer agreed to and what was written to them, on the customer's page."""
    customer = get_object_or_404(Customer, pk=pk)
    family = everyone_in(customer.pk)
    mails = OutgoingMail.objects.filter(customer__in=family).order_by("-pk")
    context = {
        "customer": customer,
        "consents": consents_of(family),
        "mails": list(mails[:SHOWN]),
        "is_live": customer.merged_into_id is None and customer.erased_at is None,
    }
    return render(request, "support/_customer_consents.html", context)


@permission_required("support.record_consent", raise_exception=True)
@both
def consent_new(request: HttpRequest, number: str) -> HttpResponse:
    """Note what a customer said to staff."""
    customer = get_object_or_404(Customer, number=number)

    def act(values: dict[str, Any]) -> str:
        event = record_consent(
            customer.pk,
            medium=values["medium"],
            purpose=values["purpose"],
            given=values["given"] == "yes",
            basis=values["basis"] or ConsentEvent.Basis.CONSENT,
            wording=values["wording"],
            source=ConsentEvent.Source.STAFF,
            actor=actors.person(signed_in(request)),
        )
        return f"Noted. {event}"

    return ask(
        request,
        ConsentForm(request.POST or None),
        back=reverse("customer_detail", args=[customer.number]),
        title=f"What customer {customer} said",
        word="Note",
        refusals=(SupportError,),
        act=act,
    )


@permission_required("support.write_customer", raise_exception=True)
@both
def customer_write(request: HttpRequest, number: str) -> HttpResponse:
    """Write a mail to a customer."""
    customer = get_object_or_404(Customer, number=number)

    def act(values: dict[str, Any]) -> str:
        user = signed_in(request)
        mail = queue_mail(
            NewMail(
                customer.pk,
                values["purpose"],
                values["subject"],
                values["text"],
                f"person:{user.pk}:{values['key']}",
                actors.person(user),
            )
        )
        if mail.skipped:
            return f"Not sent: {mail.get_skipped_display()}"
        return "It goes out within a minute"

    return ask(
        request,
        CustomerMailForm(request.POST or None),
        back=reverse("customer_detail", args=[customer.number]),
        title=f"Write to customer {customer}",
        word="Send",
        refusals=(SupportError,),
        act=act,
    )


@login_not_required
@csrf_exempt  # mail programs press the button themselves (RFC 8058); the link is signed
@both
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Where the link in a mail leads: one button, no questions."""
    found = read_token(token)
    if found is None or not Customer.objects.filter(pk=found[0]).exists():
        raise Http404("No such link.")
    customer_id, purpose = found
    done = request.method == "POST"
    if done:
        record_consent(
            customer_id,
            medium=Medium.MAIL,
            purpose=purpose,
            given=False,
            source=ConsentEvent.Source.LINK,
            actor=actors.outside("The customer"),
        )
    context = {"purpose": Purpose(purpose).label.lower(), "done": done}
    return render(request, "support/unsubscribe.html", context)
