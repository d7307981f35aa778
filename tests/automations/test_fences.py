"""What is fenced: late answers, paused workers, stops, dead workers, several at once."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from automations.connectors import transport
from automations.engine import gate, settling
from automations.engine.execute import execute_batch
from automations.engine.outside import call_lane
from automations.engine.sweep import sweep
from automations.models.connectors import CallLog
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run, StepRun
from automations.services import approvals, stops
from automations.services.errors import Refused
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside
from tests.bed.workers import StartWorker
from tests.depot.models import Parcel


def tag(uid: str = "a9") -> dict[str, Any]:
    return {"uid": uid, "do": "depot.add_tag", "with": {"tag": "told"}}


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def effect_states() -> set[str]:
    return set(Effect.objects.exclude(lane="").values_list("state", flat=True))


def time_passes(**by: Any) -> None:
    Run.objects.filter(state__in=["due", "parked"]).update(
        run_after=F("run_after") - timedelta(**by)
    )


# --- fences -----------------------------------------------------------------------------------


def expire_leases() -> None:
    Run.objects.filter(state="calling").update(lease_until=timezone.now() - timedelta(seconds=1))


def test_a_late_answer_changes_nothing_and_is_shown(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account, tag())
    make.parcels_arrived(1)
    make.work_all()
    settle = settling.settle

    def too_late(*given: Any) -> None:
        expire_leases()
        assert at_once([sweep]) == [None]
        settle(*given)

    monkeypatch.setattr(settling, "settle", too_late)
    call_lane(account.key)
    case = Failure.objects.get()
    assert (case.error, states(), effect_states()) == ("doubt", {"held": 1}, {"in_doubt"})
    log = CallLog.objects.get()
    assert (log.late, log.outcome, log.status) == (True, "done", 201)
    assert list(outside.acts().values()) == [1]
    assert not StepRun.objects.filter(outcome="done").exists()


def test_a_worker_that_was_paused_before_sending_does_not_send(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    make.parcels_arrived(1)
    make.work_all()
    ticking = gate.clock
    monkeypatch.setattr(gate, "clock", lambda: ticking() + 45)
    call_lane(account.key)
    assert outside.calls() == []
    assert (states(), effect_states()) == ({"due": 1}, {"failed"})
    monkeypatch.undo()
    time_passes(minutes=1)
    lines.work_lanes(account)
    assert states() == {"done": 1}
    assert list(outside.acts().values()) == [1]


def test_a_stop_between_intent_and_sending_keeps_the_call_back(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    rule = lines.live_caller(account)
    make.parcels_arrived(1)
    make.work_all()
    passing = gate.pass_through

    def stopped_first(*given: Any) -> None:
        at_once([lambda: stops.stop_rule(rule.pk, reason="Wrong.", actor=person(make.author()))])
        passing(*given)

    monkeypatch.setattr(gate, "pass_through", stopped_first)
    call_lane(account.key)
    assert outside.calls() == []
    run = Run.objects.get()
    assert (run.state, run.parked_for, run.lane) == ("parked", "stop", account.key)
    assert effect_states() == {"failed"}
    assert CallLog.objects.get().outcome == "not_sent"


@pytest.mark.requirement("R16")
def test_a_stopped_connector_calls_nothing_until_two_people_start_it_again(
    committed_db: Database, outside: Outside
) -> None:
    account, other = lines.web_account(outside.url), lines.web_account(outside.url, name="Other")
    lines.live_caller(account)
    lines.live_caller(other)
    operations = person(make.author())
    stop = stops.stop_connector(account.key, reason="Wrong labels.", actor=operations)
    make.parcels_arrived(2)
    lines.work_lanes(account, other)
    assert states() == {"parked": 2, "done": 2}
    assert {key.partition("-")[0] for key in outside.acts()} == {other.prefix}
    stops.ask_start(stop.pk, actor=operations)
    with pytest.raises(Refused, match="someone else"):
        stops.start_again(stop.pk, queued="release", actor=operations)
    assert states() == {"parked": 2, "done": 2}
    finance = person(make.staff("finance"))
    stops.start_again(stop.pk, queued="release", actor=finance)
    lines.work_lanes(account, other)
    assert states() == {"done": 4}


def test_lifting_one_stop_leaves_what_another_one_holds(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    rule = lines.live_caller(account)
    make.parcels_arrived(1)
    make.work_all()
    by = person(make.author())
    first = stops.stop_connector(account.key, reason="One.", actor=by)
    stops.stop_rule(rule.pk, reason="Two.", actor=by)
    call_lane(account.key)
    stops.ask_start(first.pk, actor=by)
    stops.start_again(first.pk, queued="release", actor=person(make.staff("finance")))
    lines.work_lanes(account)
    assert states() == {"parked": 1}
    assert outside.calls() == []


def test_no_bulk_update_sends_again_what_may_have_happened(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    lines.live_caller(account)
    outside.behave({"do": "act_then_drop"})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    with pytest.raises(IntegrityError), transaction.atomic():
        Effect.objects.update(state="intent")
    assert effect_states() == {"in_doubt"}
    # Even a run that someone puts back by hand meets the effect that is in doubt.
    Run.objects.update(state="due", run_after=timezone.now())
    lines.work_lanes(account)
    assert len(outside.calls()) == 1
    assert states() == {"held": 1}


def test_what_was_not_done_counts_against_no_limit(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    slack = {"uid": "a1", "do": "depot.call_and_count", "with": {"account": account.key}}
    make.live_rule(steps=[slack], limits={"messages": {"per_day": 2}})
    outside.behave({"do": "status", "status": 422, "times": 2})
    make.parcels_arrived(5)
    lines.work_lanes(account)
    assert states() == {"failed": 2, "parked": 3}
    assert LimitUse.objects.get().used == 0


def test_still_true_is_asked_again_right_before_the_call(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    (parcel,) = make.parcels_arrived(1)
    make.work_all()
    Parcel.objects.filter(pk=parcel.pk).update(total="5.00", version=F("version") + 1)
    lines.work_lanes(account)
    assert states() == {"overtaken": 1}
    assert outside.calls() == []


def test_a_shadow_calls_nothing(committed_db: Database, outside: Outside) -> None:
    account = lines.web_account(outside.url)
    rule = make.make_rule(steps=[lines.call_step(account)])
    approvals.run_in_shadow(make.submit(rule).pk, actor=person(make.author()))
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert outside.calls() == []
    would = StepRun.objects.get()
    assert (would.outcome, would.says) == ("would", "Call “Carrier”: POST /parcels")


def test_a_loop_calls_once_for_each_item(committed_db: Database, outside: Outside) -> None:
    account = lines.web_account(outside.url)
    body = '{"sku": {"field": "item.sku"}}'
    loop = {"uid": "l1", "for_each": "parcel.items", "steps": [lines.call_step(account, body=body)]}
    make.live_rule(steps=[loop, tag()])
    items = [{"sku": f"S{number}", "quantity": 1} for number in range(3)]
    make.parcels_arrived(1, items=items)
    lines.work_lanes(account)
    assert states() == {"done": 1}
    bodies = [row[0] for row in outside.read("SELECT body FROM call ORDER BY id")]
    assert bodies == [b'{"sku":"S0"}', b'{"sku":"S1"}', b'{"sku":"S2"}']
    targets = Effect.objects.filter(lane=account.key).order_by("target")
    assert list(targets.values_list("target", flat=True)) == ["l1:0", "l1:1", "l1:2"]


# --- several at once --------------------------------------------------------------------------


def test_several_workers_of_a_lane_make_each_call_once_and_keep_the_cap(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url, cap=3)
    lines.live_caller(account)
    outside.behave({"do": "delay", "seconds": 0.05})
    make.parcels_arrived(60)
    make.work_all()
    lines.as_processes(monkeypatch)
    most, done = [0], threading.Event()

    def watch() -> None:
        while not done.is_set():
            most[0] = max(most[0], Run.objects.filter(state="calling").count())

    def drive() -> None:
        try:
            while Run.objects.filter(state__in=["due", "calling"]).exists():
                call_lane(account.key)
                execute_batch()
        finally:
            done.set()

    answers = at_once([drive, drive, drive, watch])
    assert answers == [None] * 4
    make.work_all()
    assert states() == {"done": 60}
    assert sorted(outside.acts().values()) == [1] * 60
    assert most[0] <= 3


@pytest.mark.requirement("R9")
def test_a_worker_killed_between_intent_and_answer_leaves_doubt_and_never_a_second_call(
    committed_db: Database, outside: Outside, start_worker: StartWorker
) -> None:
    account = lines.web_account(outside.url, cap=8)
    lines.live_caller(account)
    outside.behave({"do": "act_then_hang", "times": 5}, {"do": "act"})
    make.parcels_arrived(20)
    make.work_all()
    worker = start_worker(concurrency=16, lanes="external", pool="threads")
    sweep()
    outside.wait_for_calls(20)
    worker.kill()
    expire_leases()
    start_worker(concurrency=16, lanes="external", pool="threads")
    lines.until(
        lambda: not Run.objects.filter(state__in=["due", "calling"]).exists(),
        sweep,
        make.work_all,
    )
    doubtful = Run.objects.filter(state="held")
    assert 5 <= doubtful.count() <= 20
    assert Failure.objects.filter(error="doubt", state="open").count() == doubtful.count()
    assert max(outside.acts().values()) == 1
    assert len(outside.acts()) == 20
    assert Run.objects.filter(state="done").count() + doubtful.count() == 20


def test_a_connection_that_stood_still_is_not_used_again(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.0)
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    for _ in range(3):
        make.parcels_arrived(1)
        lines.work_lanes(account)
    assert states() == {"done": 3}
