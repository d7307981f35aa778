"""Events become runs: claimed, judged and marked in sets, one transaction each."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db import transaction

from automations.catalogue import upcast
from automations.conditions.leaves import Verdict
from automations.conditions.rechecking import Seen
from automations.engine import applied, database, progress, telling, wake
from automations.engine.failures import RunCase, open_event_cases, open_run_cases
from automations.engine.in_force import Active, Moment, moment
from automations.engine.stake import stake_of
from automations.models.failures import Failure
from automations.models.rules import RULE_SPAN
from automations.models.runs import Run, run_id
from automations.triggers import source, triggers

logger = logging.getLogger(__name__)

BATCH = 1_000
# So many runs may stand in one chain; a longer one is taken for a circle.
DEEPEST = 10

# ARRAY: taken once. A subquery after IN may be read again for each row, past its LIMIT.
CLAIM = """
WITH taken AS (
    DELETE FROM automations_pendingevent WHERE event_id = ANY(ARRAY(
        SELECT event_id FROM automations_pendingevent ORDER BY event_id LIMIT %s
        FOR UPDATE SKIP LOCKED))
    RETURNING event_id
)
SELECT taken.event_id, e.trigger, e.subject, e.subject_id, e.subject_version, e.payload_version,
    e.facts, e.lists, e.cause_run_id, e.depth, e.rule_id, e.key,
    extract(epoch FROM e.occurred_at)::float8,
    EXISTS (SELECT FROM automations_run WHERE ends_on IS NOT NULL AND state = 'waiting')
FROM taken LEFT JOIN automations_event e ON e.id = taken.event_id
    AND (e.trigger = ANY(%s) OR e.rule_id IS NOT NULL)
ORDER BY taken.event_id
"""
ASIDE = """
DELETE FROM automations_pendingevent WHERE event_id = ANY(ARRAY(
    SELECT event_id FROM automations_pendingevent WHERE event_id = %s FOR UPDATE SKIP LOCKED))
RETURNING event_id
"""
CAUSES = "SELECT id, cause_run_id FROM automations_event WHERE id = ANY(%s)"
# Some waiting run may end on any of the events, whether or not a rule starts on it. One that a
# worker holds is over with waiting, and the worker asks for such events itself.
END_WAITS = """
WITH ended AS (
    SELECT r.id, e.trigger FROM automations_event e JOIN automations_run r
        ON r.subject_id = e.subject_id AND r.subject = e.subject AND r.event_id < e.id
    WHERE e.id = ANY(%s::bigint[]) AND r.state = 'waiting' AND r.ends_on IS NOT NULL
        AND e.trigger = ANY(r.ends_on) AND e.rule_id IS NULL
    ORDER BY r.id FOR NO KEY UPDATE OF r SKIP LOCKED
)
UPDATE automations_run r SET state = 'cancelled', ends_on = NULL, finished_at = clock_timestamp(),
    outcome = 'Ended while it waited: ' || coalesce(%s::jsonb ->> ended.trigger, ended.trigger)
FROM ended WHERE r.id = ended.id
"""
INSERT = """
INSERT INTO automations_run (id, event_id, rule_id, document_id, subject, subject_id,
    subject_version, position, after_id, depth, state, cursor, attempts, trace_length, has_case,
    outcome, params, shadow, parked_for, created_at, finished_at)
SELECT r.id, r.event_id, r.rule_id, r.document_id, r.subject, r.subject_id, r.subject_version,
    r.position, r.after_id, r.depth, r.state, '', 0, 0, r.has_case, r.outcome, r.params, r.shadow,
    r.parked_for, now(), CASE WHEN r.state = 'skipped' AND NOT r.shadow THEN now() END
FROM json_to_recordset(%s::json) AS r(id bigint, event_id bigint, rule_id bigint,
    document_id bigint, subject text, subject_id bigint, subject_version int, position smallint,
    after_id bigint, depth smallint, state text, has_case boolean, outcome text, params jsonb,
    shadow boolean, parked_for text)
ON CONFLICT (id) DO NOTHING RETURNING id
"""


@dataclass(slots=True)
class Told:
    """An event as it is judged. `occurred` is when it happened, in seconds."""

    id: int
    trigger: str
    subject: str
    subject_id: int
    subject_version: int
    facts: Mapping[str, Any]
    lists: Any
    cause_run_id: int | None
    depth: int
    rule_id: int | None
    key: str
    occurred: float


@dataclass(slots=True)
class Found:
    """A run to insert. `error` None: it may act."""

    event: Told
    active: Active
    state: Run.State
    outcome: str = ""
    error: Failure.Error | None = None
    after_id: int | None = None


def _told(row: tuple[Any, ...]) -> Told | None:
    key, payload_version = row[1], row[5]
    if key is None:
        return None
    trigger = source(key)
    if trigger is None:
        logger.warning("Event %s is of %s, which no app offers any more", row[0], key)
        return None
    facts, lists = database.loads(row[6]), database.loads(row[7]) or {}
    if payload_version < trigger.version:
        facts, lists = upcast(trigger, payload_version, facts, lists)
    subject, subject_id, version = row[2:5]
    return Told(row[0], key, subject, subject_id, version, facts, lists, *row[8:13])


def claim(limit: int, triggers: Sequence[str]) -> list[database.Row]:
    """Take unmatched events off the list: as CLAIM tells of them, those of other triggers bare."""
    return database.fetch(CLAIM, limit, triggers)


def told(rows: Iterable[database.Row]) -> list[Told]:
    """The events that some rule starts on, as they are judged."""
    return [found for row in rows if (found := _told(row)) is not None]


def _chains(events: Iterable[Told]) -> dict[int, set[int]]:
    """The rules whose runs led to each event, along the keys of the runs: one query a link."""
    links = {event.id: event.cause_run_id for event in events}
    chains: dict[int, set[int]] = {event_id: set() for event_id in links}
    for _ in range(DEEPEST):
        causes = {start: run for start, run in links.items() if run is not None}
        if not causes:
            break
        for start, run in causes.items():
            chains[start].add(run % RULE_SPAN)
        before = {run // RULE_SPAN for run in causes.values()}
        known = dict(map(tuple, database.fetch(CAUSES, list(before))))
        links = {start: known.get(run // RULE_SPAN) for start, run in causes.items()}
    return chains


def _circle(event: Told, active: Active, chain: Collection[int]) -> str | None:
    """Why this run must not be made: it would answer its own doing. None when it may."""
    if active.rule_id in chain:
        return "This rule set off the event that starts it again, so it was stopped here."
    if event.depth >= DEEPEST:
        return f"{event.depth} runs have set each other off, so the chain was stopped here."
    return None


def _judge(event: Told, active: Active, at: Moment) -> Found | None:
    rule = active.compiled
    try:
        verdict: Verdict = rule.predicate(event.facts, event.lists, at.now)
    except Exception as error:
        logger.exception("Rule %s can't judge event %s", active.rule_id, event.id)
        says = f"The conditions could not be judged: {error}"
        return Found(event, active, Run.State.HELD, says, Failure.Error.BUG)
    if verdict is False or (verdict is None and rule.document.missing_data == "skip"):
        return None
    if verdict is None:
        says = telling.unknown(rule.explain(Seen(event.facts, event.lists, at.now)))
        return Found(event, active, Run.State.HELD, says, Failure.Error.MISSING)
    if not active.shadow and at.stopped.holds(active.rule_id):
        return Found(event, active, Run.State.PARKED, "The rule is stopped.")
    return Found(event, active, Run.State.DUE)


def judge(events: Iterable[Told], at: Moment) -> list[Found]:
    """The runs that these events start; of one event, each knows the one that acts before it."""
    runs: list[Found] = []
    for event in events:
        candidates = at.rules.candidates(event.trigger, event.facts, event.rule_id, event.key)
        found = [run for active in candidates if (run := _judge(event, active, at)) is not None]
        if len(found) > 1:
            _line_up(found)
        runs += found
    _break_circles(runs)
    _leave_out(runs, at)
    return runs


def _leave_out(runs: Iterable[Found], at: Moment) -> None:
    """Skip what a version that was applied to what was there has acted on already."""
    known = at.rules.went_live
    late = [
        applied.Late(run.event.id, run.active.rule_id, run.event.subject_id, run.event.occurred)
        for run in runs
        if run.event.occurred <= known.get(run.active.rule_id, 0.0)
        and run.event.rule_id is None
        and not run.active.shadow
    ]
    seen_to = applied.seen_to(late)
    for run in runs if seen_to else ():
        if (run.event.id, run.active.rule_id) in seen_to and not run.active.shadow:
            run.state, run.outcome, run.error = Run.State.SKIPPED, applied.SAYS, None


def _break_circles(runs: Iterable[Found]) -> None:
    """Keep back the runs that their own doing led to."""
    caused = [run for run in runs if run.event.cause_run_id is not None]
    chains = _chains({run.event.id: run.event for run in caused}.values()) if caused else {}
    for run in caused:
        says = _circle(run.event, run.active, chains[run.event.id])
        if says is not None and run.error is None:
            run.state, run.outcome, run.error = Run.State.HELD, says, Failure.Error.LOOP


def _line_up(found: list[Found]) -> None:
    found.sort(key=lambda run: (run.active.position, run.active.rule_id))
    acting = [run for run in found if run.state == Run.State.DUE and not run.active.shadow]
    for before, run in pairwise(acting):
        run.after_id = run_id(run.event.id, before.active.rule_id)


def _row(found: Found) -> dict[str, Any]:
    event, active = found.event, found.active
    shadow = active.shadow
    # A shadow's trouble is nobody's work: it only ends there.
    troubled = found.error is not None
    return {
        "id": run_id(event.id, active.rule_id, shadow=shadow),
        "event_id": event.id,
        "rule_id": active.rule_id,
        "document_id": active.document_id,
        "subject": event.subject,
        "subject_id": event.subject_id,
        "subject_version": event.subject_version,
        "position": active.position,
        "after_id": found.after_id,
        "depth": event.depth,
        "state": Run.State.SKIPPED.value if shadow and troubled else found.state.value,
        "has_case": troubled and not shadow,
        "outcome": found.outcome,
        "shadow": shadow,
        "parked_for": "stop" if found.state == Run.State.PARKED else "",
        "params": active.compiled.document.param_values or None,
    }


def _case(found: Found) -> RunCase:
    event, active = found.event, found.active
    return RunCase(
        run_id=run_id(event.id, active.rule_id),
        rule_id=active.rule_id,
        document_id=active.document_id,
        error=found.error or Failure.Error.BUG,
        says=found.outcome,
        subject=event.subject,
        subject_id=event.subject_id,
        subject_version=event.subject_version,
        not_done=active.compiled.in_words,
        at_stake=stake_of(active.compiled.catalogue, event.facts),
    )


def insert(runs: Sequence[Found]) -> int:
    """Write the runs and the cases of those that can't act; answers how many are new."""
    if not runs:
        return 0
    fresh = {row[0] for row in database.fetch(INSERT, database.rows(map(_row, runs)))}
    cases = [_case(found) for found in runs if found.error is not None and not found.active.shadow]
    open_run_cases([case for case in cases if case.run_id in fresh])
    return len(fresh)


def match_batch(limit: int = BATCH) -> int:
    """Match the oldest waiting events, whatever others are matching; answers how many it took.

    Events that break the matching are cut out by halves, and the one that does becomes a case.
    """
    try:
        return _match(limit)
    except database.Broke as broke:
        logger.exception("A batch of %s events can't be matched", len(broke.ids))
        if len(broke.ids) > 1:
            return match_batch(len(broke.ids) // 2)
        return _set_aside(broke.ids[0])


@transaction.atomic
def _set_aside(event_id: int) -> int:
    """Take an event off the list, for people to look at, unless somebody else has it now."""
    open_event_cases([row[0] for row in database.fetch(ASIDE, event_id)])
    return 1


@transaction.atomic
def _match(limit: int) -> int:
    at = moment(unhurried=True)
    rows = claim(limit, at.rules.triggers)
    ids = [row[0] for row in rows]
    if not ids:
        return 0
    progress.claimed("match")
    with database.in_hand(ids):
        # Whether any run at all waits for something to happen stands in each row.
        if rows[0][13]:
            labels = {trigger.key: trigger.label for trigger in triggers}
            database.write(END_WAITS, database.ids(ids), json.dumps(labels))
        if insert(judge(told(rows), at)):
            wake.soon("execute")
    return len(ids)
