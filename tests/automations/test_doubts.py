"""What may have happened: looked up, and decided by people; never repeated blindly."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from automations.engine import doubts, settling
from automations.engine.outside import call_lane
from automations.engine.sweep import sweep
from automations.models.connectors import CallLog
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run, StepRun
from automations.services import doubts as verdicts
from automations.services import failures
from automations.services.errors import NotPossible, Stale
from backoffice.actors import Actor, person
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside
from tests.depot.models import Parcel

AFTER = {"uid": "a2", "do": "depot.add_tag", "with": {"tag": "after"}}


def by() -> Actor:
    return person(make.author())


def in_doubt(
    outside: Outside, how: str = "act_then_drop", *, look_up: bool = True, **scope: Any
) -> tuple[Any, Failure]:
    """A run whose call got no answer, at a service that can be asked."""
    more = {**lines.LOOK_UP, **scope} if look_up else scope
    account = lines.web_account(outside.url, total_seconds=1, **more)
    lines.live_caller(account, AFTER)
    outside.behave({"do": how, "times": 1, "method": "POST"})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    outside.behave()
    return account, Failure.objects.get()


def minutes_pass(minutes: float) -> None:
    """As if it had been sent so much earlier, with whatever look-ups were planned."""
    by_then = timedelta(minutes=minutes)
    Effect.objects.filter(state="in_doubt").update(
        sent_at=F("sent_at") - by_then, look_up_at=F("look_up_at") - by_then
    )


def look(account: Any) -> None:
    """What the sweep wakes, done here."""
    assert account.key in doubts.lanes_to_look_up()
    call_lane(account.key)


def states() -> tuple[str, str, str]:
    return Run.objects.get().state, Effect.objects.get(uid="a1").state, Failure.objects.get().state


@pytest.mark.requirement("R26")
def test_what_happened_is_found_by_our_reference_and_the_case_closes_itself(
    committed_db: Database, outside: Outside
) -> None:
    account, case = in_doubt(outside)
    assert states() == ("held", "in_doubt", "open")
    assert doubts.lanes_to_look_up() == []
    minutes_pass(1)
    look(account)
    assert Failure.objects.get().state == "resolved"
    lines.work_lanes(account)
    case.refresh_from_db()
    assert states() == ("done", "confirmed", "resolved")
    assert (case.resolution, Parcel.objects.get().tags) == ("checked", ["after"])
    assert Effect.objects.get(uid="a1").reference == "T-1"
    assert "Carrier has it: T-1." in case.log.get().text
    assert list(outside.acts().values()) == [1]
    assert CallLog.objects.get(purpose="look_up").outcome == "found"


def test_absent_is_not_believed_before_a_quarter_of_an_hour(
    committed_db: Database, outside: Outside
) -> None:
    account, _ = in_doubt(outside, "drop", look_up_absent="retry")
    for minutes in (1, 2, 8):
        minutes_pass(minutes)
        look(account)
        assert states() == ("held", "in_doubt", "open")
    assert outside.acts() == {}
    minutes_pass(6)
    look(account)
    lines.work_lanes(account)
    assert states() == ("done", "confirmed", "resolved")
    assert list(outside.acts().values()) == [1]
    posted = outside.read("SELECT DISTINCT key FROM call WHERE method = 'POST'")
    assert len(posted) == 1
    assert CallLog.objects.filter(purpose="look_up", outcome="absent").count() == 4


def test_where_the_scope_says_ask_a_person_decides_what_absent_means(
    committed_db: Database, outside: Outside
) -> None:
    account, case = in_doubt(outside, "drop")
    minutes_pass(16)
    look(account)
    lines.work_lanes(account)
    assert states() == ("held", "in_doubt", "open")
    assert "knows nothing by this reference" in case.log.get().text
    assert [did for method, _, did in outside.calls() if method == "POST"] == ["drop"]


def test_a_look_up_that_fails_leaves_the_doubt_and_is_made_again(
    committed_db: Database, outside: Outside
) -> None:
    account, _ = in_doubt(outside)
    outside.behave({"do": "status", "status": 500, "method": "GET", "times": 1})
    minutes_pass(1)
    look(account)
    assert states() == ("held", "in_doubt", "open")
    minutes_pass(3)
    look(account)
    assert states()[1] == "confirmed"


def test_a_person_has_it_looked_up_at_once(committed_db: Database, outside: Outside) -> None:
    account, case = in_doubt(outside)
    verdicts.check_now(case.pk, version=case.version, actor=by())
    look(account)
    assert states()[1] == "confirmed"


def test_a_service_that_can_not_be_asked_is_looked_at_by_people(
    committed_db: Database, outside: Outside
) -> None:
    _, case = in_doubt(outside, look_up=False)
    with pytest.raises(NotPossible, match="can’t be asked"):
        verdicts.check_now(case.pk, version=case.version, actor=by())
    assert Effect.objects.get(uid="a1").look_up_at is None


def test_a_person_finds_that_it_happened(committed_db: Database, outside: Outside) -> None:
    account, case = in_doubt(outside, look_up=False)
    with pytest.raises(NotPossible, match="proves"):
        verdicts.it_happened(case.pk, version=case.version, reference=" ", actor=by())
    assert states() == ("held", "in_doubt", "open")
    verdicts.it_happened(case.pk, version=case.version, reference="T-1", actor=by())
    with pytest.raises(Stale):
        verdicts.it_happened(case.pk, version=case.version, reference="T-1", actor=by())
    lines.work_lanes(account)
    assert states() == ("done", "confirmed", "resolved")
    case.refresh_from_db()
    assert case.resolution == "checked"
    done = StepRun.objects.get(cursor="a1", outcome="done")
    assert (done.user_id, "T-1" in done.says) == (make.author().pk, True)
    assert list(outside.acts().values()) == [1]


def test_a_run_whose_last_step_happened_as_a_person_found_says_so(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    lines.live_caller(account)
    outside.behave({"do": "act_then_drop", "times": 1, "method": "POST"})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    verdicts.it_happened(case.pk, version=case.version, reference="T-1", actor=by())
    make.work_all()
    run = Run.objects.get()
    assert (run.state, "T-1" in run.outcome) == ("done", True)


def test_a_person_says_it_did_not_happen_only_when_nothing_can_be_on_its_way(
    committed_db: Database, outside: Outside
) -> None:
    account, case = in_doubt(outside, "drop", look_up=False)
    with pytest.raises(NotPossible, match="on its way until"):
        verdicts.it_did_not(case.pk, version=case.version, reason="Not there.", actor=by())
    assert states() == ("held", "in_doubt", "open")
    minutes_pass(15)
    with pytest.raises(NotPossible, match="why"):
        verdicts.it_did_not(case.pk, version=case.version, reason=" ", actor=by())
    verdicts.it_did_not(case.pk, version=case.version, reason="Not there.", actor=by())
    lines.work_lanes(account)
    assert states() == ("done", "confirmed", "resolved")
    assert list(outside.acts().values()) == [1]
    assert len({row[0] for row in outside.read("SELECT key FROM call")}) == 1


def test_what_a_person_says_wins_over_a_look_up_under_way(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account, case = in_doubt(outside, "drop", look_up_absent="retry")
    minutes_pass(16)
    settle = doubts.settle

    def said_first(*given: Any) -> None:
        def say() -> None:
            verdicts.it_happened(case.pk, version=case.version, reference="By phone", actor=by())

        assert at_once([say]) == [None]
        settle(*given)

    monkeypatch.setattr(doubts, "settle", said_first)
    look(account)
    lines.work_lanes(account)
    assert states()[:2] == ("done", "confirmed")
    assert Effect.objects.get(uid="a1").reference == "By phone"
    assert outside.acts() == {}
    assert CallLog.objects.get(purpose="look_up").late


def test_a_step_in_doubt_may_be_left_and_its_effect_is_still_looked_up(
    committed_db: Database, outside: Outside
) -> None:
    account, case = in_doubt(outside)
    failures.skip_step(case.pk, version=case.version, reason="No need.", actor=by())
    lines.work_lanes(account)
    assert states()[:2] == ("done", "in_doubt")
    minutes_pass(1)
    look(account)
    assert states()[:2] == ("done", "confirmed")


def test_what_did_not_happen_is_given_back_to_the_limit(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    step = {"uid": "a1", "do": "depot.call_and_count", "with": {"account": account.key}}
    make.live_rule(steps=[step], limits={"messages": {"per_day": 5}})
    outside.behave({"do": "drop", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert LimitUse.objects.get().used == 1
    minutes_pass(20)
    case = Failure.objects.get()
    verdicts.it_did_not(case.pk, version=case.version, reason="Not there.", actor=by())
    assert LimitUse.objects.get().used == 0
    lines.work_lanes(account)
    assert LimitUse.objects.get().used == 1


def test_what_is_known_outside_is_written_down_here_with_its_reference(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url, total_seconds=1, **lines.LOOK_UP)
    make.live_rule(
        steps=[{"uid": "a1", "do": "depot.call_and_count", "with": {"account": account.key}}]
    )
    outside.behave({"do": "act_then_drop", "times": 1, "method": "POST"})
    make.parcels_arrived(2, carrier="")
    lines.work_lanes(account)
    minutes_pass(1)
    look(account)
    lines.work_lanes(account)
    assert sorted(Parcel.objects.values_list("carrier", flat=True)) == ["T-1", "T-2"]


def test_what_happened_stands_though_it_can_not_be_written_down_here(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    make.live_rule(
        steps=[{"uid": "a1", "do": "depot.call_and_count", "with": {"account": account.key}}]
    )
    make.parcels_arrived(1, carrier="", moods=1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    assert (case.error, Effect.objects.get().state) == ("bug", "confirmed")
    assert "could not be written down here" in case.says
    Parcel.objects.update(moods=0)
    failures.retry_case(case.pk, version=case.version, actor=by())
    lines.work_lanes(account)
    assert (Run.objects.get().state, Parcel.objects.get().carrier) == ("done", "T-1")
    assert list(outside.acts().values()) == [1]


def test_the_sweep_finds_calls_whose_worker_is_gone(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url, **lines.LOOK_UP)
    lines.live_caller(account, AFTER)
    make.parcels_arrived(1)
    make.work_all()

    def lost(*given: Any) -> None:
        raise ZeroDivisionError("The machine is gone.")

    monkeypatch.setattr(settling, "settle", lost)
    call_lane(account.key)
    monkeypatch.undo()
    assert Run.objects.get().state == "calling"
    sweep()
    assert Run.objects.get().state == "calling"
    Run.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sweep()
    case = Failure.objects.get()
    assert (states(), case.error) == (("held", "in_doubt", "open"), "doubt")
    assert case.not_done == ["Call “Carrier”: POST /parcels", "tag it after"]
    minutes_pass(1)
    look(account)
    lines.work_lanes(account)
    assert states() == ("done", "confirmed", "resolved")
    assert list(outside.acts().values()) == [1]
