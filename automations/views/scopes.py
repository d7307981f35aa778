"""What a connector may do: written, tightened, and looked at by whoever approves it."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from automations.connectors.scope import ScopeInvalid, differences, lines, read_scope
from automations.forms.connectors import ScopeForm, TightenForm, initial_of
from automations.models.connectors import ConnectorAccount
from automations.models.documents import Document
from automations.queries import approvals as approval_queries
from automations.queries import connectors as queries
from automations.services import connectors
from automations.services.errors import AutomationError
from automations.views.connectors import account_or_404, live_scope, scope_in
from automations.views.phrases import CHANGE_SIGNS, Shown
from backoffice.actors import person
from backoffice.dialogs import ask
from backoffice.views.me import signed_in
from backoffice.workbench import respond

both = require_http_methods(["GET", "HEAD", "POST"])
GROUPS = (
    ("Where", ("base", "hosts", "methods", "auth", "auth_header", "sender")),
    ("How much", ("per_minute", "burst", "cap", "request_kb", "response_kb")),
    ("How long", ("connect_seconds", "total_seconds")),
    (
        "If it is not known what happened",
        ("look_up_path", "look_up_found", "look_up_absent", "health_path"),
    ),
    ("What is kept of answers", ("keep",)),
    ("Why", ("why",)),
)


def _at_fields(form: forms.Form, error: ScopeInvalid) -> None:
    """A scope's problems at the fields they are about."""
    for name, messages in error.errors.items():
        for message in messages:
            form.add_error(name if name in form.fields else None, message)


@permission_required("automations.submit_scope", raise_exception=True)
@both
def scope_edit(request: HttpRequest, key: str) -> HttpResponse:
    """Write what an account may do, and ask finance to approve it."""
    account = account_or_404(key)
    connector = connectors.kind_of(account)
    live, scope = live_scope(account)
    waiting = queries.candidate(key)
    begin = initial_of(account, connector, scope_in(waiting) or scope)
    form = ScopeForm(connector, request.POST or None, initial=begin)
    if request.method == "POST" and form.is_valid():
        document = _submit(request, account, form)
        if document is not None:
            url = reverse("approval_detail", args=[document.pk])
            return respond.go(request, url, f"Submitted version {document.version}.")
    groups = [
        (title, [form[name] for name in names if name in form.fields]) for title, names in GROUPS
    ]
    context = {
        "account": account,
        "kind": connector,
        "form": form,
        "groups": [(title, fields) for title, fields in groups if fields],
        "live": live,
        "candidate": waiting,
    }
    status = 422 if form.errors else 200
    return render(request, "automations/scope_edit.html", context, status=status)


def _submit(request: HttpRequest, account: ConnectorAccount, form: ScopeForm) -> Document | None:
    """The version that was submitted; None when the form says what is wrong."""
    try:
        scope = connectors.checked_scope(account, form.scope_values())
        return connectors.submit_scope(
            account.pk,
            scope=scope,
            why=form.cleaned_data["why"],
            actor=person(signed_in(request)),
        )
    except ScopeInvalid as error:
        _at_fields(form, error)
    except AutomationError as error:
        form.add_error(None, str(error))
    return None


@permission_required("automations.tighten_scope", raise_exception=True)
@both
def scope_tighten(request: HttpRequest, key: str) -> HttpResponse:
    """Allow less, at once and by one person."""
    account = account_or_404(key)
    live, scope = live_scope(account)
    if live is None or scope is None:
        url = reverse("connector_detail", args=[key])
        return respond.go(request, url, "Nothing is in force that could be tightened.")
    connector = connectors.kind_of(account)
    begin = {**initial_of(account, connector, scope), "live": live.pk}
    form = TightenForm(connector, request.POST or None, initial=begin)

    def act(values: dict[str, Any]) -> str:
        connectors.tighten_scope(
            account.pk,
            scope=read_scope(form.changed(scope)),
            live_id=values["live"],
            why=values["why"],
            actor=person(signed_in(request)),
        )
        return "Tightened. It holds from the next call on."

    return ask(
        request,
        form,
        title=f"Tighten “{account}”",
        word="Tighten it",
        text="Lower is at once. What allows more is a new scope, which finance approves.",
        back=reverse("connector_detail", args=[key]),
        refusals=(AutomationError, ScopeInvalid),
        act=act,
    )


# --- for the approver ---------------------------------------------------------------------------


def scope_context(document: Document) -> dict[str, Any]:
    """What the page of a verdict shows of a scope, beside what every document has."""
    account = ConnectorAccount.objects.get(key=document.key)
    now = scope_in(document)
    was = scope_in(approval_queries.version_before(document))
    changes = [] if now is None else differences(was, now)
    return {
        "rule": account,
        "account": account,
        "changes": [Shown(change, *CHANGE_SIGNS[change.kind]) for change in changes],
        "lines": lines(now) if now is not None else [],
        "figures": queries.figures(account),
        "signed_text": json.dumps(json.loads(document.text), indent=2, ensure_ascii=False),
    }


def scope_evidence(document: Document) -> dict[str, Any]:
    """What an approver of a scope was shown, for the record."""
    context = scope_context(document)
    return {
        "sha256": document.sha256,
        "changes": [shown.change.sentence for shown in context["changes"]],
        "figures": context["figures"],
        "unreadable": True,
    }
