"""What home, the rail and the search show of rules and approvals."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from automations.engine.in_force import business_zone
from automations.models.rules import Rule
from automations.queries import rules as queries
from automations.services import emergencies
from automations.tables import RISK_PILLS, needing_someone, waiting_for, with_live
from automations.views import bulk
from automations.views.drafting import signed_in
from backoffice import banners, counts, search
from backoffice import home as home_page
from backoffice.banners import Banner
from backoffice.counts import Count
from backoffice.home import HomePanel
from backoffice.models import User
from backoffice.search import Hit


def approvals_count(user: User) -> Count | None:
    """The figure beside Approvals in the rail."""
    number = waiting_for(user).count()
    return Count(number) if number else None


def rules_count(user: User) -> Count | None:
    """What is stopped beside Rules in the rail; a stop of everything is no number among others."""
    stops = queries.open_stops().order_by().values_list("rule", "lane")
    if (None, "") in stops:
        return Count(len(stops), alarm=True, instead="All stopped")
    return Count(len(stops), alarm=True, word="stopped") if stops else None


@permission_required("automations.approve_document", raise_exception=True)
@require_GET
def approvals_home(request: HttpRequest) -> HttpResponse:
    """Versions that wait for this person, riskiest first."""
    rows = waiting_for(signed_in(request))
    shown = [(document, RISK_PILLS[document.risk]) for document in with_live(rows)[:6]]
    context = {"rows": shown, "count": rows.count(), "url": reverse("approval_list")}
    return render(request, "automations/_home_approvals.html", context)


@permission_required("automations.view_rule", raise_exception=True)
@require_GET
def rules_home(request: HttpRequest) -> HttpResponse:
    """Rules that are stopped, due for review, or nobody's."""
    rows = needing_someone(signed_in(request))
    context = {
        "rows": rows[:6],
        "count": rows.count(),
        "everything": queries.open_stop(None),
        "any": Rule.objects.exists(),
    }
    return render(request, "automations/_home_rules.html", context)


def find_rules(words: str, user: User, limit: int) -> Iterable[Hit]:
    """Rules by name."""
    found = Rule.objects.filter(Q(name__icontains=words) | Q(slug__istartswith=words))
    for rule in found.order_by("name")[:limit]:
        url = reverse("rule_detail", args=[rule.slug])
        yield Hit("rule", rule.name, url, rule.purpose[:80], "bolt")


def emergency_banners() -> list[Banner]:
    """What acts now by an emergency, told on every page."""
    return [
        Banner(
            f"Emergency: “{each.rule.name}” v{each.document.version} acts without an approval until"
            f" {each.ends_at.astimezone(business_zone()):%H:%M}, by {each.asked_by} and"
            f" {each.agreed_by}.",
            reverse("approval_detail", args=[each.document_id]),
            "Look at it",
            each.ends_at,
        )
        for each in emergencies.in_force()
        if each.ends_at is not None
    ]


def register_everywhere() -> None:
    """Tell home, rail and search of rules and approvals; once, when the app is ready."""
    bulk.register_bulk_actions()
    banners.register(emergency_banners)
    home_page.register(
        HomePanel("Approvals", "approval_home", "automations.approve_document", order=10)
    )
    home_page.register(
        HomePanel(
            "Rules that need someone",
            "rule_home",
            "automations.change_rule",
            order=40,
        )
    )
    home_page.register(
        HomePanel("Rules to review", "review_home", "automations.approve_document", order=42)
    )
    counts.register("approval_list", approvals_count)
    counts.register("rule_list", rules_count)
    search.register("Rules", "automations.view_rule", find_rules)
