"""Steps outside PostgreSQL: the intent first, the call with nothing open, then what came of it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.utils import timezone

from automations.connectors import transport
from automations.engine import gate, settling
from automations.engine import outside as lanes
from automations.engine.execute import execute_batch
from automations.engine.outside import call_lane
from automations.engine.sweep import sweep
from automations.models.connectors import CallLog
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run, StepRun
from automations.services import approvals, failures, stops
from automations.services.errors import NotPossible, Refused
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


def test_a_step_calls_a_web_service_once_and_the_run_goes_on(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account, tag())
    parcels = make.parcels_arrived(5)
    assert lines.work_lanes(account) == 5
    assert states() == {"done": 5}
    effects = Effect.objects.filter(lane=account.key)
    assert set(effects.values_list("state", flat=True)) == {"confirmed"}
    assert sorted(outside.acts().values()) == [1] * 5
    assert set(outside.acts()) == {f"{account.prefix}-{effect}" for effect in effects}
    assert all(parcel.tags == ["told"] for parcel in Parcel.objects.all())
    body = outside.read("SELECT body FROM call ORDER BY id LIMIT 1")[0][0]
    assert b'"total":{"amount":"250.00","currency":"GBP"}' in body
    assert CallLog.objects.filter(outcome="done", sent=True, status=201).count() == len(parcels)
    says = StepRun.objects.filter(action="automations.call_http").first()
    assert says is not None
    assert says.says == "Carrier answered 201 to POST /parcels."
    assert not Failure.objects.exists()


def test_the_intent_is_committed_before_anything_leaves(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    make.parcels_arrived(1)
    make.work_all()
    seen: list[Any] = []
    passing = gate.pass_through

    def watch(*given: Any) -> None:
        answers = at_once([lambda: list(Effect.objects.values_list("state", "sent_at"))])
        seen.extend([answers[0], list(Run.objects.values_list("state", "lease_token"))])
        seen.append(connection.in_atomic_block)
        passing(*given)

    monkeypatch.setattr(gate, "pass_through", watch)
    assert call_lane(account.key) == 1
    assert seen[0] == [("intent", None)]
    assert seen[1][0][0] == "calling"
    assert seen[1][0][1] is not None
    assert seen[2] is False
    assert states() == {"done": 1}


def test_what_the_other_side_refuses_is_certainly_not_done_and_becomes_a_case(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account, limits={"runs": {"per_day": 5}})
    outside.behave({"do": "status", "status": 422, "body": {"message": "No such country"}})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    assert (case.error, case.says) == ("rejected", "Carrier refused it (422): No such country.")
    assert (states(), effect_states()) == ({"failed": 1}, {"failed"})
    outside.behave()
    failures.retry_case(case.pk, version=case.version, actor=person(make.author()))
    lines.work_lanes(account)
    case.refresh_from_db()
    assert (states(), case.state) == ({"done": 1}, "resolved")
    assert list(outside.acts().values()) == [1]


def test_a_refused_step_is_edited_and_sent_under_the_same_key(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.behave({"do": "status", "status": 422, "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    given = {"account": account.key, "method": "POST", "path": "/parcels", "body": '{"mended": 1}'}
    failures.edit_and_retry(
        case.pk, version=case.version, values=given, actor=person(make.author())
    )
    lines.work_lanes(account)
    keys = [row[0] for row in outside.read("SELECT key FROM call")]
    assert len(set(keys)) == 1
    assert outside.read("SELECT body FROM call ORDER BY id DESC LIMIT 1")[0][0] == b'{"mended":1}'
    assert states() == {"done": 1}


@pytest.mark.parametrize("how", ["act_then_hang", "act_then_500", "act_then_drop", "hang", "drop"])
def test_no_answer_after_sending_is_in_doubt_and_never_sent_again(
    committed_db: Database, outside: Outside, how: str
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    lines.live_caller(account, tag())
    outside.behave({"do": how})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    assert (case.error, states(), effect_states()) == ("doubt", {"held": 1}, {"in_doubt"})
    outside.behave()
    with pytest.raises(NotPossible, match="may have happened"):
        failures.retry_case(case.pk, version=case.version, actor=person(make.author()))
    with pytest.raises(NotPossible, match="may have happened"):
        failures.done_by_hand(
            case.pk, version=case.version, reference="x", actor=person(make.author())
        )
    time_passes(days=2)
    sweep()
    lines.work_lanes(account)
    assert len(outside.calls()) == 1
    assert (states(), effect_states()) == ({"held": 1}, {"in_doubt"})
    assert CallLog.objects.get().outcome == "doubt"


def test_reading_can_be_tried_again_as_nothing_is_done_by_it(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    step = lines.call_step(account, method="GET", path="/parcels/{parcel.number}", body="")
    make.live_rule(steps=[step])
    outside.behave({"do": "drop", "times": 1}, {"do": "status", "status": 503, "times": 1})
    make.parcels_arrived(1)
    for _ in range(3):
        lines.work_lanes(account)
        time_passes(hours=1)
    assert states() == {"done": 1}
    assert [did for _, _, did in outside.calls()] == ["drop", "status", "act"]
    assert {path for _, path, _ in outside.calls()} == {"/parcels/P-00001"}


def test_a_redirect_is_not_followed(committed_db: Database, outside: Outside) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.behave({"do": "redirect", "to": f"{outside.url}/elsewhere", "path": "/parcels"})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert [path for _, path, _ in outside.calls()] == ["/parcels"]
    assert Failure.objects.get().error == "doubt"


def test_a_slow_drip_ends_at_the_deadline(committed_db: Database, outside: Outside) -> None:
    account = lines.web_account(outside.url, total_seconds=2)
    lines.live_caller(account)
    outside.behave({"do": "drip", "seconds": 0.3})
    make.parcels_arrived(1)
    began = timezone.now()
    lines.work_lanes(account)
    assert timezone.now() - began < timedelta(seconds=15)
    assert Failure.objects.get().error == "doubt"
    assert CallLog.objects.get().took_ms < 6_000


def test_an_answer_that_is_too_long_is_still_an_answer(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, response_kb=1)
    lines.live_caller(account)
    outside.behave({"do": "flood", "bytes": 3_000_000})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert states() == {"done": 1}
    log = CallLog.objects.get()
    assert (log.outcome, log.response) == ("done", {"bytes": 1024})


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
    # As processes do: each has drivers of its own.
    monkeypatch.setattr(lanes, "_seats", _NoSeats())
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


class _NoSeats(dict[str, bool]):
    """As if each thread were a process of its own."""

    def __contains__(self, key: object) -> bool:
        return False

    def pop(self, key: str, *default: Any) -> bool:
        return False


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
