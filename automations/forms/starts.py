"""The builder's inputs of what starts a rule: a fact, a schedule or a person's button."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from django.http import QueryDict

from automations.engine.in_force import business_zone
from automations.rules.editing import Json
from automations.rules.rhythms import (
    HOURS,
    MINUTES,
    MONTH_DAYS,
    PATTERNS,
    Rhythm,
    cron_of,
    rhythm_of,
)
from automations.triggers import Source, scans, triggers

SHAPES = ("on", "every", "manual")
MORNINGS = "0 8 * * 1-5"
_TIME = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d")


def start_of(body: Any) -> Json:
    """What a body starts on, whatever it is."""
    start = body.get("trigger") if isinstance(body, dict) else None
    return start if isinstance(start, dict) else {}


def shape_of(start: Json) -> str:
    """on, every or manual."""
    return next((shape for shape in SHAPES if shape in start), "on")


def source_of(body: Any) -> Source | None:
    """The trigger or scan of a body; None while it names none that there is."""
    start = start_of(body)
    if shape_of(start) == "on":
        key = start.get("on")
        return triggers.get(key) if isinstance(key, str) else None
    key = start.get("for", start.get("manual"))
    return scans.get(key) if isinstance(key, str) else None


def new_start(choice: str) -> Json:
    """A start as the dialog of a new rule names it: a trigger's key, `every:…` or `manual:…`."""
    shape, _, key = choice.rpartition(":")
    if shape == "every":
        return {"every": MORNINGS, "zone": str(business_zone()), "for": key}
    return {"manual": key} if shape == "manual" else {"on": key}


def read_start(body: Json, data: QueryDict) -> None:
    """Write what the form says about the start into a body, in place."""
    start = start_of(body)
    wanted = data.get("start", shape_of(start))
    if wanted not in SHAPES:
        return
    if wanted != shape_of(start):
        body["trigger"] = _turned(body, wanted)
    elif wanted == "on":
        if data.get("trigger") in triggers:
            body["trigger"] = {"on": data["trigger"]}
    elif wanted == "manual":
        body["trigger"] = {"manual": _subject(start.get("manual"), data)}
    else:
        body["trigger"] = _schedule(start, data)


def _turned(body: Json, wanted: str) -> Json:
    """Another kind of start, about the same kind of record where that can be."""
    known = source_of(body)
    label = known.subject if known is not None else ""
    if wanted == "on":
        key = next((each.key for each in triggers if each.subject == label), "")
        return {"on": key}
    if label not in scans:
        label = next((scan.key for scan in scans), "")
    return new_start(f"{wanted}:{label}")


def _subject(known: Any, data: QueryDict) -> Any:
    wanted = data.get("start-for")
    return wanted if wanted in scans else known


def _schedule(start: Json, data: QueryDict) -> Json:
    written = str(start.get("every", ""))
    made = {
        "every": _cron(written, data),
        "zone": data.get("start-zone") or start.get("zone", ""),
        "for": _subject(start.get("for"), data),
    }
    calendar = data.get("start-calendar", start.get("calendar") or "")
    return {**made, "calendar": calendar} if calendar else made


def _cron(written: str, data: QueryDict) -> str:
    known = rhythm_of(written)
    pattern = data.get("start-pattern", known.pattern)
    if pattern not in PATTERNS:
        return written
    if pattern == "cron":
        return " ".join(data.get("start-cron", written).split())
    return cron_of(_rhythm(replace(known, pattern=pattern), data))


def _rhythm(known: Rhythm, data: QueryDict) -> Rhythm:
    """A pattern with its parts; one that is left empty, or does not fit, stays as it was."""
    time = data.get("start-time", "")[:5]
    days = tuple(
        sorted({int(day) for day in data.getlist("start-day") if day in "1234567" and day})
    )
    month_day = _number(data.get("start-month-day"), MONTH_DAYS, known.month_day)
    allowed = MINUTES if known.pattern == "minutes" else HOURS
    every = _number(data.get("start-every"), allowed, known.every)
    if every not in allowed:
        every = allowed[2]
    return replace(
        known,
        time=time if _TIME.fullmatch(time) else known.time,
        days=days or known.days,
        month_day=month_day,
        every=every,
        minute=_number(data.get("start-minute"), range(60), known.minute),
    )


def _number(text: str | None, allowed: Any, otherwise: int) -> int:
    return int(text) if text and text.isdecimal() and int(text) in allowed else otherwise


def start_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """What a new rule can start on: triggers by domain, then schedules, then buttons."""
    found: dict[str, list[tuple[str, str]]] = {}
    for trigger in triggers:
        domain = trigger.key.partition(".")[0].capitalize()
        found.setdefault(domain, []).append((trigger.key, trigger.label))
    found["On a schedule"] = [
        (f"every:{scan.key}", f"Go over {scan.label.lower()}") for scan in scans
    ]
    found["A person’s button"] = [
        (f"manual:{scan.key}", f"On {scan.label.lower()}") for scan in scans
    ]
    return list(found.items())
