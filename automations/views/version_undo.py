"""Undoing all runs of a version: what they did, what can be taken back, and the job for it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.actions import actions
from automations.forms.cases import WhyForm
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.queries import rules as queries
from automations.queries.undo import footprint, undoable
from automations.services.approving import SUITABLE, role_for
from automations.views.drafting import rule_or_404, signed_in
from automations.views.run_bulk import UNDO, weigh
from automations.views.run_list import RUNS
from backoffice.workbench import jobs, respond


@permission_required("automations.undo_run", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def version_undo(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Show what a version did, and draft the job that takes back what can be."""
    rule, user = rule_or_404(slug), signed_in(request)
    document = get_object_or_404(Document, rule=rule, version=version)
    ids = undoable(document)
    form = WhyForm(request.POST if request.method == "POST" else None)
    deciders = " or ".join(SUITABLE[document.risk])
    may = role_for(user, document.risk) is not None
    if request.method == "POST" and form.is_valid():
        if not may:
            form.add_error(None, f"Someone of {deciders} has to undo this.")
        elif not ids:
            form.add_error(None, "Nothing of this version can be undone.")
        else:
            return respond.go(request, _draft(rule, document, ids, form.cleaned_data, user))
    context: dict[str, Any] = {
        "rule": rule,
        "document": document,
        "found": footprint(document),
        "number": len(ids),
        "weight": weigh(ids),
        "form": form,
        "goes_on": _goes_on(rule),
        "why_not": "" if may else f"Someone of {deciders} has to undo this.",
        "labels": {action.key: action.label for action in actions},
        "list_url": f"{reverse('run_list')}?rule={rule.slug}&version={document.version}",
    }
    context["lines"] = [
        (context["labels"].get(line.action, line.action), line, _never(line.action))
        for line in context["found"].lines
    ]
    status = 422 if form.errors else 200
    return render(request, "automations/version_undo.html", context, status=status)


def _goes_on(rule: Rule) -> bool:
    """Whether the rule would go on doing what is taken back: in force, and stopped by nothing."""
    if queries.live_document(rule) is None:
        return False
    return queries.open_stop(rule) is None and queries.open_stop(None) is None


def _never(key: str) -> str:
    action = actions.get(key)
    return action.never_undone if action is not None else ""


def _draft(rule: Rule, document: Document, ids: list[int], given: Any, user: Any) -> str:
    job = jobs.draft_job(
        UNDO,
        ids,
        screen=RUNS.key,
        params={"reason": given["reason"]},
        back=reverse("rule_detail", args=[rule.slug]),
        user=user,
        label=f"Undo v{document.version} of “{rule.name}”"[:100],
    )
    return reverse("job_detail", args=[job.pk])
