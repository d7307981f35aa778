"""Runs in hand: claimed, read under lock, and written back as one set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from automations.catalogue import upcast
from automations.conditions.fields import Facts, Lists
from automations.engine import database
from automations.models.runs import Run, StepRun
from automations.triggers import triggers

BATCH = 500

DUE = """
SELECT id, crash_count FROM automations_run
WHERE state = 'due' AND run_after <= statement_timestamp()
ORDER BY run_after, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
NOTE = "INSERT INTO automations_runclaim (worker, run_ids) VALUES (%s, %s::bigint[]) RETURNING id"
HOLD = "SELECT id FROM automations_runclaim WHERE id = %s FOR UPDATE"
LOAD = """
SELECT r.id, r.event_id, r.rule_id, r.document_id, r.subject, r.subject_id, r.subject_version,
    r.position, r.after_id, r.depth, r.cursor, r.attempts, r.trace_length, r.has_case,
    r.created_at::text, r.overrides, r.params, e.trigger, e.payload_version, e.facts, e.lists
FROM automations_run r JOIN automations_event e ON e.id = r.event_id
WHERE r.id = ANY(%s::bigint[]) AND r.state = 'due' ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
"""
# Rules act on one event by position: a run waits while another worker holds the one before it.
BEFORE = """
SELECT id FROM automations_run WHERE id = ANY(%s::bigint[]) AND state = 'due' AND attempts = 0
AND run_after <= statement_timestamp()
"""
WRITE = """
UPDATE automations_run r SET state = v.state, cursor = v.cursor, attempts = v.attempts,
    trace_length = v.trace_length, has_case = v.has_case, outcome = v.outcome,
    subject_version = v.subject_version, overtaken = v.overtaken,
    run_after = CASE WHEN v.delay IS NULL THEN r.run_after
        ELSE statement_timestamp() + v.delay * interval '1 second' END,
    finished_at = CASE WHEN v.finished THEN clock_timestamp() END
FROM json_to_recordset(%s::json) AS v(id bigint, state text, cursor text, attempts smallint,
    trace_length smallint, has_case boolean, outcome text, subject_version int, overtaken jsonb,
    delay float, finished boolean)
WHERE r.id = v.id
"""
TRACE = """
INSERT INTO automations_steprun (run_id, number, cursor, action, attempt, outcome, says, input,
    link, link_id, started_at, finished_at)
SELECT v.run_id, v.number, v.cursor, v.action, v.attempt, v.outcome, v.says, v.input, v.link,
    v.link_id, v.started_at, clock_timestamp()
FROM json_to_recordset(%s::json) AS v(run_id bigint, number smallint, cursor text, action text,
    attempt smallint, outcome text, says text, input jsonb, link text, link_id bigint,
    started_at timestamptz)
"""

FINISHED = (Run.State.DONE, Run.State.OVERTAKEN, Run.State.SKIPPED, Run.State.CANCELLED)


@dataclass
class Work:
    """A run in hand. What it becomes is written once, with its effects, at the end."""

    id: int
    event_id: int
    rule_id: int
    document_id: int
    subject: str
    subject_id: int
    subject_version: int
    position: int
    after_id: int | None
    depth: int
    cursor: str
    attempts: int
    trace_length: int
    has_case: bool
    # As they came from the database: most runs need none of the rest.
    raw_created_at: str
    raw_overrides: str | None
    raw_params: str | None
    trigger: str
    payload_version: int
    raw_facts: str
    raw_lists: str | None
    state: Run.State = Run.State.DUE
    outcome: str = ""
    overtaken: Any = None
    delay: float | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def created_at(self) -> datetime:
        return datetime.fromisoformat(self.raw_created_at)

    @cached_property
    def overrides(self) -> dict[str, Any]:
        """What a person changed, by step."""
        return json.loads(self.raw_overrides) if self.raw_overrides else {}

    @cached_property
    def params(self) -> dict[str, Any]:
        return json.loads(self.raw_params) if self.raw_params else {}

    @cached_property
    def seen(self) -> tuple[Facts, Lists]:
        """The event's facts and lists; a recheck puts today's in their place."""
        facts = json.loads(self.raw_facts)
        lists = json.loads(self.raw_lists) if self.raw_lists else {}
        trigger = triggers.get(self.trigger)
        if trigger is not None and self.payload_version < trigger.version:
            return upcast(trigger, self.payload_version, facts, lists)
        return facts, lists

    @property
    def acting(self) -> bool:
        """Whether it may go on now."""
        return self.state == Run.State.DUE and self.delay is None

    def end(self, state: Run.State, outcome: str) -> None:
        self.state, self.outcome = state, outcome

    def attempted(
        self, outcome: StepRun.Outcome, says: str, *, action: str, given: Any, started: str
    ) -> dict[str, Any]:
        """Record an attempt at the step it stands at."""
        self.trace_length += 1
        entry = {
            "run_id": self.id,
            "number": self.trace_length,
            "cursor": self.cursor,
            "action": action,
            "attempt": self.attempts + 1,
            "outcome": outcome.value,
            "says": says,
            "input": given,
            "link": "",
            "link_id": None,
            "started_at": started,
        }
        self.trace.append(entry)
        return entry


def claim(worker: str, limit: int = BATCH) -> tuple[int, list[int]]:
    """Note in a transaction of its own which due runs this worker takes: the note and their ids.

    A run that was in hand when a worker died is taken alone, so that only its own crashes count.
    Nothing is locked when this returns: `load` locks, and leaves out what others hold.
    """
    due = database.fetch(DUE, limit)
    if not due:
        return 0, []
    suspect = due[0][1] is not None
    ids = [due[0][0]] if suspect else [row[0] for row in due if row[1] is None]
    (note,) = database.fetch(NOTE, worker, database.ids(ids))[0]
    return note, ids


def hold(note: int) -> bool:
    """Lock the worker's note: as long as it is locked, the worker lives."""
    return bool(database.fetch(HOLD, note))


def drop(note: int) -> None:
    database.write("DELETE FROM automations_runclaim WHERE id = %s", note)


def load(run_ids: Sequence[int]) -> list[Work]:
    """Lock the runs, in the order of their keys, and read them; those that others hold are left."""
    works = [Work(*row) for row in database.fetch(LOAD, database.ids(run_ids))]
    held = {work.id for work in works}
    before = [work.after_id for work in works if work.after_id and work.after_id not in held]
    if not before:
        return works
    blocked = {row[0] for row in database.fetch(BEFORE, database.ids(before))}
    for work in sorted(works, key=lambda work: (work.event_id, work.position, work.rule_id)):
        if work.after_id in blocked:
            blocked.add(work.id)
    return [work for work in works if work.id not in blocked]


def _row(work: Work) -> dict[str, Any]:
    return {
        "id": work.id,
        "state": work.state.value,
        "cursor": work.cursor,
        "attempts": work.attempts,
        "trace_length": work.trace_length,
        "has_case": work.has_case,
        "outcome": work.outcome,
        "subject_version": work.subject_version,
        "overtaken": work.overtaken,
        "delay": work.delay,
        "finished": work.state in FINISHED,
    }


def write(works: Iterable[Work]) -> None:
    """Write what became of the runs and the attempts at their steps."""
    works = list(works)
    if works:
        database.write(WRITE, database.rows(map(_row, works)))
    trace = [entry for work in works for entry in work.trace]
    if trace:
        database.write(TRACE, database.rows(trace))
