"""What home, the rail, the search and other apps' pages show of runs and cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib.auth.decorators import permission_required
from django.db.models import Count as CountOf
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.models.documents import Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run, run_number
from automations.queries.failures import causes
from automations.views.failure_list import OPEN, OVERDUE, cases_for, due_mark, source, stake
from automations.views.run_list import by_number
from backoffice.counts import Count
from backoffice.links import Link
from backoffice.models import User
from backoffice.money import Money
from backoffice.search import Hit
from backoffice.views.me import signed_in

SHOWN = 8


@permission_required("automations.view_failure", raise_exception=True)
@require_GET
def causes_home(request: HttpRequest) -> HttpResponse:
    """What is broken: open cases by cause, the largest group first."""
    groups = causes()
    context = {
        "rows": [
            (group, [Money(amount, code) for code, amount in sorted(group.at_stake.items())])
            for group in groups[:SHOWN]
        ],
        "number": sum(group.cases for group in groups),
        "more": max(0, len(groups) - SHOWN),
        "now": timezone.now(),
        "url": reverse("failure_list"),
    }
    return render(request, "automations/_home_causes.html", context)


@permission_required("automations.view_failure", raise_exception=True)
@require_GET
def mine_home(request: HttpRequest) -> HttpResponse:
    """The cases that wait for this person, the first due first."""
    every: Any = cases_for(signed_in(request))
    mine = every.filter(OPEN, is_mine=True).select_related("rule", "owner")
    rows = list(mine.order_by("due_at", "pk")[:SHOWN])
    context = {
        "rows": [(case, source(case), stake(case), due_mark(case)) for case in rows],
        "number": mine.count(),
        "url": f"{reverse('failure_list')}?view=needs-me",
    }
    return render(request, "automations/_home_mine.html", context)


def open_cases(user: User) -> Count | None:
    """The figure beside Failures in the rail, red when one is overdue."""
    if not user.has_perm("automations.view_failure"):
        return None
    found = Failure.objects.filter(OPEN).aggregate(
        number=CountOf("pk"), late=CountOf("pk", filter=OVERDUE)
    )
    return Count(found["number"], alarm=bool(found["late"])) if found["number"] else None


def find_cases(words: str, user: User, limit: int) -> Iterable[Hit]:
    """Cases by number: `12`, `#12` or `case 12`."""
    number = words.lower().removeprefix("case").strip().removeprefix("#")
    if not number.isdecimal():
        return
    for case in Failure.objects.filter(pk=int(number[:18]))[:limit]:
        url = reverse("failure_detail", args=[case.pk])
        text = case.get_state_display()
        yield Hit("case", f"Case {case.pk}: {case.says[:80]}", url, text, "alert-triangle")


def find_runs(words: str, user: User, limit: int) -> Iterable[Hit]:
    """Runs by number: `4711-3`, or all of an event: `4711`."""
    number = words.lower().removeprefix("run").strip()
    if not number.removesuffix("-shadow").replace("-", "", 1).isdecimal():
        return
    runs = list(Run.objects.filter(by_number(number)).order_by("-pk")[:limit])
    names = dict(
        Rule.objects.filter(pk__in=[run.rule_id for run in runs]).values_list("pk", "name")
    )
    for run in runs:
        url = reverse("run_detail", args=[run.pk])
        text = run.get_state_display()
        yield Hit("run", f"Run {run.number}: {names.get(run.rule_id, '')}", url, text, "history")


def run_links(ids: set[int]) -> Mapping[int, Link]:
    """Runs as timelines name them."""
    return {pk: Link(f"run {run_number(pk)}", reverse("run_detail", args=[pk])) for pk in ids}


def case_links(ids: set[int]) -> Mapping[int, Link]:
    """Cases as timelines name them."""
    return {pk: Link(f"case {pk}", reverse("failure_detail", args=[pk])) for pk in ids}


def document_links(ids: set[int]) -> Mapping[int, Link]:
    """Versions of rules by the rule's name; what is no rule's is left out."""
    rows = Document.objects.filter(pk__in=ids, rule__isnull=False)
    return {
        pk: Link(f"{name}, version {version}", reverse("approval_detail", args=[pk]))
        for pk, name, version in rows.values_list("pk", "rule__name", "version")
    }


def rule_links(ids: set[int]) -> Mapping[int, Link]:
    """Rules by name."""
    found: dict[int, Link] = {}
    for pk, slug, name in Rule.objects.filter(pk__in=ids).values_list("pk", "slug", "name"):
        try:
            found[pk] = Link(name, reverse("rule_detail", args=[slug]))
        except NoReverseMatch:
            continue
    return found
