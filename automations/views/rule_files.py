"""Rules as files in the browser: a download, and an import that shows first what it would do."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods

from automations.forms.rule_files import FileForm, ImportForm, ManyForm
from automations.models.connectors import ConnectorAccount
from automations.queries.rules import draft_of, live_document
from automations.rules.files import ReadRule, joined_files
from automations.rules.yaml_text import YamlInvalid
from automations.services import rule_files, rule_imports
from automations.services.errors import AutomationError, Stale
from automations.services.rule_files import Plan, Planned
from automations.tables import RULES
from automations.views.drafting import rule_or_404, signed_in
from automations.views.phrases import CHANGE_SIGNS, Shown
from backoffice.actors import person
from backoffice.counting import counted
from backoffice.models import User
from backoffice.workbench import respond, shown

CHOSEN = "whom you choose below"
SALT = "automations.rule_files"
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
def rule_promote(request: HttpRequest, slug: str) -> HttpResponse:
    """The dialog of a sandbox that says what is taken to the live company, and what is not."""
    if not settings.SANDBOX:
        raise Http404
    rule = rule_or_404(slug)
    live = live_document(rule)
    text = live.text if live is not None else json.dumps(draft_of(rule).body)
    keys = ConnectorAccount.objects.order_by("key").values_list("key", flat=True)
    context = {
        "rule": rule,
        "live": live,
        "connectors": [key for key in keys if f'"{key}"' in text],
    }
    return render(request, "automations/_promote.html", context)


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
        many = _many(form)
        if many is not None:
            return _many_page(request, form, many, _signed(form.given, "", user))
        plan = _planned(form, user) if not form.errors else None
    signed = _signed(form.given, plan.seen, user) if plan else ""
    return _page(request, form, plan, signed, 422 if form.errors else 200)


def _many(form: FileForm) -> list[ReadRule] | None:
    """The rules of a file that a job has to take in; None where they are few, or can't be read."""
    try:
        return rule_imports.read_many(form.given)
    except YamlInvalid as error:
        _say(form, error)
    return None


def _many_page(
    request: HttpRequest,
    form: FileForm,
    many: list[ReadRule],
    signed: str,
    asked: ManyForm | None = None,
) -> HttpResponse:
    context = {
        "form": form,
        "many": len(many),
        "asked": asked or _asked_of_many(many, signed_in(request)),
        "signed": signed,
    }
    status = 422 if asked else 200
    return render(request, "automations/rule_import.html", context, status=status)


def _asked_of_many(many: list[ReadRule], user: User, data: Any = None) -> ManyForm:
    others = rule_imports.others(many, user)
    return ManyForm(data, strangers=rule_imports.strangers(many), others=others)


def _say(form: FileForm, error: YamlInvalid) -> None:
    field = "file" if form.cleaned_data["file"] else "text"
    form.add_error(field, f"Line {error.line}: {error.message}")


def _planned(form: FileForm, user: User) -> Plan | None:
    """What the file would do; None, with the reason at the field, where it can't be read."""
    try:
        # Unknown owners are asked for below: whoever imports stands for them until then.
        return rule_files.plan(form.given, importer=user, owner=user)
    except YamlInvalid as error:
        _say(form, error)
    return None


def _signed(text: str, seen: str, user: User) -> str:
    return shown.seal([text, seen], user, salt=SALT)


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
    content = shown.unseal(request.POST["signed"], user, salt=SALT)
    if content is None:
        return shown.too_old(request, "rules_import")
    text, seen = content
    if (many := rule_imports.read_many(text)) is not None:
        return _draft_job(request, text, many, user)
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
    return _page(request, FileForm(), plan, _signed(text, plan.seen, user), status, asked)


def _draft_job(request: HttpRequest, text: str, many: list[ReadRule], user: User) -> HttpResponse:
    asked = _asked_of_many(many, user, request.POST)
    if not asked.is_valid():
        return _many_page(request, FileForm(), many, _signed(text, "", user), asked)
    job = rule_imports.draft_import(
        text,
        many,
        importer=user,
        owner=asked.cleaned_data.get("owner"),
        others=asked.cleaned_data.get("others", False),
        screen=RULES.key,
        back=reverse("rule_list"),
    )
    return respond.go(request, reverse("job_detail", args=[job.pk]))


def _after(done: Plan) -> tuple[str, str]:
    """Where to go on, and what is said there."""
    touched = [each for each in done.rules if each.state in ("new", "changed")]
    words = "Nothing acts before it is submitted and approved."
    if len(touched) == 1 and touched[0].rule is not None:
        return reverse("rule_edit", args=[touched[0].rule.slug]), f"This draft is imported. {words}"
    said = (
        f"Imported as drafts: {counted(len(touched), 'rule')}. {words}"
        if touched
        else "Nothing had changed."
    )
    return reverse("rule_list"), said
