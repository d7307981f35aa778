"""Many tracking numbers from a file: every row is shown before anything is done."""

from __future__ import annotations

import csv
from dataclasses import asdict

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from backoffice.models import User
from backoffice.sheets import MOST_ROWS
from backoffice.views.me import signed_in
from backoffice.workbench import bulk, jobs, respond, shown
from orders.forms.parcels import TrackingFileForm
from orders.models.packages import Label, Package
from orders.services import tracking_file
from orders.services.tracking_file import Sheet
from orders.tables.parcels import PARCELS

SALT = "orders.tracking_file"
may_pack = permission_required("orders.pack_order", raise_exception=True)


@may_pack
@require_http_methods(["GET", "HEAD", "POST"])
def parcel_file(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see what each of its rows would do."""
    form = TrackingFileForm(request.POST or None, request.FILES or None)
    sheet = shown.look_at(form, lambda given: tracking_file.check(given["file"].read()))
    leave = bool(sheet and form.cleaned_data["leave"])
    return shown.show(
        request,
        "orders/parcel_file.html",
        form,
        back="parcel_list",
        job="parcel_file_job",
        sheet=sheet,
        leave=leave,
        rows=_sealed(sheet, leave, signed_in(request)) if sheet and sheet.good else "",
    )


@may_pack
@require_GET
def parcel_file_sample(request: HttpRequest) -> HttpResponse:
    """The parcels that wait for a tracking number, as a file to fill in; else made-up rows."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="tracking-numbers.csv"'
    csv.writer(response).writerows([["order", "parcel", "tracking", "service"], *_to_fill_in()])
    return response


def _to_fill_in() -> list[list[str]]:
    waiting = (
        Package.objects.filter(shipment=None, unpacked_at=None)
        .exclude(labels__state__in=Label.LIVE)
        .order_by("pk")
        .values_list("order__number", "number")[:MOST_ROWS]
    )
    rows = [[order, parcel, "", ""] for order, parcel in waiting]
    return rows or [["1000123", "", "AB123456789GB", ""], ["", "1000124-P1", "AB123456790GB", ""]]


def _sealed(sheet: Sheet, leave: bool, user: User) -> str:
    rows = {line.number: asdict(line) for line in sheet.good}
    return shown.seal([leave, rows], user, salt=SALT)


@may_pack
@require_POST
def parcel_file_job(request: HttpRequest) -> HttpResponse:
    """Draft the job for exactly the rows that were shown."""
    user = signed_in(request)
    content = shown.unseal(request.POST.get("rows", ""), user, salt=SALT)
    if content is None:
        return shown.too_old(request, "parcel_file")
    leave, rows = content
    job = jobs.draft_job(
        bulk.get("parcels.from_file"),
        [int(number) for number in rows],
        screen=PARCELS.key,
        params={"rows": rows, "leave": leave},
        back=reverse("parcel_list"),
        user=user,
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))
