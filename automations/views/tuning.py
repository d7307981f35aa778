"""Values that a rule's owner changes alone, on the rule's page."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.forms.tuning import TuneForm, allowed, shown
from automations.models.rules import Rule
from automations.services import tuning
from automations.services.errors import AutomationError
from automations.views.drafting import rule_or_404, signed_in
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.models import User


def tunable_rows(rule: Rule, user: User) -> list[dict[str, Any]]:
    """What may be tuned of the version in force; `url` is for its owner alone."""
    _, found = tuning.tunables_of(rule)
    owns = rule.owner_id == user.pk and rule.retired_at is None
    return [
        {
            "label": each.param.label,
            "value": shown(each.param, each.param.value),
            "allowed": allowed(each.param),
            "url": reverse("rule_tune", args=[rule.slug, each.name]) if owns else "",
        }
        for each in found
    ]


@permission_required("automations.view_rule", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def rule_tune(request: HttpRequest, slug: str, name: str) -> HttpResponse:
    """Give a named value another one inside what was approved."""
    rule = rule_or_404(slug)
    live, found = tuning.tunables_of(rule)
    param = next((each.param for each in found if each.name == name), None)
    if live is None or param is None:
        raise Http404
    form = TuneForm(request.POST or None, param=param, live_id=live.pk)

    def act(values: dict[str, Any]) -> str:
        tuning.tune(
            rule.pk,
            live_id=values["live"],
            name=name,
            value=form.as_document(),
            why=values["why"],
            actor=person(signed_in(request)),
        )
        return f"{param.label} is changed from the next event on"

    return ask(
        request,
        form,
        title=f"{param.label}: {rule.name}",
        text="You change this alone, as what it may be was approved with the rule. It makes a new "
        "version, and stands in the audit log.",
        word="Change it",
        back=reverse("rule_detail", args=[slug]),
        refusals=(AutomationError,),
        act=act,
    )
