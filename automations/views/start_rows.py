"""What starts a draft, as the builder prints it: its inputs, its words and its next times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from pydantic import ValidationError

from automations.conditions.problems import Problem
from automations.engine import schedule
from automations.engine.in_force import business_zone
from automations.forms.rules import trigger_choices
from automations.forms.starts import shape_of, start_of
from automations.rules.document import Every
from automations.rules.rhythms import (
    DAYS,
    HOURS,
    MINUTES,
    MONTH_DAYS,
    PATTERNS,
    Rhythm,
    rhythm_of,
    schedule_words,
)
from automations.triggers import scans
from automations.views.inputs import Option
from backoffice.models import Calendar

SHAPE_WORDS = (
    ("on", "When something happens", "bolt"),
    ("every", "On a schedule", "calendar-due"),
    ("manual", "A person’s button", "hand-click"),
)
NEXT = 3


@dataclass(slots=True)
class StartRow:
    """The start of a draft. `next_times` are in the schedule's own zone, in words."""

    shape: str
    key: str = ""
    triggers: Sequence[tuple[str, Sequence[Option]]] = ()
    records: Sequence[Option] = ()
    rhythm: Rhythm = field(default_factory=Rhythm)
    patterns: Sequence[Option] = ()
    days: Sequence[tuple[int, str, bool]] = ()
    everies: Sequence[int] = ()
    month_days: Sequence[int] = MONTH_DAYS
    zone: str = ""
    zones: Sequence[str] = ()
    calendar: str = ""
    calendars: Sequence[Option] = ()
    words: str = ""
    next_times: Sequence[str] = ()
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def shapes(self) -> Sequence[tuple[str, str, str]]:
        return SHAPE_WORDS

    @property
    def has_time(self) -> bool:
        return self.rhythm.pattern in ("daily", "weekdays", "weekly", "monthly")


@lru_cache(maxsize=1)
def _zones() -> list[str]:
    """The zones that places have, without the abbreviations beside them."""
    kept = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian")
    names = [name for name in available_timezones() if name.partition("/")[0] in (*kept, "Pacific")]
    return [*sorted(names), "UTC"]


def _problems(problems: Sequence[Problem]) -> dict[str, str]:
    """The first problem of each part of the start, by the part's name."""
    found: dict[str, str] = {}
    for known in problems:
        whole, _, part = known.path.partition(".")
        if whole == "trigger" and known.blocks:
            found.setdefault(part or "whole", known.message)
    return found


def start_row(body: Any, problems: Sequence[Problem], pattern: str = "") -> StartRow:
    """The inputs of a body's start; `pattern` is the one that its author has just chosen."""
    start = start_of(body)
    row = StartRow(shape_of(start), problems=_problems(problems))
    if row.shape == "on":
        row.key, row.triggers = str(start.get("on", "")), trigger_choices()
        return row
    row.key = str(start.get("for", start.get("manual", "")))
    row.records = [(scan.key, scan.label) for scan in scans]
    if row.shape == "every":
        _schedule(row, start, pattern)
    return row


def _schedule(row: StartRow, start: dict[str, Any], pattern: str) -> None:
    cron = str(start.get("every", ""))
    # Every pattern is cron as well: whoever wants to write it by hand is not turned back.
    row.rhythm = Rhythm("cron", cron=cron) if pattern == "cron" else rhythm_of(cron)
    row.patterns = list(PATTERNS.items())
    row.days = [(n, name[:3], n in row.rhythm.days) for n, name in enumerate(DAYS, 1)]
    row.everies = MINUTES if row.rhythm.pattern == "minutes" else HOURS
    row.zone, own = str(start.get("zone", "")), str(business_zone())
    row.zones = list(dict.fromkeys([own, *([row.zone] if row.zone else []), *_zones()]))
    row.calendar = str(start.get("calendar") or "")
    row.calendars = list(Calendar.objects.values_list("key", "name"))
    if row.calendar and row.calendar not in dict(row.calendars):
        row.calendars = [*row.calendars, (row.calendar, row.calendar)]
    if not row.problems:
        _foretell(row, start)


def _foretell(row: StartRow, start: dict[str, Any]) -> None:
    try:
        every = Every.model_validate(start)
        times = schedule.upcoming(every, NEXT)
    except (ValidationError, ValueError, KeyError):
        return
    row.words = schedule_words(every.every, every.zone)
    row.next_times = [when_words(moment, every.zone) for moment in times]


def when_words(moment: datetime, zone: str) -> str:
    """A slot's time as its own zone has it: `Mon 30 Nov, 08:00`."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local:%a} {local.day} {local:%b}, {local:%H:%M}"
