"""Rules that come round, told what time it is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db.models.functions import Now

from automations.engine import schedule
from automations.engine.scan import scan_batch
from automations.models.documents import Document
from automations.models.rules import Rule
from automations.models.schedules import ScheduleSlot
from tests.automations import factories as make

PARCELS = "depot.parcel"


def every(cron: str = "0 8 * * *", **given: Any) -> dict[str, Any]:
    return {"every": cron, "zone": "Europe/London", "for": PARCELS, **given}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # year to second


def last_slot(rule: Rule, at: datetime, *, shadow: bool = False) -> ScheduleSlot:
    """As if the rule had come round at this time, and there were nothing to do."""
    document = Document.objects.filter(rule=rule).latest("version")
    return ScheduleSlot.objects.create(
        rule=rule,
        document=document,
        shadow=shadow,
        fire_at=at,
        state=ScheduleSlot.State.DONE,
        finished_at=Now(),
    )


def scheduled(*, cron: str = "0 8 * * *", since: datetime, **changes: Any) -> Rule:
    """A live rule whose slots up to a moment are over."""
    start = every(cron, **changes.pop("start", {}))
    rule = make.live_rule(trigger=start, **changes)
    last_slot(rule, since)
    return rule


def scan_all() -> None:
    while scan_batch():
        pass


def come_round(now: datetime) -> int:
    """Dispatch at a moment, scan, match and execute; answers how many slots fell due."""
    due = schedule.dispatch(now)
    scan_all()
    make.work_all()
    return due


def slots(rule: Rule, *, shadow: bool = False) -> list[tuple[str, str]]:
    """Each slot after the first with its state, in order."""
    found = ScheduleSlot.objects.filter(rule=rule, shadow=shadow).order_by("fire_at")
    return [(f"{slot.fire_at:%m-%d %H:%M}", slot.state) for slot in found[1:]]
