"""A version goes over the records that were there when it went live, where its approval says so.

An event each, for this version alone; from there on limits, first looks, stops and “still true?”
hold as for any other.
"""

from __future__ import annotations

from datetime import timedelta

from django.db.models.functions import Now
from django.utils import timezone

from automations.engine import addressed, applied, database
from automations.engine.addressed import About
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.existing import Existing, Standing, why_not
from automations.engine.in_force import Moment, moment
from automations.engine.notices import Notice, open_notices
from automations.engine.paging import FIRST_WAIT, PAGE, Pages
from automations.models.documents import Activation
from automations.models.existing import ExistingRecords
from automations.models.failures import Failure
from automations.models.schedules import existing_key
from backoffice import audit
from backoffice.actors import HOUSE
from backoffice.counting import counted

EXISTING = "existing"
WAITS = """
UPDATE automations_existingrecords SET touched_at = clock_timestamp()
WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()
"""
CLAIM = """
UPDATE automations_existingrecords SET tries = tries + 1, state = 'scanning',
    touched_at = clock_timestamp(), run_after = statement_timestamp() + interval '5 seconds'
WHERE id = (SELECT id FROM automations_existingrecords
    WHERE state IN ('due', 'scanning') AND run_after <= statement_timestamp()
    ORDER BY touched_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, tries
"""
# Facts from before the version that nobody has matched yet: it starts on them by itself, and a
# record must not be started on twice.
STILL_TO_MATCH = """
SELECT count(*) FROM (SELECT 1 FROM automations_pendingevent p
    JOIN automations_event e ON e.id = p.event_id
    WHERE e.trigger = %s AND e.rule_id IS NULL AND e.recorded_at <= %s LIMIT 1001) waiting
"""
# Whoever was writing when it went live may have told such facts, and not committed them yet.
STILL_WRITING = """
SELECT min(xact_start) FROM pg_stat_activity WHERE datname = current_database()
    AND pid <> pg_backend_pid() AND backend_xid IS NOT NULL AND xact_start <= %s
"""
MOST_COUNTED = 1000


def _broken(row: ExistingRecords, says: str) -> None:
    _end(row, ExistingRecords.State.FAILED, says)
    notice = Notice(
        EXISTING,
        str(row.document_id),
        row.rule_id,
        row.document_id,
        Failure.Error.BUG,
        f"It is not applied to the records that were there: {says}",
        "Do by hand what the rule would have done for those that it did not come to.",
    )
    open_notices([notice])


def _end(row: ExistingRecords, state: ExistingRecords.State, says: str = "") -> None:
    row.state, row.says, row.finished_at = state, says[:300], timezone.now()
    row.save()
    audit.record(
        "rules.existing_ended",
        "automations.document",
        row.document_id,
        actor=HOUSE,
        state=state.value,
        examined=row.examined,
        started=row.events,
    )


def _page(row: ExistingRecords) -> int:
    at, rule = moment(), compiled([row.document_id])[row.document_id]
    if isinstance(rule, Unusable) or (why := why_not(rule)):
        _broken(row, str(rule) if isinstance(rule, Unusable) else why)
        return 0
    if not Activation.objects.in_force().filter(document_id=row.document_id).exists():
        _end(row, ExistingRecords.State.SKIPPED, "This version is not in force any more.")
        return 0
    if waits := _waits(row, rule, at):
        return _wait(row, waits)
    return _go_through(row, rule, at)


VERSIONS = Pages(ExistingRecords, WAITS, CLAIM, _page, _broken)


def apply_batch() -> int:
    """Go through one page for an open version; answers how many records, 0 when there is none."""
    return VERSIONS.batch()


def _wait(row: ExistingRecords, says: str) -> int:
    row.says, row.tries, row.run_after = says, 0, timezone.now() + FIRST_WAIT
    row.save()
    return 0


def _waits(row: ExistingRecords, rule: Compiled, at: Moment) -> str:
    """What has to come first, in a sentence; empty: nothing."""
    acting = [each.document_id for each in at.rules.by_rule.get(row.rule_id, ())]
    if row.document_id not in acting:
        return "It waits: another version acts in an emergency."
    # In this order: what was being written is to be matched when it is committed.
    ((began,),) = database.fetch(STILL_WRITING, row.from_at)
    if began is not None:
        since = began.astimezone(at.rules.zone)
        return (
            f"It waits for work that began before, {since:%d %b at %H:%M}, and is still being "
            f"written, for {_length(timezone.now() - began)} now."
        )
    ((facts,),) = database.fetch(STILL_TO_MATCH, rule.source.key, row.from_at)
    if facts:
        left = counted(min(facts, MOST_COUNTED), "fact is left", "facts are left")
        more = "more than " if facts > MOST_COUNTED else ""
        return f"It waits until what happened before is matched: {more}{left}."
    return ""


def _length(passed: timedelta) -> str:
    minutes = int(passed.total_seconds() // 60)
    return "less than a minute" if minutes < 1 else counted(minutes, "minute")


def _go_through(row: ExistingRecords, rule: Compiled, at: Moment) -> int:
    existing = Existing(rule, at.now, row.from_at)
    rows = existing.rows()
    if row.upto is None:
        row.upto = rows.order_by("-pk").values_list("pk", flat=True).first() or 0
    rest = rows.filter(pk__gt=row.cursor or 0, pk__lte=row.upto)
    window = list(rest.order_by("pk").values_list("pk", flat=True)[:PAGE])
    if window:
        applied.alone(row.rule_id)
        found = [each for each in existing.standing(window) if _starts(each, existing)]
        if any(each.told for each in found):
            return _wait(row, "It waits until what happens meanwhile is matched.")
        told = [
            About(
                existing_key(row.document_id, each.subject_id),
                each.subject_id,
                each.subject_version,
                each.facts,
                each.lists,
            )
            for each in found
        ]
        row.events += len(addressed.record(existing.trigger, row.rule_id, told, HOUSE))
        row.cursor = window[-1]
    row.examined += len(window)
    row.says, row.tries, row.touched_at, row.run_after = "", 0, Now(), Now()
    if len(window) < PAGE:
        _end(row, ExistingRecords.State.DONE)
    else:
        row.save()
    return len(window)


def _starts(each: Standing, existing: Existing) -> bool:
    return not each.acted and (each.verdict is True or existing.keeps_unknown)
