"""What home, the rail and the search show of rules and approvals."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.decorators import permission_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.models.documents import Document
from automations.models.rules import Rule
from automations.queries import rules as queries
from automations.tables import APPROVALS, RISK_PILLS, RULES, with_live
from automations.views.drafting import signed_in
from backoffice.counts import Count
from backoffice.models import User
from backoffice.search import Hit


def waiting_for(user: User) -> int:
    """How many versions wait for this person's verdict."""
    rows = APPROVALS.queryset(user).filter(for_me=True, state=Document.State.SUBMITTED)
    return rows.count()


def approvals_count(user: User) -> Count | None:
    """The figure beside Approvals in the rail."""
    number = waiting_for(user)
    return Count(number) if number else None


def rules_count(user: User) -> Count | None:
    """Stopped rules beside Rules in the rail."""
    stopped = queries.open_stops().count()
    return Count(stopped, alarm=True, word="stopped") if stopped else None


@permission_required("automations.approve_document", raise_exception=True)
@require_GET
def approvals_home(request: HttpRequest) -> HttpResponse:
    """Versions that wait for this person, riskiest first."""
    user = signed_in(request)
    rows = APPROVALS.queryset(user).filter(for_me=True, state=Document.State.SUBMITTED)
    shown = list(with_live(rows.order_by("rank", "submitted_at"))[:6])
    for document in shown:
        document.risk_pill = RISK_PILLS[document.risk]  # type: ignore[attr-defined]
    context = {"rows": shown, "count": rows.count(), "url": reverse("approval_list")}
    return render(request, "automations/_home_approvals.html", context)


@permission_required("automations.view_rule", raise_exception=True)
@require_GET
def rules_home(request: HttpRequest) -> HttpResponse:
    """Rules that are stopped, due for review, or nobody's."""
    wanted = Q(review_on__lte=timezone.localdate()) | Q(owner=None) | Q(is_stopped=True)
    rows = RULES.queryset(signed_in(request)).filter(wanted, retired_at=None)
    context = {
        "rows": rows.select_related("owner").order_by("-is_stopped", "review_on", "name")[:6],
        "count": rows.count(),
        "everything": queries.open_stop(None),
        "today": timezone.localdate(),
    }
    return render(request, "automations/_home_rules.html", context)


def find_rules(words: str, user: User, limit: int) -> Iterable[Hit]:
    """Rules by name."""
    found = Rule.objects.filter(Q(name__icontains=words) | Q(slug__istartswith=words))
    for rule in found.order_by("name")[:limit]:
        url = reverse("rule_detail", args=[rule.slug])
        yield Hit("rule", rule.name, url, rule.purpose[:80], "bolt")
