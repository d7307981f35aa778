"""A connector's page: how it is, what it may do, what waits for it; and one call."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.connectors import accounts, health, staging
from automations.connectors.accounts import NotReady
from automations.connectors.scope import Scope, differences, lines
from automations.models.connectors import (
    CallLog,
    ConnectorAccount,
    ConnectorState,
    Secret,
    StagingMark,
)
from automations.models.documents import Document, Stop
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.queries import connectors as queries
from automations.queries.runs import numbers
from automations.services import connectors
from automations.views.connector_list import OUTCOMES, kind_label, state_of, tell_caught
from automations.views.run_filters import noun
from automations.views.run_list import subject_url
from backoffice.models import AuditEntry

PARKED_SHOWN = 50
may_view = permission_required("automations.view_connectoraccount", raise_exception=True)


def account_or_404(key: str) -> ConnectorAccount:
    return get_object_or_404(ConnectorAccount.objects.select_related("owner"), key=key)


def live_scope(account: ConnectorAccount) -> tuple[Document | None, Scope | None]:
    """The document in force and its scope; the scope None too when it can't be read."""
    live = accounts.live_document(account.key)
    try:
        return live, accounts.scope_of(live) if live is not None else None
    except NotReady:
        return live, None


def scope_in(document: Document | None) -> Scope | None:
    try:
        return accounts.scope_of(document) if document is not None else None
    except NotReady:
        return None


@may_view
@require_GET
def connector_detail(request: HttpRequest, key: str) -> HttpResponse:
    """How an account is, and all that is decided about it."""
    account = get_object_or_404(queries.account_list(), key=key)
    tell_caught([account])
    live, scope = live_scope(account)
    waiting = queries.candidate(key)
    candidate = scope_in(waiting)
    context = {
        "account": account,
        "kind": kind_label(account),
        "state": state_of(account),
        "health": _health(account, scope),
        "live": live,
        "lines": lines(scope) if scope else [],
        "candidate": waiting,
        "changes": differences(scope, candidate) if candidate else [],
        "history": list(queries.scopes(key)[:10]),
        "secrets": list(queries.secrets_of(account)),
        "missing": _missing(account, scope),
        "stop": queries.open_stop(key),
        "parked": _parked(account),
        "errors": [(call, *OUTCOMES[CallLog.Outcome(call.outcome)]) for call in _errors(account)],
        "why_not": _why_not(account),
        "calls_url": f"{reverse('call_list')}?account={key}",
        "runs_url": reverse("run_list"),
        "doubts_url": f"{reverse('failure_list')}?view=open&error=doubt",
        "trail": _trail(account),
        "staging": _staging(account),
    }
    return render(request, "automations/connector_detail.html", context)


def _staging(account: ConnectorAccount) -> dict[str, Any] | None:
    """How it stands in a sandbox: whether it is called, and who said that it may be."""
    if not settings.SANDBOX:
        return None
    mark = StagingMark.objects.filter(account=account, ended_at=None).select_related("marked_by")
    return {
        "called": account.key in staging.marked(account.key),
        "mark": mark.first(),
        "mails": connectors.kind_of(account).mails,
    }


def _errors(account: ConnectorAccount) -> list[CallLog]:
    return queries.last_errors(account)


def _why_not(account: ConnectorAccount) -> str:
    """Why it can't be called, beside being down; empty when nothing stands in the way."""
    try:
        accounts.account_of(account.key)
    except NotReady as error:
        return str(error)
    return ""


def _health(account: ConnectorAccount, scope: Scope | None) -> dict[str, Any]:
    """Breaker and rate in figures."""
    state, now = ConnectorState.objects.get(account=account), timezone.now()
    found: dict[str, Any] = {"state": state, "failed": state.recent.count("0")}
    found["held_until"] = state.not_before if (state.not_before or now) > now else None
    if scope is not None:
        tokens = int(health.refill(state, scope, now))
        found |= {"tokens": tokens, "burst": scope.burst, "cap": scope.cap}
        found |= {"per_minute": scope.per_minute}
    return found


def _missing(account: ConnectorAccount, scope: Scope | None) -> list[str]:
    """The secrets that the scope needs and nobody stored."""
    if scope is None:
        return []
    held = Secret.objects.filter(account=account, retired_at=None)
    names = set(held.values_list("name", flat=True))
    wanted = connectors.kind_of(account).secret_names(scope)
    return [known.label for known in wanted if known.name not in names]


def _parked(account: ConnectorAccount) -> list[dict[str, Any]]:
    runs = queries.parked_runs(account.key, PARKED_SHOWN)
    known = numbers(runs)
    names = dict(Rule.objects.filter(pk__in={r.rule_id for r in runs}).values_list("pk", "name"))
    rows = []
    for run in runs:
        number = known.get((run.subject, run.subject_id), "")
        about = noun(run.subject)
        rows.append(
            {
                "run": run,
                "rule": names.get(run.rule_id, ""),
                "about": f"{about} {number}" if number else f"{about}, gone",
                "url": subject_url(run.subject, number) if number else "",
            }
        )
    return rows


TRAIL = {
    "connectors.created": "made it",
    "connectors.described": "changed what people read about it",
    "connectors.tightened": "tightened its scope",
    "connectors.refused": "was refused",
    "connectors.marked_staging": "marked it as staging",
    "connectors.staging_ended": "said that it is no staging system",
    "connectors.secret_stored": "stored a secret",
    "connectors.secret_retired": "retired a secret",
    "rules.submitted": "submitted a scope",
    "rules.approved": "approved a scope",
    "rules.rejected": "rejected a scope",
    "rules.changes_requested": "asked for changes",
    "rules.withdrawn": "took a scope back",
    "rules.activated": "put a scope in force",
    "rules.stopped": "stopped it",
    "rules.start_asked": "asked to start it again",
    "rules.started": "agreed that it starts again",
    "rules.refused": "was refused",
}


def _trail(account: ConnectorAccount) -> list[tuple[AuditEntry, str]]:
    """Who did what to it, newest first."""
    documents = Document.objects.filter(kind="connector", key=account.key)
    held = Stop.objects.filter(lane=account.key)
    own = AuditEntry.objects.filter(subject=connectors.ACCOUNT, subject_id=account.pk)
    of_scopes = AuditEntry.objects.filter(
        subject="automations.document", subject_id__in=list(documents.values_list("pk", flat=True))
    )
    of_stops = AuditEntry.objects.filter(
        subject="automations.stop", subject_id__in=list(held.values_list("pk", flat=True))
    )
    found = (own | of_scopes | of_stops).order_by("-at", "-id")[:20]
    return [(entry, TRAIL.get(entry.verb, entry.verb)) for entry in found]


@permission_required("automations.view_calllog", raise_exception=True)
@require_GET
def call_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """One call: what left, what came back, as far as may be kept."""
    call = get_object_or_404(CallLog.objects.select_related("account"), pk=pk)
    context = {
        "call": call,
        "sign": OUTCOMES[CallLog.Outcome(call.outcome)],
        "run": Run.objects.filter(pk=call.run_id).first() if call.run_id else None,
        "asked": _laid_out(call.request),
        "answered": _laid_out(call.response),
    }
    return render(request, "automations/call_detail.html", context)


def _laid_out(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) if value is not None else ""
