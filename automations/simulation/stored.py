"""Stored events as conditions see them, streamed and thinned to what a condition reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import orjson
from django.db import connection, transaction

from automations.catalogue import upcast
from automations.conditions.fields import Facts, Lists
from automations.models.events import Event
from automations.triggers import Trigger, source

AT_ONCE = 5_000

# A row is told apart by the few values that are read, so that equal rows are judged once. One that
# lacks a key, or is of an older form, comes whole.
OF_A_PERIOD = """
SELECT id, occurred_at::text, payload_version,
    CASE WHEN payload_version = %s AND facts ?& %s::text[]
        THEN (SELECT jsonb_agg(facts -> key) FROM unnest(%s::text[]) AS key)::text END,
    CASE WHEN payload_version <> %s OR NOT facts ?& %s::text[] THEN facts END,
    CASE WHEN %s THEN lists END
FROM automations_event
WHERE trigger = %s AND occurred_at >= %s AND occurred_at < %s
ORDER BY occurred_at DESC, id DESC LIMIT %s
"""


class Row(NamedTuple):
    """One stored event: `values` are those of the keys that were asked for, else `facts` is set."""

    id: int
    occurred_at: str
    payload_version: int
    values: str | None
    facts: str | None
    lists: str | None


def of_a_period(
    trigger: Trigger,
    keys: Sequence[str],
    since: datetime,
    until: datetime,
    *,
    with_lists: bool,
    most: int,
) -> Iterator[Row]:
    """One trigger's events of a period, history and live, newest first."""
    version, wanted = trigger.version, list(keys)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(
            OF_A_PERIOD,
            [
                *(version, wanted, wanted, version, wanted),
                *(with_lists, trigger.key, since, until, most),
            ],
        )
        while rows := cursor.fetchmany(AT_ONCE):
            yield from map(Row._make, rows)


def read(trigger: Trigger, keys: Sequence[str], row: Row) -> tuple[Facts, Lists]:
    """A row's facts (at least those of the keys) and lists, in today's form."""
    lists: Lists = orjson.loads(row.lists) if row.lists else {}
    if row.facts is None:
        return dict(zip(keys, orjson.loads(row.values or "[]"), strict=True)), lists
    facts = orjson.loads(row.facts)
    if row.payload_version < trigger.version:
        return upcast(trigger, row.payload_version, facts, lists)
    return facts, lists


@dataclass(slots=True)
class Stored:
    """One event with its facts in today's form."""

    id: int
    subject_id: int
    occurred_at: datetime
    facts: Any
    lists: Any


def of_event(event: Event) -> Stored:
    """One event; raises KeyError when no app offers its trigger or scan any more."""
    known = source(event.trigger)
    if known is None:
        raise KeyError(event.trigger)
    facts, lists = event.facts, event.lists or {}
    if event.payload_version < known.version:
        facts, lists = upcast(known, event.payload_version, facts, lists)
    return Stored(event.pk, event.subject_id, event.occurred_at, facts, lists)
