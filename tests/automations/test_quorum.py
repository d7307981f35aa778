"""How many have to agree, who says so, and who is told."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from automations.models.documents import Activation, Approval, Document
from automations.models.policies import ApprovalPolicy
from automations.services import approvals, approving, policies
from automations.services.errors import Refused
from automations.tables import waiting_for
from backoffice import staff, standing_in
from backoffice.actors import person
from backoffice.models import AuditEntry, Notice, User
from tests.automations import factories as make
from tests.bed.databases import Database, at_once
from tests.bed.people import signed_in

pytestmark = pytest.mark.usefixtures("any_db")


def money() -> Document:
    return make.submit(make.make_rule(steps=make.steps("depot.pay_duty")))


def finance(name: str) -> User:
    return make.staff("finance", name)


def two() -> None:
    assert policies.change("money", 2, actor=person(finance("chief")))


def approve(document: Document, who: User) -> Approval:
    return approvals.approve(document.pk, sha256=document.sha256, actor=person(who))


def test_one_is_enough_until_finance_says_two_and_then_two_different_people_are() -> None:
    two()
    document = money()
    approve(document, finance("one"))
    document.refresh_from_db()
    assert document.state == "submitted"
    assert not Activation.objects.exists()
    assert document not in waiting_for(finance("one"))
    with pytest.raises(Refused, match="agreed already"):
        approve(document, finance("one"))
    assert Approval.objects.count() == 1
    with pytest.raises(Refused):
        approvals.activate(document.pk, actor=person(finance("one")))
    approve(document, finance("two"))
    assert Activation.objects.get().document_id == document.pk
    entry = AuditEntry.objects.filter(verb="rules.approved").latest("pk")
    assert (entry.detail["given"], entry.detail["needed"]) == (2, 2)


def test_a_no_ends_it_whatever_the_other_said() -> None:
    two()
    document = money()
    approve(document, finance("one"))
    approvals.reject(
        document.pk, sha256=document.sha256, comment="No.", actor=person(finance("two"))
    )
    document.refresh_from_db()
    assert document.state == "rejected"
    with pytest.raises(Refused):
        approve(document, finance("three"))
    assert not Activation.objects.exists()


def test_a_person_and_their_deputy_are_one() -> None:
    two()
    one, helper = finance("one"), make.staff("support", "helper")
    today = timezone.localdate()
    row = standing_in.name_deputy(
        one.pk, deputy=helper, first=today, last=today, why="Leave.", actor=person(one)
    )
    standing_in.agree(row.pk, actor=person(make.staff("administrator", "keeper")))
    for first, second in ((one, helper), (helper, one)):
        document = money()
        approve(document, first)
        with pytest.raises(Refused, match="agreed already"):
            approve(document, second)
        assert not Activation.objects.exists()


def test_a_yes_of_somebody_who_left_does_not_count_towards_two() -> None:
    two()
    document = money()
    approve(document, finance("one"))
    staff.deactivate_members(
        [finance("one").pk], actor=person(make.staff("administrator", "keeper"))
    )
    approve(document, finance("two"))
    assert not Activation.objects.exists()
    approve(document, finance("three"))
    assert Activation.objects.get().document_id == document.pk


def test_raising_it_holds_at_once_for_what_is_approved_and_not_in_force() -> None:
    document = money()
    approvals.approve(
        document.pk, sha256=document.sha256, actor=person(finance("one")), activate_now=False
    )
    two()
    with pytest.raises(Refused):
        approvals.activate(document.pk, actor=person(finance("one")))
    assert not Activation.objects.exists()


def test_more_takes_one_of_finance_and_fewer_takes_two() -> None:
    chief = person(finance("chief"))
    for who in (make.staff("operations", "clerk"), make.staff("administrator", "keeper")):
        with pytest.raises(Refused):
            policies.change("money", 2, actor=person(who))
    assert policies.quorum("money") == 1
    two()
    assert policies.change("money", 1, actor=chief) is False
    assert policies.quorum("money") == 2
    for who in (finance("chief"), make.staff("operations", "clerk")):
        with pytest.raises(Refused):
            policies.agree("money", actor=person(who))
    assert policies.quorum("money") == 2
    policies.agree("money", actor=person(finance("other")))
    assert policies.quorum("money") == 1
    assert AuditEntry.objects.filter(verb="rules.quorum_lowered").count() == 1


def test_what_was_asked_can_be_turned_down() -> None:
    two()
    policies.change("money", 1, actor=person(finance("chief")))
    policies.keep("money", actor=person(finance("other")))
    kept = ApprovalPolicy.objects.get(pk="money")
    assert (kept.approvers, kept.wanted) == (2, None)
    with pytest.raises(Refused):
        policies.agree("money", actor=person(finance("other")))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE automations_approvalpolicy SET approvers = 1",
        "DELETE FROM automations_approvalpolicy",
        "INSERT INTO automations_approvalpolicy (risk, approvers) VALUES ('other', 1)",
        "SELECT automations_set_quorum('money', 0, {finance})",
        "SELECT automations_set_quorum('money', NULL, {finance})",
        "SELECT automations_agree_quorum('money', {finance}, true)",
    ],
)
def test_no_statement_changes_it(statement: str) -> None:
    two()
    before = list(ApprovalPolicy.objects.order_by("pk").values())
    given = statement.format(finance=finance("chief").pk)
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(given)
    assert list(ApprovalPolicy.objects.order_by("pk").values()) == before


def test_two_of_one_deputy_and_many_at_once_never_make_one_yes_count_twice(
    committed_db: Database,
) -> None:
    two()
    document = money()
    one, other = finance("one"), finance("other")
    answers = at_once([lambda: approve(document, one)] * 4)
    assert sum(isinstance(answer, Approval) for answer in answers) == 1
    assert not Activation.objects.exists()
    at_once([lambda: approve(document, other)] * 3)
    assert Approval.objects.count() == 2
    assert Activation.objects.count() == 1


def test_the_page_of_the_policy_is_read_by_all_and_changed_by_finance() -> None:
    url = "/approvals/policy/"
    hx: dict[str, Any] = {"headers": {"HX-Request": "true"}}
    chief, clerk = signed_in(finance("chief")), signed_in(make.staff("operations", "clerk"))
    assert "One person" in clerk.get(url).content.decode()
    assert clerk.post(f"{url}money/", {"approvers": "2"}, **hx).status_code == 403
    assert chief.post(f"{url}money/", {"approvers": "2"}, **hx).status_code == 204
    assert chief.post(f"{url}money/", {"approvers": "1"}, **hx).status_code == 204
    assert "One instead is asked for" in clerk.get(url).content.decode()
    other = signed_in(finance("other"))
    sure = {"csrfmiddlewaretoken": "sent by every form"}
    assert chief.post(f"{url}money/agree/", sure, **hx).status_code == 422
    assert other.post(f"{url}money/agree/", sure, **hx).status_code == 204
    assert policies.quorum("money") == 1


def test_a_version_that_waits_is_taken_back_with_a_reason() -> None:
    document = money()
    url = f"/approvals/{document.pk}/_/withdraw/"
    hx: dict[str, Any] = {"headers": {"HX-Request": "true"}}
    assert signed_in(finance("one")).post(url, {"why": "Mine."}, **hx).status_code == 403
    client = signed_in(make.author())
    assert "Take back…" in client.get(f"/approvals/{document.pk}/").content.decode()
    assert client.post(url, {"why": ""}, **hx).status_code == 422
    assert Document.objects.get().state == "submitted"
    assert client.post(url, {"why": "Too early."}, **hx).status_code == 204
    assert Document.objects.get().state == "withdrawn"
    with pytest.raises(Refused):
        approve(document, finance("one"))
    assert client.post(url, {"why": "Again."}, **hx).status_code == 422


# --- who is told --------------------------------------------------------------------------------


def told(user: User) -> str:
    return " ".join(Notice.objects.filter(user=user).values_list("text", flat=True))


def test_whoever_can_decide_is_told_and_nobody_else() -> None:
    judge, clerk = finance("judge"), make.staff("operations", "clerk")
    document = money()
    assert "asks you to decide on" in told(judge)
    assert told(clerk) == ""
    assert told(document.author) == ""
    assert approving.deciders(document) == [judge]


def test_whoever_waits_for_the_verdict_is_told_what_was_said() -> None:
    judge = finance("judge")
    document = money()
    approvals.request_changes(
        document.pk, sha256=document.sha256, comment="Why £20?", actor=person(judge)
    )
    assert "asks for changes to" in told(document.author)
    assert "Why £20?" in told(document.author)


def test_the_second_person_is_told_that_one_has_agreed() -> None:
    two()
    one, other = finance("one"), finance("second")
    document = money()
    approve(document, one)
    assert "A second person has to as well" in told(other)
    assert "A second person has to as well" not in told(one)
