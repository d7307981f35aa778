"""Schedules: once per slot, in their zone, whatever the clocks, the calendar or a restart do."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.engine import compiled, in_force, scan, schedule
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.models.schedules import ScheduleSlot
from automations.rules.document import Every
from automations.rules.rhythms import Rhythm, cron_of, rhythm_of, rhythm_words
from automations.rules.schedules import EveryDay, coming, firing, past
from automations.services import approvals, drafts, rules, stops
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
from tests.depot.automation import Parcels
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
    now = timezone.now()
    rule = make.live_rule(trigger=every("* * * * *"))
    schedule.dispatch(now)
    assert not ScheduleSlot.objects.exists()
    schedule.dispatch(now + timedelta(minutes=1, seconds=5))
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


@settings(max_examples=150, deadline=None)
@given(
    cron=st.sampled_from(
        ["30 1 * * *", "*/20 * * * *", "0 */3 * * *", "15 2 * * 1-5", "0 0 1 * *", "5 1,13 * * *"]
    ),
    zone=st.sampled_from(["Europe/London", "America/New_York", "Australia/Lord_Howe", "UTC"]),
    start=st.integers(0, 265 * 24 * 60),
    hours=st.integers(1, 400),
    weekends=st.booleans(),
)
def test_looking_back_finds_what_looking_ahead_foretold(
    cron: str, zone: str, start: int, hours: int, weekends: bool
) -> None:
    days: Any = EveryDay() if weekends else calendars.OpenDays("week")
    known = Every.model_validate(every(cron, zone=zone))
    after = utc(2027, 3, 1) + timedelta(minutes=start)
    until = after + timedelta(hours=hours)
    ahead = []
    for slot in coming(known, days, after):
        if slot.at > until:
            break
        ahead.append(slot)
    assert past(known, days, after, until, 10_000) == ahead
    assert len({slot.at for slot in ahead}) == len(ahead)


def matches(cron: str, local: datetime) -> bool:
    """Whether a wall clock's time is one of a cron expression's, told the simple way."""
    minute, hour, day, month, weekday = cron.split()
    parts = (minute, local.minute), (hour, local.hour), (day, local.day), (month, local.month)
    return all(_within(part, value) for part, value in parts) and _within(
        weekday, local.isoweekday() % 7
    )


def _within(part: str, value: int) -> bool:
    found = False
    for piece in part.split(","):
        span, _, step = piece.partition("/")
        low, _, high = span.partition("-")
        inside = span == "*" or int(low) <= value <= int(high or low)
        found |= inside and (value - (0 if span == "*" else int(low))) % int(step or 1) == 0
    return found


@settings(max_examples=100, deadline=None)
@given(
    cron=st.builds(
        "{} {} {} * {}".format,
        st.sampled_from(["0", "5", "*/7", "10-20/5", "0,30"]),
        st.sampled_from(["*", "8", "*/5", "22-23"]),
        st.just("*"),
        st.sampled_from(["*", "1-5", "0", "6"]),
    ),
    start=st.integers(0, 20 * 24 * 60),
)
def test_a_schedule_comes_round_when_the_wall_clock_says_so(cron: str, start: int) -> None:
    # No clock is moved in these weeks.
    known = Every.model_validate(every(cron))
    after = utc(2027, 6, 1) + timedelta(minutes=start)
    minutes = [after + timedelta(minutes=m) for m in range(1, 2 * 24 * 60 + 1)]
    zone = ZoneInfo(known.zone)
    told = [at for at in minutes if matches(cron, at.astimezone(zone))]
    found = past(known, EveryDay(), after, minutes[-1], 10_000)
    assert [slot.at for slot in found] == told


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
    for _ in range(scan.MOST_TRIES + 1):
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
    monkeypatch.setattr(scan, "BACKLOG", 3)
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


@pytest.mark.django_db
def test_the_next_times_leave_closed_days_out() -> None:
    calendars.make_calendar("UK", today=date(2027, 1, 1), actor=person(make.author()))
    known = Every.model_validate(every(calendar="uk"))
    found = schedule.upcoming(known, 3, utc(2027, 1, 14, 12))
    assert found == [utc(2027, 1, 15, 8), utc(2027, 1, 18, 8), utc(2027, 1, 19, 8)]
    often = Every.model_validate(every("*/5 * * * *", calendar="uk"))
    assert schedule.upcoming(often, 2, utc(2027, 1, 15, 23, 55)) == [
        utc(2027, 1, 18, 0, 0),
        utc(2027, 1, 18, 0, 5),
    ]


def test_a_calendar_without_an_open_day_lets_nothing_come_round() -> None:
    never = calendars.OpenDays("never", [(date(2020, 1, 1), frozenset())])
    assert list(firing(Every.model_validate(every("*/5 * * * *")), never, MORNING)) == []


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cron", "words", "pattern"),
    [
        ("0 8 * * *", "every day at 08:00", "daily"),
        ("30 7 * * 1-5", "every weekday at 07:30", "weekdays"),
        ("0 8 * * 1,3", "every Monday and Wednesday at 08:00", "weekly"),
        ("0 8 * * 0", "every Sunday at 08:00", "weekly"),
        ("15 6 1 * *", "on day 1 of every month at 06:15", "monthly"),
        ("*/15 * * * *", "every 15 minutes", "minutes"),
        ("0 * * * *", "every hour", "hours"),
        ("20 */4 * * *", "every 4 hours, at minute 20", "hours"),
        ("0 8-18/2 * * 1-5", "at 08:00, 10:00, 12:00, 14:00, 16:00 and 18:00", "cron"),
    ],
)
def test_a_schedule_is_told_in_words_and_edited_as_a_pattern(
    cron: str, words: str, pattern: str
) -> None:
    assert rhythm_of(cron).pattern == pattern
    if pattern != "cron":
        assert rhythm_words(cron) == words
        assert cron_of(rhythm_of(cron)) == cron
    else:
        assert rhythm_words(cron)


def test_every_pattern_has_a_cron_expression_that_comes_round() -> None:
    for pattern in ("daily", "weekdays", "weekly", "monthly", "minutes", "hours"):
        rhythm = Rhythm(pattern, "06:05", (1, 7), 28, 5, 10)
        known = Every.model_validate(every(cron_of(rhythm)))
        assert len(list(islice(coming(known, EveryDay(), MORNING), 3))) == 3
        assert rhythm_of(cron_of(rhythm)).pattern == pattern
