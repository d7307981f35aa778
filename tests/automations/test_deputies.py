"""Who stands in decides; a leaver's rules and verdicts go to others, and what runs goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document
from automations.models.failures import Failure
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import approvals, approving, drafts
from automations.services.errors import Refused
from automations.tables import waiting_for
from backoffice import leaving, staff, standing_in
from backoffice.actors import person
from backoffice.deputies import Deputy
from backoffice.models import AuditEntry, Notice, User
from backoffice.staff import StaffError
from tests.attacks.around import money
from tests.automations import factories as make

pytestmark = pytest.mark.usefixtures("any_db")


def away(who: User, deputy: User, by: User | None = None, **days: int) -> Deputy:
    """Somebody is named for today and some days before and after."""
    today = timezone.localdate()
    return standing_in.name_deputy(
        who.pk,
        deputy=deputy,
        first=today - timedelta(days=days.get("since", 1)),
        last=today + timedelta(days=days.get("more", 1)),
        why="On leave.",
        actor=person(by or who),
    )


def agreed(who: User, deputy: User, by: User | None = None) -> Deputy:
    row = away(who, deputy)
    standing_in.agree(row.pk, actor=person(by or make.staff("administrator", "keeper")))
    return row


def waiting() -> Document:
    return make.submit(make.make_rule(steps=make.steps("depot.pay_duty")))


def approve(document: Document, who: User) -> Approval:
    return approvals.approve(document.pk, sha256=document.sha256, actor=person(who))


def refused(document: Document, who: User) -> None:
    before = Approval.objects.count()
    with pytest.raises(Refused):
        approve(document, who)
    assert Approval.objects.count() == before
    assert not Activation.objects.filter(document=document).exists()


@pytest.fixture
def boss() -> User:
    return make.staff("finance", "only-one-of-finance")


@pytest.fixture
def helper() -> User:
    return make.staff("support", "helper")


@pytest.mark.requirement("R150")
def test_a_deputy_decides_in_the_role_they_were_lent_and_no_longer_than_that(
    boss: User, helper: User
) -> None:
    document = waiting()
    refused(document, helper)
    row = away(boss, helper)
    assert (row.state, row.gives) == ("asked", True)
    refused(document, helper)  # nobody has agreed yet
    assert document not in waiting_for(helper)
    standing_in.agree(row.pk, actor=person(make.staff("administrator", "keeper")))
    assert document in waiting_for(helper)
    given = approve(document, helper)
    assert given.role == "finance"
    assert Activation.objects.get().document_id == document.pk
    standing_in.end(row.pk, actor=person(boss))
    refused(waiting(), helper)


def test_a_deputy_of_the_same_role_gets_nothing_new_and_needs_nobody(boss: User) -> None:
    other = make.staff("finance", "other")
    row = away(boss, other)
    assert (row.state, row.gives) == ("agreed", False)
    assert Notice.objects.filter(user=other, text__contains="You stand in for").exists()


def test_days_before_and_after_lend_nothing(boss: User, helper: User) -> None:
    row = standing_in.name_deputy(
        boss.pk,
        deputy=helper,
        first=timezone.localdate() + timedelta(days=2),
        last=timezone.localdate() + timedelta(days=5),
        why="On leave.",
        actor=person(boss),
    )
    standing_in.agree(row.pk, actor=person(make.staff("administrator", "keeper")))
    assert standing_in.roles_of(helper) == {"support"}
    refused(waiting(), helper)


def test_neither_the_two_nor_who_asked_agree_to_it(boss: User, helper: User) -> None:
    keeper = make.staff("administrator", "keeper")
    row = away(boss, helper, by=keeper)
    for who in (keeper, boss, helper, make.staff("operations", "clerk")):
        with pytest.raises(StaffError):
            standing_in.agree(row.pk, actor=person(who))
        assert Deputy.objects.get().state == "asked"
    standing_in.agree(row.pk, actor=person(make.staff("finance", "other")))
    assert Deputy.objects.get().state == "agreed"


def test_only_oneself_or_an_administrator_names_a_deputy(boss: User, helper: User) -> None:
    clerk = make.staff("operations", "clerk")
    for who in (helper, clerk):
        with pytest.raises(StaffError):
            away(boss, helper, by=who)
    for wrong in (boss, make.staff("auditor"), make.staff("administrator", "keeper")):
        with pytest.raises(StaffError):
            away(boss, wrong)
    with pytest.raises(StaffError, match="three months"):
        away(boss, helper, more=400)
    assert not Deputy.objects.exists()
    assert AuditEntry.objects.filter(verb="staff.refused").count() == 6


@pytest.mark.requirement("R150")
def test_a_deputy_decides_on_nothing_that_the_person_they_stand_in_for_worked_on(
    boss: User, helper: User
) -> None:
    agreed(boss, helper)
    rule = make.make_rule(steps=make.steps("depot.pay_duty"))
    rules_edit(rule, boss)
    document = make.submit(rule)
    refused(document, helper)
    refused(document, boss)


def rules_edit(rule: Rule, who: User) -> None:
    drafts.save_draft(rule.pk, body=money(missing_data="skip"), revision=1, actor=person(who))


def test_a_lent_role_is_not_lent_on(boss: User, helper: User) -> None:
    agreed(boss, helper)
    clerk = make.staff("operations", "clerk")
    row = away(helper, clerk)
    if row.state == "asked":
        standing_in.agree(row.pk, actor=person(make.staff("administrator", "keeper")))
    assert standing_in.roles_of(clerk) == {"operations", "support"}
    refused(waiting(), clerk)


def test_what_a_leaver_lent_is_over(boss: User, helper: User) -> None:
    agreed(boss, helper)
    make.staff("finance", "other")
    staff.deactivate_members([boss.pk], actor=person(make.staff("administrator", "keeper")))
    assert standing_in.roles_of(helper) == {"support"}
    refused(waiting(), helper)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO backoffice_deputy (person_id, deputy_id, state, gives, from_at, until_at, why,"
        " asked_by_id) VALUES (%(boss)s, %(helper)s, 'agreed', true, now(),"
        " now() + interval '1 day', '', %(boss)s)",
        "UPDATE backoffice_deputy SET state = 'agreed'",
        "UPDATE backoffice_deputy SET until_at = 'infinity'",
        "DELETE FROM backoffice_deputy",
    ],
)
def test_the_application_writes_no_deputies_by_hand(
    boss: User, helper: User, statement: str
) -> None:
    away(boss, helper)
    before = list(Deputy.objects.values())
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement, {"boss": boss.pk, "helper": helper.pk})
    assert list(Deputy.objects.values()) == before


@pytest.mark.requirement("R150")
def test_where_nobody_can_decide_the_page_says_what_can_be_done() -> None:
    only = make.staff("finance", "only-one-of-finance")
    rule = make.make_rule(steps=make.steps("depot.pay_duty"))
    rules_edit(rule, only)
    document = make.submit(rule)
    assert list(approving.deciders(document)) == []
    helper = make.staff("support", "helper")
    other = make.staff("operations", "another")
    agreed(make.staff("finance", "new-one"), helper)
    assert {user.pk for user in approving.deciders(document)} == {
        User.objects.get(username="new-one").pk,
        helper.pk,
    }
    assert other not in approving.deciders(document)


# --- leavers ----------------------------------------------------------------------------------


def leave(leaver: User, to: User | None) -> None:
    keeper = person(make.staff("administrator", "keeper"))
    staff.deactivate_members([leaver.pk], actor=keeper)
    if to is not None:
        leaving.hand_over(leaver.pk, to=to, actor=keeper)


@pytest.mark.requirement("R150")
def test_a_leaver_s_rules_cases_and_candidates_go_to_another_and_what_runs_goes_on() -> None:
    leaver, to = make.author(), make.staff("operations", "successor")
    live = make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived()
    make.work_all()
    case = Failure.objects.get()
    Failure.objects.filter(pk=case.pk).update(owner=leaver)
    waits = waiting()
    periods = list(Activation.objects.values())
    assert leaving.left_by(leaver) == [
        "2 rules",
        "1 open case",
        "1 version that waits for a verdict",
    ]
    leave(leaver, to)
    assert list(Activation.objects.values()) == periods
    assert set(Rule.objects.values_list("owner", flat=True)) == {to.pk}
    assert set(Rule.objects.values_list("review_on", flat=True)) == {timezone.localdate()}
    assert Failure.objects.get().owner_id == to.pk
    waits.refresh_from_db()
    assert (waits.state, waits.submitted_by_id) == ("submitted", leaver.pk)
    told = " ".join(Notice.objects.filter(user=to).values_list("text", flat=True))
    assert "is yours to follow" in told
    before = Failure.objects.count()
    make.parcels_arrived()
    make.work_all()
    assert Failure.objects.count() == before + 1
    assert Run.objects.filter(rule_id=live.pk).count() == 2
    approve(waits, make.staff("finance"))


@pytest.mark.requirement("R150")
def test_the_approval_of_somebody_who_left_is_said_to_count_no_longer() -> None:
    judge, to = make.staff("finance", "judge"), make.staff("finance", "successor")
    document = waiting()
    approvals.approve(document.pk, sha256=document.sha256, actor=person(judge), activate_now=False)
    assert leaving.left_by(judge) == ["1 approval not used yet"]
    leave(judge, to)
    for who in (document.submitted_by, to):
        assert Notice.objects.filter(user=who, text__contains="counts no longer").exists()
    with pytest.raises(Refused):
        approvals.activate(document.pk, actor=person(to))
    assert not Activation.objects.exists()


def test_nothing_is_handed_to_somebody_who_has_left_or_to_the_leaver() -> None:
    leaver, gone = make.author(), make.staff("operations", "gone")
    make.make_rule()
    leave(gone, None)
    keeper = person(make.staff("administrator", "keeper"))
    for wrong in (gone, leaver):
        with pytest.raises(StaffError):
            leaving.hand_over(leaver.pk, to=User.objects.get(pk=wrong.pk), actor=keeper)
    assert Rule.objects.get().owner_id == leaver.pk


def test_deactivating_asks_to_whom_it_goes_and_never_waits_for_the_answer(
    administrator_client: Any,
) -> None:
    leaver, to = make.author(), make.staff("operations", "successor")
    make.make_rule()
    url = f"/settings/users/{leaver.username}/_/access/"
    asked = administrator_client.get(url, headers={"HX-Request": "true"}).content.decode()
    assert "They answer for 1 rule" in asked
    assert str(to) in asked
    administrator_client.post(url, {"to": to.pk}, headers={"HX-Request": "true"})
    leaver.refresh_from_db()
    assert not leaver.is_active
    assert Rule.objects.get().owner_id == to.pk
    administrator_client.post(f"/settings/users/{to.username}/_/access/", {"to": ""},
                              headers={"HX-Request": "true"})  # fmt: skip
    to.refresh_from_db()
    assert not to.is_active
    assert Rule.objects.get().owner_id == to.pk  # nobody's: the list of rules says so
