"""The builder: a rule's draft, edited by operations that answer with the tree as it is now."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from automations.conditions.problems import Problem
from automations.engine.match import DEEPEST
from automations.forms.rules import CareForm, WhyForm
from automations.models.rules import Draft, DraftRevision
from automations.queries import rules as queries
from automations.rules.editing import Json, NoSuchPart
from automations.rules.step_editing import normal, sees
from automations.services import drafts, rules
from automations.services.approving import SUITABLE
from automations.services.errors import AutomationError, Invalid, NotPossible, Stale
from automations.views.drafting import (
    Drafting,
    actions_for,
    edited,
    may_edit,
    rule_or_404,
    signed_in,
)
from automations.views.inputs import field_groups
from automations.views.limit_rows import limit_rows, policy_rows
from automations.views.meetings import of_draft
from automations.views.param_rows import param_rows
from automations.views.phrases import differences, read, told
from automations.views.rows import Rows
from automations.views.start_rows import start_row
from automations.views.step_rows import StepRows, kinds_of_step, loops
from backoffice.actors import person
from backoffice.workbench import respond

# Where each thing stands that is asked of the rule as a whole.
FIELDS = {"steps": "add-step", "owner": "id_care-owner", "fallback": "id_care-fallback"}


def _placed(problems: Iterable[Problem]) -> list[tuple[Problem, str]]:
    """Problems, each with the id of its field where the whole rule has it."""
    return [(each, FIELDS.get(each.path, "")) for each in problems]


def builder_context(drafting: Drafting, pattern: str = "") -> dict[str, Any]:
    """What the left column prints; `pattern` is that of a schedule as it was just chosen."""
    body, problems = drafting.body, drafting.problems
    root = Rows(drafting.catalogue, problems).root(body)
    known = drafting.source
    subject = known.subject if known is not None else ""
    steps = StepRows(drafting.catalogue, problems, drafting.recent, subject).rows(body)
    return {
        "rule": drafting.rule,
        "draft": drafting.draft,
        "root": root,
        "steps": steps,
        "loops": loops(steps),
        "kinds": kinds_of_step(drafting.catalogue),
        "source": drafting.source,
        "start": start_row(body, drafting.blocking, pattern),
        "variables": field_groups(drafting.catalogue),
        "limits": limit_rows(body, drafting.blocking, subject),
        "policies": policy_rows(body),
        "params": param_rows(body, drafting.blocking),
        "deepest": DEEPEST,
        "fresh": [],
        "problems": drafting.blocking,
        "whole_problems": [pair for pair in _placed(drafting.blocking) if pair[1]],
        "asked_for": {each.path for each in drafting.blocking},
        "can_undo": _can_undo(drafting.draft),
        "can_redo": _can_redo(drafting.draft),
        "live": drafting.live,
        "candidate": queries.candidate(drafting.rule),
        "sent_back": queries.sent_back(drafting.rule),
    }


def _can_undo(draft: Draft) -> bool:
    here = DraftRevision.objects.filter(rule_id=draft.rule_id, number=draft.current)
    return here.exclude(parent=None).exists()


def _can_redo(draft: Draft) -> bool:
    later = DraftRevision.objects.filter(rule_id=draft.rule_id, parent=draft.current, repeats=None)
    return later.exists()


def _care_form(drafting: Drafting, data: Any = None) -> CareForm:
    rule = drafting.rule
    initial = {name: getattr(rule, name) for name in CareForm.base_fields}
    return CareForm(data, initial=initial, prefix="care")


@may_edit
@require_GET
def rule_edit(request: HttpRequest, slug: str) -> HttpResponse:
    """The builder's page."""
    drafting = Drafting.of(slug)
    context = {**builder_context(drafting), "care": _care_form(drafting), "days": 30}
    return render(request, "automations/builder/page.html", context)


@may_edit
@require_POST
def rule_save(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep what the form holds, do the button's operation, and answer with the tree."""
    rule = rule_or_404(slug)
    try:
        revision = int(request.POST.get("revision", ""))
    except ValueError:
        return HttpResponse(status=400)
    focus, notice = "", ""
    try:
        focus = _save(request, rule.pk, revision)
    except Stale as stale:
        return _conflict(request, slug, revision, str(stale))
    except (NotPossible, NoSuchPart, Invalid) as refusal:
        notice = str(refusal)
    return _saved(request, slug, focus, notice)


def _saved(request: HttpRequest, slug: str, focus: str, notice: str = "") -> HttpResponse:
    shown = builder_context(Drafting.of(slug), request.POST.get("start-pattern", ""))
    context = {**shown, "notice": notice, "answer": True, "fresh": _fresh(request, focus)}
    response = render(
        request, "automations/builder/_builder.html", context, status=422 if notice else 200
    )
    response["HX-Trigger"] = json.dumps({"builder:saved": {}})
    if focus:
        response["HX-Trigger-After-Settle"] = json.dumps({"builder:focus": {"id": focus}})
    return response


def _fresh(request: HttpRequest, focus: str) -> list[str]:
    """The parts that were just added and not left yet: nothing is held against them so far."""
    known = re.findall(r"\w+", request.POST.get("fresh", ""))[:50]
    if request.POST.get("do", "").startswith("add_"):
        known += re.findall(r"^(?:id_)?[cs]-(\w+)", focus)
    return known


def _save(request: HttpRequest, rule_id: int, revision: int) -> str:
    actor, operation = person(signed_in(request)), request.POST.get("do", "")
    if operation == "undo":
        drafts.undo_draft(rule_id, revision=revision, actor=actor)
        return "undo"
    if operation == "redo":
        drafts.redo_draft(rule_id, revision=revision, actor=actor)
        return "redo"
    draft = Draft.objects.select_related("updated_by").get(rule_id=rule_id)
    if draft.revision != revision:
        raise Stale(f"{draft.updated_by} saved this rule meanwhile.")
    body, focus = edited(draft.body, request.POST)
    if body != normal(draft.body):
        drafts.save_draft(rule_id, body=body, revision=revision, actor=actor)
    return focus


def _mine(request: HttpRequest, rule_id: int, revision: int) -> Json | None:
    """What the form would have saved, made from the revision that it was opened on."""
    base = DraftRevision.objects.filter(rule_id=rule_id, number=revision).first()
    if base is None:
        return None
    try:
        return edited(base.body, request.POST)[0]
    except NoSuchPart:
        return None


def _conflict(request: HttpRequest, slug: str, revision: int, words: str) -> HttpResponse:
    drafting = Drafting.of(slug)
    mine = _mine(request, drafting.rule.pk, revision)
    theirs_read, mine_read = read(drafting.body), read(mine)
    context = {
        "rule": drafting.rule,
        "draft": drafting.draft,
        "words": words,
        "mine": json.dumps(mine) if mine is not None else "",
        "changes": differences(theirs_read, mine_read) if theirs_read and mine_read else [],
    }
    response = render(request, "automations/builder/_conflict.html", context, status=409)
    response["HX-Retarget"], response["HX-Reswap"] = "#conflict", "innerHTML"
    response["HX-Trigger-After-Settle"] = json.dumps({"builder:focus": {"id": "conflict-title"}})
    return response


def _posted_body(text: str) -> Json:
    """A rule's body as the conflict's form holds it; raises ValueError and RecursionError."""

    def no_number(name: str) -> None:
        raise ValueError(f"{name} is no number that JSON has.")

    body = json.loads(text, parse_constant=no_number)
    if not isinstance(body, dict):
        raise ValueError("A rule is an object.")
    return body


@may_edit
@require_POST
def rule_take(request: HttpRequest, slug: str) -> HttpResponse:
    """After a conflict: save my version on top of theirs, which stays in the history."""
    rule = rule_or_404(slug)
    try:
        body, revision = _posted_body(request.POST["mine"]), int(request.POST["revision"])
        drafts.save_draft(
            rule.pk,
            body=body,
            revision=revision,
            actor=person(signed_in(request)),
            note="Saved over a change made meanwhile",
        )
    except (KeyError, ValueError, RecursionError):
        return HttpResponse(status=400)
    except AutomationError as refusal:
        return respond.toast(str(refusal), level="bad")
    url = reverse("rule_edit", args=[slug])
    return respond.go(request, url, "Saved yours. Theirs is one undo away.")


@may_edit
@require_POST
def rule_care(request: HttpRequest, slug: str) -> HttpResponse:
    """Name, purpose, fallback, owner, review date: saved as they change."""
    drafting = Drafting.of(slug)
    form, status = _care_form(drafting, request.POST), 200
    try:
        version = int(request.POST.get("version", ""))
    except ValueError:
        return HttpResponse(status=400)
    if form.is_valid():
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        if "owner" in changes:
            owner = changes.pop("owner")
            changes["owner_id"] = owner.pk if owner else None
        try:
            if changes:
                rules.describe_rule(
                    drafting.rule.pk,
                    version=version,
                    actor=person(signed_in(request)),
                    **changes,
                )
            drafting = Drafting.of(slug)
            form = _care_form(drafting)
        except AutomationError as refusal:
            form.add_error(None, str(refusal))
            status = 409 if isinstance(refusal, Stale) else 422
    else:
        status = 422
    context = {**builder_context(drafting), "care": form, "answer": True}
    response = render(request, "automations/builder/_care.html", context, status=status)
    response["HX-Trigger"] = json.dumps({"builder:saved": {}})
    return response


@may_edit
@require_GET
def rule_actions(request: HttpRequest, slug: str) -> HttpResponse:
    """The steps there are, to choose one by name; `into` says where it goes."""
    drafting = Drafting.of(slug)
    into = request.GET.get("into", "")
    try:
        depth, seen = sees(drafting.body, into, drafting.catalogue)
    except NoSuchPart as refusal:
        return respond.toast(str(refusal), level="bad")
    context = {
        "rule": drafting.rule,
        "into": into,
        "kinds": kinds_of_step(seen, depth),
        "actions": actions_for(drafting.source),
    }
    return render(request, "automations/builder/_actions.html", context)


@permission_required("automations.submit_rule", raise_exception=True)
@require_http_methods(["GET", "POST"])
def rule_submit(request: HttpRequest, slug: str) -> HttpResponse:
    """Freeze the draft and ask for approval, with the reason."""
    drafting = Drafting.of(slug)
    form = WhyForm(request.POST if request.method == "POST" else None)
    problems, refusal, status = drafting.blocking, "", 200
    if request.method == "POST":
        try:
            revision = int(request.POST.get("revision", ""))
        except ValueError:
            return HttpResponse(status=400)
        status = 422
        if form.is_valid():
            try:
                document = rules.submit_rule(
                    drafting.rule.pk,
                    revision=revision,
                    why=form.cleaned_data["why"],
                    actor=person(signed_in(request)),
                )
            except Invalid as invalid:
                problems = list(invalid.problems)
            except AutomationError as error:
                refusal, status = str(error), 409 if isinstance(error, Stale) else 422
            else:
                url = reverse("approval_detail", args=[document.pk])
                return respond.go(request, url, f"Submitted version {document.version}.")
    context = _submit_context(drafting, form, problems, refusal)
    return render(request, "automations/builder/_submit.html", context, status=status)


def _submit_context(
    drafting: Drafting, form: WhyForm, problems: list[Any], refusal: str
) -> dict[str, Any]:
    document = read(drafting.body)
    live = read(json.loads(drafting.live.text)) if drafting.live else None
    return {
        **({} if problems else of_draft(drafting)),
        "rule": drafting.rule,
        "draft": drafting.draft,
        "form": form,
        "problems": _placed(problems),
        "refusal": refusal,
        "told": told(document) if document else None,
        "changes": len(differences(live, document)) if document and live else None,
        "deciders": " or ".join(SUITABLE[rules.risk_of(document)]) if document else "",
        "action": reverse("rule_submit", args=[drafting.rule.slug]),
    }
