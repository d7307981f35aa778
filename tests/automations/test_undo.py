"""Undoing runs: previewed, in reverse, exactly once, by the role that answers for the risk."""

from __future__ import annotations

from typing import Any

import pytest
from django.db.models import F

from automations.engine.undo import Undone, Verdict
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.services import approvals, failures, undo
from automations.services.errors import AutomationError, NotPossible, Refused, Stale
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry, TimelineEntry
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.depot.models import Parcel


def by(role: str = "operations") -> Actor:
    return person(make.staff(role))


def stamps(*tags: str, do: str = "depot.stamp") -> list[dict[str, Any]]:
    return [
        {"uid": f"a{number}", "do": do, "with": {"tag": tag}} for number, tag in enumerate(tags, 1)
    ]


def done_run(*tags: str, do: str = "depot.stamp", **parcel: Any) -> Run:
    make.live_rule(steps=stamps(*tags, do=do))
    make.parcels_arrived(**parcel)
    make.work_all()
    return Run.objects.order_by("-pk").first()  # type: ignore[return-value]


def parcel() -> Parcel:
    return Parcel.objects.get()


@pytest.mark.django_db
def test_a_preview_tells_what_can_be_undone_what_can_not_and_what_was_nothing() -> None:
    steps = [*stamps("one", "glued", "old"), *make.steps("depot.add_tag")]
    steps[3]["uid"] = "a4"
    make.live_rule(steps=steps)
    make.parcels_arrived(tags=["old"])
    make.work_all()
    shown = undo.preview(Run.objects.get(), make.staff("operations"))
    assert [(piece.verdict, piece.words, piece.why) for piece in shown.pieces] == [
        (Verdict.CANT, "Tagged t1.", "This can't be undone."),
        (Verdict.NOTHING, "Stamped old.", "It was so already."),
        (Verdict.CANT, "Take glued off", "This stamp is glued on."),
        (Verdict.CAN, "Take one off", ""),
    ]
    assert (shown.can, shown.effects, shown.why_not, shown.ends) == (1, 3, "", False)


@pytest.mark.django_db
def test_a_run_is_undone_in_reverse_with_each_way_back_recorded_once() -> None:
    run = done_run("one", "two")
    shown = undo.preview(run, make.staff("operations"))
    undone = undo.undo_run(run.pk, reason="Wrong stamps.", mark=shown.mark, actor=by())
    assert undone.done == ["Took two off.", "Took one off."]
    assert parcel().tags == []
    run.refresh_from_db()
    assert run.state == "done"
    assert run.undone_at is not None
    assert run.outcome == "Stamped two. Undone by Operations: Wrong stamps."
    back = Effect.objects.filter(run_id=run.pk, uid__startswith="~")
    assert sorted(back.values_list("uid", "says", "reference")) == [
        ("~a1", "Took one off.", "Wrong stamps."),
        ("~a2", "Took two off.", "Wrong stamps."),
    ]
    rows = StepRun.objects.filter(run_id=run.pk).order_by("number")
    assert list(rows.values_list("cursor", "outcome")) == [
        ("a1", "done"),
        ("a2", "done"),
        ("a2", "undone"),
        ("a1", "undone"),
    ]
    assert AuditEntry.objects.get(verb="runs.undone").detail["why"] == "Wrong stamps."
    story = TimelineEntry.objects.filter(subject="depot.parcel", link="automations.run")
    assert story.get().text == f"Undid run {run.number}: Wrong stamps."
    with pytest.raises(NotPossible, match="was undone"):
        undo.undo_run(run.pk, reason="Again.", actor=by())
    assert parcel().tags == []


@pytest.mark.django_db
def test_a_loop_is_undone_item_by_item() -> None:
    steps = [
        {
            "uid": "l1",
            "for_each": "parcel.items",
            "steps": [{"uid": "a1", "do": "depot.stamp", "with": {"tag": {"field": "item.sku"}}}],
        }
    ]
    make.live_rule(steps=steps)
    make.parcels_arrived(items=[{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}])
    make.work_all()
    undone = undo.undo_run(Run.objects.get().pk, reason="Wrong.", actor=by())
    assert undone.done == ["Took B off.", "Took A off."]
    assert set(Effect.objects.filter(uid="~a1").values_list("target", flat=True)) == {
        "l1:0",
        "l1:1",
    }


@pytest.mark.django_db
def test_what_is_refused_at_the_last_moment_is_left_and_told() -> None:
    run = done_run("one", "stuck")
    undone = undo.undo_run(run.pk, reason="Wrong.", actor=by())
    assert (undone.done, undone.refused) == (["Took one off."], ["Take stuck off: It sticks."])
    assert parcel().tags == ["stuck"]
    assert not Effect.objects.filter(uid="~a2").exists()


@pytest.mark.django_db
def test_when_nothing_can_be_undone_after_all_nothing_is_written() -> None:
    run = done_run("stuck")
    with pytest.raises(NotPossible, match="It sticks"):
        undo.undo_run(run.pk, reason="Wrong.", actor=by())
    run.refresh_from_db()
    assert run.undone_at is None
    assert not StepRun.objects.filter(outcome="undone").exists()


@pytest.mark.django_db
def test_undoing_needs_a_reason_and_what_was_shown_must_still_be_so() -> None:
    run = done_run("one")
    shown = undo.preview(run, make.staff("operations"))
    with pytest.raises(NotPossible, match="Say why"):
        undo.undo_run(run.pk, reason=" ", actor=by())
    undo.undo_run(run.pk, reason="Wrong.", mark=shown.mark, actor=by())
    with pytest.raises(Stale):
        undo.undo_run(run.pk, reason="Wrong.", mark=shown.mark, actor=by())
    assert Effect.objects.filter(uid="~a1").count() == 1


@pytest.mark.django_db
def test_money_is_taken_back_by_finance_alone() -> None:
    run = done_run("one", do="depot.costly_stamp")
    with pytest.raises(Refused, match="finance"):
        undo.undo_run(run.pk, reason="Wrong.", actor=by("operations"))
    assert parcel().tags == ["one"]
    assert "finance" in undo.preview(run, make.staff("support")).why_not
    undo.undo_run(run.pk, reason="Wrong.", actor=by("finance"))
    assert parcel().tags == []


@pytest.mark.django_db
def test_a_run_that_stands_still_is_ended_first_and_its_case_with_it() -> None:
    steps = [*stamps("one"), *make.steps("depot.choosy", tag="no")]
    steps[1]["uid"] = "a2"
    make.live_rule(steps=steps)
    make.parcels_arrived()
    make.work_all()
    run = Run.objects.get()
    assert undo.preview(run, make.staff("operations")).ends
    undo.undo_run(run.pk, reason="Not this one.", actor=by())
    run.refresh_from_db()
    case = Failure.objects.get()
    assert (run.state, parcel().tags) == ("cancelled", [])
    assert (case.state, case.resolution) == ("resolved", "ended")
    with pytest.raises(AutomationError):
        failures.retry_case(case.pk, version=case.version, actor=by())


@pytest.mark.django_db
def test_a_waiting_run_that_is_undone_does_not_go_on() -> None:
    steps = [*stamps("one"), {"uid": "w1", "wait": "PT1H"}, *make.steps("depot.add_tag")]
    steps[2]["uid"] = "a2"
    make.live_rule(steps=steps)
    make.parcels_arrived()
    make.work_all()
    undo.undo_run(Run.objects.get().pk, reason="No.", actor=by())
    Run.objects.update(run_after="2020-01-01T00:00Z")
    make.work_all()
    assert (Run.objects.get().state, parcel().tags) == ("cancelled", [])


@pytest.mark.django_db
def test_what_a_person_did_by_hand_is_not_taken_back_here() -> None:
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived()
    make.work_all()
    case = Failure.objects.get()
    failures.done_by_hand(case.pk, version=case.version, reference="photo 1", actor=by())
    make.work_all()
    (piece,) = undo.preview(Run.objects.get(), make.staff("operations")).pieces
    assert (piece.verdict, piece.why) == (
        Verdict.CANT,
        "A person did it elsewhere: undo it where it was done.",
    )


@pytest.mark.django_db
def test_a_shadow_has_nothing_to_undo() -> None:
    approvals.run_in_shadow(make.submit(make.make_rule(steps=stamps("one"))).pk, actor=by())
    make.parcels_arrived()
    make.work_all()
    run = Run.objects.get(shadow=True)
    assert run.state == "done"
    with pytest.raises(NotPossible, match="shadow"):
        undo.undo_run(run.pk, reason="Wrong.", actor=by())
    run.refresh_from_db()
    assert (run.undone_at, parcel().tags) == (None, [])


@pytest.mark.django_db
def test_many_runs_are_undone_each_on_its_own() -> None:
    make.live_rule(steps=stamps("one"))
    make.parcels_arrived(3)
    make.work_all()
    runs = list(Run.objects.order_by("pk"))
    undo.undo_run(runs[1].pk, reason="First.", actor=by())
    answer = undo.undo_runs([run.pk for run in runs] + [99], reason="All.", actor=by())
    assert answer.done == [runs[0].pk, runs[2].pk]
    assert set(answer.refused) == {runs[1].pk, 99}
    assert not Parcel.objects.exclude(tags=[]).exists()


def test_two_people_who_undo_at_once_undo_once(committed_db: Database) -> None:
    run = done_run("one", "two")
    Parcel.objects.update(version=F("version") + 1)
    actor = by()
    answers = at_once(
        [lambda: undo.undo_run(run.pk, reason="Wrong.", actor=actor) for _ in range(6)]
    )
    assert sum(isinstance(answer, Undone) for answer in answers) == 1
    assert sum(isinstance(answer, NotPossible) for answer in answers) == 5
    assert parcel().tags == []
    assert StepRun.objects.filter(outcome="undone").count() == 2
