"""A rule's evidence for an auditor, as a download."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_POST

from automations.services import dossiers
from automations.views.drafting import rule_or_404, signed_in


@permission_required("backoffice.view_auditentry", raise_exception=True)
@require_POST
def rule_evidence(request: HttpRequest, slug: str, form: str) -> HttpResponse:
    """Everything about a rule as `csv` (an archive) or `pdf`; that it was taken is on record."""
    rule = rule_or_404(slug)
    if form not in dossiers.FORMS:
        raise Http404
    found = dossiers.export(rule, form, user=signed_in(request))
    response = HttpResponse(found.data, content_type=found.content_type)
    response["Content-Disposition"] = f'attachment; filename="{found.name}"'
    return response
