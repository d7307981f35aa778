"""One person's page, and what the audit trail says of it."""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import Client

from backoffice import actors, audit, staff
from backoffice.models import AuditEntry, User
from backoffice.role_grants import RoleGrant
from backoffice.staff import StaffError
from tests.bed.databases import Database
from tests.bed.people import MakeUser, signed_in

pytestmark = pytest.mark.usefixtures("any_db")
HTMX = {"HX-Request": "true"}
SURE = {"csrfmiddlewaretoken": "sent by every form"}


@pytest.fixture
def person(make_user: MakeUser) -> User:
    return make_user("support", username="nina")


def grant_of(user: User) -> RoleGrant:
    return RoleGrant.objects.get(user=user, state=RoleGrant.State.ASKED)


def test_a_role_comes_when_another_agrees_and_access_goes_by_one(
    administrator_client: Client, finance_client: Client, person: User
) -> None:
    page = administrator_client.get("/settings/users/nina/").content.decode()
    assert "Change role" in page
    administrator_client.post("/settings/users/nina/_/role/", {"role": "finance"}, headers=HTMX)
    assert person.groups.get().name == "support"
    assert "Agree…" not in administrator_client.get("/settings/users/nina/").content.decode()
    assert "Agree…" in finance_client.get("/settings/users/nina/").content.decode()
    agree = f"/settings/users/nina/_/role/{grant_of(person).pk}/agree/"
    assert administrator_client.post(agree, SURE, headers=HTMX).status_code == 422
    assert person.groups.get().name == "support"
    finance_client.post(agree, SURE, headers=HTMX)
    assert person.groups.get().name == "finance"
    administrator_client.post("/settings/users/nina/_/access/", SURE, headers=HTMX)
    assert not User.objects.get(pk=person.pk).is_active
    administrator_client.post("/settings/users/nina/_/access/", SURE, headers=HTMX)
    assert User.objects.get(pk=person.pk).is_active
    verbs = AuditEntry.objects.filter(subject_id=person.pk, subject="backoffice.user")
    assert list(verbs.order_by("pk").values_list("verb", flat=True)) == [
        "staff.role_asked",
        "staff.role_changed",
        "staff.deactivated",
        "staff.activated",
    ]


def test_a_role_is_turned_down_or_taken_back(
    administrator_user: User, finance_user: User, support_user: User, person: User
) -> None:
    asks, agrees = actors.person(administrator_user), actors.person(finance_user)
    for by in (agrees, asks):
        staff.change_role([person.pk], "finance", actor=asks)
        grant = grant_of(person)
        with pytest.raises(StaffError, match="Another administrator or someone of finance"):
            staff.agree_to_role(grant.pk, actor=actors.person(support_user))
        staff.turn_down_role(grant.pk, actor=by)
        with pytest.raises(StaffError, match="Nobody waits"):
            staff.agree_to_role(grant.pk, actor=agrees)
    assert person.groups.get().name == "support"


def test_auditor_decides_nothing_and_is_given_by_one(
    administrator_user: User, person: User
) -> None:
    staff.change_role([person.pk], "auditor", actor=actors.person(administrator_user))
    assert person.groups.get().name == "auditor"


def test_a_new_person_chooses_a_password_before_anything_else(
    administrator_user: User, finance_user: User
) -> None:
    nina, password = staff.add_member(
        username="nina",
        first_name="Nina",
        last_name="Ray",
        email="",
        role="auditor",
        actor=actors.person(administrator_user),
    )
    client = signed_in(nina)
    assert client.get("/settings/audit/").headers["Location"] == "/me/password/"
    chosen = "a longer one of my own"
    values = {"old_password": password, "new_password1": chosen, "new_password2": chosen}
    assert client.post("/me/password/", values).status_code == 302
    assert client.get("/settings/audit/").status_code == 200


def test_the_owner_of_the_database_gives_a_role_where_nobody_can_agree(
    committed_db: Database,
) -> None:
    call_command("give_role", "first", "administrator", new=True, why="The first administrator.")
    user = User.objects.get(username="first", password_is_first=True)
    assert user.groups.get().name == "administrator"
    entry = AuditEntry.objects.get(verb="staff.role_changed", subject_id=user.pk)
    assert (entry.user, entry.detail["why"]) == (None, "The first administrator.")


def test_nobody_changes_their_own_role_or_anothers_without_the_right(
    administrator_client: Client, administrator_user: User, support_client: Client, person: User
) -> None:
    own = f"/settings/users/{administrator_user.username}/"
    assert "Change role" not in administrator_client.get(own).content.decode()
    refused = administrator_client.post(f"{own}_/role/", {"role": "support"}, headers=HTMX)
    assert refused.status_code == 422
    assert "change your own role" in refused.content.decode()
    for address in ("/settings/users/nina/_/role/", "/settings/users/nina/_/access/"):
        assert support_client.post(address, {"role": "finance"}).status_code == 403
    person.refresh_from_db()
    assert (administrator_user.groups.get().name, person.groups.get().name, person.is_active) == (
        "administrator",
        "support",
        True,
    )
    tried = AuditEntry.objects.filter(verb__in=["staff.refused", "access.refused"]).order_by("pk")
    assert [(entry.verb, entry.detail.get("address")) for entry in tried] == [
        ("staff.refused", None),
        ("access.refused", "user_role"),
        ("access.refused", "user_access"),
    ]


def test_the_page_of_a_new_person_leaves_ones_own_role_in_the_rail(
    administrator_client: Client,
) -> None:
    values = {
        "username": "nina",
        "first_name": "Nina",
        "last_name": "Ray",
        "email": "",
        "role": "support",
    }
    page = administrator_client.post("/settings/users/new/", values).content.decode()
    assert "Nina Ray was added" in page
    assert re.search(r"<small>Administrator</small>", page)


def test_the_audit_log_reads_as_words_and_exports_everything(
    administrator_client: Client, administrator_user: User
) -> None:
    audit.record(
        "finance.refund_approved",
        "finance.refund",
        7,
        actor=actors.person(administrator_user),
        amount={"amount": "64.7000", "currency": "GBP"},
        fields=["fallback", "purpose"],
        sha256="ab" * 32,
    )
    page = administrator_client.get("/settings/audit/").content.decode()
    assert "amount: £64.70" in page
    assert "fields: fallback, purpose" in page
    assert "sha256: abababababab…" in page
    exported = administrator_client.get("/settings/audit/_/export/")
    assert "ab" * 32 in b"".join(exported.streaming_content).decode()  # type: ignore[attr-defined]


def test_the_demonstration_staff_have_their_roles_and_new_passwords_keep_them(
    committed_db: Database, tmp_path: Path
) -> None:
    for _ in range(2):
        call_command("demo_users", logins=str(tmp_path / "logins.txt"), stdout=StringIO())
        found = User.objects.values_list("username", "groups__name").order_by("username")
        assert dict(found)["daniel"] == "finance"
        assert found.count() == User.objects.count() == 7
    assert RoleGrant.objects.count() == 7
