"""The lists of connectors and of their calls."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.urls import reverse
from django.utils.safestring import SafeString

from automations.connectors import staging
from automations.connectors.kinds import kinds
from automations.models.connectors import CallLog, ConnectorAccount, ConnectorState
from automations.models.documents import Stop
from automations.models.runs import run_number
from automations.queries import connectors as queries
from backoffice import ui
from backoffice.counts import Count
from backoffice.models import User
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Age, Choice, Day, Number, Text, yes_no

BREAKERS = {
    ConnectorState.Breaker.CLOSED: ("ok", "Up", "circle-check"),
    ConnectorState.Breaker.OPEN: ("bad", "Down", "alert-circle"),
    ConnectorState.Breaker.HALF_OPEN: ("warn", "Being tried", "refresh"),
}
OUTCOMES = {
    CallLog.Outcome.DONE: ("ok", "circle-check"),
    CallLog.Outcome.REFUSED: ("bad", "x"),
    CallLog.Outcome.LATER: ("warn", "refresh"),
    CallLog.Outcome.THROTTLED: ("warn", "clock-pause"),
    CallLog.Outcome.DOWN: ("bad", "circle-off"),
    CallLog.Outcome.DOUBT: ("unk", "question-mark"),
    CallLog.Outcome.BUG: ("bad", "bug"),
    CallLog.Outcome.NOT_SENT: ("wait", "player-pause"),
    CallLog.Outcome.CAUGHT: ("info", "flask"),
    CallLog.Outcome.FOUND: ("ok", "check"),
    CallLog.Outcome.ABSENT: ("wait", "minus"),
    CallLog.Outcome.UNKNOWN: ("unk", "question-mark"),
}


def state_of(account: ConnectorAccount) -> tuple[str, str, str]:
    """Token, words and sign of whether an account of `account_list` can be called now."""
    if getattr(account, "is_stopped", False):
        return "bad", "Stopped", "hand-stop"
    if getattr(account, "live_version", None) is None:
        return "wait", "Not approved", "hourglass"
    if getattr(account, "is_caught", False):
        return "info", "Caught", "flask"
    return BREAKERS[ConnectorState.Breaker(getattr(account, "breaker", "closed"))]


def tell_caught(rows: Iterable[ConnectorAccount]) -> None:
    """Let each of these accounts know whether a sandbox catches what it is asked to do."""
    called = staging.marked()
    for account in rows:
        known: Any = account
        known.is_caught = settings.SANDBOX and account.key not in called


def decorated(rows: QuerySet[ConnectorAccount]) -> QuerySet[ConnectorAccount]:
    """A page of the list with what its cells show."""
    shown = queries.account_list().filter(pk__in=rows.values("pk"))
    tell_caught(shown)
    return shown


def kind_label(account: ConnectorAccount) -> str:
    known = kinds.get(account.kind)
    return known.label if known is not None else account.kind


def state_cell(account: ConnectorAccount) -> SafeString:
    shown = ui.pill(*state_of(account))
    opened = getattr(account, "opened_at", None)
    return ui.two_lines(shown, ui.ago(opened)) if opened else shown


def outcome_cell(call: CallLog) -> SafeString:
    token, sign = OUTCOMES[CallLog.Outcome(call.outcome)]
    shown = ui.status(token, call.get_outcome_display(), sign)
    return ui.two_lines(shown, "came too late: nothing was changed") if call.late else shown


def accounts_for(user: User) -> QuerySet[ConnectorAccount]:
    """All accounts, with what the views of the list ask."""
    stops = Stop.objects.filter(lane=OuterRef("key"), lifted_at=None)
    return ConnectorAccount.objects.annotate(stopped=Exists(stops))


def _alarm(number: int) -> object:
    return ui.status("unk", number, "question-mark") if number else 0


def kind_options() -> list[tuple[str, str]]:
    return [(known.key, known.label) for known in kinds]


CONNECTORS = Workbench[ConnectorAccount](
    key="automations.connectors",
    title="Connectors",
    noun="connector",
    url_name="connector_list",
    permission="automations.view_connectoraccount",
    queryset=accounts_for,
    decorate=decorated,
    row_label=lambda account: account.name,
    row_url=lambda account: reverse("connector_detail", args=[account.key]),
    columns=(
        Column(
            "name",
            "Connector and what it is for",
            lambda a: ui.two_lines(a.name, a.about or a.key),
            sort="name",
            main=True,
            wide=True,
            export=lambda a: a.name,
        ),
        Column("kind", "Kind", kind_label, sort="kind"),
        Column("state", "State", state_cell, export=lambda a: state_of(a)[1]),
        Column("queued", "Queue", "queued", kind="number"),
        Column("parked", "Kept back", "parked", kind="number"),
        Column("calling", "Under way", "calling", kind="number"),
        Column(
            "doubtful",
            "In doubt",
            lambda a: _alarm(getattr(a, "doubtful", 0)),
            kind="number",
            export=lambda a: getattr(a, "doubtful", 0),
        ),
        Column("calls", "Calls, 24 h", "calls_24h", kind="number"),
        Column("failed", "Failed, 24 h", "failed_24h", kind="number"),
        Column("last_ok", "Last answer", "last_ok_at", kind="time"),
        Column(
            "owner",
            "Owner",
            lambda a: ui.avatar(a.owner),
            sort="owner__first_name",
            export=lambda a: str(a.owner or ""),
        ),
    ),
    filters=(
        Choice(key="kind", label="Kind", options=kind_options, pinned=True),
        yes_no("down", "Down", ~Q(state__breaker="closed")),
        yes_no("stopped", "Stopped", Q(stopped=True)),
    ),
    search=("name__icontains", "key__istartswith", "about__icontains"),
    search_hint="Filter by name",
    sort=("name",),
    views=(
        View("all", "All"),
        View("down", "Down", "down=yes", empty="Every connector answers."),
        View("stopped", "Stopped", "stopped=yes", empty="No connector is stopped."),
    ),
    empty=Empty(
        "No connectors yet.",
        "A connector lets rules reach a system outside, as far as finance has approved.",
    ),
    actions_template="automations/_connector_list_actions.html",
)


def account_options() -> list[tuple[str, str]]:
    return list(ConnectorAccount.objects.order_by("name").values_list("key", "name"))


def _run(call: CallLog) -> SafeString | str:
    if call.run_id is None:
        return ui.NONE
    return ui.link(reverse("run_detail", args=[call.run_id]), run_number(call.run_id))


CALLS = Workbench[CallLog](
    key="automations.calls",
    title="Calls",
    noun="call",
    url_name="call_list",
    permission="automations.view_calllog",
    queryset=lambda user: CallLog.objects.all(),
    decorate=lambda rows: rows.select_related("account"),
    row_label=lambda call: f"call {call.pk}",
    row_url=lambda call: reverse("call_detail", args=[call.pk]),
    columns=(
        Column("at", "At", "at", sort="pk", kind="time"),
        Column(
            "call",
            "Call",
            lambda c: f"{c.method} {c.path or c.host}"[:120],
            main=True,
            export=lambda c: f"{c.method} {c.host}{c.path}",
        ),
        Column("account", "Connector", "account.name", sort="account__name"),
        Column("outcome", "Outcome", outcome_cell, export=lambda c: c.outcome),
        Column("status", "Status", "status", kind="number"),
        Column("took", "ms", "took_ms", kind="number"),
        Column("run", "Run", _run, export=lambda c: run_number(c.run_id) if c.run_id else ""),
        Column("purpose", "For", lambda c: c.get_purpose_display()),
        Column("says", "What it said", "says", wide=True),
    ),
    filters=(
        Choice(
            key="account",
            label="Connector",
            options=account_options,
            field="account__key",
            pinned=True,
        ),
        Choice(key="outcome", label="Outcome", options=CallLog.Outcome.choices, pinned=True),
        Choice(key="purpose", label="For", options=CallLog.Purpose.choices),
        Number(key="status", label="Status"),
        Number(key="took", label="ms", field="took_ms"),
        yes_no("late", "Came too late", Q(late=True)),
        Day(key="at", label="Day", pinned=True),
        Age(key="age", label="Age", field="at"),
        Text(key="effect", label="Reference", field="effect"),
    ),
    search=("path__icontains", "effect__startswith"),
    search_hint="Path or reference",
    sort=("-pk",),
    views=(
        View("all", "All"),
        View(
            "wrong",
            "Went wrong",
            "outcome=down&outcome=doubt&outcome=bug&outcome=later&outcome=refused",
            empty="Nothing went wrong.",
        ),
        View("caught", "Caught", "outcome=caught", empty="Nothing was caught."),
        View("throttled", "Too many", "outcome=throttled", empty="No call was one too many."),
    ),
    empty=Empty("No calls yet.", "Each call of a system outside stands here, without its secrets."),
)


def connectors_down(user: User) -> Count | None:
    """The sign beside Connectors in the rail."""
    number = queries.how_many_down()
    return Count(number, alarm=True, word="down") if number else None
