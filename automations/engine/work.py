"""Runs in hand: claimed, read under lock, and written back as one set."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from automations.catalogue import upcast
from automations.conditions.fields import Facts, Lists
from automations.engine import database
from automations.engine.database import Row
from automations.models.runs import Run, StepRun
from automations.triggers import source
from backoffice.sets import FEW, copy_rows

BATCH = 1_000

DUE = """
SELECT id, crash_count FROM automations_run
WHERE lane = %s AND state IN ('due', 'waiting') AND run_after <= statement_timestamp()
    AND (lane <> '' OR NOT EXISTS (SELECT 1 FROM automations_stop s
        WHERE s.lifted_at IS NULL AND s.rule_id IS NULL AND s.lane = ''))
ORDER BY run_after, id LIMIT %s FOR UPDATE SKIP LOCKED
"""
NOTE = f"""
INSERT INTO automations_runclaim (worker, run_ids) VALUES (%s, %s::bigint[])
RETURNING id, {database.UNHURRIED}
"""  # noqa: S608
HOLD = "SELECT id FROM automations_runclaim WHERE id = %s FOR UPDATE"
HOLD_UNHURRIED = HOLD.replace("id", f"id, {database.UNHURRIED}", 1)
READ = """
SELECT r.id, r.event_id, r.rule_id, r.document_id, r.subject, r.subject_id, r.subject_version,
    r.position, r.after_id, r.depth, r.cursor, r.leaving, r.lane, r.attempts, r.trace_length,
    r.has_case, r.shadow, r.run_after::text, r.created_at::text, r.overrides, r.params, r.items,
    r.ends_on, e.trigger, e.subject_version, u.name
FROM automations_run r JOIN automations_event e ON e.id = r.event_id
    JOIN automations_rule u ON u.id = r.rule_id
"""
# Most runs act on a subject that stands as their event told it, and never look at the facts again:
# bringing those along for all took a tenth of what a batch costs the server.
STORIES = """
SELECT id, payload_version, facts, lists FROM automations_event WHERE id = ANY(%s::bigint[])
"""
LOAD = f"""{READ}
WHERE r.id = ANY(%s::bigint[]) AND r.lane = %s AND r.state IN ('due', 'waiting')
    AND r.run_after <= statement_timestamp()
ORDER BY r.id FOR UPDATE OF r SKIP LOCKED
"""
# Rules act on one event by position: a run waits while another worker holds the one before it.
BEFORE = """
SELECT id FROM automations_run WHERE id = ANY(%s::bigint[]) AND state = 'due' AND attempts = 0
AND lane = '' AND run_after <= statement_timestamp()
"""
# As INSERT_TRACE takes them, and as COPY does.
TRACED = (
    *("run_id", "number", "cursor", "action", "attempt", "outcome", "says", "input"),
    *("link", "link_id", "undo", "started_at"),
)
INSERT_TRACE = """
INSERT INTO automations_steprun (run_id, number, cursor, action, attempt, outcome, says, input,
    link, link_id, undo, started_at, finished_at)
SELECT t.run_id, t.number, t.cursor, t.action, t.attempt, t.outcome, t.says, t.input,
    coalesce(t.link, ''), t.link_id, t.undo, t.started_at, clock_timestamp()
FROM json_to_recordset(%s::json) AS t(run_id bigint, number smallint, cursor text, action text,
    attempt smallint, outcome text, says text, input jsonb, link text, link_id bigint,
    undo jsonb, started_at timestamptz)
"""
UPDATE = """
UPDATE automations_run r SET state = v.state, cursor = v.cursor, attempts = v.attempts,
    trace_length = v.trace_length, has_case = coalesce(v.has_case, false), outcome = v.outcome,
    subject_version = v.subject_version, overtaken = v.overtaken,
    leaving = coalesce(v.leaving, false), lane = coalesce(v.lane, ''),
    parked_for = coalesce(v.parked_for, ''), kept_by = v.kept_by, ends_on = v.ends_on,
    items = v.items,
    lease_token = NULL, lease_until = NULL, run_after = CASE WHEN v.delay IS NULL THEN r.run_after
        ELSE statement_timestamp() + v.delay * interval '1 second' END,
    finished_at = CASE WHEN v.finished THEN clock_timestamp() END
FROM json_to_recordset(%s::json) AS v(id bigint, state text, cursor text, attempts smallint,
    trace_length smallint, has_case boolean, outcome text, subject_version int, overtaken jsonb,
    leaving boolean, lane text, parked_for text, kept_by bigint, ends_on text[], items jsonb,
    delay float, finished boolean, token bigint)
WHERE r.id = v.id AND r.lease_token IS NOT DISTINCT FROM v.token
"""
# With one run at a time each turn to the server counts.
WRITE = f"WITH traced AS ({INSERT_TRACE}) {UPDATE}"

FINISHED = (Run.State.DONE, Run.State.OVERTAKEN, Run.State.SKIPPED, Run.State.CANCELLED)


class Stories:
    """What the events of runs in hand told, read for all of them when the first is asked for."""

    def __init__(self, event_ids: Iterable[int]) -> None:
        self._ids = set(event_ids)
        self._known: dict[int, Row] | None = None

    def of(self, event_id: int, trigger: str) -> tuple[Facts, Lists]:
        """The facts and lists of an event, in today's form."""
        if self._known is None:
            rows = database.fetch(STORIES, database.ids(self._ids))
            self._known = {row[0]: row for row in rows}
        _, version, raw_facts, raw_lists = self._known[event_id]
        facts, lists = database.loads(raw_facts), database.loads(raw_lists) or {}
        known = source(trigger)
        if known is not None and version < known.version:
            return upcast(known, version, facts, lists)
        return facts, lists


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
    leaving: bool
    lane: str
    attempts: int
    trace_length: int
    has_case: bool
    shadow: bool
    # As they came from the database: most runs need none of the rest.
    raw_run_after: str
    raw_created_at: str
    raw_overrides: str | None
    raw_params: str | None
    raw_items: str | None
    ends_on: list[str] | None
    trigger: str
    event_version: int
    # The rule's name of today.
    rule_name: str
    stories: Stories
    state: Run.State = Run.State.DUE
    outcome: str = ""
    overtaken: Any = None
    parked_for: str = ""
    kept_by: int | None = None
    delay: float | None = None
    # The lease under which a connector was called; None outside of calls.
    token: int | None = None
    trace: list[dict[str, Any]] = field(default_factory=list)

    @cached_property
    def created_at(self) -> datetime:
        return datetime.fromisoformat(self.raw_created_at)

    @cached_property
    def overrides(self) -> dict[str, Any]:
        """What a person changed, by step."""
        return database.loads(self.raw_overrides) or {}

    @cached_property
    def params(self) -> dict[str, Any]:
        return database.loads(self.raw_params) or {}

    @cached_property
    def items(self) -> dict[str, Any]:
        """What loops go over, by uid, where that differs from what the event told."""
        return database.loads(self.raw_items) or {}

    @cached_property
    def told(self) -> tuple[Facts, Lists]:
        """The event's facts and lists."""
        return self.stories.of(self.event_id, self.trigger)

    @cached_property
    def seen(self) -> tuple[Facts, Lists]:
        """Its subject as it was last looked at; a recheck puts today's in its place."""
        return self.told

    @cached_property
    def seen_version(self) -> int:
        """The subject's version that `seen` tells of."""
        return self.event_version

    @property
    def acting(self) -> bool:
        """Whether the engine itself may go on with it now."""
        return self.state == Run.State.DUE and self.delay is None and self.lane == ""

    def twin(self) -> Work:
        """A copy to write on, for what may have to be begun again."""
        made = Work.__new__(Work)
        made.__dict__.update(self.__dict__, trace=list(self.trace))
        return made

    def end(self, state: Run.State, outcome: str) -> None:
        self.state, self.outcome = state, outcome

    def park(self, why: Run.Parked, outcome: str, kept_by: int | None = None) -> None:
        """Keep it back; `kept_by` is the case that does, None where none does."""
        self.end(Run.State.PARKED, outcome)
        self.parked_for, self.kept_by = why.value, kept_by

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
            "started_at": started,
        }
        self.trace.append(entry)
        return entry


def claim(worker: str, limit: int = BATCH, lane: str = "") -> tuple[int, list[int]]:
    """Note in a transaction of its own which due runs this worker takes: the note and their ids.

    A wait that is over is due like any other.

    A run that was in hand when a worker died is taken alone, so that only its own crashes count.
    Nothing is locked when this returns: `load` locks, and leaves out what others hold.
    """
    due = database.fetch(DUE, lane, limit)
    if not due:
        return 0, []
    suspect = due[0][1] is not None
    ids = [due[0][0]] if suspect else [row[0] for row in due if row[1] is None]
    note, *_ = database.fetch(NOTE, worker, database.ids(ids))[0]
    return note, ids


def hold(note: int, *, unhurried: bool = False) -> bool:
    """Lock the worker's note: as long as it is locked, the worker lives.

    `unhurried`: the commit of this transaction need not wait for the disk (database.UNHURRIED).
    """
    return bool(database.fetch(HOLD_UNHURRIED if unhurried else HOLD, note))


def drop(note: int) -> None:
    database.write("DELETE FROM automations_runclaim WHERE id = %s", note)


def in_hand(rows: Sequence[Row]) -> list[Work]:
    """Runs as READ tells of them."""
    stories = Stories(row[1] for row in rows)
    return [Work(*(*row, stories)) for row in rows]


def load(run_ids: Sequence[int], lane: str = "") -> list[Work]:
    """Lock the runs, in the order of their keys, and read them; those that others hold are left."""
    works = in_hand(database.fetch(LOAD, database.ids(run_ids), lane))
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
    """What most runs have nothing of is left out: PostgreSQL takes every word apart."""
    row = {
        "id": work.id,
        "state": work.state.value,
        "cursor": work.cursor,
        "attempts": work.attempts,
        "trace_length": work.trace_length,
        "outcome": work.outcome,
        "subject_version": work.subject_version,
        "finished": work.state in FINISHED,
    }
    rare = (
        ("has_case", work.has_case or None),
        ("overtaken", work.overtaken),
        ("leaving", work.leaving or None),
        ("lane", work.lane or None),
        ("parked_for", work.parked_for or None),
        ("kept_by", work.kept_by),
        ("ends_on", work.ends_on),
        ("items", work.items or None),
        ("delay", work.delay),
        ("token", work.token),
    )
    row.update((name, value) for name, value in rare if value is not None)
    return row


class Fenced(Exception):
    """A run was written to whose lease had ended: someone else decided about it meanwhile."""


def write(works: Iterable[Work]) -> None:
    """Write what became of the runs and the attempts at their steps; raises Fenced."""
    works = list(works)
    if not works:
        return
    runs = database.rows(map(_row, works))
    trace = [entry for work in works for entry in work.trace]
    if len(trace) < FEW:
        written = database.write(WRITE, database.rows(trace), runs)
    else:
        copy_rows("automations_steprun", TRACED, map(_traced, trace))
        written = database.write(UPDATE, runs)
    if written != len(works):
        raise Fenced("A lease had ended.")


def _traced(entry: dict[str, Any]) -> tuple[Any, ...]:
    """An attempt as COPY takes it; when it ended PostgreSQL says."""
    given, undo = entry["input"], entry.get("undo")
    return (
        *(entry["run_id"], entry["number"], entry["cursor"], entry["action"], entry["attempt"]),
        *(entry["outcome"], entry["says"], None if given is None else database.dumps(given)),
        *(entry.get("link", ""), entry.get("link_id")),
        *(None if undo is None else database.dumps(undo), entry["started_at"]),
    )
