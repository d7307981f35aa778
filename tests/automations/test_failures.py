"""What fails becomes a case, and every verb on it acts once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from automations.engine.sweep import sweep
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Effect, Run, StepRun
from automations.queries import failures as queries
from automations.services import failures
from automations.services.errors import NotPossible, Stale
from backoffice.actors import Actor, person
from backoffice.models import TimelineEntry
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.depot import signals
from tests.depot.models import Parcel


def by() -> Actor:
    return person(make.staff("operations"))


def refused_case(*, after: str = "depot.add_tag") -> Failure:
    """A run whose second of three steps was refused."""
    steps = make.steps("depot.add_tag", "depot.choosy", after)
    steps[1]["with"]["tag"] = "no"
    make.live_rule(steps=steps, fallback="Write the tag on the box.")
    make.parcels_arrived()
    make.work_all()
    return Failure.objects.get()


def parcel() -> Parcel:
    return Parcel.objects.get()


@pytest.mark.django_db
def test_a_refused_step_is_a_case_with_all_a_person_needs() -> None:
    case = refused_case()
    assert case.error == "rejected"
    assert case.says == f"Parcel {parcel().pk} does not take this tag."
    assert case.cause_words == "Parcel … does not take this tag."
    assert case.done == ["Tagged t1."]
    assert case.not_done == ["tag it no", "tag it t3"]
    assert (case.at_stake, case.at_stake_currency) == (Decimal(250), "GBP")
    assert case.fallback == "Write the tag on the box."
    assert case.subject_version == parcel().version
    assert Run.objects.get().state == "failed"
    assert parcel().tags == ["t1"]
    assert Effect.objects.count() == 1


@pytest.mark.django_db
def test_edit_and_retry_keeps_the_original_and_goes_on_from_the_failed_step() -> None:
    case = refused_case()
    failures.edit_and_retry(case.pk, version=case.version, values={"tag": "yes"}, actor=by())
    make.work_all()
    assert parcel().tags == ["t1", "yes", "t3"]
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "edited")
    edit = FailureAction.objects.get(verb="edit")
    assert edit.changes == {"tag": {"from": "no", "to": "yes"}}
    assert [step.input for step in StepRun.objects.order_by("number")] == [
        {"tag": "t1"},
        {"tag": "no"},
        {"tag": "yes"},
        {"tag": "t3"},
    ]
    assert TimelineEntry.objects.filter(subject="depot.parcel").exists()


@pytest.mark.django_db
def test_nobody_gives_a_step_input_for_what_they_may_not_do_themselves() -> None:
    case = refused_case()
    support = person(make.staff("support"))
    with pytest.raises(NotPossible, match="You may not do"):
        failures.edit_and_retry(case.pk, version=case.version, values={"tag": "yes"}, actor=support)
    assert Run.objects.get().overrides is None
    assert Failure.objects.get().state == "open"
    assert not FailureAction.objects.exists()
    failures.retry_case(case.pk, version=case.version, actor=support)  # as the rule has it


@pytest.mark.django_db
def test_an_edit_that_the_action_does_not_take_changes_nothing() -> None:
    case = refused_case()
    for values in ({"tag": "x" * 41}, {"other": "x"}, {"tag": "no"}):
        with pytest.raises(NotPossible):
            failures.edit_and_retry(case.pk, version=case.version, values=values, actor=by())
    assert Run.objects.get().overrides is None
    assert Failure.objects.get().state == "open"


@pytest.mark.django_db
def test_the_same_failure_again_opens_the_same_case_again() -> None:
    case = refused_case()
    failures.retry_case(case.pk, version=case.version, actor=by())
    assert Failure.objects.get().state == "retrying"
    make.work_all()
    again = Failure.objects.get()
    assert (again.state, again.times, again.done) == ("open", 2, ["Tagged t1."])
    assert parcel().tags == ["t1"]


@pytest.mark.django_db
def test_a_skipped_step_is_left_out_with_its_reason() -> None:
    case = refused_case()
    failures.skip_step(case.pk, version=case.version, reason="No room for it.", actor=by())
    make.work_all()
    assert parcel().tags == ["t1", "t3"]
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "skipped")
    assert StepRun.objects.get(outcome="skipped").says == "Skipped: No room for it."


@pytest.mark.django_db
def test_a_step_done_by_hand_counts_as_its_effect() -> None:
    case = refused_case()
    failures.done_by_hand(case.pk, version=case.version, reference="photo 17", actor=by())
    make.work_all()
    assert parcel().tags == ["t1", "t3"]
    assert Effect.objects.get(uid="a2").reference == "photo 17"
    assert Failure.objects.get().resolution == "by_hand"


@pytest.mark.django_db
def test_a_run_that_is_given_up_keeps_what_it_did() -> None:
    case = refused_case()
    failures.end_run(case.pk, version=case.version, reason="Parcel sold.", actor=by())
    make.work_all()
    run = Run.objects.get()
    assert (run.state, run.outcome) == ("cancelled", "Parcel sold.")
    assert parcel().tags == ["t1"]
    with pytest.raises(NotPossible):
        failures.retry_case(case.pk, version=case.version + 1, actor=by())


@pytest.mark.django_db
def test_a_button_pressed_twice_acts_once() -> None:
    case = refused_case()
    failures.retry_case(case.pk, version=case.version, actor=by())
    with pytest.raises(Stale):
        failures.retry_case(case.pk, version=case.version, actor=by())


def test_two_people_who_retry_at_once_cause_one_effect(committed_db: Database) -> None:
    case = refused_case()
    actor = by()

    def edit() -> Failure:
        return failures.edit_and_retry(
            case.pk, version=case.version, values={"tag": "yes"}, actor=actor
        )

    answers = at_once([edit] * 6)
    assert sum(isinstance(answer, Failure) for answer in answers) == 1
    assert sum(isinstance(answer, Stale) for answer in answers) == 5
    make.work_all()
    assert parcel().tags == ["t1", "yes", "t3"]


@pytest.mark.django_db
def test_assigning_snoozing_and_notes_change_no_run() -> None:
    case = refused_case()
    helper = make.staff("support")
    case = failures.assign_case(case.pk, version=case.version, owner=helper, actor=by())
    failures.comment_case(case.pk, text="Looking.", actor=by())
    case = failures.prioritise_case(
        case.pk, version=case.version, priority=Failure.Priority.URGENT, actor=by()
    )
    later = timezone.now() + timedelta(hours=1)
    case = failures.snooze_case(case.pk, version=case.version, until=later, actor=by())
    assert not queries.inbox().exists()
    Failure.objects.filter(pk=case.pk).update(snoozed_until=timezone.now())
    sweep()
    assert queries.inbox().get().owner == helper
    assert list(queries.case_log(case).values_list("verb", flat=True)) == [
        "assign",
        "comment",
        "prioritise",
        "snooze",
    ]
    assert Run.objects.get().state == "failed"


@pytest.mark.django_db
def test_cases_of_one_cause_are_worked_on_as_a_frozen_set() -> None:
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(3)
    make.work_all()
    (group,) = queries.causes()
    assert (group.cases, group.at_stake) == (3, {"GBP": Decimal(750)})
    frozen = queries.frozen_set(group.cause)
    failures.comment_case(frozen[0][0], text="Mine.", actor=by())
    failures.assign_case(
        frozen[0][0], version=frozen[0][1], owner=make.staff("support"), actor=by()
    )
    answer = failures.in_bulk(failures.edit_and_retry, frozen, values={"tag": "yes"}, actor=by())
    assert len(answer.done) == 2
    assert list(answer.refused) == [frozen[0][0]]
    make.work_all()
    assert Parcel.objects.filter(tags=["yes"]).count() == 2


@pytest.mark.django_db
def test_a_case_says_whether_its_subject_changed_since() -> None:
    case = refused_case()
    assert queries.changed_since([case]) == {case.pk: False}
    assert queries.recommended(case) == "edit"
    Parcel.objects.update(version=99)
    assert queries.changed_since([case]) == {case.pk: True}
    assert queries.recommended(case, changed=True) == "retry"


@pytest.mark.django_db
def test_a_bug_on_one_subject_leaves_the_others_done() -> None:
    make.live_rule(steps=make.steps("depot.buggy"))
    make.parcels_arrived(30)
    make.work_all()
    broken = Parcel.objects.get(number="P-00013")
    case = Failure.objects.get()
    assert (case.subject_id, case.error) == (broken.pk, "bug")
    assert broken.touched == 0
    assert Parcel.objects.filter(touched=1).count() == 29
    assert Effect.objects.count() == 29


@pytest.mark.django_db
def test_passing_faults_are_tried_again_as_rows_with_jitter() -> None:
    make.live_rule(steps=make.steps("depot.flaky"))
    make.parcels_arrived(moods=9)
    make.work_all()
    run = Run.objects.get()
    assert (run.state, run.attempts, run.outcome) == ("due", 1, "The shelf is in use.")
    assert timezone.now() < run.run_after + timedelta(seconds=5)
    assert not Failure.objects.exists()
    for _ in range(6):
        Run.objects.update(run_after=timezone.now() - timedelta(seconds=1))
        make.work_all()
    assert Run.objects.get().attempts == 7
    Run.objects.update(run_after=timezone.now() - timedelta(seconds=1))
    make.work_all()
    case = Failure.objects.get()
    assert (case.error, StepRun.objects.count()) == ("retries", 8)
    Parcel.objects.update(moods=0)
    failures.retry_case(case.pk, version=case.version, actor=by())
    make.work_all()
    assert Failure.objects.get().resolution == "retried"
    assert parcel().touched == 1


@pytest.mark.django_db
def test_what_could_not_be_known_is_judged_again_on_retry() -> None:
    clause = {"field": "parcel.carrier", "op": "is", "value": "dhl"}
    make.live_rule(when={"all": [clause]})
    make.parcels_arrived(carrier="")
    make.work_all()
    case = Failure.objects.get()
    assert case.says == "It can't be known whether parcel carrier is “dhl” (empty)."
    failures.retry_case(case.pk, version=case.version, actor=by())
    make.work_all()
    assert Failure.objects.get().state == "open"
    Parcel.objects.update(carrier="dhl")
    case.refresh_from_db()
    failures.retry_case(case.pk, version=case.version, actor=by())
    make.work_all()
    assert parcel().tags == ["high-value"]


@pytest.mark.django_db
def test_domains_report_cases_through_the_same_door() -> None:
    parcels = make.make_parcels(2)
    for _ in range(2):
        signals.parcels_damaged.send(sender=Parcel, parcels=parcels, actor=None)
    assert Failure.objects.count() == 2
    case = queries.inbox().first()
    assert case is not None
    assert (case.kind, case.error, case.subject_id) == (
        "depot.parcel_damaged",
        "domain",
        parcels[0].pk,
    )
    verbs: list[Callable[[], object]] = [
        lambda: failures.retry_case(case.pk, version=case.version, actor=by()),
        lambda: failures.end_run(case.pk, version=case.version, reason="x", actor=by()),
    ]
    for verb in verbs:
        with pytest.raises(NotPossible):
            verb()
    failures.solve_case(case.pk, version=case.version, text="Carrier pays.", actor=by())
    case.refresh_from_db()
    assert case.resolution == "solved"
