"""A fact that is told late does not make a version act twice on a record that was there."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import time_machine
from django.utils import timezone

from automations.engine import addressed, applying, match
from automations.engine.match import match_batch
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.existing import ExistingRecords
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import approvals
from backoffice.actors import person
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel


def live(rule: Rule | None = None) -> Document:
    document: Document = make.submit(rule or make.make_rule())
    actor = person(make.approver(document))
    approvals.approve(document.pk, sha256=document.sha256, actor=actor, existing=True)
    return document


def settle() -> None:
    make.match_all()
    ExistingRecords.objects.filter(finished_at=None).update(run_after=timezone.now())
    while applying.apply_batch():
        pass
    make.work_all()


def there(count: int) -> tuple[list[Parcel], datetime]:
    """Parcels of which was told before any rule, and a moment before one goes live."""
    parcels: list[Parcel] = make.parcels_arrived(count)
    make.match_all()
    return parcels, timezone.now()


def tell_late(parcels: list[Parcel], happened: datetime) -> None:
    with time_machine.travel(happened, tick=False):
        make.arrive(parcels)


def touched(parcels: list[Parcel]) -> list[int]:
    return [Parcel.objects.get(pk=parcel.pk).touched for parcel in parcels]


@pytest.mark.django_db
@pytest.mark.requirement("R148")
def test_what_happened_before_and_is_told_after_does_not_start_it_again() -> None:
    parcels, before = there(3)
    live()
    settle()
    assert touched(parcels) == [1, 1, 1]
    tell_late(parcels[:2], before)
    settle()
    assert touched(parcels) == [1, 1, 1]
    skipped = Run.objects.filter(state="skipped")
    assert {run.subject_id for run in skipped} == {parcel.pk for parcel in parcels[:2]}
    for run in skipped:
        assert run.outcome == (
            "It happened before the rule was applied to this record, which has seen to it."
        )
        assert run.finished_at is not None


@pytest.mark.django_db
def test_what_happens_after_it_went_live_starts_it_as_for_any_record() -> None:
    parcels, _ = there(2)
    live()
    settle()
    make.arrive(parcels[:1])
    settle()
    assert touched(parcels) == [2, 1]


@pytest.mark.django_db
def test_a_record_of_which_nothing_was_told_before_is_started_on_when_it_is_told() -> None:
    (silent,) = make.make_parcels(1)
    parcels, before = there(1)
    live()
    settle()
    tell_late([silent], before)
    settle()
    assert touched([silent, *parcels]) == [1, 1]


@pytest.mark.django_db
def test_the_version_after_knows_what_the_one_before_was_applied_to() -> None:
    rule = make.make_rule()
    parcels, before = there(1)
    live(rule)
    settle()
    make.edit(rule, steps=make.steps("depot.add_tag", tag="other"))
    make.make_live(rule)
    tell_late(parcels, before)
    settle()
    assert touched(parcels) == [1]
    make.arrive(parcels)
    settle()
    assert touched(parcels) == [2]


@pytest.mark.django_db
def test_another_rule_starts_on_what_is_told_late() -> None:
    parcels, before = there(1)
    live()
    settle()
    make.live_rule(name="Another")
    tell_late(parcels, before)
    settle()
    assert touched(parcels) == [2]


def _held(holds: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], threading.Event]:
    """Have a function wait inside its transaction; answers what waits until it is there."""
    whole, there_now, go_on = getattr(holds, name), threading.Event(), threading.Event()

    def waits(*given: Any, **named: Any) -> Any:
        found = whole(*given, **named)
        there_now.set()
        go_on.wait(2)
        return found

    monkeypatch.setattr(holds, name, waits)

    def until() -> threading.Event:
        assert there_now.wait(20)
        return go_on

    return until


def test_who_matches_a_late_fact_waits_for_the_page_that_acts_on_its_record(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels, before = there(1)
    live()
    page = _held(addressed, "record", monkeypatch)

    def tell() -> None:
        page()
        tell_late(parcels, before)
        match_batch()

    answers: list[Any] = at_once([applying.apply_batch, tell])
    assert not any(isinstance(each, Exception) for each in answers)
    make.work_all()
    assert touched(parcels) == [1]
    assert sorted(Run.objects.values_list("state", flat=True)) == ["done", "skipped"]


def test_a_page_waits_for_who_matches_a_late_fact_of_its_record(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels, before = there(1)
    live()
    # As if told once the page has asked what is still to be matched before it began.
    monkeypatch.setattr(applying, "_waits", lambda *given: "")
    matched = _held(match, "insert", monkeypatch)

    def tell() -> None:
        tell_late(parcels, before)
        match_batch()

    def page() -> None:
        matched()
        applying.apply_batch()

    answers: list[Any] = at_once([tell, page])
    assert not any(isinstance(each, Exception) for each in answers)
    settle()
    assert touched(parcels) == [1]
    assert not Event.objects.exclude(key="").exists()


@pytest.mark.django_db
def test_the_length_of_a_wait_is_told_in_minutes() -> None:
    assert applying._length(timedelta(seconds=5)) == "less than a minute"
    assert applying._length(timedelta(seconds=61)) == "1 minute"
    assert applying._length(timedelta(hours=20)) == "1,200 minutes"
