"""One that breaks a batch, while others work on the same."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from automations.engine import match, take
from automations.engine.match import match_batch
from automations.engine.take import take_batch
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure
from automations.models.intake import Delivery
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.intake import factories as hooks


def break_event(event: Event) -> int:
    """Put an event that no upcaster knows in the place of one that waits."""
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO automations_event (trigger, subject, subject_id, subject_version,"
            " occurred_at, recorded_at, payload_version, facts, actor_kind, depth, history)"
            " VALUES (%s, %s, %s, 1, now(), now(), 0, '{}', '', 0, false) RETURNING id",
            [event.trigger, event.subject, event.subject_id],
        )
        (event_id,) = cursor.fetchone()
        cursor.execute(
            "UPDATE automations_pendingevent SET event_id = %s WHERE event_id = %s",
            [event_id, event.pk],
        )
    return int(event_id)


def test_an_event_that_another_worker_holds_is_not_set_aside_for_the_next(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the try that broke and its setting aside another worker takes the broken event."""
    make.live_rule()
    make.parcels_arrived(2)
    broken = break_event(Event.objects.order_by("id")[0])
    make.arrive(make.make_parcels(1))
    aside, times = match._set_aside, iter([1])

    def held_meanwhile(asked: int) -> int:
        if not next(times, 0):
            return aside(asked)
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM automations_pendingevent WHERE event_id = %s FOR UPDATE",
                    [broken],
                )
            (found,) = at_once([partial(aside, asked)])
        assert isinstance(found, int)
        return found

    monkeypatch.setattr(match, "_set_aside", held_meanwhile)
    while PendingEvent.objects.exists():
        match_batch()
    assert list(Failure.objects.values_list("key", flat=True)) == [str(broken)]


def test_a_delivery_that_another_worker_holds_is_not_set_aside_for_the_next(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = hooks.source()
    hooks.read(source)
    first = hooks.send(source, hooks.message("m1"), own_id="m1")
    second = hooks.send(source, hooks.message("m2", id="R-2"), own_id="m2")
    assert first is not None
    assert second is not None
    read, aside = take._read, take._set_aside

    def breaks(each: Any, readers: Any) -> None:
        if each.id == first.pk:
            raise ZeroDivisionError
        read(each, readers)

    def held_meanwhile(asked: int) -> int:
        with transaction.atomic():
            Delivery.objects.select_for_update(no_key=True).get(pk=first.pk)
            (found,) = at_once([partial(aside, asked)])
        assert isinstance(found, int)
        return found

    monkeypatch.setattr(take, "_read", breaks)
    monkeypatch.setattr(take, "_set_aside", held_meanwhile)
    take_batch()
    states = hooks.states()
    assert states["m2"] != "quarantined"
