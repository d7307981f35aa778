"""Late cases escalate, snoozed ones come back when they are worse, and cases change hands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.utils import timezone

from automations.engine.escalation import escalate
from automations.engine.sweep import sweep
from automations.models.failures import Failure, FailureAction, FailureWatch
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import failures, handing
from automations.services.errors import NotPossible, Stale
from automations.views.failure_list import cases_for
from backoffice.actors import Actor, person
from backoffice.models import Notice, User
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def by(role: str = "support") -> Actor:
    return person(make.staff(role))


def failed(count: int = 1, **parcel: object) -> list[Failure]:
    if not Rule.objects.exists():
        make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(count, **parcel)
    make.work_all()
    return list(Failure.objects.order_by("pk"))


def let_time_pass(**by_so_much: float) -> None:
    delta = timedelta(**by_so_much)
    Failure.objects.update(due_at=F("due_at") - delta, opened_at=F("opened_at") - delta)


def told(user: User) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("pk").values_list("text", flat=True))


# --- escalation ---------------------------------------------------------------------------------


def test_a_late_case_goes_up_one_and_its_owner_is_told_once() -> None:
    (case,) = failed()
    owner, other = make.staff("support"), make.staff("support", "other-of-support")
    failures.assign_case(case.pk, version=1, owner=owner, actor=by("operations"))
    let_time_pass(hours=23)
    sweep()
    assert Failure.objects.get().escalated == 0
    let_time_pass(hours=2)
    for _ in range(3):
        sweep()
    case.refresh_from_db()
    assert (case.priority, case.escalated) == (Failure.Priority.HIGH, 1)
    assert told(owner) == [f"Case {case.pk} is late: {case.cause_words}"]
    assert told(other) == []
    assert FailureAction.objects.filter(verb="escalated").count() == 1


def test_after_twice_the_time_everyone_with_the_owner_s_role_is_told() -> None:
    (case,) = failed()
    owner, other = make.staff("support"), make.staff("support", "other-of-support")
    finance = make.staff("finance")
    failures.assign_case(case.pk, version=1, owner=owner, actor=by("operations"))
    let_time_pass(hours=25)
    sweep()
    let_time_pass(hours=22)
    sweep()
    assert Failure.objects.get().escalated == 1
    let_time_pass(hours=2)
    sweep()
    sweep()
    case.refresh_from_db()
    assert (case.priority, case.escalated) == (Failure.Priority.HIGH, 2)
    assert (len(told(owner)), len(told(other)), told(finance)) == (2, 1, [])
    assert [entry.text for entry in case.log.filter(verb="escalated").order_by("pk")] == [
        "Past its due time. The priority went up, and its owner was told.",
        "Past twice its time. Everyone with the owner's role was told.",
    ]


def test_a_case_that_is_nobody_s_goes_to_the_owner_of_its_rule() -> None:
    failed()
    works = make.staff("support")
    let_time_pass(hours=25)
    sweep()
    assert (len(told(make.author())), told(works)) == (1, [])
    let_time_pass(hours=48)
    sweep()
    assert len(told(works)) == 1


def test_many_late_cases_of_one_cause_are_one_notice() -> None:
    failed(3)
    let_time_pass(hours=25)
    sweep()
    (text,) = told(make.author())
    assert text.startswith("3 cases are late: ")
    assert "overdue=yes" in Notice.objects.get().link


def test_what_is_put_aside_asked_or_retried_does_not_escalate() -> None:
    (case,) = failed()
    later = timezone.now() + timedelta(days=9)
    failures.snooze_case(case.pk, version=1, until=later, actor=by())
    let_time_pass(hours=99)
    assert escalate() == 0
    Failure.objects.update(state="retrying", snoozed_until=None)
    assert escalate() == 0
    Failure.objects.update(state="open", error="question")
    assert escalate() == 0


def test_a_case_that_fails_again_has_its_whole_time_again() -> None:
    (case,) = failed()
    let_time_pass(hours=25)
    sweep()
    case.refresh_from_db()
    failures.retry_case(case.pk, version=case.version, actor=by())
    make.work_all()
    case.refresh_from_db()
    assert (case.times, case.escalated) == (2, 0)
    assert case.due_at > timezone.now() + timedelta(hours=3)


# --- snoozes ------------------------------------------------------------------------------------


def test_a_case_put_aside_until_it_gets_worse_comes_back_with_more_cases_of_its_cause() -> None:
    (case,) = failed()
    failures.snooze_case(case.pk, version=1, until=None, worse=True, actor=by())
    # Two more cases of £100.00: more than half as much money again.
    failed(2, total="100.00")
    sweep()
    case.refresh_from_db()
    assert (case.state, case.snoozed_while) == ("open", None)
    assert case.log.get(verb="worse").text == "2 more cases of its cause."


def test_a_case_put_aside_stays_so_while_it_gets_no_worse() -> None:
    cases = failed(6)
    failures.snooze_case(cases[0].pk, version=1, until=None, worse=True, actor=by())
    failed(1, total="100.00")
    sweep()
    assert Failure.objects.get(pk=cases[0].pk).state == "snoozed"
    failed(2, total="100.00")
    sweep()
    assert Failure.objects.get(pk=cases[0].pk).state == "open"


def test_a_time_ends_a_snooze_and_a_snooze_needs_an_end() -> None:
    (case,) = failed()
    with pytest.raises(NotPossible, match="until when"):
        failures.snooze_case(case.pk, version=1, until=None, actor=by())
    later = timezone.now() + timedelta(hours=1)
    failures.snooze_case(case.pk, version=1, until=later, worse=True, actor=by())
    Failure.objects.update(snoozed_until=timezone.now() - timedelta(seconds=1))
    sweep()
    assert Failure.objects.get().state == "open"


# --- hands --------------------------------------------------------------------------------------


def mine(user: User) -> list[int]:
    rows: Any = cases_for(user)
    return list(rows.filter(is_mine=True).values_list("pk", flat=True))


def test_a_case_is_handed_to_a_person_who_sees_it_as_theirs_while_the_giver_watches() -> None:
    (case,) = failed()
    giver, receiver = make.staff("support"), make.staff("finance")
    with pytest.raises(NotPossible, match="Say why"):
        handing.hand_over(case.pk, version=1, to=receiver, note=" ", actor=person(giver))
    handing.hand_over(
        case.pk, version=1, to=receiver, note="Customs wants a number.", actor=person(giver)
    )
    case.refresh_from_db()
    assert (case.owner, case.team) == (receiver, "")
    assert (mine(receiver), mine(giver)) == ([case.pk], [])
    assert FailureWatch.objects.get().user == giver
    assert told(receiver) == [f"Support handed you case {case.pk}: Customs wants a number."]
    assert handing.may_work(receiver, case)
    assert not handing.may_work(make.staff("finance", "another"), case)
    with pytest.raises(Stale):
        handing.hand_over(case.pk, version=1, to=giver, note="Back.", actor=person(receiver))


def test_a_case_handed_to_a_role_is_everyone_s_of_it_until_someone_takes_it() -> None:
    (case,) = failed()
    one, two = make.staff("finance"), make.staff("finance", "two")
    for given in ({}, {"to": one, "team": "finance"}, {"team": "auditor"}):
        with pytest.raises(NotPossible):
            handing.hand_over(case.pk, version=1, note="Yours.", actor=by(), **given)
    handing.hand_over(case.pk, version=1, team="finance", note="Yours.", actor=by())
    assert (mine(one), mine(two)) == ([case.pk], [case.pk])
    case.refresh_from_db()
    failures.assign_case(case.pk, version=case.version, owner=one, actor=person(one))
    assert (mine(one), mine(two)) == ([case.pk], [])


def test_a_question_waits_for_everyone_of_the_role_that_is_asked() -> None:
    question = {"role": "finance", "question": "Keep it?", "due": "PT24H"}
    make.live_rule(steps=[{"uid": "p1", "ask": question}])
    make.parcels_arrived()
    make.work_all()
    case = Failure.objects.get()
    assert mine(make.staff("finance")) == [case.pk]
    assert mine(make.staff("support")) == []
    assert Run.objects.get().state == "held"


def test_watching_is_begun_once_and_ended() -> None:
    (case,) = failed()
    user = make.staff("support")
    handing.watch(case, user.pk)
    handing.watch(case, user.pk)
    assert FailureWatch.objects.count() == 1
    handing.stop_watching(case.pk, user.pk)
    assert not FailureWatch.objects.exists()
