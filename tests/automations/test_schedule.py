"""Schedules: once per slot, in their zone, whatever the clocks, the calendar or a restart do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.utils import timezone

from automations.engine import scan, schedule
from automations.models.events import Event
from automations.models.runs import Run
from automations.models.schedules import ScheduleSlot
from automations.rules.document import Every
from automations.rules.schedules import coming, past
from automations.services import stops
from backoffice import calendars
from backoffice.actors import person
from backoffice.models import LegalEntity
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

MORNING = utc(2027, 1, 12, 8)
BEFORE = utc(2027, 1, 11, 8)


def tagged() -> set[str]:
    return set(Parcel.objects.filter(touched__gt=0).values_list("number", flat=True))


# --- once per slot --------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_a_slot_fires_once_for_each_record_that_matches() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(3)
    make.make_parcels(2, total="50.00")
    assert come_round(MORNING - timedelta(minutes=1)) == 0
    assert come_round(MORNING + timedelta(seconds=3)) == 1
    assert come_round(MORNING + timedelta(seconds=8)) == 0
    assert come_round(MORNING + timedelta(hours=23)) == 0
    assert Run.objects.filter(state="done").count() == 3
    assert set(Parcel.objects.filter(total=250).values_list("touched", flat=True)) == {1}
    assert set(Parcel.objects.filter(total=50).values_list("touched", flat=True)) == {0}
    slot = ScheduleSlot.objects.get(rule=rule, fire_at=MORNING)
    assert (slot.state, slot.examined, slot.events) == ("done", 5, 3)
    event = Event.objects.earliest("id")
    assert event.key == f"slot:{rule.pk}:20270112T0800Z:{event.subject_id}"
    assert (event.trigger, event.rule_id, event.actor_kind) == ("depot.parcel", rule.pk, "system")


@pytest.mark.django_db
def test_a_new_rule_begins_with_its_next_slot() -> None:
    rule = make.live_rule(trigger=every("* * * * *"))
    now = timezone.now()
    schedule.dispatch(now)
    assert not ScheduleSlot.objects.exists()
    schedule.dispatch(now + timedelta(minutes=1))
    assert ScheduleSlot.objects.get().rule == rule


@pytest.mark.django_db
def test_an_event_of_a_slot_concerns_its_own_rule_alone() -> None:
    one = scheduled(since=BEFORE, steps=make.steps("depot.add_tag", tag="one"))
    two = make.steps("depot.add_tag", tag="two")
    scheduled(since=BEFORE + timedelta(hours=1), cron="0 9 * * *", steps=two)
    make.live_rule(steps=make.steps("depot.add_tag", tag="arrival"))
    make.make_parcels(1)
    come_round(MORNING)
    assert Parcel.objects.get().tags == ["one"]
    assert Run.objects.get().rule_id == one.pk


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_what_must_happen_each_morning_happens_once_for_each_company() -> None:
    for name in ("Kestrel Ltd", "Larkfield GmbH"):
        LegalEntity.objects.create(name=name, country="GB", currency="GBP", time_zone="UTC")
    rule = make.live_rule(
        trigger=every(**{"for": "backoffice.legalentity"}),
        when={"all": []},
        steps=[{"uid": "a1", "do": "depot.ring", "with": {"tag": "morning"}}],
    )
    last_slot(rule, BEFORE)
    come_round(MORNING)
    come_round(MORNING + timedelta(minutes=5))
    runs = Run.objects.order_by("id")
    assert [(run.subject, run.state) for run in runs] == [("backoffice.legalentity", "done")] * 2
    assert Parcel.objects.filter(number__startswith="bell-").count() == 2


# --- the clocks -----------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_a_time_that_the_clocks_skip_comes_round_once() -> None:
    rule = scheduled(cron="30 1 * * *", since=utc(2027, 3, 27, 1, 30))
    make.make_parcels(1)
    # At 01:00 GMT the clocks go to 02:00 BST.
    now = utc(2027, 3, 28, 0)
    while now < utc(2027, 3, 29, 12):
        come_round(now)
        now += timedelta(minutes=30)
    assert slots(rule) == [("03-28 01:00", "done"), ("03-29 00:30", "done")]
    assert Run.objects.count() == 2


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_a_time_that_the_clocks_repeat_comes_round_once() -> None:
    rule = scheduled(cron="30 1 * * *", since=utc(2027, 10, 30, 0, 30))
    make.make_parcels(1)
    # At 02:00 BST the clocks go back to 01:00 GMT.
    now = utc(2027, 10, 30, 23)
    while now < utc(2027, 11, 1, 12):
        come_round(now)
        now += timedelta(minutes=30)
    assert slots(rule) == [("10-31 00:30", "done"), ("11-01 01:30", "done")]
    assert Run.objects.count() == 2


@pytest.mark.django_db
def test_each_rule_keeps_the_time_of_its_own_zone() -> None:
    here = scheduled(since=utc(2027, 7, 1))
    there = scheduled(since=utc(2027, 7, 1), start={"zone": "America/New_York"})
    for hour in range(24):
        come_round(utc(2027, 7, 1, hour, 1))
    assert slots(here) == [("07-01 07:00", "done")]
    assert slots(there) == [("07-01 12:00", "done")]


# --- down, stopped, closed ------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_after_a_standstill_the_latest_slot_fires_and_the_others_are_on_record() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(2)
    come_round(utc(2027, 1, 15, 17))
    assert slots(rule) == [
        ("01-12 08:00", "missed"),
        ("01-13 08:00", "missed"),
        ("01-14 08:00", "missed"),
        ("01-15 08:00", "done"),
    ]
    assert ScheduleSlot.objects.filter(says="Nothing was running then.").count() == 3
    assert Run.objects.count() == 2


@pytest.mark.django_db
def test_of_very_many_missed_slots_the_oldest_on_record_speaks_for_the_rest() -> None:
    rule = scheduled(cron="* * * * *", since=BEFORE)
    come_round(BEFORE + timedelta(days=3))
    missed = ScheduleSlot.objects.filter(rule=rule, state="missed").order_by("fire_at")
    assert missed.count() == schedule.MOST_MISSED - 1
    assert [slot.says for slot in missed[:2]] == [
        "Nothing was running then. So were those before it.",
        "Nothing was running then.",
    ]


@pytest.mark.django_db
def test_a_slot_that_comes_round_during_a_long_scan_waits_for_its_end() -> None:
    rule = scheduled(cron="*/10 * * * *", since=BEFORE)
    make.make_parcels(1)
    schedule.dispatch(MORNING)
    ScheduleSlot.objects.filter(rule=rule, state="missed").delete()
    assert schedule.dispatch(MORNING + timedelta(minutes=20)) == 0
    scan_all()
    ScheduleSlot.objects.filter(rule=rule, fire_at=MORNING).update(
        finished_at=MORNING + timedelta(minutes=25)
    )
    schedule.dispatch(MORNING + timedelta(minutes=30))
    later = ScheduleSlot.objects.filter(fire_at__gt=MORNING).order_by("fire_at")
    assert [(slot.state, slot.says) for slot in later] == [
        ("missed", "The slot before it was still being gone through."),
        ("missed", "The slot before it was still being gone through."),
        ("due", ""),
    ]


@pytest.mark.django_db
def test_a_stopped_rule_leaves_its_slots_out_and_says_so() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(1)
    stop = stops.stop_rule(rule.pk, reason="Look first.", actor=person(make.author()))
    come_round(MORNING)
    slot = ScheduleSlot.objects.get(rule=rule, fire_at=MORNING)
    assert (slot.state, slot.says) == ("skipped", "The rule was stopped.")
    assert not Event.objects.exists()
    stops.ask_start(stop.pk, actor=person(make.author()))
    finance = make.staff("finance")
    stops.start_again(stop.pk, queued="release", actor=person(finance))
    come_round(MORNING + timedelta(hours=1))
    assert not Event.objects.exists()
    come_round(MORNING + timedelta(days=1))
    assert Run.objects.get().state == "done"


@pytest.mark.django_db
def test_a_stop_in_the_middle_of_a_scan_leaves_the_rest_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(scan, "PAGE", 2)
    rule = scheduled(since=BEFORE)
    make.make_parcels(5)
    schedule.dispatch(MORNING)
    scan.scan_batch()
    stops.stop_rule(None, reason="All of them.", actor=person(make.author()))
    scan_all()
    slot = ScheduleSlot.objects.get(rule=rule, fire_at=MORNING)
    assert (slot.state, slot.examined, slot.events) == ("skipped", 2, 2)
    assert slot.says == "The rest was left out: the rule was stopped."


@pytest.mark.django_db
def test_a_closed_day_is_left_out_when_the_schedule_comes_again_soon() -> None:
    uk = calendars.make_calendar("UK", today=date(2027, 1, 1), actor=person(make.author()))
    calendars.set_days(
        uk.pk,
        [(date(2027, 1, 13), "Stocktake")],
        is_open=False,
        version=uk.version,
        today=date(2027, 1, 1),
        actor=person(make.author()),
    )
    rule = scheduled(since=BEFORE, start={"calendar": "uk"})
    for day in range(12, 19):
        come_round(utc(2027, 1, day, 8, 1))
    assert slots(rule) == [
        ("01-12 08:00", "done"),
        ("01-13 08:00", "skipped"),
        ("01-14 08:00", "done"),
        ("01-15 08:00", "done"),
        ("01-16 08:00", "skipped"),
        ("01-17 08:00", "skipped"),
        ("01-18 08:00", "done"),
    ]
    says = ScheduleSlot.objects.filter(state="skipped").order_by("fire_at")
    assert [slot.says for slot in says[:2]] == ["uk: Stocktake.", "uk: closed on Saturdays."]


@pytest.mark.django_db
def test_a_closed_day_moves_a_slot_that_would_be_long_in_coming() -> None:
    calendars.make_calendar("UK", today=date(2027, 1, 1), actor=person(make.author()))
    rule = scheduled(cron="0 8 1 * *", since=utc(2027, 4, 1, 7), start={"calendar": "uk"})
    make.make_parcels(1)
    come_round(utc(2027, 5, 1, 12))
    assert slots(rule) == []
    come_round(utc(2027, 5, 3, 7, 1))
    assert slots(rule) == [("05-03 07:00", "done")]
    assert ScheduleSlot.objects.latest("fire_at").says == "Moved from 1 May 08:00, a closed day."


@pytest.mark.django_db
def test_a_version_that_goes_live_on_the_closed_day_still_does_the_moved_slot() -> None:
    calendars.make_calendar("UK", today=date(2027, 1, 1), actor=person(make.author()))
    known = Every.model_validate(every("0 8 1 * *", calendar="uk"))
    days = calendars.load(["uk"])["uk"]
    (slot,) = past(known, days, utc(2027, 5, 1, 12), utc(2027, 5, 3, 9), 10)
    assert (slot.at, slot.moved_from) == (utc(2027, 5, 3, 7), utc(2027, 5, 1, 7))
    assert next(coming(known, days, utc(2027, 5, 1, 12))) == slot


# --- nothing silent -------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.requirement("R3")
def test_a_late_slot_is_seen_by_the_watchdog() -> None:
    rule = scheduled(since=BEFORE)
    make.make_parcels(1)
    assert schedule.overdue(MORNING + timedelta(seconds=30)) == []
    (late,) = schedule.overdue(MORNING + timedelta(seconds=61))
    assert (late.rule_id, late.fire_at) == (rule.pk, MORNING)
    assert late.says == "It came round, and no slot was made."
    schedule.dispatch(MORNING)
    ScheduleSlot.objects.filter(fire_at=MORNING).update(touched_at=MORNING)
    assert [each.says for each in schedule.overdue(MORNING + timedelta(seconds=90))] == [
        "No worker has begun it."
    ]
    ScheduleSlot.objects.filter(fire_at=MORNING).update(state="scanning")
    assert [each.says for each in schedule.overdue(MORNING + timedelta(seconds=90))] == [
        "The scan stands still."
    ]
    scan_all()
    assert schedule.overdue(MORNING + timedelta(hours=3)) == []
