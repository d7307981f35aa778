"""Schedules come round: each slot of a scheduled rule becomes a row, once, and a scan finds it.

A stage like record, match and execute: it only writes rows. Slots that came round while nothing
was running, or while the one before was still being gone through, are caught up with by the
latest; the earlier ones are on record as missed.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from django.db import connection, transaction
from pydantic import ValidationError

from automations.engine import database, wake
from automations.engine.compiled import Unusable, compiled
from automations.engine.in_force import Stopped, stopped_now
from automations.engine.notices import Notice, open_notices
from automations.models.failures import Failure
from automations.models.schedules import ScheduleSlot
from automations.rules.document import Every
from automations.rules.parsing import DocumentInvalid, read_document
from automations.rules.schedules import Days, EveryDay, Slot, coming, firing, past
from backoffice import calendars

logger = logging.getLogger(__name__)

# So many missed slots stand in rows of their own; the oldest of them speaks for those before.
MOST_MISSED = 500
LATE = timedelta(seconds=60)
SCHEDULE = "schedule"

ALONE = "SELECT pg_try_advisory_xact_lock(hashtextextended('countersign.schedule', 0))"
EPOCH = "SELECT value FROM automations_epoch LIMIT 1"
SCHEDULED = """
SELECT a.rule_id, a.document_id, a.mode = 'shadow', a.from_at, d.text
FROM automations_activation a JOIN automations_document d ON d.id = a.document_id
WHERE a.until_at IS NULL AND a.kind = 'rule' AND d.text LIKE '%%"every":%%'
ORDER BY a.rule_id, a.mode
"""
LAST = """
SELECT p.rule_id, p.shadow, s.fire_at, s.finished_at, o.fire_at, o.state, o.touched_at
FROM json_to_recordset(%s::json) AS p(rule_id bigint, shadow boolean)
LEFT JOIN LATERAL (SELECT fire_at, finished_at FROM automations_scheduleslot
    WHERE rule_id = p.rule_id AND shadow = p.shadow ORDER BY fire_at DESC LIMIT 1) s ON true
LEFT JOIN LATERAL (SELECT fire_at, state, touched_at FROM automations_scheduleslot
    WHERE rule_id = p.rule_id AND shadow = p.shadow AND state IN ('due', 'scanning')
    ORDER BY fire_at DESC LIMIT 1) o ON true
"""
INSERT = """
INSERT INTO automations_scheduleslot (rule_id, document_id, shadow, fire_at, state, says, examined,
    events, tries, finished_at)
SELECT r.rule_id, r.document_id, r.shadow, r.fire_at, r.state, r.says, 0, 0, 0,
    CASE WHEN r.state <> 'due' THEN now() END
FROM json_to_recordset(%s::json) AS r(rule_id bigint, document_id bigint, shadow boolean,
    fire_at timestamptz, state text, says text)
ON CONFLICT (rule_id, shadow, fire_at) DO NOTHING RETURNING rule_id, state
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """A scheduled version in force, or in shadow. `broken` says why it can't act, or is empty."""

    rule_id: int
    document_id: int
    shadow: bool
    since: datetime
    every: Every
    broken: str


@dataclass(frozen=True, slots=True)
class Last:
    """How far a plan has come. None: no slot yet; `open_` is the one still to be gone through."""

    fire_at: datetime | None = None
    finished_at: datetime | None = None
    open_at: datetime | None = None
    open_state: str | None = None
    touched_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Overdue:
    """A slot that is late, and what it waits for."""

    rule_id: int
    fire_at: datetime
    says: str


# By database, as a process of the tests serves several.
_known: dict[str, tuple[int, list[Plan]]] = {}
# Until when a plan has nothing to do, by what it was worked out from: the sweep asks every few
# seconds, and cron takes its time. A calendar may change meanwhile, so plans with one are left out.
_quiet: dict[tuple[Plan, datetime], datetime] = {}
MOST_QUIET = 10_000


def plans() -> list[Plan]:
    """Every scheduled version, those that can't act too; read again when the epoch moves on."""
    ((epoch,),) = database.fetch(EPOCH)
    name = connection.settings_dict["NAME"]
    if name not in _known or _known[name][0] != epoch:
        _known[name] = (epoch, list(_read()))
    return _known[name][1]


def _read() -> Iterable[Plan]:
    found = [(row, every) for row in database.fetch(SCHEDULED) if (every := every_of(row[4]))]
    usable = compiled(row[1] for row, _ in found)
    for (rule_id, document_id, shadow, since, _), every in found:
        known = usable[document_id]
        broken = str(known) if isinstance(known, Unusable) else ""
        yield Plan(rule_id, document_id, shadow, since, every, broken)


def every_of(text: str) -> Every | None:
    """The schedule of a document, of one that can't be read any more too; None: it has none."""
    try:
        start: Any = read_document(text).trigger
    except DocumentInvalid:
        raw = json.loads(text).get("trigger", {})
        try:
            start = Every.model_validate(raw) if "every" in raw else None
        except ValidationError:
            logger.exception("A schedule in force can't be read, so it never comes round: %s", raw)
            return None
    return start if isinstance(start, Every) else None


def _lasts(wanted: Sequence[Plan]) -> dict[tuple[int, bool], Last]:
    pairs = database.rows({"rule_id": p.rule_id, "shadow": p.shadow} for p in wanted)
    return {(row[0], row[1]): Last(*row[2:]) for row in database.fetch(LAST, pairs)}


class _Days:
    """The calendars that some plans name, read once."""

    def __init__(self, wanted: Iterable[Plan]) -> None:
        names = {plan.every.calendar for plan in wanted if plan.every.calendar is not None}
        self.known = calendars.load(names) if names else {}

    def of(self, every: Every) -> Days:
        # A calendar that is gone closes nothing: a rule must not stop because a name is missing.
        return self.known.get(every.calendar or "") or EveryDay()


def clock(moment: datetime, zone: str) -> str:
    """A slot's time as sentences about it say it."""
    local = moment.astimezone(ZoneInfo(zone))
    return f"{local.day} {local:%b %H:%M}"


# --- making slots ---------------------------------------------------------------------------------


def dispatch(now: datetime | None = None) -> int:
    """Write the slots that have come round since the last look; answers how many are to be scanned.

    `now` None is the database's clock. Two at once do no harm: one of them finds nothing.
    """
    with transaction.atomic():
        if not database.fetch(ALONE)[0][0]:
            return 0
        at, wanted = now or database.now(), plans()
        if not wanted:
            return 0
        lasts, days, stopped = _lasts(wanted), _Days(wanted), stopped_now()
        rows: list[dict[str, Any]] = []
        for plan in wanted:
            last = lasts[plan.rule_id, plan.shadow]
            if last.open_at is None:
                rows += _slots(plan, last, days.of(plan.every), stopped, at)
        return _write(rows, {(plan.rule_id, plan.shadow): plan for plan in wanted})


def _write(rows: Sequence[dict[str, Any]], known: Mapping[tuple[int, bool], Plan]) -> int:
    if not rows:
        return 0
    written = database.fetch(INSERT, database.rows(rows))
    due = sum(1 for _, state in written if state == ScheduleSlot.State.DUE)
    if due:
        wake.soon("scan")
    broken = [row for row in rows if row["state"] == ScheduleSlot.State.FAILED]
    open_notices([_notice(known[row["rule_id"], row["shadow"]], row["says"]) for row in broken])
    return due


def _slots(
    plan: Plan, last: Last, days: Days, stopped: Stopped, now: datetime
) -> list[dict[str, Any]]:
    """What became of a plan's slots since its last one; one fault must not stop the others."""
    after = max(last.fire_at or plan.since, plan.since)
    if now < _quiet.get((plan, after), now):
        return []
    try:
        found = past(plan.every, days, after, now, MOST_MISSED)
        if not found:
            _rest(plan, after, days)
    except Exception:
        logger.exception("The schedule of rule %s can't be worked out", plan.rule_id)
        return []
    firing = [slot for slot in found if not slot.closed]
    rows = []
    for slot in found:
        state, says = _fate(slot, plan, stopped)
        if not slot.closed and slot is not firing[-1]:
            state, says = ScheduleSlot.State.MISSED, _why_missed(slot, last)
        if len(found) == MOST_MISSED and slot is found[0]:
            says = f"{says} So were those before it."
        rows.append(_row(plan, slot, state, says))
    return rows


def _rest(plan: Plan, after: datetime, days: Days) -> None:
    """Remember when a plan comes round next."""
    if plan.every.calendar is not None:
        return
    if len(_quiet) >= MOST_QUIET:
        _quiet.clear()
    _quiet[plan, after] = next(coming(plan.every, days, after)).at


def _fate(slot: Slot, plan: Plan, stopped: Stopped) -> tuple[ScheduleSlot.State, str]:
    state = ScheduleSlot.State
    zone = plan.every.zone
    if slot.closed:
        return state.SKIPPED, f"{plan.every.calendar}: {slot.closed}."
    if not plan.shadow and stopped.holds(plan.rule_id):
        return state.SKIPPED, "The rule was stopped."
    if plan.broken:
        return state.FAILED, plan.broken
    if slot.moved_from is not None:
        return state.DUE, f"Moved from {clock(slot.moved_from, zone)}, a closed day."
    return state.DUE, ""


def _why_missed(slot: Slot, last: Last) -> str:
    if last.finished_at is not None and slot.at < last.finished_at:
        return "The slot before it was still being gone through."
    return "Nothing was running then."


def _row(plan: Plan, slot: Slot, state: str, says: str) -> dict[str, Any]:
    return {
        "rule_id": plan.rule_id,
        "document_id": plan.document_id,
        "shadow": plan.shadow,
        "fire_at": slot.at,
        "state": str(state),
        "says": says[:300],
    }


def _notice(plan: Plan, says: str) -> Notice:
    return broken_schedule(plan.rule_id, plan.document_id, says)


def broken_schedule(rule_id: int, document_id: int, says: str) -> Notice:
    """The case of a scheduled rule that can't do its work."""
    return Notice(
        SCHEDULE,
        f"{rule_id}:{document_id}",
        rule_id,
        document_id,
        Failure.Error.BUG,
        f"The schedule does not run: {says}",
        "Do by hand what the rule would have done, then mend it and have it approved again.",
    )


# --- looking ahead and back -----------------------------------------------------------------------


def overdue(now: datetime | None = None, late: timedelta = LATE) -> list[Overdue]:
    """Slots of live rules that are late: none was made, no worker began it, or it stands still."""
    at, wanted = now or database.now(), [plan for plan in plans() if not plan.shadow]
    lasts, days = _lasts(wanted) if wanted else {}, _Days(wanted)
    found = [
        _late(plan, lasts[plan.rule_id, False], days.of(plan.every), at - late) for plan in wanted
    ]
    return [each for each in found if each is not None]


def _late(plan: Plan, last: Last, days: Days, limit: datetime) -> Overdue | None:
    if last.open_at is not None:
        if last.touched_at is not None and max(last.touched_at, last.open_at) < limit:
            begun = last.open_state == ScheduleSlot.State.SCANNING
            says = "The scan stands still." if begun else "No worker has begun it."
            return Overdue(plan.rule_id, last.open_at, says)
        return None
    after = max(last.fire_at or plan.since, plan.since)
    missing = past(plan.every, days, after, limit, 1) if after < limit else []
    if not missing:
        return None
    return Overdue(plan.rule_id, missing[-1].at, "It came round, and no slot was made.")


def upcoming(every: Every, count: int, after: datetime | None = None) -> list[datetime]:
    """The next times a schedule fires, closed days left out, in UTC."""
    days: Days = EveryDay()
    if every.calendar is not None:
        days = calendars.load([every.calendar]).get(every.calendar) or days
    slots = firing(every, days, after or database.now())
    return [slot.at for slot in islice(slots, count)]
