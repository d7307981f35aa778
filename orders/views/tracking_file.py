"""Many tracking numbers from a file: every row is shown before anything is done."""

from __future__ import annotations

from dataclasses import asdict

from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from backoffice.sheets import SheetRefused
from backoffice.views.me import signed_in
from backoffice.workbench import bulk, jobs, respond
from orders.forms.parcels import TrackingFileForm
from orders.services import tracking_file
from orders.services.tracking_file import Sheet
from orders.tables.parcels import PARCELS

SALT = "orders.tracking_file"
# The page that was looked at stands for its rows this long.
SECONDS = 3_600
may_pack = permission_required("orders.pack_order", raise_exception=True)


@may_pack
@require_http_methods(["GET", "HEAD", "POST"])
def parcel_file(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see what each of its rows would do."""
    form = TrackingFileForm(request.POST or None, request.FILES or None)
    sheet: Sheet | None = None
    leave = False
    if request.method == "POST" and form.is_valid():
        leave = form.cleaned_data["leave"]
        try:
            sheet = tracking_file.check(form.cleaned_data["file"].read())
        except SheetRefused as error:
            form.add_error("file", str(error))
    context = {
        "form": form,
        "sheet": sheet,
        "leave": leave,
        "rows": _signed(sheet, leave, signed_in(request).pk) if sheet and sheet.good else "",
        "list_url": reverse("parcel_list"),
    }
    status = 422 if form.errors else 200
    return render(request, "orders/parcel_file.html", context, status=status)


def _signed(sheet: Sheet, leave: bool, user_id: int) -> str:
    rows = {line.number: asdict(line) for line in sheet.good}
    return signing.dumps([user_id, leave, rows], salt=SALT, compress=True)


@may_pack
@require_POST
def parcel_file_job(request: HttpRequest) -> HttpResponse:
    """Draft the job for exactly the rows that were shown."""
    user = signed_in(request)
    try:
        user_id, leave, rows = signing.loads(
            request.POST.get("rows", ""), salt=SALT, max_age=SECONDS
        )
    except signing.BadSignature:
        user_id, leave, rows = None, False, {}
    if user_id != user.pk:
        context = {
            "message": "This page is too old. Choose the file again.",
            "url": reverse("parcel_file"),
        }
        return render(request, "409.html", context, status=409)
    job = jobs.draft_job(
        bulk.get("parcels.from_file"),
        [int(number) for number in rows],
        screen=PARCELS.key,
        params={"rows": rows, "leave": leave},
        back=reverse("parcel_list"),
        user=user,
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))
