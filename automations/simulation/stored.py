"""Stored events as conditions see them, streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from automations.catalogue import upcast
from automations.models.events import Event
from automations.triggers import Trigger, triggers

AT_ONCE = 2_000

OF_A_PERIOD = """
SELECT id, subject_id, occurred_at, payload_version, facts, CASE WHEN %s THEN lists END
FROM automations_event
WHERE trigger = %s AND occurred_at >= %s AND occurred_at < %s
ORDER BY occurred_at DESC, id DESC LIMIT %s
"""


@dataclass(slots=True)
class Stored:
    """One event with its facts in today's form."""

    id: int
    subject_id: int
    occurred_at: datetime
    facts: dict[str, Any]
    lists: Any


def of_a_period(
    trigger: Trigger, since: datetime, until: datetime, *, with_lists: bool, most: int
) -> Iterator[Stored]:
    """One trigger's events of a period, history and live, newest first."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(OF_A_PERIOD, [with_lists, trigger.key, since, until, most])
        while rows := cursor.fetchmany(AT_ONCE):
            for row in rows:
                yield _stored(trigger, *row)


def _stored(
    trigger: Trigger,
    event_id: int,
    subject_id: int,
    occurred_at: datetime,
    version: int,
    facts: str,
    lists: str | None,
) -> Stored:
    known, listed = json.loads(facts), json.loads(lists) if lists else {}
    if version < trigger.version:
        known, listed = upcast(trigger, version, known, listed)
    return Stored(event_id, subject_id, occurred_at, known, listed)


def of_event(event: Event) -> Stored:
    """One event; raises KeyError when no app offers its trigger any more."""
    trigger = triggers[event.trigger]
    facts, lists = event.facts, event.lists or {}
    if event.payload_version < trigger.version:
        facts, lists = upcast(trigger, event.payload_version, facts, lists)
    return Stored(event.pk, event.subject_id, event.occurred_at, facts, lists)
