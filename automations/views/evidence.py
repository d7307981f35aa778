"""What a backtest found, as screens print it: figures, tables, days and examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.explaining import explain
from automations.engine.in_force import business_zone
from automations.models.backtests import Backtest
from automations.models.events import Event
from automations.rules.document import Do, RuleDocument, walk_steps
from automations.rules.limits import lines_of, ones_of
from automations.rules.parsing import DocumentInvalid, read_document
from automations.services import backtests
from automations.simulation import stored
from automations.simulation.backtests import sums_of
from automations.simulation.preview import Example
from automations.simulation.sums import Side, Sums
from automations.triggers import triggers
from automations.views.money import sums as amounts
from automations.views.preview import examples as linked
from backoffice.charts import Bar, every_day
from backoffice.money import Money

STATES = {
    Backtest.State.QUEUED: ("wait", "Waiting for a worker", "clock"),
    Backtest.State.RUNNING: ("info", "Counting", "player-play"),
    Backtest.State.DONE: ("ok", "Complete", "circle-check"),
    Backtest.State.CANCELLED: ("wait", "Cancelled", "ban"),
    Backtest.State.FAILED: ("bad", "Broken", "alert-circle"),
}
KINDS = {
    "gained": ("ok", "Gained", "plus"),
    "lost": ("bad", "Lost", "minus"),
    "matched": ("info", "Unchanged", "check"),
    "unknown": ("unk", "Can’t be judged", "question-mark"),
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a version would bring about, beside what is live and the difference."""

    what: str
    draft: str
    live: str = ""
    more: str = ""


def _count_line(what: str, draft: int, live: int | None) -> Line:
    if live is None:
        return Line(what, f"{draft:,}")
    return Line(what, f"{draft:,}", f"{live:,}", _signed(draft - live))


def _signed(difference: int) -> str:
    return f"{difference:+,}".replace("-", "−") if difference else "no change"


def _money_line(
    what: str, draft: Mapping[str, Decimal], live: Mapping[str, Decimal] | None
) -> Line:
    if live is None:
        return Line(what, amounts(draft) or "–")
    codes = sorted({*draft, *live})
    zero = Decimal(0)
    changes = {code: draft.get(code, zero) - live.get(code, zero) for code in codes}
    more = " ".join(
        f"{'+' if amount > 0 else '−'}{Money(abs(amount), code)}"
        for code, amount in changes.items()
        if amount
    )
    return Line(what, amounts(draft) or "–", amounts(live) or "–", more or "no change")


def hours(minutes: int) -> str:
    """Time of people, as they say it: `45 min`, `3 h 20 min`."""
    whole, rest = divmod(minutes, 60)
    if not whole:
        return f"{rest} min"
    return f"{whole:,} h {rest} min" if rest and whole < 100 else f"{whole:,} h"


def lines(found: Sums) -> list[Line]:
    """What the version would bring about, beside what is live; what is nothing for both is left."""
    draft, live = found.draft, found.live
    told = [_count_line("Runs", draft.matched, live.matched if live else None)]
    if draft.stake or (live and live.stake):
        told.append(_money_line("Money at stake", draft.stake, live.stake if live else None))
    if draft.money or (live and live.money):
        told.append(_money_line("Money it moves", draft.money, live.money if live else None))
    for what, of in (("Units", "units"), ("Messages", "messages")):
        here, there = getattr(draft, of), getattr(live, of) if live else None
        if here or there:
            told.append(_count_line(what, here, there))
    for made in sorted({*draft.makes, *(live.makes if live else {})}):
        there = live.makes.get(made, 0) if live else None
        told.append(_count_line(f"{made.capitalize()}s", draft.makes.get(made, 0), there))
    for account in sorted({*draft.books, *(live.books if live else {})}):
        booked = live.books.get(account, {}) if live else None
        told.append(_money_line(f"Booked on {account}", draft.books.get(account, {}), booked))
    if draft.minutes or (live and live.minutes):
        there = live.minutes if live else None
        told.append(_hours_line(draft.minutes, there))
    return told


def _hours_line(draft: int, live: int | None) -> Line:
    if live is None:
        return Line("Work for people", hours(draft))
    sign = "+" if draft > live else "−"
    more = f"{sign}{hours(abs(draft - live))}" if draft != live else "no change"
    return Line("Work for people", hours(draft), hours(live), more)


def by_hand(side: Side) -> list[dict[str, Any]]:
    """Work for people, the most first."""
    ordered = sorted(side.by_hand.items(), key=lambda each: -each[1].total)
    return [
        {"what": what, "times": work.times, "each": work.minutes, "hours": hours(work.total)}
        for what, work in ordered
    ]


def policies(document: RuleDocument) -> list[str]:
    """What stands before its effects besides its limits, in sentences."""
    told = []
    for _, step in walk_steps(document.steps):
        action = actions.get(step.do) if isinstance(step, Do) else None
        if action is not None and action.decided_by:
            told.append(f"“{action.label}” waits for a decision of {action.decided_by} each time.")
    return list(dict.fromkeys(told))


def _examples(found: Sums, document: RuleDocument) -> list[dict[str, Any]]:
    """Events to open: gained and lost first, each with what was seen of it."""
    wanted = {pk for ids in found.examples.values() for pk in ids}
    events = Event.objects.in_bulk(wanted)
    trigger = triggers[document.trigger_key or ""]
    catalogue, zone, rows = catalogue_for(trigger), business_zone(), []
    for kind, (token, word, sign) in KINDS.items():
        known = [events[pk] for pk in reversed(found.examples.get(kind, [])) if pk in events]
        told = []
        for event in known:
            seen, at = stored.of_event(event), event.occurred_at.astimezone(zone)
            explained = explain(
                document.when, catalogue, seen.facts, seen.lists, at, document.param_values
            )
            told.append(
                Example(event.pk, event.subject, event.subject_id, event.occurred_at, explained)
            )
        if kind == "matched" and found.live is None:
            word = "Matches"
        rows += [{**each, "token": token, "word": word, "sign": sign} for each in linked(told)]
    return rows


def _bars(found: Sums, job: Backtest) -> tuple[list[Bar], list[Bar]]:
    """Matches by day with what is new among them, and what is lost by day."""
    until = job.until.astimezone(business_zone()).date()
    matched = [Bar(day, known.matched, known.gained) for day, known in sorted(found.days.items())]
    lost = [Bar(day, known.lost) for day, known in sorted(found.days.items())]
    return every_day(matched, job.days, until), every_day(lost, job.days, until)


def found_context(job: Backtest) -> dict[str, Any]:
    """All that the panel prints of a backtest, under way or ended."""
    try:
        document = read_document(job.text)
        known = document.trigger_key in triggers
    except DocumentInvalid:
        known = False
    context: dict[str, Any] = {
        "job": job,
        "state": STATES[Backtest.State(job.state)],
        "is_stale": _is_stale(job),
        "speed": round(job.events / job.seconds) if job.events > 50_000 else None,
    }
    if not known or not job.sums:
        return context
    found = sums_of(job)
    bars, lost_bars = _bars(found, job)
    return context | {
        "found": found,
        "lines": lines(found),
        "by_hand": by_hand(found.draft),
        "held": [each for each in found.draft.limits.values() if each.runs or each.given_up],
        "has_limits": bool(lines_of(document) or ones_of(document)),
        "policies": policies(document),
        "refused": [each for each in found.draft.steps.values() if each.refused],
        "unjudged": sorted(found.unjudged.values(), key=lambda each: -each.events),
        "bars": bars,
        "lost_bars": lost_bars if found.lost else None,
        "since": bars[0].day if bars else "",
        "per_day": round(found.draft.matched / _covered(found, job), 1),
        "begins": found.first if _covered(found, job) < job.days - 1 else None,
        "covered": _covered(found, job),
        "sums": amounts(found.draft.stake),
        "examples": _examples(found, document),
    }


def _covered(found: Sums, job: Backtest) -> int:
    """How many days of the period there is history for; 1 at least."""
    if found.first is None:
        return job.days
    return max(1, min(job.days, (job.until - found.first).days + 1))


def _is_stale(job: Backtest) -> bool:
    """Whether its figures are too old to decide on."""
    ended = job.finished_at
    return ended is not None and ended < timezone.now() - backtests.FRESH


def kept_evidence(job: Backtest) -> dict[str, Any]:
    """What an approval keeps of it: the figures, and which backtest they are from."""
    found = sums_of(job)
    whole = found.as_json()
    return {
        "backtest": job.pk,
        "sha256": job.sha256,
        "live": job.live_id,
        "days": job.days,
        "covered": _covered(found, job),
        "since": job.since.isoformat(),
        "until": job.until.isoformat(),
        "computed_at": job.finished_at.isoformat() if job.finished_at else None,
        "events": found.events,
        "matched": found.draft.matched,
        "unknown": found.draft.unknown,
        "gained": found.gained,
        "lost": found.lost,
        "unchanged": found.unchanged,
        "at_stake": whole["draft"]["stake"],
        "draft": whole["draft"],
        "beside": whole["live"],
        "unjudged": whole["unjudged"],
        "examples": [pk for ids in found.examples.values() for pk in ids],
    }
