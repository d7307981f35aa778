"""Many prices from a file: every row is shown before anything is done."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from backoffice.models import User
from backoffice.views.me import signed_in
from backoffice.workbench import bulk, jobs, respond, shown
from orders.forms.prices import PriceFileForm
from orders.services import price_file as files
from orders.services.price_file import Sheet
from orders.tables.prices import PRICES

SALT = "orders.price_file"
may_price = permission_required("orders.change_price", raise_exception=True)


@may_price
@require_http_methods(["GET", "HEAD", "POST"])
def price_file(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see what would become of each of its prices."""
    form = PriceFileForm(request.POST or None, request.FILES or None)
    sheet = shown.look_at(form, lambda given: files.check(given["file"].read(), given["store"]))
    return shown.show(
        request,
        "orders/price_file.html",
        form,
        back="price_list",
        job="price_file_job",
        sheet=sheet,
        rows=_sealed(sheet, signed_in(request)) if sheet and sheet.good else "",
    )


def _sealed(sheet: Sheet, user: User) -> str:
    return shown.seal({line.number: asdict(line) for line in sheet.good}, user, salt=SALT)


@may_price
@require_POST
def price_file_job(request: HttpRequest) -> HttpResponse:
    """Draft the job for exactly the rows that were shown."""
    user = signed_in(request)
    rows = shown.unseal(request.POST.get("rows", ""), user, salt=SALT)
    if rows is None:
        return shown.too_old(request, "price_file")
    job = jobs.draft_job(
        bulk.get("prices.from_file"),
        [int(number) for number in rows],
        screen=PRICES.key,
        params={"rows": rows},
        back=reverse("price_list"),
        user=user,
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))
