"""What asks for a verdict, a second person or work on a case is over once that is done."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db.models import F

from automations.engine.escalation import escalate
from automations.models.failures import Failure
from automations.services import approvals, emergencies, failures, handing, owners, policies
from automations.services.answers import answer_question
from backoffice.actors import Actor, person
from backoffice.models import Notice, User
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def waiting(about: str) -> set[str]:
    """Who still has an unread notice about this."""
    rows = Notice.objects.filter(key__startswith=about, read_at=None, over_at=None)
    return set(rows.values_list("user__username", flat=True))


def by(role: str, name: str = "") -> Actor:
    return person(make.staff(role, name))


@pytest.fixture
def clerks(db: None) -> list[User]:
    return [make.staff("finance", f"clerk{number}") for number in range(3)]


@pytest.mark.parametrize("agrees", [True, False])
def test_a_verdict_ends_what_waited_for_it_and_its_author_is_told(
    agrees: bool, clerks: list[User]
) -> None:
    document = make.submit(make.make_rule())
    about = f"approval:{document.pk}:waits"
    assert waiting(about) >= {"clerk0", "clerk1", "clerk2"}
    first = person(clerks[0])
    if agrees:
        approvals.approve(document.pk, sha256=document.sha256, actor=first, activate_now=False)
    else:
        approvals.reject(document.pk, sha256=document.sha256, actor=first, comment="No.")
    assert waiting(about) == set()
    assert make.author().username in waiting(f"approval:{document.pk}:verdict")


def test_the_first_of_two_is_asked_no_more_and_the_second_yes_ends_it_for_all(
    clerks: list[User],
) -> None:
    policies.change("none", 2, actor=person(clerks[0]))
    document = make.submit(make.make_rule())
    about = f"approval:{document.pk}:"
    for number, left in ((0, {"clerk1", "clerk2"}), (1, set())):
        approvals.approve(
            document.pk, sha256=document.sha256, actor=person(clerks[number]), activate_now=False
        )
        asked = waiting(f"{about}waits") | waiting(f"{about}second")
        assert {name for name in asked if name.startswith("clerk")} == left
    assert waiting(f"{about}waits") | waiting(f"{about}second") == set()


def test_a_version_that_another_takes_the_place_of_is_asked_about_no_more(
    clerks: list[User],
) -> None:
    rule = make.make_rule()
    before = make.submit(rule)
    make.edit(rule, steps=make.steps("depot.add_tag", tag="other"))
    after = make.submit(rule)
    assert waiting(f"approval:{before.pk}:waits") == set()
    assert waiting(f"approval:{after.pk}:waits") >= {"clerk0", "clerk1"}


def test_an_emergency_that_is_agreed_to_is_asked_of_nobody_any_more(clerks: list[User]) -> None:
    document = make.submit(make.make_rule())
    reviewer = make.staff("operations", "reviewer")
    found = emergencies.ask(
        document.pk, sha256=document.sha256, why="Parcels are lost.", actor=by("operations", "one")
    )
    assert waiting(f"emergency:{found.pk}:asked") >= {"clerk0", "clerk1"}
    emergencies.agree(found.pk, sha256=document.sha256, actor=person(clerks[0]))
    assert waiting(f"emergency:{found.pk}:asked") == set()
    emergencies.end(found.pk, actor=person(clerks[0]))
    assert "reviewer" in waiting(f"emergency-over:{found.pk}")
    emergencies.review(found.pk, was_right=True, note="Right.", actor=person(reviewer))
    assert waiting(f"emergency-over:{found.pk}") == set()


def test_fewer_approvers_and_another_owner_are_asked_for_no_longer_than_they_wait(
    clerks: list[User],
) -> None:
    policies.change("money", 2, actor=person(clerks[0]))
    policies.change("money", 1, actor=person(clerks[0]))
    assert waiting("quorum:money") == {"clerk1", "clerk2"}
    policies.keep("money", actor=person(clerks[1]))
    assert waiting("quorum:money") == set()
    rule = make.live_rule()
    owners.ask_owner(rule, clerks[1].pk, actor=person(clerks[0]))
    assert "clerk1" in waiting(f"owner:{rule.pk}")
    owners.keep_owner(rule.pk, actor=person(clerks[2]))
    assert waiting(f"owner:{rule.pk}") == set()


# --- cases --------------------------------------------------------------------------------------


def case_of(**rule: object) -> Failure:
    make.live_rule(**rule)
    make.parcels_arrived()
    make.work_all()
    return Failure.objects.get()


def test_a_question_that_is_answered_is_nobody_s_any_more(clerks: list[User]) -> None:
    ask = {"role": "finance", "question": "Keep it?", "due": "PT24H"}
    case = case_of(steps=[{"uid": "p1", "ask": ask}])
    handing.hand_over(case.pk, version=1, team="finance", note="Yours.", actor=by("support"))
    assert waiting(f"handed:{case.pk}") >= {"clerk0", "clerk1"}
    case.refresh_from_db()
    answer_question(case.pk, version=case.version, yes=True, text="", actor=person(clerks[0]))
    assert waiting(f"handed:{case.pk}") == set()


def test_a_case_that_somebody_takes_is_no_longer_asked_of_the_others(clerks: list[User]) -> None:
    case = case_of(steps=make.steps("depot.choosy", tag="no"))
    handing.hand_over(case.pk, version=1, team="finance", note="Yours.", actor=by("support"))
    case.refresh_from_db()
    failures.assign_case(case.pk, version=case.version, owner=clerks[0], actor=person(clerks[0]))
    assert waiting(f"handed:{case.pk}") == set()


def test_a_late_case_that_is_solved_is_late_for_nobody(clerks: list[User]) -> None:
    case = case_of(steps=make.steps("depot.choosy", tag="no"))
    delta = timedelta(hours=25)
    Failure.objects.update(due_at=F("due_at") - delta, opened_at=F("opened_at") - delta)
    assert escalate() == 1
    assert waiting(f"late:1:{case.pk}") == {make.author().username}
    case.refresh_from_db()
    failures.end_run(case.pk, version=case.version, reason="Done.", actor=person(clerks[0]))
    case.refresh_from_db()
    assert (case.state, waiting(f"late:1:{case.pk}")) == ("resolved", set())
