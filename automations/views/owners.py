"""The second person's word on who owns a rule in force."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST

from automations.services import owners
from automations.services.errors import AutomationError
from automations.views.drafting import rule_or_404, signed_in
from backoffice.actors import person
from backoffice.workbench import respond


@permission_required("automations.approve_document", raise_exception=True)
@require_POST
def rule_owner(request: HttpRequest, slug: str) -> HttpResponse:
    """Agree to the owner that was asked for, or leave the rule with the one it has."""
    rule, actor = rule_or_404(slug), person(signed_in(request))
    url = reverse("rule_detail", args=[slug])
    try:
        owner_id = int(request.POST.get("owner", ""))
    except ValueError:
        return HttpResponse(status=400)
    try:
        if request.POST.get("agree") == "yes":
            rule = owners.agree_to_owner(rule.pk, owner_id=owner_id, actor=actor)
            return respond.go(request, url, f"{rule.owner} owns it now.")
        owners.keep_owner(rule.pk, actor=actor)
    except AutomationError as refusal:
        return respond.toast(str(refusal), level="bad")
    return respond.go(request, url, "It stays with its owner.")
