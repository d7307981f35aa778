"""How far a rule may go: limits, first looks and shadows."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from automations.engine.execute import execute_batch
from automations.models.documents import Activation
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run, StepRun
from automations.services import answers, approvals, drafts, stops
from automations.services.approvals import FirstLook
from automations.services.errors import Refused
from backoffice.actors import Actor, person
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel

GBP_50 = {"amount": "50.00", "currency": "GBP"}


def states() -> dict[str, int]:
    found: dict[str, int] = {}
    for state in Run.objects.values_list("state", flat=True):
        found[state] = found.get(state, 0) + 1
    return found


def by(role: str = "operations") -> Actor:
    return person(make.staff(role))


def duty(amount: str = "20.00", **given: Any) -> list[dict[str, Any]]:
    return make.steps("depot.pay_duty", amount=amount, **given)


@pytest.mark.django_db
def test_over_a_limit_on_runs_the_rest_is_parked_with_one_notice_and_nothing_is_lost() -> None:
    rule = make.live_rule(limits={"runs": {"per_hour": 3}})
    make.parcels_arrived(5)
    make.work_all()
    assert states() == {"done": 3, "parked": 2}
    assert Effect.objects.count() == 3
    parked = Run.objects.filter(state="parked")
    assert set(parked.values_list("parked_for", "outcome")) == {
        ("limit", "The limit is reached: 3 runs an hour.")
    }
    case = Failure.objects.get()
    assert (case.kind, case.error, case.rule_id, case.owner_id) == (
        "limit",
        "limit",
        rule.pk,
        rule.owner_id,
    )
    make.parcels_arrived(1)
    make.work_all()
    assert Failure.objects.count() == 1
    assert states() == {"done": 3, "parked": 3}


@pytest.mark.django_db
def test_released_runs_go_on_as_far_as_the_limit_of_their_hour_allows() -> None:
    make.live_rule(limits={"runs": {"per_hour": 3}})
    make.parcels_arrived(5)
    make.work_all()
    case = Failure.objects.get()
    answers.release_parked(case.pk, version=case.version, actor=by())
    make.work_all()
    case.refresh_from_db()
    assert (states(), case.state) == ({"done": 3, "parked": 2}, "open")
    LimitUse.objects.update(bucket="the hour before")
    answers.release_parked(case.pk, version=case.version, actor=by())
    make.work_all()
    case.refresh_from_db()
    assert (states(), case.state, case.resolution) == ({"done": 5}, "resolved", "released")


@pytest.mark.django_db
def test_parked_runs_are_left_undone_when_a_person_says_so() -> None:
    make.live_rule(limits={"runs": {"per_hour": 3}})
    make.parcels_arrived(5)
    make.work_all()
    case = Failure.objects.get()
    answers.cancel_parked(case.pk, version=case.version, reason="A test.", actor=by())
    make.work_all()
    assert states() == {"done": 3, "skipped": 2}
    skipped = Run.objects.filter(state="skipped").first()
    assert skipped is not None
    assert skipped.outcome == (
        "The limit is reached: 3 runs an hour. Left undone by Operations: A test."
    )


@pytest.mark.django_db
def test_money_is_counted_with_its_effect_and_given_back_when_it_was_not_taken() -> None:
    make.live_rule(steps=duty(tag="no"), limits={"money": {"per_day": GBP_50}})
    make.live_rule(steps=duty(), limits={"money": {"per_day": GBP_50}})
    make.parcels_arrived(3)
    make.work_all()
    # Two fit in at once, so the third waits, whatever becomes of them.
    assert states() == {"failed": 2, "done": 2, "parked": 2}
    assert sorted(LimitUse.objects.values_list("used", flat=True)) == [0, 40]


@pytest.mark.django_db
def test_money_in_another_currency_is_never_guessed_at() -> None:
    make.live_rule(steps=duty(currency="EUR"), limits={"money": {"per_day": GBP_50}})
    make.parcels_arrived(1)
    make.work_all()
    run = Run.objects.get()
    assert (run.state, run.parked_for) == ("parked", "limit")
    assert "not in GBP" in run.outcome
    assert not Effect.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("limit", [{"units": {"per_day": 4}}, {"messages": {"per_hour": 2}}])
def test_units_and_messages_are_counted_by_what_actions_say(limit: dict[str, Any]) -> None:
    make.live_rule(steps=duty(), limits=limit)
    make.parcels_arrived(3)
    make.work_all()
    assert states() == {"done": 2, "parked": 1}


@pytest.mark.django_db
def test_one_subject_and_one_customer_have_limits_of_their_own() -> None:
    make.live_rule(limits={"per_subject": {"runs": 1, "within": "P1D"}})
    make.live_rule(limits={"per_customer": {"runs": 2, "within": "P1D"}})
    (parcel,) = make.parcels_arrived(1, sender="ann")
    make.arrive([parcel])
    make.parcels_arrived(2, sender="ann")
    make.parcels_arrived(2, sender="")
    make.work_all()
    of_rule = {
        rule_id: [
            Run.objects.filter(rule_id=rule_id, state=state).count() for state in ("done", "parked")
        ]
        for rule_id in Run.objects.values_list("rule_id", flat=True)
    }
    # Six events: one subject came twice; of ann's four, two may run; nobody's are not counted.
    assert list(of_rule.values()) == [[5, 1], [4, 2]]


@pytest.mark.django_db
def test_a_retry_of_a_run_does_not_count_as_another_run() -> None:
    make.live_rule(steps=make.steps("depot.flaky"), limits={"runs": {"per_hour": 1}})
    (parcel,) = make.parcels_arrived(1)
    Parcel.objects.filter(pk=parcel.pk).update(moods=1)
    make.work_all()
    Parcel.objects.filter(pk=parcel.pk).update(moods=0)
    Run.objects.update(run_after=timezone.now())
    make.work_all()
    assert states() == {"done": 1}


@pytest.mark.requirement("R16")
def test_fifty_workers_together_take_exactly_the_cap(committed_db: Database) -> None:
    make.live_rule(limits={"runs": {"per_day": 40}})
    make.parcels_arrived(300)
    make.match_all()

    def execute() -> None:
        for _ in range(60):
            execute_batch(10)

    assert [answer for answer in at_once([execute] * 50) if answer is not None] == []
    make.execute_all()
    assert states() == {"done": 40, "parked": 260}
    assert Effect.objects.count() == 40
    assert LimitUse.objects.get().used == 40
    assert Parcel.objects.filter(touched=1).count() == 40
    assert Failure.objects.count() == 1


# --- first look -------------------------------------------------------------------------------


def live_with_look(**look: Any) -> None:
    document = make.submit(make.make_rule())
    reviewer = make.staff("finance", "reviewer")
    approvals.approve(
        document.pk,
        sha256=document.sha256,
        actor=person(make.approver(document)),
        first_look=FirstLook(reviewer.pk, **look),
    )


@pytest.mark.django_db
def test_a_first_look_parks_what_comes_after_so_many_runs_until_the_reviewer_agrees() -> None:
    live_with_look(after=2)
    make.parcels_arrived(5)
    make.work_all()
    assert states() == {"done": 2, "parked": 3}
    case = Failure.objects.get()
    reviewer = make.staff("finance", "reviewer")
    assert (case.kind, case.owner_id) == ("first_look", reviewer.pk)
    with pytest.raises(Refused, match="named"):
        answers.release_parked(case.pk, version=case.version, actor=by("finance"))
    assert states() == {"done": 2, "parked": 3}
    answers.release_parked(case.pk, version=case.version, actor=person(reviewer))
    make.parcels_arrived(1)
    make.work_all()
    assert states() == {"done": 6}
    assert Activation.objects.get().looked_by_id == reviewer.pk


@pytest.mark.django_db
def test_a_first_look_can_begin_at_a_time_when_the_reviewer_is_there() -> None:
    live_with_look(since=timezone.now() + timedelta(hours=1))
    make.parcels_arrived(1)
    make.work_all()
    assert states() == {"done": 1}


@pytest.mark.django_db
def test_a_first_look_that_has_begun_lets_nothing_act() -> None:
    live_with_look(since=timezone.now() - timedelta(hours=1))
    make.parcels_arrived(1)
    make.work_all()
    assert states() == {"parked": 1}


# --- shadow -----------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_shadow_runs_beside_what_acts_and_only_notes_what_it_would_do() -> None:
    rule = make.live_rule()
    wider = make.body(
        when={"all": []},
        steps=[
            *make.steps("depot.add_tag", "depot.pay_duty"),
            {"uid": "w1", "wait": "PT1H"},
            {"uid": "p1", "ask": {"role": "finance", "question": "Keep it?", "due": "PT1H"}},
            {"uid": "a9", "do": "depot.add_tag", "with": {"tag": "end"}},
        ],
    )
    drafts.save_draft(rule.pk, body=wider, revision=1, actor=person(make.author()))
    document = make.submit(rule)
    approvals.run_in_shadow(document.pk, actor=by())
    (dear,) = make.parcels_arrived(total="250.00")
    (cheap,) = make.parcels_arrived(total="5.00")
    make.work_all()
    dear.refresh_from_db()
    cheap.refresh_from_db()
    assert (dear.touched, cheap.touched) == (1, 0)
    live, shadows = Run.objects.filter(shadow=False), Run.objects.filter(shadow=True)
    assert list(live.values_list("subject_id", "state")) == [(dear.pk, "done")]
    assert set(shadows.values_list("subject_id", "state")) == {
        (dear.pk, "waiting"),
        (cheap.pk, "waiting"),
    }
    shadows.update(run_after=timezone.now())
    make.work_all()
    assert set(shadows.values_list("state", flat=True)) == {"done"}
    trace = StepRun.objects.filter(run_id=shadows.get(subject_id=cheap.pk).pk).order_by("number")
    assert list(trace.values_list("outcome", "says")) == [
        ("would", "tag it t1"),
        ("would", "pay the duty"),
        ("waited", "Waited 1 hour"),
        ("would", "Ask finance “Keep it?”, due in 1 hour (no: the run ends, no answer: a case)"),
        ("would", "tag it end"),
    ]
    assert Effect.objects.count() == 1
    assert not Failure.objects.exists()


@pytest.mark.django_db
def test_what_a_shadow_can_not_do_is_no_work_for_people() -> None:
    rule = make.make_rule(
        when={"all": [{"field": "parcel.carrier", "op": "is", "value": "dhl"}]},
    )
    document = make.submit(rule)
    approvals.run_in_shadow(document.pk, actor=by())
    make.parcels_arrived(1, carrier="")
    make.work_all()
    assert states() == {"skipped": 1}
    assert not Failure.objects.exists()


@pytest.mark.django_db
def test_a_version_that_ran_in_shadow_still_needs_its_approval_to_act() -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    approvals.run_in_shadow(document.pk, actor=by())
    with pytest.raises(Refused, match="not approved"):
        approvals.activate(document.pk, actor=by())
    author = person(make.author())
    with pytest.raises(Refused, match="edited or submitted"):
        approvals.approve(document.pk, sha256=document.sha256, actor=author)
    # Whoever edited a version that was only ever a shadow is still one of the next one's editors.
    editor = make.staff("finance", "editing-finance")
    drafts.save_draft(rule.pk, body=make.body(latency="batch"), revision=1, actor=person(editor))
    drafts.save_draft(rule.pk, body=make.body(), revision=2, actor=author)
    later = make.submit(rule)
    with pytest.raises(Refused, match="edited or submitted"):
        approvals.approve(later.pk, sha256=later.sha256, actor=person(editor))
    assert not Activation.objects.in_force().exists()


@pytest.mark.django_db
def test_a_stop_keeps_a_rule_back_and_its_shadow_goes_on_noting() -> None:
    rule = make.live_rule()
    drafts.save_draft(
        rule.pk, body=make.body(latency="batch"), revision=1, actor=person(make.author())
    )
    approvals.run_in_shadow(make.submit(rule).pk, actor=by())
    stops.stop_rule(rule.pk, reason="Wrong.", actor=by())
    make.parcels_arrived(1)
    make.work_all()
    assert set(Run.objects.values_list("shadow", "state")) == {(False, "parked"), (True, "done")}
