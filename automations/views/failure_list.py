"""The inbox of cases, two panes wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, ExpressionWrapper, Min, Q, QuerySet, Sum
from django.db.models.functions import Now
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from automations.cases import cases
from automations.engine.failures import EVENT, RUN
from automations.engine.outages import CONNECTOR
from automations.models.failures import Failure
from automations.queries.failures import causes
from automations.views.run_filters import noun, rule_options
from automations.views.run_list import with_numbers
from backoffice import ui
from backoffice.models import User
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Amount, Choice, Day, Key, Moment, yes_no

OPEN = Q(state__in=[Failure.State.OPEN, Failure.State.RETRYING])
# Seconds before it is due that a case looks urgent.
SOON = 7200
OVERDUE = OPEN & Q(due_at__lt=Now())


def cases_for(user: User) -> QuerySet[Failure]:
    """Every case; `is_mine` tells those of this person."""
    mine = ExpressionWrapper(Q(owner_id=user.pk), output_field=BooleanField())
    return Failure.objects.annotate(is_mine=mine)


def stake(case: Failure) -> Money | None:
    """The money at stake; None when no money is involved."""
    return Money(case.at_stake, case.at_stake_currency) if case.at_stake is not None else None


def source(case: Failure) -> str:
    """The rule that failed, or what kind of case a domain reported."""
    if case.rule is not None:
        return case.rule.name
    kind = cases.get(case.kind)
    if case.kind == EVENT:
        return "Matching of events"
    if case.kind == CONNECTOR:
        return "Connectors"
    return kind.label if kind is not None else case.kind


def due_mark(case: Failure) -> SafeString:
    """Until when someone has to look at it; how it ended once it is closed."""
    if case.state == Failure.State.RESOLVED:
        return ui.status("ok", case.get_resolution_display(), "circle-check")
    if case.state == Failure.State.SNOOZED:
        return ui.status("wait", _short(case.snoozed_until or case.due_at), "moon")
    if case.state == Failure.State.RETRYING:
        return ui.status("info", "retrying", "refresh")
    left = (case.due_at - timezone.now()).total_seconds()
    token, sign = ("bad", "alert-circle") if left < 0 else ("wait", "clock")
    return ui.status("warn" if 0 <= left < SOON else token, _short(case.due_at), sign)


def _short(at: datetime) -> SafeString:
    """A time of day today, else a day; the whole of it on hover."""
    local = timezone.localtime(at)
    today = local.date() == timezone.localdate()
    return format_html(
        '<time datetime="{}" data-absolute="{}">{}</time>',
        at.isoformat(),
        ui.absolute(at),
        f"{local:%H:%M}" if today else ui.short_day(local.date()),
    )


def case_cell(case: Failure) -> SafeString:
    return ui.two_lines(case.says, source(case))


def stake_cell(case: Failure) -> SafeString:
    number = getattr(case, "subject_number", "")
    about = f"{noun(case.subject)} {number}" if case.subject else ui.NONE
    return ui.two_lines(ui.money(stake(case)), about)


def due_cell(case: Failure) -> SafeString:
    return format_html('{}<span class="sub">{}</span>', due_mark(case), ui.avatar(case.owner))


@dataclass(frozen=True, kw_only=True)
class OfCause(Choice):
    """Cases of some causes; of one that has no open case any more, too."""

    def condition(self, values: Sequence[str]) -> Q:
        return Q(cause__in=list(values))

    def words(self, value: str) -> str:
        known = Failure.objects.filter(cause=value).values_list("cause_words", flat=True).first()
        return known or "a cause without cases"


def cause_options() -> list[tuple[str, str]]:
    """The causes of open cases, the commonest first."""
    return [(group.cause, f"{group.words} ({group.cases})") for group in causes()[:30]]


def kind_options() -> list[tuple[str, str]]:
    ours = [(RUN, "A run that failed"), (EVENT, "An event that could not be matched")]
    return [*ours, *((kind.key, kind.label) for kind in cases)]


def summary(rows: QuerySet[Failure]) -> str:
    """What the cases of the view put at stake, and when the first is due."""
    money = rows.filter(at_stake__isnull=False).order_by().values("at_stake_currency")
    sums = [
        str(Money(row["sum"], row["at_stake_currency"]))
        for row in money.annotate(sum=Sum("at_stake")).order_by("at_stake_currency")
    ]
    due = rows.filter(OPEN).aggregate(due=Min("due_at"))["due"]
    parts = [f"{', '.join(sums)} at stake"] if sums else []
    if due is not None:
        local = timezone.localtime(due)
        today = local.date() == timezone.localdate()
        when = f"{local:%H:%M}" if today else f"{ui.short_day(local.date())} {local:%H:%M}"
        parts.append(f"first due {when}")
    return ", ".join(parts)


FAILURES = Workbench[Failure](
    key="automations.failures",
    title="Failures",
    noun="case",
    url_name="failure_list",
    permission="automations.view_failure",
    queryset=cases_for,
    decorate=lambda rows: with_numbers(rows.select_related("rule", "owner")),
    row_label=lambda case: f"case {case.pk}",
    row_url=lambda case: reverse("failure_detail", args=[case.pk]),
    peek=lambda case: reverse("failure_part", args=[case.pk]),
    columns=(
        Column(
            "case", "Why it stopped", case_cell, main=True, wide=True, export=lambda case: case.says
        ),
        Column(
            "stake",
            "At stake",
            stake_cell,
            sort="at_stake",
            kind="number",
            export=lambda case: ui.money(stake(case)) if case.at_stake is not None else "",
        ),
        Column(
            "due", "Due", due_cell, sort="due_at", kind="number", export=lambda case: case.due_at
        ),
        Column("number", "Case", "pk", sort="pk", default=False, kind="number"),
        Column("cause", "Cause", "cause_words", default=False),
        Column("rule", "Rule", source, default=False),
        Column("owner", "Owner", lambda case: str(case.owner or ""), default=False),
        Column("state", "State", lambda case: case.get_state_display(), default=False),
        Column("opened", "Opened", "opened_at", sort="opened_at", kind="time", default=False),
        Column("times", "Failed", "times", sort="times", kind="number", default=False),
        Column("solved", "Solved", "resolved_at", sort="resolved_at", kind="time", default=False),
    ),
    filters=(
        Choice(key="rule", label="Rule", options=rule_options, field="rule__slug", pinned=True),
        OfCause(key="cause", label="Cause", options=cause_options, pinned=True),
        Choice(key="state", label="State", options=Failure.State.choices),
        Choice(key="error", label="Kind of failure", options=Failure.Error.choices),
        Choice(key="kind", label="Reported by", options=kind_options),
        Choice(
            key="priority",
            label="Priority",
            options=[(str(value), words) for value, words in Failure.Priority.choices],
        ),
        yes_no("mine", "Mine", Q(is_mine=True)),
        yes_no("owned", "Has an owner", Q(owner__isnull=False)),
        yes_no("money", "Money at stake", Q(at_stake__isnull=False)),
        yes_no("overdue", "Overdue", OVERDUE),
        Amount(key="stake", label="At stake", field="at_stake"),
        Day(key="opened", label="Opened", field="opened_at"),
        Moment(key="failed", label="Failed", field="opened_at"),
        Choice(
            key="how",
            label="How it was solved",
            options=Failure.Resolution.choices,
            field="resolution",
        ),
        Key(key="record", label="Record's id", field="subject_id"),
    ),
    search=lambda words: (
        Q(says__icontains=words)
        | Q(rule__name__icontains=words)
        | (Q(pk=int(words[:18])) if words.isdecimal() else Q())
    ),
    search_hint="Case, cause or rule",
    sort=("due_at",),
    views=(
        View("open", "All open", "state=open&state=retrying", empty="Nothing has failed. Good."),
        View(
            "needs-me",
            "Needs me",
            "mine=yes&state=open&state=retrying",
            empty="No case waits for you.",
        ),
        View(
            "nobodys",
            "Nobody’s",
            "owned=no&state=open&state=retrying",
            empty="Every case has an owner.",
        ),
        View(
            "money", "Money", "money=yes&state=open&state=retrying", empty="No money is at stake."
        ),
        View("snoozed", "Snoozed", "state=snoozed", empty="Nothing is put aside."),
        View("every", "Every case", "sort=-opened"),
        View("solved", "Solved", "state=resolved&sort=-solved", empty="Nothing was solved yet."),
    ),
    bulk=("failures.retry", "failures.assign", "failures.snooze", "failures.skip"),
    empty=Empty("Nothing has failed yet.", "What rules can’t finish comes here, with a reason."),
    summary=summary,
    template="automations/failure_list.html",
)
