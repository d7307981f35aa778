"""One person is never both of the two who give a role: not by accounts that they let in."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from backoffice import actors, staff, standing_in
from backoffice.deputies import Deputy
from backoffice.models import AuditEntry, Notice, User
from backoffice.role_grants import RoleGrant
from backoffice.staff import StaffError
from tests.bed.databases import Database
from tests.bed.people import MakeUser, give_roles, signed_in

pytestmark = pytest.mark.usefixtures("any_db")
HTMX = {"HX-Request": "true"}
SURE = {"csrfmiddlewaretoken": "sent by every form"}
ONE_WILL = "role from who asks, or gave them theirs"


def wish(user: User, role: str, by: User) -> RoleGrant:
    (grant,) = staff.change_role([user.pk], role, actor=actors.person(by))
    return grant


def agree(grant: RoleGrant, by: User) -> None:
    staff.agree_to_role(grant.pk, actor=actors.person(by))
    grant.refresh_from_db()
    assert (grant.state, grant.decided_by) == (RoleGrant.State.HELD, by)


def given(make_user: MakeUser, role: str, *, asks: User, agrees: User, name: str) -> User:
    """An account that two people gave a role to."""
    account = make_user(None, username=name)
    agree(wish(account, role, asks), agrees)
    return account


@pytest.fixture
def morgan(make_user: MakeUser) -> User:
    return make_user("administrator", username="morgan")


@pytest.fixture
def lena(make_user: MakeUser) -> User:
    return make_user("administrator", username="lena")


@pytest.mark.requirement("R152")
@pytest.mark.parametrize("role", ["finance", "administrator"])
def test_an_account_that_one_asked_for_agrees_to_nothing_that_one_asks(
    role: str, morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, role, asks=morgan, agrees=lena, name="second")
    third = make_user("support", username="third")
    grant = wish(third, "finance", morgan)
    page = signed_in(second).get("/settings/users/third/").content.decode()
    assert "Agree…" not in page
    address = f"/settings/users/third/_/role/{grant.pk}/agree/"
    answer = signed_in(second).post(address, SURE, headers=HTMX)
    assert (answer.status_code, ONE_WILL in answer.content.decode()) == (422, True)
    assert third.groups.get().name == "support"
    assert not Notice.objects.filter(user=second, key=f"role-grant:{grant.pk}").exists()
    assert AuditEntry.objects.filter(verb="staff.refused", user=second).count() == 1
    agree(grant, lena)
    assert third.groups.get().name == "finance"


def test_whoever_agreed_to_a_role_finds_no_second_person_in_it_either(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, "finance", asks=morgan, agrees=lena, name="second")
    grant = wish(make_user("support"), "operations", lena)
    with pytest.raises(StaffError, match=ONE_WILL):
        agree(grant, second)
    agree(grant, morgan)


def test_nor_does_one_agree_to_what_the_account_that_one_asked_for_asks(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, "administrator", asks=morgan, agrees=lena, name="second")
    deeper = given(make_user, "administrator", asks=second, agrees=lena, name="deeper")
    for asker in (second, deeper):
        grant = wish(make_user("support"), "finance", asker)
        with pytest.raises(StaffError, match=ONE_WILL):
            agree(grant, morgan)
        agree(grant, lena)


def test_a_row_of_accounts_stays_one_will(morgan: User, lena: User, make_user: MakeUser) -> None:
    second = given(make_user, "administrator", asks=morgan, agrees=lena, name="second")
    third = given(make_user, "finance", asks=second, agrees=lena, name="third")
    grant = wish(make_user("support"), "finance", morgan)
    for account in (second, third):
        with pytest.raises(StaffError, match=ONE_WILL):
            agree(grant, account)


def test_no_is_said_by_anyone_who_decides(morgan: User, lena: User, make_user: MakeUser) -> None:
    second = given(make_user, "finance", asks=morgan, agrees=lena, name="second")
    grant = wish(make_user("support"), "finance", morgan)
    staff.turn_down_role(grant.pk, actor=actors.person(second))
    grant.refresh_from_db()
    assert grant.state == RoleGrant.State.REFUSED


def test_a_deputy_is_agreed_to_by_nobody_whom_who_asks_let_in(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, "finance", asks=morgan, agrees=lena, name="second")
    away, helper = make_user("finance"), make_user("support")
    today = timezone.localdate()
    row = standing_in.name_deputy(
        away.pk, deputy=helper, first=today, last=today + timedelta(days=3), why="On leave.",
        actor=actors.person(morgan),
    )  # fmt: skip
    with pytest.raises(StaffError, match=ONE_WILL):
        standing_in.agree(row.pk, actor=actors.person(second))
    assert Deputy.objects.get().state == "asked"
    standing_in.agree(row.pk, actor=actors.person(lena))
    assert Deputy.objects.get().state == "agreed"


# --- small companies ----------------------------------------------------------------------------


@pytest.mark.requirement("R152")
def test_two_administrators_whom_nobody_let_in_agree_to_each_other_for_ever(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    for asks, agrees in ((morgan, lena), (lena, morgan)) * 3:
        agree(wish(make_user("support"), "operations", asks), agrees)


def test_an_administrator_and_one_of_finance_go_on_with_whom_they_let_in(
    morgan: User, make_user: MakeUser
) -> None:
    daniel = make_user("finance", username="daniel")
    lena = given(make_user, "administrator", asks=morgan, agrees=daniel, name="lena")
    agree(wish(make_user("support"), "operations", morgan), daniel)
    agree(wish(make_user("support"), "operations", lena), daniel)


def test_where_one_of_two_administrators_let_the_other_in_the_page_names_the_way(
    committed_db: Database, make_user: MakeUser
) -> None:
    morgan = make_user("administrator", username="morgan")
    leaver = make_user("finance", username="leaver")
    lena = given(make_user, "administrator", asks=morgan, agrees=leaver, name="lena")
    staff.deactivate_members([leaver.pk], actor=actors.person(morgan))
    nina = make_user("support", username="nina")
    grant = wish(nina, "operations", morgan)
    with pytest.raises(StaffError, match="owner of the database"):
        agree(grant, lena)
    assert "manage.py give_role" in signed_in(morgan).get("/settings/users/nina/").content.decode()
    # Said once, by the owner of the database and in writing: from then on they are two.
    call_command("give_role", "lena", "administrator", why="Only the two of us are left.")
    page = signed_in(lena).get("/settings/users/nina/").content.decode()
    assert ("Agree…" in page, "give_role" in page) == (True, False)
    agree(grant, lena)
    agree(wish(nina, "finance", lena), morgan)
    assert nina.groups.get().name == "finance"


def test_another_administrator_who_asks_for_the_role_anew_ends_what_the_first_had_in_it(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, "finance", asks=morgan, agrees=lena, name="second")
    agree(wish(second, "finance", make_user("administrator")), make_user("administrator"))
    agree(wish(make_user("support"), "operations", morgan), second)


# --- what is allowed and shown ------------------------------------------------------------------


def test_auditors_are_told_where_both_owe_their_role_to_one_person(
    morgan: User, lena: User, make_user: MakeUser, auditor_user: User
) -> None:
    nina = make_user("support", username="nina")
    agree(wish(nina, "operations", morgan), lena)
    assert not Notice.objects.filter(user=auditor_user).exists()
    first = given(make_user, "administrator", asks=morgan, agrees=lena, name="first")
    other = given(make_user, "finance", asks=morgan, agrees=lena, name="other")
    agree(wish(nina, "support", first), other)
    told = Notice.objects.get(user=auditor_user)
    assert str(morgan) in told.text
    assert told.link == "/settings/users/nina/"
    entry = AuditEntry.objects.get(verb="staff.role_linked")
    assert (entry.user, entry.detail["linked_by"]) == (other, [morgan.pk])
    agree(wish(nina, "operations", first), lena)  # who agreed to the role of who asks
    assert Notice.objects.filter(user=auditor_user).count() == 2


def test_a_role_of_before_counts_for_nothing_once_it_is_given_from_outside(
    morgan: User, lena: User, make_user: MakeUser
) -> None:
    second = given(make_user, "finance", asks=morgan, agrees=lena, name="second")
    give_roles(second, "finance")
    agree(wish(make_user("support"), "operations", morgan), second)
