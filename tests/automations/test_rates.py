"""How much may be called: the rate, what the other side asks for, and the breaker by itself."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from automations.connectors import health
from automations.connectors.health import Result
from automations.connectors.scope import Scope
from automations.engine.outside import call_lane
from automations.models.connectors import CallLog, ConnectorState
from automations.models.runs import Effect, Run
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside, StartOutside


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


# --- the rate ---------------------------------------------------------------------------------


@pytest.mark.requirement("R20")
def test_the_quota_of_the_other_side_is_never_passed(
    committed_db: Database, start_outside: StartOutside
) -> None:
    strict = start_outside("--quota", "20/1")
    # Within any second at most the burst and a second's rate: 4 + 12, under the 20 allowed.
    account = lines.web_account(strict.url, per_minute=720, burst=4, cap=8)
    lines.live_caller(account)
    make.parcels_arrived(60)
    make.work_all()
    lines.until(
        lambda: states().get("done", 0) == 60,
        lambda: at_once([lambda: call_lane(account.key)] * 3),
        make.work_all,
    )
    assert strict.read("SELECT count(*) FROM over") == [(0,)]
    assert not CallLog.objects.filter(outcome="throttled").exists()


@pytest.mark.requirement("R20")
def test_a_429_is_obeyed_burns_no_attempt_and_is_certainly_not_done(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, cap=1)
    lines.live_caller(account)
    outside.behave({"do": "throttle", "retry_after": 3, "times": 1})
    make.parcels_arrived(3)
    make.work_all()
    call_lane(account.key)
    state = ConnectorState.objects.get()
    assert state.not_before is not None
    assert timedelta(seconds=1) < state.not_before - timezone.now() <= timedelta(seconds=3)
    assert (states(), len(outside.calls())) == ({"due": 3}, 1)
    assert set(Run.objects.values_list("attempts", flat=True)) == {0}
    assert set(Effect.objects.values_list("state", flat=True)) == {"failed"}
    call_lane(account.key)
    assert len(outside.calls()) == 1
    lines.until(
        lambda: states() == {"done": 3},
        lambda: time.sleep(0.1),
        lambda: call_lane(account.key),
        make.work_all,
    )
    first, second = outside.read("SELECT at FROM call ORDER BY id LIMIT 2")
    assert second[0] - first[0] >= 3
    assert sorted(outside.acts().values()) == [1, 1, 1]


# --- the breaker by itself --------------------------------------------------------------------

SCOPE = Scope(kind="automations.http", per_minute=60, burst=5, cap=4)
NOW = timezone.now()


def counted(*results: bool | None) -> ConnectorState:
    state = ConnectorState()
    health.record(state, [Result(ok, "No.") for ok in results], NOW)
    return state


def test_it_opens_at_five_failures_in_a_row() -> None:
    assert counted(*[False] * 4).breaker == "closed"
    assert counted(*[False] * 5).breaker == "open"
    assert counted(*[False] * 4, True, *[False] * 4).breaker == "closed"


def test_it_opens_when_half_of_twenty_failed() -> None:
    assert counted(*[True, False] * 9, True).breaker == "closed"
    assert counted(*[True, False] * 10).breaker == "open"


def test_what_says_nothing_about_the_connector_is_not_counted() -> None:
    assert counted(*[False] * 4, None, None).failures == 4


def test_only_the_probe_closes_it() -> None:
    state = counted(*[False] * 5)
    assert health.is_down(state, NOW)
    assert health.record(state, [Result(True)], NOW) is None
    assert state.breaker == "open"
    later = NOW + health.PROBE_EVERY
    assert not health.is_down(state, later)
    assert health.begin_probe(state, later)
    assert health.is_down(state, later + timedelta(seconds=29))
    assert health.record(state, [Result(False, "No.", probe=True)], later) is None
    assert state.breaker == "open"
    assert health.record(state, [Result(True, probe=True)], later) is True
    assert (state.breaker, state.failures, state.recent) == ("closed", 0, "")


def test_the_bucket_fills_with_the_rate_and_holds_the_burst() -> None:
    state = ConnectorState()
    assert health.room(state, SCOPE, 0, NOW) == 4
    health.take(state, 4)
    assert health.room(state, SCOPE, 0, NOW) == 1
    health.take(state, 1)
    assert health.room(state, SCOPE, 0, NOW) == 0
    assert health.waits(state, SCOPE, NOW) == pytest.approx(1.0)
    assert health.room(state, SCOPE, 0, NOW + timedelta(seconds=2)) == 2
    assert health.room(state, SCOPE, 3, NOW + timedelta(hours=1)) == 1


def test_a_429_without_a_time_waits_longer_each_time() -> None:
    state = ConnectorState()
    waits = []
    for _ in range(4):
        health.record(state, [Result(True, throttled=True)], NOW)
        assert state.not_before is not None
        waits.append((state.not_before - NOW).total_seconds())
    assert waits == [5, 10, 20, 40]
    health.record(state, [Result(True)], NOW)
    assert state.throttled == 0
