"""Closing a case lets go what it keeps back, and looks at nothing else."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from automations.engine import blocks
from automations.engine.blocks import Blocks
from automations.engine.execute import execute_batch
from automations.models.failures import Failure
from automations.models.runs import Run
from tests.automations import factories as make
from tests.automations.test_blocked import PAY, agree, dispute, states
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel


def kept() -> dict[int, int | None]:
    return dict(Run.objects.filter(state="parked").values_list("subject_id", "kept_by"))


def parked(count: int) -> list[Parcel]:
    make.live_rule(steps=[PAY])
    parcels: list[Parcel] = make.parcels_arrived(count)
    dispute(parcels)
    make.work_all()
    return parcels


def case_of(parcel: Parcel) -> Failure:
    return Failure.objects.get(subject_id=parcel.pk)


@pytest.mark.django_db
def test_a_run_names_the_case_that_keeps_it_back() -> None:
    parcels = parked(2)
    assert kept() == {parcel.pk: case_of(parcel).pk for parcel in parcels}
    agree(parcels)
    blocks.release()
    assert set(Run.objects.values_list("state", "kept_by")) == {("due", None)}


@pytest.mark.django_db
def test_closing_a_case_asks_about_its_own_records_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    parcels = parked(5)
    whole, asked = blocks.blocked, list[Any]()

    def blocked(wanted: Any) -> Any:
        asked.append(wanted)
        return whole(wanted)

    monkeypatch.setattr(blocks, "blocked", blocked)
    agree(parcels[:1])
    assert blocks.release_of([case_of(parcels[0]).pk]) == 1
    assert asked == [{"depot.parcel": {parcels[0].pk}}]
    assert states() == {"due": 1, "parked": 4}


@pytest.mark.django_db
def test_what_another_case_keeps_back_as_well_waits_for_that_one() -> None:
    (parcel,) = parked(1)
    first = case_of(parcel)
    second = Failure.objects.get(pk=first.pk)
    second.pk, second.key, second.cause_words = None, "another", "It is too heavy"
    second.save(force_insert=True)
    keeps = Run.objects.get().kept_by
    assert keeps in (first.pk, second.pk)
    other = second.pk if keeps == first.pk else first.pk
    Failure.objects.filter(pk=keeps).update(state="resolved", resolved_at=timezone.now())
    assert blocks.release_of([keeps or 0]) == 0
    run = Run.objects.get()
    assert (run.state, run.kept_by) == ("parked", other)
    assert run.outcome.startswith(f"Waits for case {other}: ")
    Failure.objects.filter(pk=other).update(state="resolved", resolved_at=timezone.now())
    assert blocks.release_of([other or 0]) == 1


@pytest.mark.django_db
def test_a_record_that_nothing_blocks_any_more_is_found_while_the_case_is_open() -> None:
    parked(1)
    Run.objects.update(subject_id=make.make_parcels(1)[0].pk)
    assert blocks.release() == 1
    assert states() == {"due": 1}


@pytest.mark.django_db
def test_no_run_is_parked_for_a_case_without_one() -> None:
    parked(1)
    with pytest.raises(IntegrityError, match="run_kept_by_a_case"), transaction.atomic():
        Run.objects.update(kept_by=None)


def test_a_case_that_is_closed_while_a_run_is_parked_for_it_keeps_nothing_back(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.live_rule(steps=[PAY])
    parcels = make.parcels_arrived(3)
    dispute(parcels)
    make.match_all()
    keep_back, asked, closed = Blocks.keep_back, threading.Event(), threading.Event()

    def slowly(*given: Any) -> None:
        keep_back(*given)
        asked.set()
        assert closed.wait(20)

    def close() -> None:
        assert asked.wait(20)
        agree(parcels)
        closed.set()

    monkeypatch.setattr(Blocks, "keep_back", slowly)
    answers: list[Any] = at_once([execute_batch, close])
    assert [each for each in answers if isinstance(each, Exception)] == []
    # Without the sweep: the worker looked again once the runs were parked.
    assert states() == {"due": 3}


def test_cases_closed_in_one_transaction_are_looked_at_once(
    committed_db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = parked(3)
    whole, asked = blocks.release_of, list[set[int]]()

    def release_of(case_ids: Any) -> int:
        asked.append(set(case_ids))
        return whole(asked[-1])

    release_of.__qualname__ = whole.__qualname__
    monkeypatch.setattr(blocks, "release_of", release_of)
    with transaction.atomic():
        for parcel in parcels:
            agree([parcel])
    assert asked == [{case_of(parcel).pk for parcel in parcels}]
    assert states() == {"due": 3}
