"""The newest events that some rules act on, read for a moment only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, NamedTuple

from django.db import connection
from django.utils import timezone

from automations.conditions.fields import Facts, Lists
from automations.conditions.rechecking import paths_read
from automations.conditions.sql import to_sql
from automations.conditions.tree import Listed
from automations.engine import database
from automations.engine.in_force import business_zone
from automations.interactions.findings import Acting
from automations.interactions.parties import Party
from automations.rules.document import clauses
from automations.simulation import stored
from automations.triggers import Trigger

DAYS = 30
# So many events that may match are looked at, the newest first.
MOST_EVENTS = 20_000
AT_ONCE = 1_000

CANDIDATES = """
SELECT id, occurred_at::text, payload_version, {}, CASE WHEN %s THEN lists END, subject_id
FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at >= %s AND occurred_at < %s
    AND (payload_version <> %s OR {}) {}
ORDER BY occurred_at DESC, id DESC LIMIT %s
"""
OF_THESE = "AND subject_id = ANY(%s::bigint[])"
LIMIT_TIME = "SELECT set_config('statement_timeout', %s, true)"


class Row(NamedTuple):
    """One stored event, as JSON text."""

    id: int
    occurred_at: str
    payload_version: int
    facts: str
    lists: str | None
    subject_id: int


class Told(NamedTuple):
    """One stored event as conditions see it."""

    id: int
    subject_id: int
    facts: Facts
    lists: Lists
    at: datetime


class Newest:
    """The events of the first rule's trigger, the newest first, as far as time allows.

    `actings` are the rules that are judged on them, all of that trigger; the first one's conditions
    thin them out where it is the `only` one that matters. `subjects`: of these records alone.
    """

    def __init__(
        self,
        actings: Sequence[Acting],
        ends: float,
        *,
        only: bool = True,
        subjects: Collection[int] | None = None,
    ) -> None:
        self.first: Party = actings[0][0]
        self.actings, self.ends, self.only, self.subjects = actings, ends, only, subjects
        # Whether all there is was read; known once it is gone through.
        self.complete = False

    def __iter__(self) -> Iterator[Told]:
        trigger, looked, zone = self.first.source, 0, business_zone()
        assert isinstance(trigger, Trigger)  # noqa: S101 (it starts on a fact)
        keys = stored.keys_of(self.first.catalogue, _paths(self.actings))
        for row in self._rows(trigger, keys):
            looked += 1
            if looked % 200 == 0 and perf_counter() > self.ends:
                return
            facts, lists = stored.read(trigger, keys, row)
            at = datetime.fromisoformat(row.occurred_at).astimezone(zone)
            yield Told(row.id, row.subject_id, facts, lists, at)
        self.complete = looked < MOST_EVENTS

    def _rows(self, trigger: Trigger, keys: list[str]) -> Iterator[Row]:
        first, until = self.first, timezone.now()
        sql, params = "true", list[Any]()
        if self.only:
            sql, params = to_sql(first.document.when, first.catalogue, first.document.param_values)
        of_these = [database.ids(self.subjects)] if self.subjects is not None else []
        wanted, given = stored.column(trigger.version, keys)
        bounds = [_with_lists(self.actings), trigger.key, until - timedelta(days=DAYS), until]
        query = CANDIDATES.format(wanted, sql, OF_THESE if of_these else "")
        left = max(1, int(1_000 * (self.ends - perf_counter())))
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            (before,) = cursor.fetchone()
            cursor.execute(LIMIT_TIME, [str(left)])
            arguments: list[Any] = [*given, *bounds, trigger.version, *params, *of_these]
            cursor.execute(query, [*arguments, MOST_EVENTS])
            # All rows are here; whatever else the transaction does has the time it had.
            with connection.cursor() as other:
                other.execute(LIMIT_TIME, [before])
            while rows := cursor.fetchmany(AT_ONCE):
                yield from map(Row._make, rows)


def _paths(actings: Sequence[Acting]) -> set[str]:
    found: set[str] = set()
    for party, doing in actings:
        found |= party.reads
        for node, _ in doing.guards if doing is not None else ():
            found |= paths_read(node)
    return found


def _with_lists(actings: Sequence[Acting]) -> bool:
    for party, doing in actings:
        guards = [node for node, _ in doing.guards] if doing is not None else []
        for tree in (party.document.when, *guards):
            if any(isinstance(leaf, Listed) for _, leaf in clauses(tree)):
                return True
    return False
