"""Steps outside PostgreSQL: the intent first, the call with nothing open, then what came of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.utils import timezone

from automations.engine import gate
from automations.engine.outside import call_lane
from automations.engine.sweep import sweep
from automations.models.connectors import CallLog
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.services import failures
from automations.services.errors import NotPossible
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside
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
