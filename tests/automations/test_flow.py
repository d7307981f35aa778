"""Waits, branches, loops and questions: where a run goes, and what ends it on the way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from automations.engine.sweep import sweep
from automations.models.failures import Failure
from automations.models.runs import Effect, Run, StepRun
from automations.services import answers, approvals, drafts, failures
from automations.services.errors import NotPossible, Refused, Stale
from backoffice.actors import person
from tests.automations import factories as make
from tests.depot import signals
from tests.depot.models import Parcel

pytestmark = pytest.mark.django_db


def tag(uid: str, name: Any, do: str = "depot.add_tag") -> dict[str, Any]:
    return {"uid": uid, "do": do, "with": {"tag": name}}


def wait(uid: str = "w1", **given: Any) -> dict[str, Any]:
    return {"uid": uid, "wait": "PT30M", **given}


def ask(uid: str = "p1", **given: Any) -> dict[str, Any]:
    question = {"role": "finance", "question": "Keep it?", "due": "PT24H", **given}
    return {"uid": uid, "ask": question}


def let_time_pass(**by: Any) -> None:
    """As if everything that waits had begun so much earlier."""
    Run.objects.filter(state__in=["waiting", "due"]).update(
        run_after=F("run_after") - timedelta(**by)
    )


def tags(parcel: Parcel) -> list[str]:
    parcel.refresh_from_db()
    return list(parcel.tags)


def lost(*parcels: Parcel) -> None:
    signals.parcels_lost.send(sender=Parcel, parcels=list(parcels), actor=None, history=False)


# --- waits ------------------------------------------------------------------------------------


def test_a_run_waits_its_time_and_then_goes_on() -> None:
    make.live_rule(steps=[tag("a1", "before"), wait(), tag("a2", "after")])
    (parcel,) = make.parcels_arrived()
    make.work_all()
    run = Run.objects.get()
    assert (tags(parcel), run.state, run.outcome) == (["before"], "waiting", "Waits 30 minutes.")
    assert timedelta(minutes=29) < run.run_after - timezone.now() <= timedelta(minutes=30)
    let_time_pass(minutes=29)
    make.work_all()
    assert tags(parcel) == ["before"]
    let_time_pass(minutes=1)
    make.work_all()
    assert tags(parcel) == ["before", "after"]
    assert list(StepRun.objects.values_list("cursor", "outcome").order_by("number")) == [
        ("a1", "done"),
        ("w1", "waited"),
        ("a2", "done"),
    ]


def test_after_a_wait_a_run_looks_again_whether_it_is_still_true() -> None:
    make.live_rule(steps=[wait(), tag("a1", "late")])
    (parcel,) = make.parcels_arrived()
    make.work_all()
    Parcel.objects.filter(pk=parcel.pk).update(total="5.00", version=F("version") + 1)
    let_time_pass(minutes=30)
    make.work_all()
    run = Run.objects.get()
    assert (run.state, tags(parcel)) == ("overtaken", [])
    assert "was £250.00, now £5.00" in run.outcome


def test_a_named_event_ends_a_waiting_run_at_once() -> None:
    make.live_rule(steps=[wait(end_run_on=["depot.parcel_lost"]), tag("a1", "late")])
    first, second = make.parcels_arrived(2)
    make.work_all()
    lost(first)
    make.match_all()
    ended, waiting = Run.objects.get(subject_id=first.pk), Run.objects.get(subject_id=second.pk)
    assert (ended.state, waiting.state) == ("cancelled", "waiting")
    let_time_pass(minutes=30)
    make.work_all()
    assert (tags(first), tags(second)) == ([], ["late"])


def test_an_event_that_came_before_the_wait_began_ends_it_too() -> None:
    make.live_rule(steps=[tag("a1", "now"), wait(end_run_on=["depot.parcel_lost"]), tag("a2", "x")])
    (parcel,) = make.parcels_arrived()
    make.match_all()
    lost(parcel)
    make.match_all()
    make.execute_all()
    run = Run.objects.get()
    assert (run.state, run.outcome) == ("cancelled", "Ended while it waited: Parcel lost")
    assert tags(parcel) == ["now"]


def test_a_new_version_finishes_moves_or_cancels_what_waits() -> None:
    def waiting_under_a_new_version(choice: Any) -> tuple[Run, int]:
        rule = make.live_rule(steps=[wait(), tag("a1", "old")])
        make.parcels_arrived()
        make.work_all()
        body = make.body(steps=[wait(), tag("a1", "new")])
        by = person(make.author())
        drafts.save_draft(rule.pk, body=body, revision=1, actor=by)
        document = make.submit(rule)
        approvals.approve(
            document.pk,
            sha256=document.sha256,
            actor=person(make.approver(document)),
            waiting=choice,
        )
        run = Run.objects.get(rule_id=rule.pk)
        Run.objects.filter(pk=run.pk).update(run_after=timezone.now())
        make.work_all()
        make.execute_all()
        run.refresh_from_db()
        return run, document.pk

    run, fresh = waiting_under_a_new_version("finish")
    assert (run.outcome, run.document_id == fresh) == ("Tagged old.", False)
    run, fresh = waiting_under_a_new_version("move")
    assert (run.outcome, run.document_id == fresh) == ("Tagged new.", True)
    run, fresh = waiting_under_a_new_version("cancel")
    assert run.state == "cancelled"


# --- branches and loops -----------------------------------------------------------------------


def branch(field: str, op: str, value: Any, *, then: list[Any], other: list[Any]) -> dict[str, Any]:
    clause = {"field": field, "op": op, "value": value}
    return {"uid": "b1", "if": {"all": [clause]}, "then": then, "else": other}


@pytest.mark.requirement("R4")
def test_a_branch_takes_the_way_that_holds_and_the_trace_shows_it() -> None:
    french = branch(
        "parcel.country", "is", "FR", then=[tag("a1", "french")], other=[tag("a2", "other")]
    )
    make.live_rule(steps=[french, tag("a3", "both")])
    (one,) = make.parcels_arrived(country="FR")
    (two,) = make.parcels_arrived(country="DE")
    make.work_all()
    assert (tags(one), tags(two)) == (["french", "both"], ["other", "both"])
    trace = StepRun.objects.order_by("run_id", "number").values_list("cursor", flat=True)
    assert list(trace) == ["b1:then/a1", "a3", "b1:else/a2", "a3"]
    assert set(Run.objects.values_list("state", flat=True)) == {"done"}


def test_a_branch_sees_what_the_run_itself_has_written() -> None:
    tagged = branch(
        "parcel.tags", "contains", "first", then=[tag("a2", "seen")], other=[tag("a3", "blind")]
    )
    make.live_rule(steps=[tag("a1", "first"), tagged])
    (parcel,) = make.parcels_arrived()
    make.work_all()
    assert tags(parcel) == ["first", "seen"]


def test_what_a_branch_can_not_know_takes_the_other_way() -> None:
    unknown = branch(
        "parcel.carrier", "is", "dhl", then=[tag("a1", "dhl")], other=[tag("a2", "unknown")]
    )
    make.live_rule(steps=[unknown])
    (parcel,) = make.parcels_arrived(carrier="")
    make.work_all()
    assert tags(parcel) == ["unknown"]


def test_an_empty_way_leads_on() -> None:
    make.live_rule(steps=[branch("parcel.country", "is", "FR", then=[], other=[])])
    make.parcels_arrived()
    make.work_all()
    run = Run.objects.get()
    assert (run.state, run.outcome) == ("done", "Nothing was to be done.")


ITEMS = [{"sku": "GL-LMP", "quantity": 1}, {"sku": "TX-CUS", "quantity": 3}]


def loop(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"uid": "l1", "for_each": "parcel.items", "steps": list(steps)}


@pytest.mark.requirement("R4")
def test_a_loop_does_its_steps_for_each_item_each_effect_once() -> None:
    many = {
        "uid": "b1",
        "if": {"all": [{"field": "item.quantity", "op": "gt", "value": 1}]},
        "then": [tag("a2", "several")],
        "else": [],
    }
    make.live_rule(steps=[loop(tag("a1", {"field": "item.sku"}), many), tag("a3", "end")])
    (parcel,) = make.parcels_arrived(items=ITEMS)
    (empty,) = make.parcels_arrived(items=[])
    make.work_all()
    assert tags(parcel) == ["GL-LMP", "TX-CUS", "several", "end"]
    assert tags(empty) == ["end"]
    effects = Effect.objects.filter(run_id=Run.objects.get(subject_id=parcel.pk).pk)
    assert sorted(effects.values_list("uid", "target")) == [
        ("a1", "l1:0"),
        ("a1", "l1:1"),
        ("a2", "l1:1"),
        ("a3", ""),
    ]


def test_a_loop_goes_over_what_was_there_when_it_began() -> None:
    make.live_rule(steps=[loop(tag("a1", {"field": "item.sku"}), wait())])
    (parcel,) = make.parcels_arrived(items=ITEMS)
    make.work_all()
    changed = [{"sku": "NEW", "quantity": 1}, *reversed(ITEMS)]
    Parcel.objects.filter(pk=parcel.pk).update(items=changed, version=F("version") + 1)
    for _ in range(3):
        let_time_pass(minutes=30)
        make.work_all()
    assert tags(parcel) == ["GL-LMP", "TX-CUS"]
    assert Run.objects.get().state == "done"


def test_a_loop_that_begins_on_a_changed_subject_goes_over_what_is_there_now() -> None:
    make.live_rule(steps=[wait(), loop(tag("a1", {"field": "item.sku"}), wait("w2"))])
    (parcel,) = make.parcels_arrived(items=ITEMS)
    make.work_all()
    Parcel.objects.filter(pk=parcel.pk).update(
        items=[{"sku": "NEW", "quantity": 1}, *ITEMS], version=F("version") + 1
    )
    for _ in range(5):
        let_time_pass(minutes=30)
        make.work_all()
    assert tags(parcel) == ["NEW", "GL-LMP", "TX-CUS"]


def test_a_loop_has_no_silent_cap() -> None:
    make.live_rule(steps=[loop(tag("a1", {"field": "item.sku"}))])
    items = [{"sku": f"S{number}", "quantity": 1} for number in range(250)]
    (parcel,) = make.parcels_arrived(items=items)
    make.work_all()
    assert tags(parcel) == [f"S{number}" for number in range(250)]


def test_the_failed_item_of_a_loop_is_edited_alone() -> None:
    make.live_rule(steps=[loop(tag("a1", {"field": "item.sku"}, "depot.choosy"))])
    items = [{"sku": "yes", "quantity": 1}, {"sku": "no", "quantity": 1}, ITEMS[0]]
    (parcel,) = make.parcels_arrived(items=items)
    make.work_all()
    case = Failure.objects.get()
    assert case.cursor == "l1:1/a1"
    failures.edit_and_retry(
        case.pk, version=case.version, values={"tag": "mended"}, actor=person(make.author())
    )
    make.work_all()
    assert tags(parcel) == ["yes", "mended", "GL-LMP"]
    assert Failure.objects.get().state == "resolved"


# --- questions --------------------------------------------------------------------------------


def asked() -> tuple[Parcel, Failure]:
    make.live_rule(steps=[ask(), tag("a1", "kept")])
    (parcel,) = make.parcels_arrived()
    make.work_all()
    return parcel, Failure.objects.get()


def test_a_question_holds_the_run_until_someone_of_the_role_answers() -> None:
    parcel, case = asked()
    run = Run.objects.get()
    assert (run.state, case.error, case.role, case.says) == (
        "held",
        "question",
        "finance",
        "Keep it?",
    )
    assert timedelta(hours=23) < case.due_at - timezone.now() <= timedelta(hours=24)
    with pytest.raises(Refused, match="for finance"):
        answers.answer_question(
            case.pk, version=case.version, yes=True, text="", actor=person(make.author())
        )
    assert Run.objects.get().state == "held"
    finance = person(make.staff("finance"))
    answers.answer_question(case.pk, version=case.version, yes=True, text="Fine.", actor=finance)
    with pytest.raises(Stale):
        answers.answer_question(case.pk, version=case.version, yes=False, text="x", actor=finance)
    make.work_all()
    case.refresh_from_db()
    assert (tags(parcel), case.state, case.resolution) == (["kept"], "resolved", "answered")
    answer = StepRun.objects.get(outcome="answered")
    assert (answer.says, answer.user_id) == ("Finance said yes: Fine.", finance.user_id)


def test_a_no_ends_the_run_and_needs_a_reason() -> None:
    parcel, case = asked()
    finance = person(make.staff("finance"))
    with pytest.raises(NotPossible):
        answers.answer_question(case.pk, version=case.version, yes=False, text=" ", actor=finance)
    answers.answer_question(case.pk, version=case.version, yes=False, text="No.", actor=finance)
    make.work_all()
    run = Run.objects.get()
    assert (run.state, run.outcome, tags(parcel)) == ("cancelled", "Finance said no: No.", [])
    assert Failure.objects.get().state == "resolved"


@pytest.mark.parametrize(
    ("on_timeout", "state", "case", "done"),
    [
        ("fail", "failed", "open", []),
        ("end", "cancelled", "resolved", []),
        ("go_on", "done", "resolved", ["kept"]),
    ],
)
def test_a_question_nobody_answers_ends_as_the_rule_says(
    on_timeout: str, state: str, case: str, done: list[str]
) -> None:
    make.live_rule(steps=[ask(on_timeout=on_timeout), tag("a1", "kept")])
    (parcel,) = make.parcels_arrived()
    make.work_all()
    sweep()
    assert Run.objects.get().state == "held"
    Failure.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    sweep()
    sweep()
    make.work_all()
    assert (Run.objects.get().state, Failure.objects.get().state) == (state, case)
    assert tags(parcel) == done


def test_a_question_that_timed_out_is_asked_again_by_a_retry() -> None:
    make.live_rule(steps=[ask(), tag("a1", "kept")])
    make.parcels_arrived()
    make.work_all()
    Failure.objects.update(due_at=timezone.now() - timedelta(seconds=1))
    sweep()
    case = Failure.objects.get()
    assert case.error == "unanswered"
    failures.retry_case(case.pk, version=case.version, actor=person(make.author()))
    make.work_all()
    case.refresh_from_db()
    assert (case.error, case.state, case.role) == ("question", "open", "finance")
    assert Run.objects.get().state == "held"


@pytest.mark.requirement("R27")
def test_what_only_people_decide_never_runs_by_a_rule_alone() -> None:
    make.live_rule(steps=[tag("a1", "gone", "depot.destroy"), tag("a2", "after")])
    yes, no = make.parcels_arrived(2)
    make.work_all()
    assert (tags(yes), tags(no)) == ([], [])
    finance = person(make.staff("finance"))
    for parcel, agreed in ((yes, True), (no, False)):
        case = Failure.objects.get(subject_id=parcel.pk)
        assert (case.error, case.role) == ("question", "finance")
        answers.answer_question(
            case.pk, version=case.version, yes=agreed, text="Seen.", actor=finance
        )
    make.work_all()
    assert (tags(yes), tags(no)) == (["gone", "after"], [])
    assert Run.objects.get(subject_id=no.pk).state == "cancelled"


@pytest.mark.requirement("R28")
def test_what_an_action_is_not_sure_of_goes_to_a_person_with_the_draft() -> None:
    make.live_rule(steps=[tag("a1", "guess", "depot.sort")])
    (sure,) = make.parcels_arrived(country="DE")
    (unsure,) = make.parcels_arrived(country="FR")
    make.work_all()
    assert (tags(sure), tags(unsure)) == (["guess"], [])
    case = Failure.objects.get()
    assert (case.error, case.says) == ("unsure", "North or south?")
    failures.edit_and_retry(
        case.pk, version=case.version, values={"tag": "south"}, actor=person(make.author())
    )
    make.work_all()
    assert tags(unsure) == ["south"]
