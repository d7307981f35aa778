"""Rules as files in the browser: a download, and an import that shows first what it would do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.rule_files import FileForm, ImportForm
from automations.rules.files import joined_files
from automations.rules.yaml_text import YamlInvalid
from automations.services import rule_files
from automations.services.errors import AutomationError, Stale
from automations.services.rule_files import Plan, Planned
from automations.views.drafting import rule_or_404, signed_in
from automations.views.phrases import CHANGE_SIGNS, Shown
from backoffice.actors import person
from backoffice.models import User
from backoffice.workbench import respond

CHOSEN = "whom you choose below"
SALT = "automations.rule_files"
# The page that was looked at stands for its text this long.
SECONDS = 3_600
may_view = permission_required("automations.view_rule", raise_exception=True)
may_import = permission_required(
    ("automations.add_rule", "automations.change_rule", "automations.change_draft"),
    raise_exception=True,
)
STATES = {
    "new": ("info", "new", "plus"),
    "changed": ("warn", "changes", "pencil"),
    "unchanged": ("wait", "unchanged", "check"),
    "broken": ("bad", "can’t be imported", "x"),
}


def _download(text: str, name: str) -> HttpResponse:
    response = HttpResponse(text, content_type="application/yaml; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.yaml"'
    return response


@may_view
@require_GET
def rule_export(request: HttpRequest, slug: str) -> HttpResponse:
    """One rule as a file: what is in force, or its draft (`of=draft`, or where nothing is)."""
    rule = rule_or_404(slug)
    text = rule_files.export_rule(rule, draft=request.GET.get("of") == "draft")
    return _download(text, rule.slug)


@may_view
@require_GET
def rules_export(request: HttpRequest) -> HttpResponse:
    """Every rule in force as one file, or with `which=all` every rule that is not retired."""
    chosen = rule_files.rules_of("all" if request.GET.get("which") == "all" else "active")
    text = joined_files(text for _, text in rule_files.export_rules(chosen))
    return _download(text, f"rules-{timezone.localdate().isoformat()}")


def _shown(planned: Planned) -> dict[str, Any]:
    changes = [*planned.changes, *planned.described] if planned.rule else planned.changes
    if planned.stranger:
        changes = [
            replace(change, after=CHOSEN) if change.path == "owner" else change
            for change in changes
        ]
    return {
        "belongs": f"belongs to {planned.others}",
        "planned": planned,
        "state": STATES[planned.state],
        "changes": [Shown(change, *CHANGE_SIGNS[change.kind]) for change in changes],
    }


def _asked(plan: Plan, data: Any = None) -> ImportForm:
    others = sorted({each.others for each in plan.of_others})
    return ImportForm(data, strangers=plan.strangers, others=others)


@may_import
@require_http_methods(["GET", "HEAD", "POST"])
def rules_import(request: HttpRequest) -> HttpResponse:
    """Choose a file, see what it would do, then let it do exactly that."""
    user = signed_in(request)
    if request.method == "POST" and "signed" in request.POST:
        return _carry_out(request, user)
    form = FileForm(request.POST or None, request.FILES or None)
    plan: Plan | None = None
    if request.method == "POST" and form.is_valid():
        plan = _planned(form, user)
    signed = _signed(form.given, plan, user) if plan else ""
    return _page(request, form, plan, signed, 422 if form.errors else 200)


def _planned(form: FileForm, user: User) -> Plan | None:
    """What the file would do; None, with the reason at the field, where it can't be read."""
    try:
        # Unknown owners are asked for below: whoever imports stands for them until then.
        return rule_files.plan(form.given, importer=user, owner=user)
    except YamlInvalid as error:
        field = "file" if form.cleaned_data["file"] else "text"
        form.add_error(field, f"Line {error.line}: {error.message}")
    return None


def _signed(text: str, plan: Plan, user: User) -> str:
    return signing.dumps([user.pk, text, plan.seen], salt=SALT, compress=True)


def _page(
    request: HttpRequest,
    form: FileForm,
    plan: Plan | None,
    signed: str,
    status: int,
    asked: ImportForm | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "plan": plan,
        "shown": [_shown(each) for each in plan.rules] if plan else [],
        "asked": asked or (_asked(plan) if plan else None),
        "signed": signed,
        "does": plan.count("new") + plan.count("changed") if plan else 0,
    }
    return render(request, "automations/rule_import.html", context, status=status)


def _carry_out(request: HttpRequest, user: User) -> HttpResponse:
    """Do what was looked at; whatever changed meanwhile is shown again instead."""
    try:
        given = signing.loads(request.POST["signed"], salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        given = [None, "", ""]
    user_id, text, seen = given
    if user_id != user.pk:
        context = {
            "message": "This page is too old. Choose the file again.",
            "url": reverse("rules_import"),
        }
        return render(request, "409.html", context, status=409)
    plan = rule_files.plan(text, importer=user, owner=user)
    asked, status = _asked(plan, request.POST), 422
    if asked.is_valid():
        try:
            done = rule_files.carry_out(
                text,
                importer=user,
                actor=person(user),
                seen=seen,
                owner=asked.cleaned_data.get("owner"),
                others=asked.cleaned_data.get("others", False),
            )
        except AutomationError as error:
            asked.add_error(None, str(error))
            status = 409 if isinstance(error, Stale) else 422
        else:
            return respond.go(request, *_after(done))
    return _page(request, FileForm(), plan, _signed(text, plan, user), status, asked)


def _after(done: Plan) -> tuple[str, str]:
    """Where to go on, and what is said there."""
    touched = [each for each in done.rules if each.state in ("new", "changed")]
    words = "Nothing acts before it is submitted and approved."
    if len(touched) == 1 and touched[0].rule is not None:
        return reverse("rule_edit", args=[touched[0].rule.slug]), f"This draft is imported. {words}"
    said = f"{len(touched)} drafts are imported. {words}" if touched else "Nothing had changed."
    return reverse("rule_list"), said
