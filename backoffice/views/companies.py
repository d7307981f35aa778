"""Our companies, as what rules that are about no other record stand on."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from backoffice.models import LegalEntity, User
from backoffice.workbench.bench import Empty, Workbench
from backoffice.workbench.columns import Column


def companies(viewer: User) -> QuerySet[LegalEntity]:
    return LegalEntity.objects.all()


COMPANIES = Workbench[LegalEntity](
    key="backoffice.companies",
    title="Companies",
    noun="company",
    nouns="companies",
    url_name="company_list",
    permission="backoffice.view_legalentity",
    queryset=companies,
    row_label=str,
    row_url=lambda entity: reverse("company_detail", args=[entity.name]),
    columns=(
        Column("name", "Company", sort="name", main=True, wide=True),
        Column("country", "Country", "country", sort="country"),
        Column("currency", "Currency", "currency"),
        Column("zone", "Time zone", "time_zone", sort="time_zone"),
    ),
    search=("name__icontains",),
    search_hint="Filter by name",
    sort=("name",),
    empty=Empty("No companies yet.", "They are made when a shop is connected or imported."),
)


@permission_required("backoffice.view_legalentity", raise_exception=True)
@require_GET
def company_detail(request: HttpRequest, name: str) -> HttpResponse:
    """One company, and what rules did for it."""
    entity = get_object_or_404(LegalEntity, name=name)
    context = {
        "subject": "backoffice.legalentity",
        "record": entity,
        "number": entity.name,
        "list_url": reverse("company_list"),
        "list_title": COMPANIES.title,
        "now": timezone.now(),
    }
    return render(request, "backoffice/company_detail.html", context)
