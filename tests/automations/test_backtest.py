"""Backtests: a version beside what is live, over the events of the past."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition
from automations.models.backtests import Backtest
from automations.models.events import Event
from automations.models.runs import Effect, Run
from automations.rules.parsing import parse_document
from automations.services import backtests
from automations.services.errors import NotPossible
from automations.simulation import backtest as counting
from automations.simulation import backtests as jobs
from automations.simulation.backtests import backtest_slice, sums_of
from automations.simulation.sums import Sums
from automations.triggers import triggers
from backoffice.actors import person
from tests.automations import factories as make
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


def at_least(amount: str) -> dict[str, object]:
    value = {"amount": amount, "currency": "GBP"}
    return {"field": "parcel.total", "op": "gte", "value": value}


def abroad() -> dict[str, object]:
    return {"field": "parcel.country", "op": "is_not", "value": "GB"}


# Events never change, so those of another time or with less in them are stored anew.
COPY = """
INSERT INTO automations_event (trigger, subject, subject_id, subject_version, occurred_at,
    payload_version, facts, lists, actor_kind, history, depth)
SELECT trigger, subject, subject_id, subject_version, {}, payload_version, {}, lists, '', true, 0
FROM automations_event ORDER BY id LIMIT %s
"""


def copies(count: int, *, at: str = "occurred_at", facts: str = "facts") -> None:
    with connection.cursor() as cursor:
        cursor.execute(COPY.format(at, facts), [count])


def count_all() -> None:
    while backtest_slice():
        pass


def counted(body: Any, rule: Any = None, days: int = 30) -> tuple[Backtest, Sums]:
    """A backtest from end to end."""
    rule = rule or make.make_rule()
    job = backtests.ask_for_draft(rule, body, days=days, actor=person(make.author()))
    while backtest_slice(only=job.pk):
        pass
    job.refresh_from_db()
    assert job.state == "done", job.says
    return job, sums_of(job)


def live_from(amount: str, **changes: Any) -> Any:
    return make.live_rule(when={"all": [at_least(amount)]}, **changes)


@pytest.mark.requirement("R15")
def test_it_tells_gained_lost_and_unchanged_against_what_is_live_and_does_nothing() -> None:
    rule = live_from("100.00")
    make.arrive(make.make_parcels(2, total="120.00", country="GB"), history=True)
    make.arrive(make.make_parcels(3, total="60.00", country="FR"), history=True)
    make.arrive(make.make_parcels(4, total="120.00", country="FR"), history=True)
    make.arrive(make.make_parcels(5, total="20.00", country="FR"), history=True)
    job, found = counted(make.body(when={"all": [at_least("50.00"), abroad()]}), rule)
    assert (found.events, found.draft.matched) == (14, 7)
    assert (found.gained, found.lost, found.unchanged) == (3, 2, 4)
    assert found.live is not None
    assert found.live.matched == 6
    assert found.draft.stake == {"GBP": Decimal("660.00")}
    assert found.live.stake == {"GBP": Decimal("720.00")}
    (day,) = found.days.values()
    assert (day.matched, day.gained, day.lost) == (7, 3, 2)
    assert len(found.examples["gained"]) == 3
    assert (job.percent, job.events, job.expected) == (100, 14, 14)
    assert not Run.objects.exists()
    assert not Effect.objects.exists()
    assert Parcel.objects.filter(touched__gt=0).count() == 0


def test_what_surely_does_not_match_is_counted_without_being_looked_at() -> None:
    make.arrive(make.make_parcels(40, total="20.00"), history=True)
    make.arrive(make.make_parcels(2, total="120.00"), history=True)
    job, found = counted(make.body())
    assert (found.events, found.draft.matched, job.judged) == (42, 2, 2)


def test_events_it_can_t_judge_are_counted_by_field_and_reason() -> None:
    make.arrive(make.make_parcels(3, country="", total="200.00"), history=True)
    make.arrive(make.make_parcels(2, country="FR", total="200.00"), history=True)
    copies(1, facts="facts - 'parcel.country'")
    body = make.body(when={"all": [at_least("100.00"), abroad()]})
    _, found = counted(body)
    assert (found.draft.matched, found.draft.unknown) == (2, 4)
    reasons = found.unjudged["parcel.country"].reasons
    assert reasons == {"empty": 3, "not stored with this event": 1}
    assert found.draft.by_hand["Cases: data is missing"].times == 4
    _, skipped = counted({**body, "missing_data": "skip"})
    assert skipped.draft.by_hand == {}


def test_it_says_the_same_as_the_predicate_event_by_event() -> None:
    chance = random.Random(5)
    for _ in range(6):
        make.arrive(
            make.make_parcels(
                20,
                total=str(chance.randrange(0, 300)),
                country=chance.choice(["", "GB", "FR"]),
                carrier=chance.choice(["dhl", "ups", ""]),
            ),
            history=True,
        )
    tree = {
        "any": [
            {"all": [at_least("150.00"), abroad()]},
            {"not": {"field": "parcel.carrier", "op": "is", "value": "dhl"}},
        ]
    }
    _, found = counted(make.body(when=tree))
    document, trigger = parse_document(make.body(when=tree)), triggers["depot.parcel_arrived"]
    predicate = compile_condition(document.when, catalogue_for(trigger), {})
    verdicts = [
        predicate(event.facts, event.lists or {}, event.occurred_at)
        for event in Event.objects.all()
    ]
    assert found.events == len(verdicts)
    assert found.draft.matched == verdicts.count(True)
    assert found.draft.unknown == verdicts.count(None)


def test_limits_say_how_many_runs_they_would_have_kept_back() -> None:
    make.arrive(make.make_parcels(12), history=True)
    limits = {"runs": {"per_day": 5}, "per_subject": {"runs": 1, "within": "P1D"}}
    _, found = counted(make.body(limits=limits))
    held = found.draft.limits
    assert held["runs.per_day"].runs == 7
    assert held["runs.per_day"].first is not None
    assert held["per_subject"].runs == 0


def test_questions_and_inputs_that_would_be_refused_are_work_for_people() -> None:
    make.arrive(make.make_parcels(3), history=True)
    ask = {"role": "finance", "question": "Really?", "due": "PT24H"}
    steps = [
        {"uid": "q1", "ask": ask},
        {
            "uid": "a1",
            "do": "depot.add_tag",
            "with": {"tag": {"text": "{{ parcel.number }}" * 12}},
        },
    ]
    _, found = counted(make.body(steps=steps))
    assert found.draft.by_hand["Questions to finance"].times == 3
    assert found.draft.steps["a1"].refused == 3
    assert found.draft.minutes == 3 * 3 + 3 * 5


def test_slices_add_up_to_what_one_would_have_said(monkeypatch: pytest.MonkeyPatch) -> None:
    make.arrive(make.make_parcels(1, total="120.00"), history=True)
    for hours in range(1, 40):
        copies(1, at=f"now() - interval '{hours} hours'")
    _, whole = counted(make.body())
    rule = make.make_rule()
    job = backtests.ask_for_draft(rule, make.body(), days=30, actor=person(make.author()))
    monkeypatch.setattr(jobs, "QUICK_SECONDS", 0.0)
    Backtest.objects.filter(pk=job.pk).update(slice=7)
    slices = 0
    while backtest_slice(only=job.pk):
        slices += 1
    job.refresh_from_db()
    assert slices > 4
    assert sums_of(job) == whole


def test_two_who_ask_wait_for_the_same_figures_and_a_draft_s_count_for_its_version() -> None:
    rule = make.make_rule()
    by = person(make.author())
    make.arrive(make.make_parcels(2), history=True)
    job = backtests.ask_for_draft(rule, make.body(), days=90, actor=by)
    again = backtests.ask_for_draft(rule, make.body(), days=90, actor=person(make.staff("finance")))
    assert again.pk == job.pk
    count_all()
    document = make.submit(rule)
    found = backtests.evidence_for(document)
    assert found is not None
    assert found.pk == job.pk
    assert found.sha256 == document.sha256
    assert Backtest.objects.count() == 1


def test_other_content_or_another_live_version_makes_it_no_evidence() -> None:
    rule = make.make_rule()
    count_all()
    document = make.submit(rule)
    count_all()
    assert backtests.evidence_for(document) is not None
    other = make.submit(make.make_rule(when={"all": [at_least("7.00")]}))
    assert backtests.evidence_for(other) is None


def test_a_cancelled_one_takes_no_figures_any_more() -> None:
    make.arrive(make.make_parcels(3), history=True)
    job = backtests.ask_for_draft(
        make.make_rule(), make.body(), days=30, actor=person(make.author())
    )
    backtests.cancel(job.pk)
    assert backtest_slice(only=job.pk) == 0
    with pytest.raises(NotPossible):
        backtests.cancel(job.pk)
    job.refresh_from_db()
    assert (job.state, job.sums, job.events) == ("cancelled", {}, 0)


def test_a_cancel_during_a_slice_throws_the_slice_away(monkeypatch: pytest.MonkeyPatch) -> None:
    make.arrive(make.make_parcels(3), history=True)
    job = backtests.ask_for_draft(
        make.make_rule(), make.body(), days=30, actor=person(make.author())
    )
    real: Callable[..., int] = counting.Backtest.add

    def add(self: Any, sums: Sums, part: Any) -> int:
        backtests.cancel(job.pk)
        return real(self, sums, part)

    monkeypatch.setattr(counting.Backtest, "add", add)
    assert backtest_slice(only=job.pk) == 1
    job.refresh_from_db()
    assert (job.state, job.events) == ("cancelled", 0)


def begun() -> Backtest:
    make.arrive(make.make_parcels(3), history=True)
    return backtests.ask_for_draft(
        make.make_rule(), make.body(), days=30, actor=person(make.author())
    )


def test_a_worker_that_dies_in_a_slice_leaves_it_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = begun()

    def dies(*given: Any) -> int:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(counting.Backtest, "add", dies)
        with pytest.raises(SystemExit):
            backtest_slice(only=job.pk)
    job.refresh_from_db()
    assert (job.state, job.events, job.sums) == ("running", 0, {})
    assert backtest_slice(only=job.pk) == 0, "Its minute is not over yet."
    Backtest.objects.filter(pk=job.pk).update(run_after=timezone.now())
    assert backtest_slice(only=job.pk) == 1
    job.refresh_from_db()
    assert (job.state, job.events, sums_of(job).draft.matched) == ("done", 3, 3)


def test_a_worker_that_was_overtaken_writes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = begun()
    real: Callable[..., int] = counting.Backtest.add

    def add(self: Any, sums: Sums, part: Any) -> int:
        Backtest.objects.filter(pk=job.pk).update(token=99)
        return real(self, sums, part)

    monkeypatch.setattr(counting.Backtest, "add", add)
    assert backtest_slice(only=job.pk) == 1
    job.refresh_from_db()
    assert (job.state, job.token, job.events, job.sums) == ("running", 99, 0, {})


def test_one_that_kills_its_worker_again_and_again_is_given_up() -> None:
    job = backtests.ask_for_draft(
        make.make_rule(), make.body(), days=30, actor=person(make.author())
    )
    Backtest.objects.filter(pk=job.pk).update(tries=jobs.MOST_TRIES, state="running")
    assert backtest_slice(only=job.pk) == 1
    job.refresh_from_db()
    assert (job.state, job.says) == ("failed", "The worker died each time.")


def test_a_schedule_can_t_be_replayed() -> None:
    start = {"every": "0 8 * * *", "zone": "UTC", "for": "depot.parcel"}
    with pytest.raises(NotPossible, match="starts on a fact"):
        backtests.ask_for_draft(
            make.make_rule(), make.body(trigger=start), days=30, actor=person(make.author())
        )
    assert not Backtest.objects.exists()


FORGED = [
    "UPDATE automations_backtest SET sums = '{}' WHERE id = %s",
    "UPDATE automations_backtest SET state = 'running' WHERE id = %s",
    "DELETE FROM automations_backtest WHERE id = %s",
]


@pytest.mark.parametrize("statement", FORGED)
def test_a_finished_one_never_changes(statement: str) -> None:
    make.arrive(make.make_parcels(3), history=True)
    job, _ = counted(make.body())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, [job.pk])
    kept = Backtest.objects.get(pk=job.pk)
    assert (kept.state, kept.sums) == ("done", job.sums)


def test_one_can_t_begin_with_figures_or_under_another_hash() -> None:
    rule, now = make.make_rule(), timezone.now()
    given = {
        "rule": rule,
        "text": "{}",
        "sha256": "0" * 64,
        "trigger": "depot.parcel_arrived",
        "days": 30,
        "since": now - timedelta(days=30),
        "until": now,
        "cursor": now - timedelta(days=30),
        "asked_by": make.author(),
    }
    for changes in ({}, {"sums": {"events": 9}}, {"state": "done"}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Backtest.objects.create(**{**given, **changes})
    assert not Backtest.objects.exists()


def test_events_of_another_time_are_left_out() -> None:
    make.arrive(make.make_parcels(2), history=True)
    copies(1, at="now() - interval '45 days'")
    copies(1, at="now() + interval '1 day'")
    _, short = counted(make.body(), days=30)
    _, long = counted(make.body(), days=60)
    assert (short.events, long.events) == (2, 3)
