"""A slot's scan: page by page over a domain's records, each match an event for the slot's rule.

Conditions thin out the page in PostgreSQL, the predicate decides, and matching judges the event
again like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from automations.catalogue import flatten
from automations.conditions.orm import to_q
from automations.engine import addressed
from automations.engine.addressed import About
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.in_force import Active, Moment, moment
from automations.engine.notices import open_notices
from automations.engine.paging import PAGE, Pages
from automations.engine.schedule import broken_schedule
from automations.models.schedules import ScheduleSlot, slot_key
from automations.rules.document import Every
from automations.triggers import Scan
from backoffice.actors import HOUSE

WAITS = """
UPDATE automations_scheduleslot SET touched_at = clock_timestamp()
WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()
"""
# The one that was looked at longest ago: a long scan lets short ones through. It is left alone for
# five seconds, until its page has locked it.
CLAIM = """
UPDATE automations_scheduleslot SET tries = tries + 1, state = 'scanning',
    started_at = coalesce(started_at, now()), touched_at = clock_timestamp(),
    run_after = statement_timestamp() + interval '5 seconds'
WHERE id = (SELECT id FROM automations_scheduleslot
    WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()
    ORDER BY touched_at, fire_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tries
"""


def _end(slot: ScheduleSlot, state: ScheduleSlot.State, says: str = "") -> None:
    slot.state, slot.finished_at = state, timezone.now()
    slot.says = (says or slot.says)[:300]
    slot.save(update_fields=["state", "says", "finished_at"])


def _broken(slot: ScheduleSlot, says: str) -> None:
    _end(slot, ScheduleSlot.State.FAILED, says)
    open_notices([broken_schedule(slot.rule_id, slot.document_id, says)])


def _page(slot: ScheduleSlot) -> int:
    at = moment()
    active = _active(slot, at)
    if active is None or (not slot.shadow and at.stopped.holds(slot.rule_id)):
        _leave(slot, active)
        return 0
    return _Page(slot, active.compiled, at).go_through()


def _active(slot: ScheduleSlot, at: Moment) -> Active | None:
    """The version that goes through it: the slot's own, or the one that took its place meanwhile.

    None when there is none any more that is scheduled over the same kind of record.
    """
    for active in at.rules.by_rule.get(slot.rule_id, ()):
        start = active.compiled.document.trigger
        if active.shadow is slot.shadow and isinstance(start, Every):
            same = active.document_id == slot.document_id
            return active if same or slot.cursor is None or _goes_on(slot, active) else None
    return None


def _goes_on(slot: ScheduleSlot, active: Active) -> bool:
    before = compiled([slot.document_id])[slot.document_id]
    return isinstance(before, Compiled) and before.source.key == active.compiled.source.key


def _leave(slot: ScheduleSlot, active: Active | None) -> None:
    """End a slot that nobody may go through any more, and say why."""
    rest = "The rest was left out: " if slot.examined else ""
    if active is not None:
        says = f"{rest}the rule was stopped."
        return _end(slot, ScheduleSlot.State.SKIPPED, says[:1].upper() + says[1:])
    known = compiled([slot.document_id])[slot.document_id]
    if isinstance(known, Unusable):
        return _broken(slot, str(known))
    says = f"{rest}this version is not in force any more."
    return _end(slot, ScheduleSlot.State.SKIPPED, says[:1].upper() + says[1:])


SLOTS = Pages(ScheduleSlot, WAITS, CLAIM, _page, _broken)


def scan_batch() -> int:
    """Go through one page of an open slot; answers how many records, 0 when there is none to do."""
    return SLOTS.batch()


class _Page:
    """The next records of a slot, under the version that goes through them."""

    def __init__(self, slot: ScheduleSlot, rule: Compiled, at: Moment) -> None:
        self.slot, self.rule, self.at = slot, rule, at
        self.source = cast(Scan, rule.source)
        self.keeps_unknown = rule.document.missing_data == "hold"

    def go_through(self) -> int:
        slot, rows = self.slot, self.source.rows()
        if slot.upto is None:
            # What comes after this moment is for the next slot, or the scan might never end.
            slot.upto = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
        rest = rows.filter(pk__gt=slot.cursor or 0, pk__lte=slot.upto)
        window = list(rest.order_by("pk").values_list("pk", flat=True)[:PAGE])
        if window:
            found = rest.filter(pk__lte=window[-1])
            slot.events += len(self._write(list(self._matching(found))))
            slot.cursor = window[-1]
        slot.examined += len(window)
        slot.document_id = self.rule.document_id
        slot.tries, slot.touched_at, slot.run_after = 0, Now(), Now()
        if len(window) < PAGE:
            slot.state, slot.finished_at = ScheduleSlot.State.DONE, timezone.now()
        slot.save()
        return len(window)

    def _matching(self, rows: QuerySet[Any]) -> Iterator[About]:
        """The records that match as they stand now, or whose data a person has to look at."""
        document, now = self.rule.document, self.at.now
        thinned = rows.filter(
            to_q(
                document.when,
                self.rule.catalogue,
                self.source.columns,
                now=now,
                params=document.param_values,
                keep_unknown=self.keeps_unknown,
            )
        )
        # Before the payloads: what changes in between is then seen as changed, and judged again.
        versions = dict(thinned.order_by("pk").values_list("pk", "version"))
        payloads = self.source.current(versions) if versions else {}
        for pk, version in versions.items():
            payload = payloads.get(pk)
            if payload is None:
                continue
            told = flatten(payload)
            verdict = self.rule.predicate(*told, now)
            if verdict is True or (verdict is None and self.keeps_unknown):
                key = slot_key(self.slot.rule_id, self.slot.fire_at, pk, shadow=self.slot.shadow)
                yield About(key, pk, version, *told)

    def _write(self, found: Sequence[About]) -> list[int]:
        return addressed.record(self.source, self.slot.rule_id, found, HOUSE)
