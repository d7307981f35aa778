"""Schedules as people say them: a cron expression as a pattern of the builder, and in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cronsim import CronSim, CronSimError

from automations.conditions.display import listed

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MINUTES = (5, 10, 15, 20, 30)
HOURS = (1, 2, 3, 4, 6, 8, 12)
# A month has every one of these days; later ones are left to cron, which leaves months out.
MONTH_DAYS = range(1, 29)

PATTERNS: Mapping[str, str] = {
    "daily": "every day at",
    "weekdays": "every weekday at",
    "weekly": "every week on",
    "monthly": "every month on day",
    "minutes": "every … minutes",
    "hours": "every … hours",
    "cron": "as cron says",
}
_NUMBER = r"(\d{1,2})"
_MINUTE, _HOUR = r"([1-5]?\d)", r"(1?\d|2[0-3])"
_SHAPES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("daily", re.compile(rf"{_MINUTE} {_HOUR} \* \* \*")),
    ("weekdays", re.compile(rf"{_MINUTE} {_HOUR} \* \* 1-5")),
    ("weekly", re.compile(rf"{_MINUTE} {_HOUR} \* \* ([0-7](?:,[0-7])*)")),
    ("monthly", re.compile(rf"{_MINUTE} {_HOUR} {_NUMBER} \* \*")),
    ("minutes", re.compile(rf"\*/{_NUMBER} \* \* \* \*")),
    ("hours", re.compile(rf"{_MINUTE} \*(?:/{_NUMBER})? \* \* \*")),
)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """A schedule as the builder edits it; what a pattern does not use keeps its default.

    `time` is `08:00`; `days` are 1 (Monday) to 7; `every` counts minutes or hours, `minute` is the
    minute of the hour for the latter.
    """

    pattern: str = "daily"
    time: str = "08:00"
    days: tuple[int, ...] = field(default=(1,))
    month_day: int = 1
    every: int = 15
    minute: int = 0
    cron: str = ""


def cron_of(rhythm: Rhythm) -> str:
    """The cron expression of a pattern; a time that can't be read is left for the check to say."""
    hour, _, minute = rhythm.time.partition(":")
    at = f"{_plain(minute)} {_plain(hour)}"
    if rhythm.pattern == "weekly":
        return f"{at} * * {','.join(str(day % 7) for day in sorted(rhythm.days))}"
    if rhythm.pattern == "hours":
        return f"{rhythm.minute} {'*' if rhythm.every == 1 else f'*/{rhythm.every}'} * * *"
    return {
        "daily": f"{at} * * *",
        "weekdays": f"{at} * * 1-5",
        "monthly": f"{at} {rhythm.month_day} * *",
        "minutes": f"*/{rhythm.every} * * * *",
    }.get(rhythm.pattern, rhythm.cron)


def _plain(number: str) -> str:
    return str(int(number)) if number.isdecimal() else number


def rhythm_of(cron: str) -> Rhythm:
    """The pattern of a cron expression; `cron` for one that no pattern has."""
    for pattern, shape in _SHAPES:
        if (found := shape.fullmatch(cron)) is not None:
            made = _made(pattern, found.groups())
            if _is_offered(made) and cron_of(made) == cron:
                return made
    return Rhythm("cron", cron=cron)


def _is_offered(rhythm: Rhythm) -> bool:
    """Whether the builder has it: what divides no hour or day evenly is left to cron."""
    if rhythm.pattern == "monthly":
        return rhythm.month_day in MONTH_DAYS
    if rhythm.pattern == "minutes":
        return rhythm.every in MINUTES
    return rhythm.pattern != "hours" or rhythm.every in HOURS


def _made(pattern: str, parts: tuple[str | None, ...]) -> Rhythm:
    first = int(parts[0] or 0)
    if pattern == "minutes":
        return Rhythm(pattern, every=first)
    if pattern == "hours":
        return Rhythm(pattern, minute=first, every=int(parts[1] or 1))
    time = f"{int(parts[1] or 0):02}:{first:02}"
    if pattern == "weekly":
        days = tuple(sorted({int(day) or 7 for day in (parts[2] or "").split(",")}))
        return Rhythm(pattern, time, days)
    if pattern == "monthly":
        return Rhythm(pattern, time, month_day=int(parts[2] or 1))
    return Rhythm(pattern, time)


def rhythm_words(cron: str) -> str:
    """A cron expression as a phrase: `every weekday at 08:00`."""
    known = rhythm_of(cron)
    if known.pattern == "weekly":
        return f"every {listed([DAYS[day - 1] for day in known.days], 'and')} at {known.time}"
    if known.pattern == "monthly":
        return f"on day {known.month_day} of every month at {known.time}"
    if known.pattern == "minutes":
        return "every minute" if known.every == 1 else f"every {known.every} minutes"
    if known.pattern == "hours":
        hours = "every hour" if known.every == 1 else f"every {known.every} hours"
        return f"{hours}, at minute {known.minute}" if known.minute else hours
    if known.pattern == "cron":
        return _explained(cron)
    return f"{PATTERNS[known.pattern]} {known.time}"


def _explained(cron: str) -> str:
    try:
        said: str = CronSim(cron, datetime(2026, 1, 1, tzinfo=UTC)).explain()
    except CronSimError:
        return f"by the cron expression {cron}"
    return f"{said[:1].lower()}{said[1:]}"


def schedule_words(cron: str, zone: str) -> str:
    """A schedule with its zone: `every day at 08:00 London time`, `every hour, London time`."""
    words = rhythm_words(cron)
    return f"{words}{' ' if re.search(r' at [0-9:]+$', words) else ', '}{zone_words(zone)}"


def zone_words(zone: str) -> str:
    """`London time` for `Europe/London`."""
    place = zone.rpartition("/")[2].replace("_", " ")
    return "UTC" if place in ("UTC", "Etc") else f"{place} time"
