"""Answers of outside systems with signs that no column of ours holds."""

from __future__ import annotations

import pytest

from automations.connectors.accounts import account_of
from automations.engine import rounds
from automations.engine.outside import call_lane
from automations.models.connectors import CallLog
from automations.models.runs import Effect, Run
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.test_doubts import in_doubt, minutes_pass
from tests.bed.databases import Database
from tests.bed.fakes import Outside

SIGNS = ["a\0b", "a\ud800b"]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_call_that_was_done_is_known_as_done_whatever_its_id_is(
    committed_db: Database, outside: Outside, sign: str
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.behave({"do": "status", "status": 201, "body": {"id": sign}})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert (Run.objects.get().state, Effect.objects.get().state) == ("done", "confirmed")
    assert CallLog.objects.count() == 1


@pytest.mark.parametrize("sign", SIGNS)
def test_a_refusal_is_a_refusal_whatever_it_says(
    committed_db: Database, outside: Outside, sign: str
) -> None:
    account = lines.web_account(outside.url, keep=["message"])
    lines.live_caller(account)
    outside.behave({"do": "status", "status": 422, "body": {"message": sign}})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert (Run.objects.get().state, Effect.objects.get().state) == ("failed", "failed")


@pytest.mark.parametrize("sign", SIGNS)
def test_a_service_that_is_well_is_known_to_be_whatever_it_says(
    committed_db: Database, outside: Outside, sign: str
) -> None:
    account = lines.web_account(outside.url, health_path="/health", keep=["status"])
    outside.behave({"do": "status", "status": 200, "body": {"status": sign}})
    rounds._ask_health(account_of(account.key))
    assert CallLog.objects.get().outcome == "done"


def test_a_look_up_that_finds_it_is_over_whatever_its_id_is(
    committed_db: Database, outside: Outside
) -> None:
    account, _ = in_doubt(outside, look_up_found="id")
    outside.behave({"do": "status", "status": 200, "body": {"id": "a\0b"}, "method": "GET"})
    for _ in range(3):
        minutes_pass(1)
        # As if the look-up before had had its time.
        Effect.objects.filter(state="in_doubt").update(looking_until=None)
        call_lane(account.key)
    calls = [method for method, *_ in outside.calls() if method == "GET"]
    assert (Effect.objects.get().state, len(calls)) == ("confirmed", 1)
