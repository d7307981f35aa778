"""Stored events as conditions see them, streamed and thinned to what a condition reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import orjson
from django.db import connection

from automations.catalogue import upcast
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.models.events import Event
from automations.triggers import Trigger, source

AT_ONCE = 5_000
# Asking for more values one by one costs more than taking the whole.
MOST_KEYS = 40

OF_A_PERIOD = """
SELECT id, occurred_at::text, payload_version, {}, CASE WHEN %s THEN lists END
FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at >= %s AND occurred_at < %s
ORDER BY occurred_at DESC, id DESC LIMIT %s
"""


class Told(Protocol):
    """A row of stored events; `facts` is what `column` gave, `lists` JSON text."""

    @property
    def payload_version(self) -> int: ...

    @property
    def facts(self) -> str: ...

    @property
    def lists(self) -> str | None: ...


def keys_of(catalogue: Catalogue, paths: Iterable[str]) -> list[str]:
    """The keys of facts under which these paths are stored, with what they were before."""
    fields = [catalogue.fields[path] for path in paths if path in catalogue.fields]
    before = [field.previous for field in fields if field.previous is not None]
    fields += [catalogue.fields[path] for path in before if path in catalogue.fields]
    return sorted({key for field in fields for key in field.keys})


def column(version: int, keys: Sequence[str] | None) -> tuple[str, list[Any]]:
    """The column that tells an event's facts, with its parameters; `keys` None: whole facts.

    An array of the few values that are read, in the order of their keys. A row that lacks a key, or
    is of an older form, comes whole, so that what was not stored stays unknown.
    """
    if keys is None or len(keys) > MOST_KEYS:
        return "facts::text", []
    # Put together as text: half of what building an array and writing it takes.
    values = ", ".join(["NULL", *["facts -> %s::text"] * len(keys)])
    array = f"'[' || concat_ws(',', {values}) || ']'"
    has = "payload_version = %s AND facts ?& %s::text[]"
    wanted = list(keys)
    return f"CASE WHEN {has} THEN {array} ELSE facts::text END", [version, wanted, *wanted]


class Row(NamedTuple):
    """One stored event, as JSON text."""

    id: int
    occurred_at: str
    payload_version: int
    facts: str
    lists: str | None


def of_a_period(
    trigger: Trigger,
    keys: Sequence[str] | None,
    since: datetime,
    until: datetime,
    *,
    with_lists: bool,
    most: int,
) -> Iterator[Row]:
    """One trigger's events of a period, history and live, newest first."""
    wanted, given = column(trigger.version, keys)
    # All at once: `most` bounds it, and a server's cursor would take half as long again.
    with connection.cursor() as cursor:
        cursor.execute(
            OF_A_PERIOD.format(wanted), [*given, with_lists, trigger.key, since, until, most]
        )
        while rows := cursor.fetchmany(AT_ONCE):
            yield from map(Row._make, rows)


def read(trigger: Trigger, keys: Sequence[str] | None, row: Told) -> tuple[Facts, Lists]:
    """A row's facts (at least those of the keys) and lists, in today's form."""
    lists: Lists = orjson.loads(row.lists) if row.lists else {}
    facts = orjson.loads(row.facts)
    if type(facts) is list:
        return dict(zip(keys or (), facts, strict=True)), lists
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
