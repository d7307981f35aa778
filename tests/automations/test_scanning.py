"""A slot's scan: page by page, under the version that is in force, nothing doubled or lost."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from automations.engine import compiled, in_force, paging, scan, schedule
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.models.schedules import ScheduleSlot
from automations.services import approvals, drafts, rules
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations.schedules import (
    come_round,
    every,
    last_slot,
    scan_all,
    scheduled,
    slots,
    utc,
)
from tests.depot.models import Parcel
from tests.depot.scanning import Parcels

MORNING = utc(2027, 1, 12, 8)
BEFORE = utc(2027, 1, 11, 8)


def tagged() -> set[str]:
    return set(Parcel.objects.filter(touched__gt=0).values_list("number", flat=True))


# --- scanning -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_page_that_breaks_is_tried_again_and_nothing_is_doubled_or_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "PAGE", 3)
    rule = scheduled(since=BEFORE)
    make.make_parcels(10)
    schedule.dispatch(MORNING)
    whole, broken = Parcels.current, iter([False, True, True, False, False, False])

    def breaks(self: Parcels, ids: Any) -> Any:
        if next(broken):
            raise ZeroDivisionError("thirteen")
        return whole(self, ids)

    monkeypatch.setattr(Parcels, "current", breaks)
    for _ in range(8):
        scan_all()
        ScheduleSlot.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    slot = ScheduleSlot.objects.get(rule=rule, fire_at=MORNING)
    assert (slot.state, slot.examined, slot.events, slot.tries) == ("done", 10, 10, 0)
    assert sorted(Event.objects.values_list("subject_id", flat=True)) == sorted(
        Parcel.objects.values_list("pk", flat=True)
    )


@pytest.mark.django_db
def test_a_page_that_keeps_breaking_becomes_a_case(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(1)
    schedule.dispatch(MORNING)

    def breaks(self: Parcels, ids: Any) -> Any:
        raise ZeroDivisionError("thirteen")

    monkeypatch.setattr(Parcels, "current", breaks)
    for _ in range(paging.MOST_TRIES + 1):
        scan_all()
        ScheduleSlot.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    slot = ScheduleSlot.objects.get(rule=rule, fire_at=MORNING)
    assert slot.state == "failed"
    case = Failure.objects.get()
    assert (case.kind, case.rule_id, case.owner_id) == ("schedule", rule.pk, make.author().pk)
    assert case.says == (
        "The schedule does not run: 5 attempts at the same records failed. The last said: thirteen"
    )
    assert not Event.objects.exists()


@pytest.mark.django_db
def test_records_that_come_later_are_left_to_the_next_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 2)
    scheduled(since=BEFORE)
    make.make_parcels(3)
    schedule.dispatch(MORNING)
    scan.scan_batch()
    make.make_parcels(4)
    scan_all()
    assert Event.objects.count() == 3


@pytest.mark.django_db
@pytest.mark.parametrize(("missing", "events"), [("hold", 3), ("skip", 2)])
def test_what_can_not_be_judged_becomes_a_case_where_the_rule_says_so(
    missing: str, events: int
) -> None:
    is_dhl = {"field": "parcel.carrier", "op": "is", "value": "dhl"}
    scheduled(since=BEFORE, when={"all": [is_dhl]}, missing_data=missing)
    make.make_parcels(2)
    make.make_parcels(1, carrier="")
    make.make_parcels(2, carrier="ups")
    come_round(MORNING)
    assert Event.objects.count() == events
    assert Run.objects.filter(state="done").count() == 2
    assert Failure.objects.filter(error="missing").count() == events - 2


@pytest.mark.django_db
def test_a_scan_waits_while_much_is_still_to_be_matched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paging, "BACKLOG", 3)
    scheduled(since=BEFORE)
    make.parcels_arrived(3)
    schedule.dispatch(MORNING)
    scan_all()
    assert ScheduleSlot.objects.get(fire_at=MORNING).state == "due"
    make.match_all()
    scan_all()
    assert ScheduleSlot.objects.get(fire_at=MORNING).state == "done"


# --- versions -------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_new_version_goes_on_where_the_one_before_stood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "PAGE", 2)
    rule = scheduled(since=BEFORE)
    make.make_parcels(4)
    schedule.dispatch(MORNING)
    scan.scan_batch()
    body = make.body(trigger=every("0 9 * * *"), steps=make.steps("depot.add_tag", tag="new"))
    drafts.save_draft(rule.pk, body=body, revision=1, actor=person(make.author()))
    make.make_live(rule)
    scan_all()
    make.work_all()
    assert Event.objects.count() == 4
    slot = ScheduleSlot.objects.get(fire_at=MORNING)
    assert (slot.state, slot.document.version, slot.examined) == ("done", 2, 4)


@pytest.mark.django_db
def test_a_rule_that_is_retired_or_no_schedule_any_more_leaves_the_rest_out() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(1)
    schedule.dispatch(MORNING)
    rules.retire_rule(rule.pk, version=1, why="Not needed.", actor=person(make.author()))
    scan_all()
    slot = ScheduleSlot.objects.get(fire_at=MORNING)
    assert (slot.state, slot.says) == ("skipped", "This version is not in force any more.")
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_a_schedule_that_can_not_act_any_more_is_a_case_and_not_silence() -> None:
    rule = scheduled(since=BEFORE)
    document = Document.objects.get(rule=rule)
    schedule._known.clear()
    Parcels.version = 2
    try:
        compiled._kept.clear()
        in_force._current = None
        come_round(MORNING)
    finally:
        Parcels.version = 1
        compiled._kept.clear()
        in_force._current = None
        schedule._known.clear()
    slot = ScheduleSlot.objects.get(fire_at=MORNING)
    assert slot.state == "failed"
    assert slot.says == "The scan depot.parcel has changed since this version was approved."
    case = Failure.objects.get()
    assert (case.kind, case.document_id) == ("schedule", document.pk)


@pytest.mark.django_db
def test_a_shadow_has_slots_of_its_own_and_takes_no_effect() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(2)
    make.make_parcels(3, total="20.00")
    cheap = {"field": "parcel.total", "op": "lt", "value": {"amount": "100", "currency": "GBP"}}
    body = make.body(trigger=every("30 8 * * *"), when={"all": [cheap]})
    drafts.save_draft(rule.pk, body=body, revision=1, actor=person(make.author()))
    document = make.submit(rule)
    approvals.run_in_shadow(document.pk, actor=person(make.author()))
    last_slot(rule, BEFORE + timedelta(minutes=30), shadow=True)
    come_round(MORNING + timedelta(minutes=1))
    assert (Run.objects.count(), len(tagged())) == (2, 2)
    come_round(MORNING + timedelta(minutes=31))
    assert slots(rule, shadow=True) == [("01-12 08:30", "done")]
    shadows = Run.objects.filter(shadow=True)
    assert (shadows.count(), set(shadows.values_list("document_id", flat=True))) == (
        3,
        {document.pk},
    )
    assert len(tagged()) == 2
