"""Steps outside PostgreSQL: the intent first, the call with nothing open, then what came of it."""

from __future__ import annotations

from typing import Any

from automations.models.connectors import CallLog
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.depot.models import Parcel


def tag(uid: str = "a9") -> dict[str, Any]:
    return {"uid": uid, "do": "depot.add_tag", "with": {"tag": "told"}}


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


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
