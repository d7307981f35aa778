"""Events become runs: claimed, judged and marked in sets, one transaction each."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from django.db import DatabaseError, transaction

from automations.catalogue import upcast
from automations.conditions.leaves import Verdict
from automations.conditions.rechecking import Seen
from automations.engine import database, telling, wake
from automations.engine.failures import RunCase, open_event_cases, open_run_cases
from automations.engine.in_force import ALL, Active, Moment, moment
from automations.engine.stake import stake_of
from automations.models.failures import Failure
from automations.models.rules import RULE_SPAN
from automations.models.runs import Run, run_id
from automations.triggers import triggers

logger = logging.getLogger(__name__)

BATCH = 500
# So many runs may stand in one chain; a longer one is taken for a circle.
DEEPEST = 10

CLAIM = """
WITH taken AS (
    DELETE FROM automations_pendingevent WHERE event_id IN (
        SELECT event_id FROM automations_pendingevent ORDER BY event_id LIMIT %s
        FOR UPDATE SKIP LOCKED)
    RETURNING event_id
)
SELECT e.id, e.trigger, e.subject, e.subject_id, e.subject_version, e.payload_version, e.facts,
    e.lists, e.cause_run_id, e.depth
FROM automations_event e JOIN taken ON e.id = taken.event_id ORDER BY e.id
"""
# A run's id holds its event and its rule, so a chain is walked along the key alone.
CHAINS = """
WITH RECURSIVE chain AS (
    SELECT e.id AS start, e.cause_run_id AS run, 1 AS length FROM automations_event e
    WHERE e.id = ANY(%s) AND e.cause_run_id IS NOT NULL
    UNION ALL
    SELECT c.start, e.cause_run_id, c.length + 1 FROM chain c
    JOIN automations_event e ON e.id = c.run / %s
    WHERE e.cause_run_id IS NOT NULL AND c.length < %s
)
SELECT start, array_agg(run %% %s) FROM chain GROUP BY start
"""
INSERT = """
INSERT INTO automations_run (id, event_id, rule_id, document_id, subject, subject_id,
    subject_version, position, after_id, depth, state, cursor, attempts, trace_length, has_case,
    outcome, params, created_at)
SELECT r.id, r.event_id, r.rule_id, r.document_id, r.subject, r.subject_id, r.subject_version,
    r.position, r.after_id, r.depth, r.state, '', 0, 0, r.has_case, r.outcome, r.params, now()
FROM json_to_recordset(%s::json) AS r(id bigint, event_id bigint, rule_id bigint,
    document_id bigint, subject text, subject_id bigint, subject_version int, position smallint,
    after_id bigint, depth smallint, state text, has_case boolean, outcome text, params jsonb)
ON CONFLICT (id) DO NOTHING RETURNING id
"""


@dataclass(slots=True)
class Told:
    """An event as it is judged."""

    id: int
    trigger: str
    subject: str
    subject_id: int
    subject_version: int
    facts: Mapping[str, Any]
    lists: Any
    depth: int
    chain: Sequence[int] = ()


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
    trigger = triggers.get(key)
    if trigger is None:
        logger.warning("Event %s is of %s, which no app offers any more", row[0], key)
        return None
    facts, lists = json.loads(row[6]), json.loads(row[7]) if row[7] else {}
    if payload_version < trigger.version:
        facts, lists = upcast(trigger, payload_version, facts, lists)
    return Told(row[0], key, row[2], row[3], row[4], facts, lists, row[9])


def claim_events(limit: int) -> tuple[int, list[Told]]:
    """Take unmatched events off the list: how many, and those that can be judged."""
    rows = database.fetch(CLAIM, limit)
    events = [told for row in rows if (told := _told(row)) is not None]
    caused = {row[0] for row in rows if row[8] is not None}
    if caused:
        found = database.fetch(CHAINS, list(caused), RULE_SPAN, DEEPEST, RULE_SPAN)
        chains: dict[int, list[int]] = dict(map(tuple, found))
        for event in events:
            event.chain = chains.get(event.id, ())
    return len(rows), events


def _circle(event: Told, active: Active) -> str | None:
    """Why this run must not be made: it would answer its own doing. None when it may."""
    if active.rule_id in event.chain:
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
    if (says := _circle(event, active) or "") != "":
        return Found(event, active, Run.State.HELD, says, Failure.Error.LOOP)
    if active.rule_id in at.stopped or ALL in at.stopped:
        return Found(event, active, Run.State.PARKED, "The rule is stopped.")
    return Found(event, active, Run.State.DUE)


def judge(events: Iterable[Told], at: Moment) -> list[Found]:
    """The runs that these events start; of one event, each knows the one that acts before it."""
    runs: list[Found] = []
    for event in events:
        candidates = at.rules.candidates(event.trigger, event.facts)
        found = [run for active in candidates if (run := _judge(event, active, at)) is not None]
        if len(found) > 1:
            _line_up(found)
        runs += found
    return runs


def _line_up(found: list[Found]) -> None:
    found.sort(key=lambda run: (run.active.position, run.active.rule_id))
    acting = [run for run in found if run.state == Run.State.DUE]
    for before, run in pairwise(acting):
        run.after_id = run_id(run.event.id, before.active.rule_id)


def _row(found: Found) -> dict[str, Any]:
    event, active = found.event, found.active
    return {
        "id": run_id(event.id, active.rule_id),
        "event_id": event.id,
        "rule_id": active.rule_id,
        "document_id": active.document_id,
        "subject": event.subject,
        "subject_id": event.subject_id,
        "subject_version": event.subject_version,
        "position": active.position,
        "after_id": found.after_id,
        "depth": event.depth,
        "state": found.state.value,
        "has_case": found.error is not None,
        "outcome": found.outcome,
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
    cases = [_case(found) for found in runs if found.error is not None]
    open_run_cases([case for case in cases if case.run_id in fresh])
    return len(fresh)


def match_batch(limit: int = BATCH) -> int:
    """Match the oldest waiting events, whatever others are matching; answers how many it took.

    Events that break the matching are cut out by halves, and the one that does becomes a case.
    """
    try:
        return _match(limit)
    except DatabaseError:
        raise
    except Exception:
        logger.exception("A batch of up to %s events can't be matched", limit)
        return match_batch(limit // 2) if limit > 1 else _set_aside()


@transaction.atomic
def _set_aside() -> int:
    """Take the oldest waiting event off the list, for people to look at."""
    rows = database.fetch(CLAIM, 1)
    open_event_cases([row[0] for row in rows])
    return len(rows)


@transaction.atomic
def _match(limit: int) -> int:
    at = moment()
    taken, events = claim_events(limit)
    if insert(judge(events, at)):
        wake.soon("execute")
    return taken
