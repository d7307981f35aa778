"""How the engine does: what waits, ended and failed, who works; and the banner of a stall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from automations.engine import watchdog
from automations.engine.alerts import FAILURES, SHARE
from automations.engine.watchdog import Standstill
from automations.models.runs import Run
from automations.queries import figures as figures_of
from automations.queries import health
from automations.queries.figures import BROKEN, Figures, OfRule, Spell, Window
from automations.views.drafting import signed_in
from automations.views.run_list import STATES
from backoffice import chain, counts
from backoffice.charts import Column
from backoffice.counts import Count
from backoffice.models import User

# Nobody could have moved anything before this process was here to see it.
STARTED = timezone.now()
WINDOWS = {"day": (24, "24 hours"), "week": (168, "7 days")}
# What people look at first when something stands still.
STANDING = (
    Run.State.DUE,
    Run.State.CALLING,
    Run.State.WAITING,
    Run.State.PARKED,
    Run.State.HELD,
    Run.State.FAILED,
)
BEHIND = timedelta(minutes=2)
LATENCIES = {"real_time": "real time", "batch": "batch"}
# A counted moment to the microsecond, in an address.
EXACT = "%Y-%m-%dT%H:%M:%S.%fZ"


@dataclass(frozen=True, slots=True)
class Linked:
    """A figure with the list that makes it up."""

    words: str
    number: int
    url: str
    token: str = "wait"  # noqa: S105 (a colour)
    sign: str = ""


def between(since: datetime, until: datetime) -> list[str]:
    """The bounds of a window as a list's filter takes them."""
    return [f"gte:{since.astimezone(UTC):{EXACT}}", f"lte:{until.astimezone(UTC):{EXACT}}"]


def to_list(name: str, asked: Mapping[str, Any]) -> str:
    """The address of a list with these filters."""
    return f"{reverse(name)}?{urlencode(asked, doseq=True, safe=':')}"


def ended_url(at: Window | Spell) -> str:
    """The runs that ended in a window or a spell; further filters may be added to it."""
    until = at.upto if isinstance(at, Window) else at.until
    return to_list("run_list", {"shadow": "no", "finished": between(at.since, until)})


def failed_url(at: Window) -> str:
    """The runs that failed in a window, as cases."""
    errors = [str(error) for error in BROKEN]
    bounds = between(at.since, at.upto)
    return to_list(
        "failure_list", {"view": "every", "kind": "run", "error": errors, "failed": bounds}
    )


def late_url(at: Window) -> str:
    """The runs that began late, found in a window."""
    return to_list("run_list", {"late": between(at.since, at.upto)})


@permission_required("automations.view_health", raise_exception=True)
@require_GET
def engine_health(request: HttpRequest) -> HttpResponse:
    """The engine in figures, each with the list that makes it up."""
    chosen = request.GET.get("last", "day")
    hours, _ = WINDOWS.get(chosen, WINDOWS["day"])
    found = figures_of.figures(hours)
    at = found.window
    context = {
        "figures": found,
        "windows": [(key, words, key == chosen) for key, (_, words) in WINDOWS.items()],
        "now": _now(),
        "waiting": health.waiting(),
        "workers": health.workers(),
        "claims": _claims(),
        "outcomes": _outcomes(found),
        "all_url": ended_url(at),
        "since_words": f"since {timezone.localtime(at.since):%a %H:%M}",
        "up_percent": f"{found.uptime.share:.2%}" if found.uptime else "",
        "error_percent": f"{found.error_rate:.1%}",
        "failures": Linked("failed", found.failures, failed_url(at)),
        "late": Linked("began late", found.late, late_url(at)),
        "hours": _columns(found.hours, hourly=True),
        "minutes": _columns(found.minutes, hourly=False),
        "peaks": _peaks(found),
        "longest": _seconds(found.longest.seconds) if found.longest else None,
        "rules": _rules(found),
        "behind": timezone.now() - at.upto > BEHIND,
        "standstill": standstill_for(signed_in(request)),
        "trail": chain.standing(),
    }
    return render(request, "automations/health.html", context)


def _now() -> list[Linked]:
    counted = health.runs_by_state()
    words = dict(Run.State.choices)
    return [
        Linked(
            words[state],
            counted[state],
            to_list("run_list", {"view": "all", "state": [str(state)], "shadow": "no"}),
            STATES[state][0] if counted[state] else "wait",
            STATES[state][1],
        )
        for state in STANDING
    ]


def _claims() -> list[tuple[str, datetime | None]]:
    last = health.last_claims()
    stages = (("match", "Events looked at"), ("execute", "Runs done"), ("sweep", "Clock seen"))
    return [(words, last.get(stage)) for stage, words in stages]


def _outcomes(found: Figures) -> list[Linked]:
    words = dict(Run.State.choices)
    return [
        Linked(words[state], number, f"{ended_url(found.window)}&state={state}", *STATES[state])
        for state, number in found.by_state.items()
    ]


def _columns(spells: Sequence[Spell], *, hourly: bool) -> list[Column]:
    shape = "%a %H:%M" if hourly else "%H:%M"
    return [
        Column(f"{timezone.localtime(spell.since):{shape}}", spell.runs, ended_url(spell))
        for spell in spells
    ]


def _peaks(found: Figures) -> list[Linked]:
    spells = (("hour", found.busiest_hour), ("minute", found.busiest_minute))
    return [
        Linked(
            f"Busiest {noun}, {timezone.localtime(spell.since):%a %H:%M}",
            spell.runs,
            ended_url(spell),
        )
        for noun, spell in spells
        if spell is not None and spell.runs
    ]


def _seconds(value: float | None) -> timedelta | None:
    return None if value is None else timedelta(seconds=value)


def _rules(found: Figures) -> list[dict[str, Any]]:
    at = found.window
    urls = {"ended_url": ended_url(at), "failed_url": failed_url(at), "late_url": late_url(at)}
    return [
        {**_rule(each), **{name: f"{url}&rule={each.rule.slug}" for name, url in urls.items()}}
        for each in found.rules
    ]


def _rule(each: OfRule) -> dict[str, Any]:
    return {
        "each": each,
        "latency": LATENCIES.get(each.latency, "not in force"),
        "p50": _seconds(each.p50),
        "p95": _seconds(each.p95),
        "longest": _seconds(each.longest),
        "percent": f"{each.error_rate:.1%}",
        "bad": each.error_rate > SHARE and each.failures >= FAILURES,
    }


def standstill_for(user: User) -> Standstill | None:
    """What stands still now; None while all moves, or for people whom it does not concern."""
    if not user.has_perm("automations.tend_engine") and not user.has_perm(
        "automations.view_health"
    ):
        return None
    stalls = watchdog.diagnose(STARTED)
    return Standstill(stalls) if stalls else None


@require_GET
def standstill_part(request: HttpRequest) -> HttpResponse:
    """The banner of a stall, for a page that stays open; empty while all moves."""
    found = standstill_for(signed_in(request))
    return render(request, "automations/_standstill.html", {"standstill": found})


def stalled_count(user: User) -> Count | None:
    """The mark beside Health in the rail, wherever someone is."""
    stalls = watchdog.diagnose(STARTED)
    waiting = sum(stall.waiting for stall in stalls)
    if waiting:
        return Count(waiting, alarm=True, word="wait")
    return Count(1, alarm=True, word="stalled") if stalls else None


def register_health() -> None:
    """Tell the rail; once, when the app is ready."""
    counts.register("engine_health", stalled_count)
