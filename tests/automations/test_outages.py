"""A connector that is down or asks for less: what waits, what people do, how it drains."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from automations.engine import outages
from automations.engine.outside import call_lane
from automations.engine.sweep import sweep
from automations.models.connectors import CallLog, ConnectorState
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.services import doubts as verdicts
from automations.services.errors import NotPossible
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside, StartOutside
from tests.depot.models import Parcel

AFTER = {"uid": "a2", "do": "depot.add_tag", "with": {"tag": "after"}}


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def time_for_a_probe() -> None:
    ConnectorState.objects.update(probe_at=timezone.now() - timedelta(seconds=1))


def let_drain(seconds: float) -> None:
    ConnectorState.objects.update(drained_at=F("drained_at") - timedelta(seconds=seconds))


def drain_all(account: Any) -> None:
    lines.until(
        lambda: not Run.objects.filter(state__in=["parked", "due"]).exists(),
        lambda: let_drain(60),
        lambda: lines.work_lanes(account),
    )


# --- down -------------------------------------------------------------------------------------


@pytest.mark.requirement("R22")
def test_while_a_connector_is_down_runs_are_kept_and_go_on_when_it_is_up(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account, AFTER)
    outside.stop()
    make.parcels_arrived(30)
    lines.work_lanes(account)
    assert states() == {"parked": 30}
    parked = Run.objects.filter(parked_for="connector")
    assert set(parked.values_list("attempts", flat=True)) == {0}
    assert "down" in (parked.order_by("-id").values_list("outcome", flat=True)[0])
    state = ConnectorState.objects.get()
    assert (state.breaker, state.failures >= 5) == ("open", True)
    called = CallLog.objects.count()
    make.parcels_arrived(5)
    lines.work_lanes(account)
    assert (states(), CallLog.objects.count()) == ({"parked": 35}, called)
    outside.start()
    time_for_a_probe()
    drain_all(account)
    assert states() == {"done": 35}
    assert sorted(outside.acts().values()) == [1] * 35
    assert ConnectorState.objects.get().breaker == "closed"
    assert all(parcel.tags == ["after"] for parcel in Parcel.objects.all())


@pytest.mark.requirement("R11")
def test_the_owner_is_told_that_a_connector_is_down_and_that_it_is_up_again(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(8)
    lines.work_lanes(account)
    case = Failure.objects.get()
    assert (case.kind, case.key, case.error, case.owner_id) == (
        "connector",
        account.key,
        "down",
        account.owner_id,
    )
    assert case.says.startswith("Carrier is down. Carrier can't be reached.")
    outside.start()
    time_for_a_probe()
    drain_all(account)
    case.refresh_from_db()
    assert case.state == "resolved"


@pytest.mark.requirement("R22")
def test_work_is_done_by_hand_while_a_connector_is_down_and_not_done_again_after(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    step = {"uid": "a1", "do": "depot.call_and_count", "with": {"account": account.key}}
    make.live_rule(steps=[step, AFTER])
    outside.stop()
    make.parcels_arrived(7, carrier="")
    lines.work_lanes(account)
    run = Run.objects.order_by("id")[0]
    by = person(make.author())
    with pytest.raises(NotPossible, match="reference"):
        verdicts.parked_by_hand(run.pk, reference=" ", actor=by)
    assert states() == {"parked": 7}
    verdicts.parked_by_hand(run.pk, reference="LABEL-77", actor=by)
    with pytest.raises(NotPossible, match="any more"):
        verdicts.parked_by_hand(run.pk, reference="LABEL-77", actor=by)
    make.work_all()
    assert states() == {"done": 1, "parked": 6}
    assert Parcel.objects.get(pk=run.subject_id).carrier == "LABEL-77"
    effect = Effect.objects.get(run_id=run.pk, uid="a1")
    assert (effect.state, effect.reference) == ("confirmed", "LABEL-77")
    assert StepRun.objects.get(run_id=run.pk, outcome="by_hand").user_id == by.user_id
    outside.start()
    time_for_a_probe()
    drain_all(account)
    assert states() == {"done": 7}
    assert len(outside.acts()) == 6


def test_a_rule_may_want_a_person_at_once_when_the_connector_is_down(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account, connector_down="hold")
    outside.stop()
    make.parcels_arrived(7)
    lines.work_lanes(account)
    assert states() == {"failed": 7}
    assert Failure.objects.filter(error="down", kind="run").count() == 7


def test_one_call_at_a_time_tries_whether_it_is_up(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(20)
    lines.work_lanes(account)
    before = CallLog.objects.count()
    for _ in range(3):
        time_for_a_probe()
        at_once([lambda: call_lane(account.key)] * 3)
        at_once([lambda: call_lane(account.key)] * 3)
    assert CallLog.objects.count() == before + 3
    assert ConnectorState.objects.get().breaker == "open"
    assert states() == {"parked": 20}


def test_a_service_that_says_how_it_is_is_asked_that_instead_of_being_given_work(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, health_path="/health")
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(6)
    lines.work_lanes(account)
    outside.start()
    outside.behave({"do": "status", "status": 503, "path": "/health", "times": 1})
    time_for_a_probe()
    lines.work_lanes(account)
    assert (outside.acts(), ConnectorState.objects.get().breaker) == ({}, "open")
    time_for_a_probe()
    drain_all(account)
    assert states() == {"done": 6}
    assert CallLog.objects.filter(purpose="probe").count() == 2


def test_what_waited_drains_oldest_first_at_half_the_rate(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, per_minute=600, burst=10, cap=4)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(40)
    lines.work_lanes(account)
    outside.start()
    time_for_a_probe()
    began = time.monotonic()
    lines.until(
        lambda: states().get("done", 0) >= 25,
        lambda: call_lane(account.key),
        lambda: time.sleep(0.05),
        times=2000,
    )
    took = time.monotonic() - began
    # Ten a second are allowed, five of them for what waited; the first moments come in a burst.
    assert len(outside.acts()) <= 1 + 5 + 5 * (took + 1)
    order = [row[0] for row in outside.read("SELECT key FROM act ORDER BY id")]
    runs = [int(key.partition("-")[2].partition(":")[0]) for key in order]
    # Four are under way at once, so neighbours may overtake each other on the way.
    assert all(abs(at - sorted(runs).index(run)) <= 4 for at, run in enumerate(runs))


def test_what_waited_too_long_goes_to_a_person(committed_db: Database, outside: Outside) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(6)
    lines.work_lanes(account)
    Run.objects.update(run_after=F("run_after") - timedelta(hours=25))
    outside.start()
    time_for_a_probe()
    drain_all(account)
    assert states() == {"failed": 6}
    assert outside.acts() == {}
    assert set(Failure.objects.filter(kind="run").values_list("error", flat=True)) == {"stale"}


def test_what_is_not_true_any_more_is_not_done_after_an_outage(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(6)
    lines.work_lanes(account)
    Parcel.objects.update(total="1.00", version=F("version") + 1)
    outside.start()
    time_for_a_probe()
    drain_all(account)
    assert states() == {"overtaken": 6}
    assert outside.acts() == {}


def test_a_connector_without_an_approved_scope_calls_nothing_and_loses_nothing(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    lines.approve_scope(account, base=outside.url, auth="bearer", per_minute=600, burst=10, cap=2)
    make.parcels_arrived(6)
    lines.work_lanes(account)
    assert states() == {"parked": 6}
    assert "has no token" in Run.objects.order_by("id")[0].outcome
    assert outside.calls() == []


def test_a_hung_connector_holds_no_other_up(
    committed_db: Database, start_outside: StartOutside
) -> None:
    slow, quick = start_outside(), start_outside()
    hung = lines.web_account(slow.url, name="Hung", cap=4, total_seconds=5)
    fine = lines.web_account(quick.url, name="Fine")
    lines.live_caller(hung)
    lines.live_caller(fine)
    slow.behave({"do": "hang"})
    make.parcels_arrived(40)
    make.work_all()
    took: list[float] = []

    def drive() -> None:
        began = time.monotonic()
        call_lane(fine.key)
        took.append(time.monotonic() - began)

    assert at_once([lambda: call_lane(hung.key) > 0, drive]) == [True, None]
    assert len(quick.acts()) == 40
    assert took[0] < 5
    held = Run.objects.filter(lane=hung.key, state="held").count()
    # Four at once until it is found down; the rest waits without burning an attempt.
    assert held + Run.objects.filter(lane=hung.key, state="parked").count() == 40
    assert held <= 9


def test_the_sweep_wakes_lanes_that_wait_for_their_connector(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(6)
    lines.work_lanes(account)
    assert outages.lanes_that_wait() == []
    time_for_a_probe()
    assert outages.lanes_that_wait() == [account.key]
    sweep()
