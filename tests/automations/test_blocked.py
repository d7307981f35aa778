"""A case about a record keeps back what spends money or reaches customers, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from automations.engine import blocks
from automations.engine.execute import execute_batch
from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.services import ending, failures
from automations.services.errors import NotPossible
from backoffice.actors import person
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database, at_once
from tests.bed.fakes import Outside
from tests.depot import signals
from tests.depot.models import Parcel

PAY = {"uid": "p1", "do": "depot.pay_duty", "with": {"tag": "paid", "amount": "20.00"}}
TAG = {"uid": "t1", "do": "depot.add_tag", "with": {"tag": "seen"}}


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def dispute(parcels: list[Parcel]) -> None:
    signals.parcels_disputed.send(sender=Parcel, parcels=parcels)


def agree(parcels: list[Parcel]) -> None:
    signals.parcels_agreed.send(sender=Parcel, parcels=parcels)


def tags(parcel: Parcel) -> list[str]:
    parcel.refresh_from_db()
    return list(parcel.tags)


@pytest.mark.django_db
def test_money_waits_for_the_case_while_tags_go_on_and_nothing_is_lost() -> None:
    make.live_rule(name="Pay", steps=[PAY])
    make.live_rule(name="Tag", steps=[TAG])
    parcels = make.parcels_arrived(2)
    dispute(parcels[:1])
    make.work_all()
    assert states() == {"done": 3, "parked": 1}
    assert (tags(parcels[0]), tags(parcels[1])) == (["seen"], ["paid", "seen"])
    run, case = Run.objects.get(state="parked"), Failure.objects.get()
    assert (run.parked_for, run.subject_id) == ("case", parcels[0].pk)
    assert run.outcome == f"Waits for case {case.pk}: The carrier has it, the shop has not"
    assert not Effect.objects.filter(run_id=run.pk).exists()
    agree(parcels[:1])
    sweep()
    make.work_all()
    assert states() == {"done": 4}
    assert tags(parcels[0]) == ["seen", "paid"]
    assert Effect.objects.count() == 4


@pytest.mark.django_db
def test_a_run_whose_record_changed_meanwhile_is_overtaken_when_it_is_let_go() -> None:
    make.live_rule(steps=[PAY])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    make.work_all()
    assert states() == {"parked": 1}
    Parcel.objects.filter(pk=parcel.pk).update(total="5.00", version=parcel.version + 1)
    agree([parcel])
    assert blocks.release() == 1
    make.work_all()
    assert states() == {"overtaken": 1}
    assert not Effect.objects.exists()


@pytest.mark.django_db
def test_steps_before_the_money_are_done_and_the_money_is_done_once_afterwards() -> None:
    make.live_rule(steps=[TAG, PAY, {**TAG, "uid": "t2", "with": {"tag": "after"}}])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    make.work_all()
    assert (states(), tags(parcel)) == ({"parked": 1}, ["seen"])
    # A sweep while the case is open lets nothing go.
    sweep()
    make.work_all()
    assert (states(), tags(parcel)) == ({"parked": 1}, ["seen"])
    agree([parcel])
    sweep()
    sweep()
    make.work_all()
    assert (states(), tags(parcel)) == ({"done": 1}, ["seen", "paid", "after"])
    assert StepRun.objects.filter(action="depot.pay_duty").count() == 1


@pytest.mark.django_db
def test_a_step_that_finds_the_disagreement_blocks_the_money_of_its_own_run() -> None:
    make.live_rule(name="First", steps=[PAY], position=1)
    found = {"uid": "d1", "do": "depot.dispute", "with": {}}
    make.live_rule(name="Second", steps=[found, {**PAY, "uid": "p2"}], position=2)
    make.parcels_arrived(3)
    make.work_all()
    # The first rule had paid before anybody knew.
    assert states() == {"done": 3, "parked": 3}
    assert Effect.objects.filter(action="depot.pay_duty").count() == 3
    assert Failure.objects.filter(state="open", blocks=True).count() == 3


@pytest.mark.django_db
def test_a_case_that_asks_for_a_decision_is_closed_by_nothing_else() -> None:
    make.live_rule(steps=[PAY])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    make.work_all()
    case, actor = Failure.objects.get(), person(make.author())
    with pytest.raises(NotPossible, match="Decide it on the parcel’s page"):
        failures.solve_case(case.pk, version=case.version, text="Fine.", actor=actor)
    with pytest.raises(NotPossible, match="Decide it on the parcel’s page"):
        failures.done_by_hand(case.pk, version=case.version, reference="x", actor=actor)
    case.refresh_from_db()
    assert (case.state, blocks.release(), states()) == ("open", 0, {"parked": 1})
    # Snoozed is not decided.
    failures.snooze_case(case.pk, version=case.version, until=None, worse=True, actor=actor)
    assert blocks.release() == 0


@pytest.mark.django_db
def test_what_was_decided_and_is_disputed_again_blocks_again() -> None:
    make.live_rule(steps=[PAY])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    dispute([parcel])
    assert Failure.objects.count() == 1
    agree([parcel])
    dispute([parcel])
    make.work_all()
    assert states() == {"parked": 1}
    assert Failure.objects.get().times == 2


@pytest.mark.django_db
def test_a_parked_run_can_be_ended_by_a_person() -> None:
    make.live_rule(steps=[PAY])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    make.work_all()
    ending.end_run(Run.objects.get().pk, reason="Settled by phone.", actor=person(make.author()))
    agree([parcel])
    sweep()
    make.work_all()
    assert states() == {"cancelled": 1}


@pytest.mark.django_db
def test_a_batch_asks_once_and_only_when_a_step_spends_or_writes() -> None:
    make.live_rule(name="Tag", steps=[TAG])
    dispute(make.make_parcels(1))
    make.parcels_arrived(20)
    make.match_all()

    def asked() -> int:
        with CaptureQueriesContext(connection) as seen:
            execute_batch()
        return sum("cause_words FROM automations_failure" in each["sql"] for each in seen)

    assert asked() == 0
    make.live_rule(name="Pay", steps=[PAY, {**PAY, "uid": "p2"}, {**PAY, "uid": "p3"}])
    make.parcels_arrived(20)
    make.match_all()
    assert asked() == 1
    assert states() == {"done": 60}


def test_mail_through_a_service_outside_is_kept_back_and_sent_once_when_it_is_decided(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    mail = {"uid": "m1", "do": "depot.mail_sender", "with": {"account": account.key}}
    label = {"uid": "c1", "do": "depot.call_and_count", "with": {"account": account.key}}
    make.live_rule(name="Mail", steps=[mail])
    make.live_rule(name="Label", steps=[label])
    parcels = make.parcels_arrived(4)
    dispute(parcels[:3])
    assert lines.work_lanes(account) == 5
    assert sorted(path for _, path, _ in outside.calls()) == ["/labels"] * 4 + ["/mails"]
    kept = Run.objects.filter(state="parked", parked_for="case", lane=account.key)
    assert kept.count() == 3
    assert not Effect.objects.filter(run_id__in=[run.pk for run in kept]).exists()
    agree(parcels[:2])
    # Closing the case lets them go by itself, without the sweep.
    assert lines.work_lanes(account) == 2
    assert states() == {"done": 7, "parked": 1}
    agree(parcels[2:])
    assert lines.work_lanes(account) == 1
    assert sorted(outside.acts().values()) == [1] * 8


def test_fifty_workers_and_people_at_once_pay_each_parcel_once(committed_db: Database) -> None:
    make.live_rule(steps=[PAY])
    parcels = make.parcels_arrived(40)
    make.match_all()
    dispute(parcels)
    work: list[Any] = [make.execute_all, sweep, lambda: agree(parcels), lambda: dispute(parcels)]
    answers = at_once([work[number % 4] for number in range(50)])
    assert [each for each in answers if isinstance(each, Exception)] == []
    agree(parcels)
    sweep()
    make.execute_all()
    assert states() == {"done": 40}
    assert Effect.objects.count() == 40
    assert {parcel.touched for parcel in Parcel.objects.all()} == {1}


@pytest.mark.django_db
def test_the_runs_page_and_the_list_say_which_case_it_waits_for(operations_client: Client) -> None:
    make.live_rule(steps=[PAY])
    (parcel,) = make.parcels_arrived()
    dispute([parcel])
    make.work_all()
    run, case = Run.objects.get(), Failure.objects.get()
    page = operations_client.get(f"/runs/{run.pk}/").content.decode()
    assert f"Blocked by a case: case {case.pk}" in page
    assert f"/{case.pk}/" in page
    listed = operations_client.get("/runs/?parked=case").content.decode()
    assert run.number in listed
