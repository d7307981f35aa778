"""The inventory of rules: a list of what each is for, how it does, and what is wrong with it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from automations.models.rules import Rule
from automations.queries import inventory as queries
from automations.queries.inventory import FLAGGED, FLAGS, MINUTES
from automations.tables import cases_cell, domain_cell, state_cell, state_of
from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, yes_no

PILLS = {
    "silent": ("bad", "Quiet", "player-pause"),
    "noisy": ("bad", "Noisy", "activity"),
    "overdue": ("warn", "Review due", "calendar-exclamation"),
    "ownerless": ("warn", "No owner", "user-question"),
    "stale": ("warn", "Stale", "hourglass"),
}
NOT_YET = format_html('<span class="muted">{}</span>', "not yet")
WORDS = [(key, words) for key, (_, words, _) in PILLS.items()]


def standing(rule: Rule) -> Any:
    """How it does; None where nobody has looked yet."""
    return getattr(rule, "standing", None)


def flags_of(rule: Any) -> list[str]:
    """What is wrong with a rule of the list, worst first."""
    at = standing(rule)
    gone = rule.owner is None or not rule.owner.is_active
    found = {
        "silent": at is not None and at.is_silent,
        "noisy": at is not None and at.is_noisy,
        "overdue": bool(getattr(rule, "is_due", False)),
        "ownerless": gone and bool(getattr(rule, "is_live", False)),
        "stale": at is not None and at.is_stale,
    }
    return [key for key in PILLS if found[key]]


def flags_cell(rule: Rule) -> object:
    pills = [(ui.pill(*PILLS[key]),) for key in flags_of(rule)]
    if pills:
        return format_html_join(" ", "{}", pills)
    if standing(rule) is None and getattr(rule, "is_live", False):
        return ui.status("wait", "not looked at yet", "hourglass")
    return None


def name_cell(rule: Rule) -> SafeString:
    return ui.two_lines(rule.name, rule.purpose or "Nobody wrote what it is for.")


def day_cell(rule: Rule) -> object:
    """Runs of the last day, beside what is usual."""
    at, begun = standing(rule), getattr(rule, "runs_24h", 0)
    if at is None or at.usual is None:
        return begun
    return ui.two_lines(f"{begun:,}", f"of {at.usual:,.0f}")


def month_cell(rule: Rule) -> object:
    """Runs that ended in 30 days; said in words where nobody has counted them yet."""
    at = standing(rule)
    return NOT_YET if at is None else at.runs_month


def hours(work: timedelta) -> str:
    """Hand work in hours, never in days: `20 min`, `1 h 35 min`, `52 h`."""
    whole, minutes = divmod(round(work.total_seconds() / 60), 60)
    if not whole:
        return f"{minutes} min"
    return f"{whole:,} h {minutes} min" if minutes and whole < 10 else f"{whole:,} h"


def saved_cell(rule: Rule) -> object:
    """Hand work saved in 30 days; with a sign where the rule does not say what a run saves."""
    found = queries.saved(rule, standing(rule))
    if found is None:
        return NOT_YET
    if not found:
        return None
    return hours(found) if rule.minutes_saved else f"≈ {hours(found)}"


def saved_minutes(rule: Rule) -> object:
    found = queries.saved(rule, standing(rule))
    return None if found is None else round(found.total_seconds() / 60)


def review_cell(rule: Any) -> object:
    if rule.due_on is None:
        return None
    words = ui.short_day(rule.due_on)
    return ui.status("bad", words, "calendar-exclamation") if rule.is_due else words


def saved_in_view(rows: QuerySet[Any]) -> str:
    found = queries.saved_by_all(rows)
    return f"{hours(found)} of hand work saved in 30 days" if found else ""


def context(request: HttpRequest) -> dict[str, Any]:
    return {
        "looked_at": queries.looked_at(),
        "minutes": MINUTES,
        "history_days": queries.HISTORY_DAYS,
        "stale_days": queries.STALE_DAYS,
    }


INVENTORY = Workbench[Rule](
    key="automations.inventory",
    title="Inventory of rules",
    noun="rule",
    url_name="rule_inventory",
    permission="automations.view_rule",
    queryset=queries.inventory,
    decorate=queries.with_cells,
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
        Column("purpose", "Purpose", "purpose", default=False),
        Column("domain", "Domain", domain_cell, sort="domain", export=lambda r: r.domain),
        Column("state", "State", state_cell, export=lambda rule: state_of(rule)[1]),
        Column(
            "owner",
            "Owner",
            lambda rule: ui.avatar(rule.owner),
            sort="owner__first_name",
            export=lambda rule: str(rule.owner or ""),
        ),
        Column(
            "flags",
            "What is wrong",
            flags_cell,
            export=lambda rule: ", ".join(flags_of(rule)),
        ),
        Column(
            "fired",
            "Last fired",
            "last_fired_at",
            sort="last_fired_at",
            kind="time",
        ),
        Column(
            "month",
            "Ended, 30 days",
            month_cell,
            sort="standing__runs_month",
            kind="number",
            export=lambda rule: getattr(standing(rule), "runs_month", None),
            hint="Runs that had ended in the last 30 days when they were counted.",
        ),
        Column(
            "day",
            "24 h",
            day_cell,
            sort="runs_24h",
            kind="number",
            export=lambda rule: getattr(rule, "runs_24h", 0),
            hint="Runs that began in 24 hours, as on the rule’s page, of those on a usual day.",
        ),
        Column(
            "usual",
            "Usual day",
            "standing.usual",
            sort="standing__usual",
            kind="number",
            default=False,
        ),
        Column(
            "cases",
            "Failures",
            cases_cell,
            kind="number",
            export=lambda rule: getattr(rule, "open_cases", 0),
        ),
        Column(
            "saved",
            "Time saved",
            saved_cell,
            sort="minutes_month",
            kind="number",
            export=saved_minutes,
            hint="Hand work that the runs saved which were done in 30 days.",
        ),
        Column(
            "review",
            "Review due",
            review_cell,
            sort="due_on",
            kind="time",
            export=lambda rule: getattr(rule, "due_on", None),
        ),
    ),
    filters=(
        Choice(
            key="flag",
            label="What is wrong",
            options=WORDS,
            where={key: FLAGS[key] for key in PILLS},
            pinned=True,
        ),
        Choice(key="domain", label="Domain", options=Rule.Domain.choices, pinned=True),
        yes_no("live", "In force", Q(is_live=True)),
        yes_no("flagged", "Anything wrong", FLAGGED),
        yes_no("mine", "Mine", Q(is_mine=True)),
        yes_no("cases", "Has failures", Q(has_cases=True)),
    ),
    search=("name__icontains", "purpose__icontains", "slug__icontains"),
    search_hint="Filter by name or purpose",
    sort=("name",),
    views=(
        View("live", "In force", "live=yes", empty="No rule is in force."),
        View("wrong", "Needs a look", "flagged=yes", empty="Nothing is wrong with any rule."),
        View("quiet", "Quiet", "flag=silent", empty="Every rule runs as often as it uses to."),
        View("noisy", "Noisy", "flag=noisy", empty="No rule runs more than it should."),
        View("stale", "Stale", "flag=stale", empty="Every rule is in use."),
        View("no-owner", "No owner", "flag=ownerless", empty="Every rule has an owner."),
        View("review", "Review due", "flag=overdue", empty="No review is due."),
        View("all", "All"),
    ),
    empty=Empty(
        "There are no rules yet.",
        "Once rules are in force, this lists what each is for, whose it is, how often it runs and "
        "what it saves.",
    ),
    bulk=("rules.stop", "rules.review"),
    template="automations/rule_inventory.html",
    context=context,
    summary=saved_in_view,
)
