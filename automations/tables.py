"""The lists of rules and of approvals."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from django.db.models import (
    BooleanField,
    Case,
    Exists,
    ExpressionWrapper,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Value,
    When,
)
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from automations.engine import schedule
from automations.models.connectors import SCOPE, ConnectorAccount
from automations.models.documents import Activation, Approval, Document, DocumentEditor, Stop
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.queries import rules as queries
from automations.queries.inventory import IN_TROUBLE
from automations.queries.reviews import with_due
from automations.services.approving import SUITABLE
from automations.triggers import source
from backoffice import standing_in, ui
from backoffice.models import User
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Text, yes_no

RISKS = [("money", "Money"), ("customer", "Customers"), ("none", "Internal")]
RISK_PILLS = {
    "money": ("warn", "Money", "coins"),
    "customer": ("info", "Customers", "mail"),
    "none": ("wait", "Internal", "box"),
}
DOMAIN_ICONS = {
    "orders": "shopping-cart",
    "inventory": "package",
    "finance": "cash-banknote",
    "support": "headset",
}


def risk_pill(risk: str) -> SafeString:
    return ui.pill(*RISK_PILLS[risk])


# --- rules --------------------------------------------------------------------------------------


def rules_for(user: User) -> QuerySet[Rule]:
    """All rules, with what the views of the list ask."""
    waits = Document.objects.filter(rule=OuterRef("pk"), state=Document.State.SUBMITTED)
    cases = Failure.objects.filter(rule=OuterRef("pk")).exclude(state=Failure.State.RESOLVED)
    shadow = Activation.objects.in_shadow().filter(rule=OuterRef("pk"))
    found: QuerySet[Rule] = with_due(Rule.objects.all()).annotate(
        in_shadow=Exists(shadow),
        is_mine=ExpressionWrapper(Q(owner_id=user.pk), output_field=BooleanField()),
        is_stopped=Exists(Stop.objects.filter(rule=OuterRef("pk"), lifted_at=None)),
        waits=Exists(waits),
        has_cases=Exists(cases),
    )
    return found


def with_figures(rows: QuerySet[Rule]) -> QuerySet[Rule]:
    """The rows of one page, with what their cells show."""
    return with_due(queries.rule_list().filter(pk__in=rows.values("pk")))


def name_cell(rule: Rule) -> SafeString:
    known = source(rule.trigger)
    return ui.two_lines(rule.name, rule.purpose or (known.label if known else ""))


def next_slot(rule: Rule) -> datetime | None:
    """When a live scheduled rule comes round next; past: it is late. None: it has no schedule."""
    text = getattr(rule, "live_text", None)
    start = schedule.every_of(text) if text else None
    if start is None:
        return None
    since = [getattr(rule, name, None) for name in ("live_since", "last_slot_at")]
    found = schedule.upcoming(start, 1, max(moment for moment in since if moment is not None))
    return found[0] if found else None


def next_cell(rule: Rule) -> object:
    moment = next_slot(rule)
    if moment is None:
        return None
    if moment < timezone.now() - schedule.LATE:
        return ui.status("bad", f"late: {ui.relative(moment)}", "clock-x")
    return moment


def domain_cell(rule: Rule) -> SafeString:
    return ui.status("", rule.get_domain_display(), DOMAIN_ICONS[rule.domain])


def state_of(rule: Rule) -> tuple[str, str, str]:
    """Token, words and sign of what the rule does now."""
    version = getattr(rule, "live_version", None)
    if rule.retired_at is not None:
        return "wait", "Retired", "archive"
    if getattr(rule, "is_stopped", False):
        return "bad", f"Stopped v{version}" if version else "Stopped", "hand-stop"
    return ("ok", f"Live v{version}", "circle-check") if version else ("wait", "Not live", "pencil")


CANDIDATE_WORDS = {
    "submitted": ("info", "waits for approval", "hourglass"),
    "changes": ("warn", "changes asked for", "corner-up-left"),
    "approved": ("info", "approved, not live yet", "check"),
}


def state_cell(rule: Rule) -> SafeString:
    token, words, sign = state_of(rule)
    candidate = CANDIDATE_WORDS.get(getattr(rule, "candidate_state", None) or "")
    shadow = getattr(rule, "shadow_version", None)
    shown = ui.pill(token, words, sign)
    if shadow:
        shown = ui.two_lines(shown, ui.status("info", f"v{shadow} in shadow", "eye"))
    return ui.two_lines(shown, ui.status(*candidate)) if candidate else shown


def cases_cell(rule: Rule) -> object:
    count = getattr(rule, "open_cases", 0)
    return ui.status("bad", count) if count else 0


def due_on(rule: Rule) -> date | None:
    """When its review is due: one in force within a year, whatever date it has."""
    found: date | None = getattr(rule, "due_on", rule.review_on)
    return found


def review_cell(rule: Rule) -> object:
    day = due_on(rule)
    if day is None:
        return None
    words = ui.short_day(day)
    late = day <= timezone.localdate()
    return ui.status("bad", words, "calendar-exclamation") if late else words


RULES = Workbench[Rule](
    key="automations.rules",
    title="Rules",
    noun="rule",
    url_name="rule_list",
    permission="automations.view_rule",
    queryset=rules_for,
    decorate=with_figures,
    row_label=lambda rule: rule.name,
    row_url=lambda rule: reverse("rule_detail", args=[rule.slug]),
    columns=(
        Column(
            "name",
            "Rule and what it is for",
            name_cell,
            sort="name",
            main=True,
            wide=True,
            export=lambda rule: rule.name,
        ),
        Column("domain", "Domain", domain_cell, sort="domain", export=lambda r: r.domain),
        Column("state", "State", state_cell, export=lambda rule: state_of(rule)[1]),
        Column(
            "owner",
            "Owner",
            lambda rule: ui.avatar(rule.owner),
            sort="owner__first_name",
            export=lambda rule: str(rule.owner or ""),
        ),
        Column("fired", "Last fired", "last_fired_at", kind="time"),
        Column("next", "Comes round", next_cell, kind="time", export=next_slot),
        Column("runs", "24 h", "runs_24h", kind="number"),
        Column("week", "7 days", "runs_7d", kind="number", default=False),
        Column(
            "cases",
            "Failures",
            cases_cell,
            kind="number",
            export=lambda rule: getattr(rule, "open_cases", 0),
        ),
        Column(
            "review",
            "Review due",
            review_cell,
            sort="due_on",
            kind="time",
            export=due_on,
        ),
    ),
    filters=(
        Choice(key="domain", label="Domain", options=Rule.Domain.choices, pinned=True),
        yes_no("mine", "Mine", Q(is_mine=True)),
        yes_no("live", "Live", Q(is_live=True)),
        yes_no("stopped", "Stopped", Q(is_stopped=True)),
        yes_no("shadow", "Runs in shadow", Q(in_shadow=True)),
        yes_no("waits", "Waits for approval", Q(waits=True)),
        yes_no("owned", "Has an owner", Q(owner__isnull=False, owner__is_active=True)),
        yes_no("review", "Review due", Q(review_on__lte=Now()) | Q(is_due=True)),
        yes_no("cases", "Has failures", Q(has_cases=True)),
        yes_no("retired", "Retired", Q(retired_at__isnull=False)),
        Text(key="on", label="Starts on", field="trigger"),
    ),
    search=("name__icontains", "purpose__icontains", "slug__icontains", "trigger__icontains"),
    search_hint="Filter by name or purpose",
    sort=("name",),
    views=(
        View("all", "All", "retired=no"),
        View("mine", "Mine", "mine=yes&retired=no", empty="You own no rule."),
        View("waiting", "Waits for approval", "waits=yes", empty="No rule waits for approval."),
        View("review", "Needs review", "review=yes&retired=no", empty="No review is due."),
        View("no-owner", "No owner", "owned=no&retired=no", empty="Every rule has an owner."),
        View("stopped", "Stopped", "stopped=yes", empty="No rule is stopped."),
    ),
    empty=Empty(
        "No rules yet.",
        "A rule does by itself what people do again and again. Start from a template "
        "or an empty rule; nothing acts before someone else has approved it.",
    ),
    bulk=("rules.stop", "rules.review"),
    actions_template="automations/_rule_list_actions.html",
    template="automations/rule_list.html",
    context=lambda request: {"everything": queries.open_stop(None)},
)


# --- approvals ----------------------------------------------------------------------------------


APPROVED_KINDS = ("rule", SCOPE)


def documents_for(user: User) -> QuerySet[Document]:
    """Everything submitted; `is_own` and `for_me` are about this person."""
    held = standing_in.roles_of(user)
    risks = [str(risk) for risk, roles in SUITABLE.items() if held & set(roles)]
    own = Exists(DocumentEditor.objects.filter(document=OuterRef("pk"), user=user))
    said = Exists(Approval.objects.filter(document=OuterRef("pk"), approver=user))
    ranks = [When(risk=risk, then=Value(at)) for at, (risk, _) in enumerate(RISKS)]
    return Document.objects.filter(kind__in=APPROVED_KINDS).annotate(
        is_own=own,
        # Without a suitable role the condition would be empty, which is no boolean in SQL.
        for_me=ExpressionWrapper(
            Q(risk__in=risks) & ~Q(own) & ~Q(said), output_field=BooleanField()
        )
        if risks
        else Value(False),
        rank=Case(*ranks, default=Value(9)),
    )


def waiting_for(user: User) -> QuerySet[Document]:
    """What waits for this person's verdict, riskiest and oldest first."""
    rows: Any = documents_for(user)
    found: QuerySet[Document] = rows.filter(for_me=True, state=Document.State.SUBMITTED).order_by(
        "rank", "submitted_at", "pk"
    )
    return found


def needing_someone(user: User) -> QuerySet[Rule]:
    """Rules that are stopped, quiet, noisy, stale, due for review, nobody's, or sent back."""
    theirs = Q(submitted_by=user) | Q(author=user) | Q(rule__owner=user)
    own = Document.objects.filter(theirs, rule=OuterRef("pk"))
    came_back = Exists(own.filter(state=Document.State.CHANGES))
    rows: Any = rules_for(user).annotate(came_back=came_back)
    wanted = Q(review_on__lte=timezone.localdate()) | Q(is_due=True) | Q(is_stopped=True)
    wanted |= Q(owner=None) | Q(came_back=True) | IN_TROUBLE
    found: QuerySet[Rule] = (
        rows.filter(wanted, retired_at=None)
        .select_related("owner", "standing")
        .order_by("-is_stopped", "review_on", "name")
    )
    return found


def document_name(document: Document) -> SafeString:
    rule = document.rule
    name = rule.name if rule else getattr(document, "account_name", None) or document.key
    title = f"{name} v{document.version}"
    return ui.two_lines(title, document.why)


STATE_PILLS = {
    "submitted": ("info", "Waits", "hourglass"),
    "changes": ("warn", "Changes asked for", "corner-up-left"),
    "rejected": ("bad", "Rejected", "x"),
    "withdrawn": ("wait", "Withdrawn", "arrow-back-up"),
    "approved": ("ok", "Approved", "check"),
}


def document_state(document: Document) -> SafeString:
    shown = ui.pill(*STATE_PILLS[document.state])
    if document.state == "submitted" and getattr(document, "is_own", False):
        return ui.two_lines(shown, "yours: someone else decides")
    return shown


def replaces(document: Document) -> str:
    version = getattr(document, "live_version", None)
    return f"replaces v{version}" if version else "first version"


def with_live(rows: QuerySet[Document]) -> QuerySet[Document]:
    live = Activation.objects.in_force().filter(kind=OuterRef("kind"), key=OuterRef("key"))
    account = ConnectorAccount.objects.filter(key=OuterRef("key"))
    return rows.select_related("rule", "submitted_by").annotate(
        account_name=Subquery(account.values("name")[:1]),
        live_version=Subquery(live.values("document__version")[:1]),
    )


APPROVALS = Workbench[Document](
    key="automations.approvals",
    title="Approvals",
    noun="version",
    url_name="approval_list",
    permission="automations.view_document",
    queryset=documents_for,
    decorate=with_live,
    row_label=str,
    row_url=lambda document: reverse("approval_detail", args=[document.pk]),
    columns=(
        Column(
            "rule",
            "What and why",
            document_name,
            sort="rule__name",
            main=True,
            wide=True,
            export=str,
        ),
        Column(
            "risk", "Reaches", lambda d: risk_pill(d.risk), sort="rank", export=lambda d: d.risk
        ),
        Column("replaces", "Version", replaces),
        Column("state", "State", document_state, export=lambda d: d.state),
        Column(
            "by",
            "Submitted by",
            lambda d: ui.person(d.submitted_by),
            sort="submitted_by__first_name",
            export=lambda d: str(d.submitted_by),
        ),
        Column("age", "Submitted", "submitted_at", sort="submitted_at", kind="time"),
        Column("decided", "Decided", "decided_at", sort="decided_at", kind="time", default=False),
    ),
    filters=(
        Choice(key="risk", label="Reaches", options=RISKS, pinned=True),
        Choice(key="state", label="State", options=Document.State.choices),
        Choice(key="kind", label="Kind", options=[("rule", "Rule"), (SCOPE, "Connector")]),
        yes_no("for_me", "Waits for me", Q(for_me=True)),
        yes_no("own", "Mine", Q(is_own=True)),
    ),
    search=("rule__name__icontains", "key__icontains", "why__icontains"),
    search_hint="Filter by rule or reason",
    sort=("rank", "submitted_at"),
    views=(
        View(
            "for-me",
            "Waits for me",
            "for_me=yes&state=submitted",
            default_for=("operations", "finance", "support"),
            empty="Nothing waits for your decision.",
        ),
        View("waiting", "All waiting", "state=submitted", empty="Nothing waits for approval."),
        View("mine", "Mine", "own=yes", empty="You have submitted nothing."),
        View("decided", "Decided", "state=approved&state=rejected&state=changes&sort=-decided"),
        View("all", "All"),
    ),
    empty=Empty(
        "Nothing was submitted yet.",
        "Versions of rules and scopes of connectors come here before they act.",
    ),
    actions_template="automations/_approval_list_actions.html",
)
