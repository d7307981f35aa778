"""A rule's draft, or a version, on the cases that are its test; and a version on one event."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_POST

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.services import rule_tests
from automations.services.errors import AutomationError
from automations.simulation.on_cases import on_cases
from automations.views.drafting import Drafting, rule_or_404, signed_in
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from automations.views.unfinished import finished
from backoffice import subjects
from backoffice.actors import person
from backoffice.workbench import respond

VERDICTS = {
    "handled": ("ok", "Would be done", "circle-check"),
    "passes": ("ok", "Would be left alone", "circle-minus"),
    "stops": ("bad", "Still stops", "alert-circle"),
    "unknown": ("unk", "Can’t be judged", "question-mark"),
    "gone": ("wait", "Can’t be tried", "ban"),
}


def _rows(rule: Rule, body: Any) -> list[dict[str, Any]]:
    """The cases with what each record is called, and what the version would do."""
    found = on_cases(rule, body)
    ids: dict[str, set[int]] = {}
    for each in found:
        if each.case.subject_id is not None:
            ids.setdefault(each.case.subject, set()).add(each.case.subject_id)
    numbers = {label: _numbers(label, wanted) for label, wanted in ids.items()}
    rows = []
    for each in found:
        number = numbers.get(each.case.subject, {}).get(each.case.subject_id or 0, "")
        rows.append(
            {
                "each": each,
                "verdict": VERDICTS[each.verdict],
                "words": f"{noun(each.case.subject)} {number or 'gone'}",
                "url": subject_url(each.case.subject, number) if number else "",
            }
        )
    return rows


def _numbers(label: str, ids: set[int]) -> dict[int, str]:
    try:
        return subjects.get(label).numbers(ids)
    except KeyError:
        return {}


def _part(request: HttpRequest, rule: Rule, body: Any, what: str) -> HttpResponse:
    rows = _rows(rule, body)
    if not rows:
        return HttpResponse("")  # no gap where nothing stands
    context = {
        "rule": rule,
        "rows": rows,
        "what": what,
        "handled": sum(row["each"].handled for row in rows),
        "clear_url": reverse("rule_cases_clear", args=[rule.slug]),
    }
    return render(request, "automations/_rule_cases.html", context)


@permission_required("automations.change_draft", raise_exception=True)
@require_GET
def rule_cases(request: HttpRequest, slug: str) -> HttpResponse:
    """The draft as it stands on the cases that are its test."""
    drafting = Drafting.of(slug)
    body, _ = finished(drafting)
    return _part(request, drafting.rule, body, "the draft")


@permission_required("automations.view_document", raise_exception=True)
@require_GET
def approval_cases(request: HttpRequest, pk: int) -> HttpResponse:
    """A submitted version on the cases that are its rule's test."""
    document = get_object_or_404(Document.objects.select_related("rule"), pk=pk)
    if document.rule is None:
        raise Http404
    body = json.loads(document.text)
    return _part(request, document.rule, body, f"version {document.version}")


@permission_required("automations.change_draft", raise_exception=True)
@require_POST
def failure_change_rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Open the draft of the case's rule, with the cases of its cause as the test."""
    get_object_or_404(Failure, pk=pk)
    try:
        rule = rule_tests.add_cause(pk, actor=person(signed_in(request)))
    except AutomationError as refusal:
        return respond.toast(str(refusal), level="bad", refresh=False)
    url = f"{reverse('rule_edit', args=[rule.slug])}#cases"
    return respond.go(request, url, "These cases are tried first on every change you make.")


@permission_required("automations.change_draft", raise_exception=True)
@require_POST
def rule_cases_clear(request: HttpRequest, slug: str) -> HttpResponse:
    """Try the rule on no case any more."""
    rule = rule_or_404(slug)
    rule_tests.remove_all(rule.pk, actor=person(signed_in(request)))
    return respond.go(request, reverse("rule_edit", args=[slug]), "No case is its test any more.")
