"""Done by hand for many cases, from a file: every row is shown before anything is done."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from automations.forms.cases import ByHandFileForm
from automations.services import by_hand
from automations.services.by_hand import Sheet
from automations.views.case_bulk import weigh
from automations.views.failure_list import FAILURES
from backoffice.models import User
from backoffice.views.me import signed_in
from backoffice.workbench import bulk, jobs, respond, shown

SALT = "automations.by_hand"
may_work = permission_required("automations.work_failure", raise_exception=True)


@may_work
@require_http_methods(["GET", "HEAD", "POST"])
def by_hand_file(request: HttpRequest) -> HttpResponse:
    """Upload a file, and see what each of its rows would do."""
    form = ByHandFileForm(request.POST or None, request.FILES or None)
    sheet = shown.look_at(form, lambda given: by_hand.check(given["file"].read()))
    return shown.show(
        request,
        "automations/case_file.html",
        form,
        back="failure_list",
        job="failure_file_job",
        sheet=sheet,
        rows=_sealed(sheet, signed_in(request)) if sheet and sheet.good else "",
    )


def _sealed(sheet: Sheet, user: User) -> str:
    rows = [[line.case_id, line.version, line.reference, line.note] for line in sheet.good]
    return shown.seal(rows, user, salt=SALT)


@may_work
@require_POST
def by_hand_job(request: HttpRequest) -> HttpResponse:
    """Draft the job for exactly the rows that were shown."""
    user = signed_in(request)
    rows = shown.unseal(request.POST.get("rows", ""), user, salt=SALT)
    if rows is None:
        return shown.too_old(request, "failure_file")
    action = bulk.get("failures.by_hand")
    ids = [row[0] for row in rows]
    job = jobs.draft_job(
        action,
        ids,
        screen=FAILURES.key,
        params={"rows": {str(row[0]): [row[2], row[3]] for row in rows}},
        back=reverse("failure_list"),
        user=user,
        weight=weigh(ids),
        versions=[row[1] for row in rows],
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))
