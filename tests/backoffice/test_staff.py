"""One person's page, and what the audit trail says of it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from backoffice import actors, audit
from backoffice.models import AuditEntry, User
from tests.bed.people import MakeUser

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}
SURE = {"csrfmiddlewaretoken": "sent by every form"}


@pytest.fixture
def person(make_user: MakeUser) -> User:
    return make_user("support", username="nina")


def test_an_administrator_changes_a_role_and_access_on_the_persons_page(
    administrator_client: Client, person: User
) -> None:
    page = administrator_client.get("/settings/users/nina/").content.decode()
    assert "Change role" in page
    administrator_client.post("/settings/users/nina/_/role/", {"role": "finance"}, headers=HTMX)
    assert person.groups.get().name == "finance"
    administrator_client.post("/settings/users/nina/_/access/", SURE, headers=HTMX)
    assert not User.objects.get(pk=person.pk).is_active
    administrator_client.post("/settings/users/nina/_/access/", SURE, headers=HTMX)
    assert User.objects.get(pk=person.pk).is_active
    verbs = AuditEntry.objects.filter(subject_id=person.pk).order_by("pk")
    assert list(verbs.values_list("verb", flat=True)) == [
        "staff.role_changed",
        "staff.deactivated",
        "staff.activated",
    ]


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
