"""A rule's page, its versions and their differences; making rules."""

from __future__ import annotations

import json
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from automations.forms.rules import NewRuleForm
from automations.forms.starts import new_start
from automations.models.documents import Document, Stop
from automations.models.rules import Draft, Rule
from automations.queries import rules as queries
from automations.queries.reviews import with_due
from automations.queries.rules import shadow_of
from automations.queries.stops import load_of
from automations.rules.files import origin_words
from automations.rules.library import rule_templates
from automations.rules.parsing import DocumentInvalid, read_document
from automations.services import drafts, rules
from automations.services.errors import AutomationError
from automations.tables import CANDIDATE_WORDS, risk_pill, state_of
from automations.triggers import source
from automations.views.drafting import rule_or_404, signed_in
from automations.views.existing import answered, standing
from automations.views.phrases import differences, read, told
from automations.views.schedule_parts import times_of
from automations.views.shadows import may_shadow
from automations.views.tuning import tunable_rows
from backoffice.actors import person
from backoffice.models import AuditEntry
from backoffice.workbench import respond

may_view = permission_required("automations.view_rule", raise_exception=True)


def _document(document: Document) -> Any:
    try:
        return read_document(document.text)
    except DocumentInvalid:
        return None


def _history(rule: Rule) -> list[dict[str, Any]]:
    """Versions, newest first, each with its people and what it changed."""
    found = list(queries.versions(rule))
    before = {document.version: document for document in found}
    lines = []
    for document in found:
        earlier = before.get(document.version - 1)
        now, was = _document(document), _document(earlier) if earlier else None
        lines.append(
            {
                "document": document,
                "earlier": earlier,
                "changes": len(differences(was, now)) if now and was else None,
                "approvals": [(each, answered(each)) for each in document.approvals.all()],
                "standing": standing(document),
                "activations": list(document.activations.all()),
                "acted": any(each.mode == "live" for each in document.activations.all()),
            }
        )
    return lines


def _audit(rule: Rule) -> Any:
    """The trail of the rule and its versions, newest first."""
    documents = list(Document.objects.filter(rule=rule).values_list("pk", flat=True))
    held = list(Stop.objects.filter(rule=rule).values_list("pk", flat=True))
    own = AuditEntry.objects.filter(subject="automations.rule", subject_id=rule.pk)
    of_versions = AuditEntry.objects.filter(
        subject="automations.document", subject_id__in=documents
    )
    of_stops = AuditEntry.objects.filter(subject="automations.stop", subject_id__in=held)
    return (own | of_versions | of_stops).order_by("-at", "-id")[:30]


AUDIT_WORDS = {
    "rules.created": "created the rule",
    "rules.described": "changed what people read about it",
    "rules.submitted": "submitted a version",
    "rules.approved": "approved a version",
    "rules.rejected": "rejected a version",
    "rules.changes_requested": "asked for changes",
    "rules.withdrawn": "took a version back",
    "rules.existing_ended": "went over the records that were there",
    "rules.activated": "put a version in force",
    "rules.tuned": "changed a value inside its range",
    "rules.emergency_asked": "asked for an emergency",
    "rules.emergency_began": "let it act in an emergency",
    "rules.emergency_ended": "ended the emergency",
    "rules.emergency_reviewed": "reviewed the emergency",
    "rules.tests_added": "made cases its test",
    "rules.tests_removed": "took its cases away",
    "rules.ended": "ended it",
    "rules.stopped": "stopped it",
    "rules.start_asked": "asked to start it again",
    "rules.started": "agreed that it starts again",
    "rules.refused": "was refused",
    "rules.shadowed": "let a version run in shadow",
    "rules.shadow_ended": "ended the shadow",
    "rules.imported": "imported it from a file",
    "rules.evidence_exported": "took its evidence as a file",
    "rules.reviewed": "reviewed it",
    "rules.owner_asked": "asked for another owner",
    "rules.owner_changed": "agreed to its owner",
    "rules.owner_kept": "left it with its owner",
    "rules.looked_at": "took the first look at a version",
}


def _told_audit(rule: Rule) -> list[dict[str, Any]]:
    return [
        {
            "entry": entry,
            "words": AUDIT_WORDS.get(entry.verb, entry.verb) + _also(entry.detail),
            "detail": entry.detail.get("why") or _version_words(entry.detail),
        }
        for entry in _audit(rule)
    ]


def _also(detail: dict[str, Any]) -> str:
    return ", also for the records that were there" if detail.get("existing") is True else ""


def _version_words(detail: dict[str, Any]) -> str:
    if "sandbox" in detail:
        return origin_words(detail["sandbox"]).lower()
    return f"v{detail['version']}" if "version" in detail else ""


@may_view
@require_GET
def rule_detail(request: HttpRequest, slug: str) -> HttpResponse:
    """What a rule does, whose it is, how it runs, and how it came to be so."""
    rule = get_object_or_404(with_due(queries.rule_list()), slug=slug)
    live, candidate = queries.live_document(rule), queries.candidate(rule)
    draft = queries.draft_of(rule)
    shown = _document(live) if live else read(draft.body)
    newest = candidate or live
    shadow = shadow_of(rule)
    context = {
        "rule": rule,
        "record": rule,
        "subject": "automations.rule",
        "number": rule.name,
        "list_url": reverse("rule_list"),
        "list_title": "Rules",
        "state": state_of(rule),
        "candidate": candidate,
        "candidate_words": CANDIDATE_WORDS.get(candidate.state) if candidate else None,
        "live": live,
        "risk": risk_pill(live.risk) if live else "",
        "told": told(shown) if shown else None,
        "draft": draft,
        "draft_differs": newest is None or _differs(newest, draft),
        "history": _history(rule),
        "stop": queries.open_stop(rule),
        "everything": queries.open_stop(None),
        "starts": source(rule.trigger),
        "times": times_of(rule, shown, is_live=live is not None),
        "load": load_of(rule),
        "shadow": shadow,
        "shadow_words": f"v{shadow.document.version} in shadow" if shadow else "",
        "may_shadow": may_shadow(signed_in(request)),
        "audit": _told_audit(rule),
        "tunables": tunable_rows(rule, signed_in(request)),
        "owner_asked": signed_in(request).pk == rule.next_owner_by_id,
    }
    return render(request, "automations/rule_detail.html", context)


def _differs(document: Document, draft: Draft) -> bool:
    after, before = read(draft.body), _document(document)
    if after is None or before is None:
        return True
    return bool(differences(before, after))


@may_view
@require_GET
def rule_diff(request: HttpRequest, slug: str, one: int, two: int) -> HttpResponse:
    """The difference between any two versions, in words."""
    rule = rule_or_404(slug)
    found = {each.version: each for each in queries.versions(rule)}
    if one not in found or two not in found:
        raise Http404
    before, after = _document(found[one]), _document(found[two])
    context = {
        "rule": rule,
        "one": found[one],
        "two": found[two],
        "versions": sorted(found),
        "changes": differences(before, after) if after else [],
        "told_one": told(before) if before else None,
        "told_two": told(after) if after else None,
    }
    return render(request, "automations/rule_diff.html", context)


@permission_required("automations.add_rule", raise_exception=True)
@require_http_methods(["GET", "POST"])
def rule_new(request: HttpRequest) -> HttpResponse:
    """The dialog that makes an empty rule, and leads to the templates."""
    form = NewRuleForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        rule = _create(request, form.cleaned_data)
        return respond.go(request, reverse("rule_edit", args=[rule.slug]))
    context = {
        "form": form,
        "action": reverse("rule_new"),
        "templates": len(rule_templates()),
    }
    status = 422 if form.errors else 200
    return render(request, "automations/_rule_new.html", context, status=status)


def _create(request: HttpRequest, given: dict[str, Any]) -> Rule:
    start = new_start(given["trigger"])
    body = {"schema": 1, "trigger": start, "when": {"all": []}, "steps": []}
    actor = person(signed_in(request))
    return rules.create_rule(name=given["name"], domain=given["domain"], body=body, actor=actor)


@permission_required("automations.change_draft", raise_exception=True)
@require_POST
def rule_restore(request: HttpRequest, slug: str, version: int) -> HttpResponse:
    """Put an earlier version's content into the draft."""
    rule = rule_or_404(slug)
    document = get_object_or_404(Document, rule=rule, version=version)
    draft = queries.draft_of(rule)
    try:
        drafts.restore_version(
            document.pk, revision=draft.revision, actor=person(signed_in(request))
        )
    except AutomationError as refusal:
        return respond.toast(str(refusal), level="bad")
    words = f"Version {version} is the draft now. Nothing is live before it is approved again."
    return respond.go(request, reverse("rule_edit", args=[slug]), words)


def text_of_version(document: Document) -> str:
    """The signed text, laid out for reading."""
    return json.dumps(json.loads(document.text), indent=2, ensure_ascii=False)
