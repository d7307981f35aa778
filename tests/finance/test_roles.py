from __future__ import annotations

from collections.abc import Callable

import pytest

from backoffice.models import User
from backoffice.roles import ADMINISTRATOR, AUDITOR, FINANCE, OPERATIONS, ROLES, SUPPORT

pytestmark = pytest.mark.django_db
DESK = {SUPPORT, ADMINISTRATOR}
ASKERS = {OPERATIONS, FINANCE, SUPPORT, ADMINISTRATOR}


@pytest.mark.parametrize(
    ("permission", "roles"),
    [
        ("finance.approve_refund", {FINANCE}),
        ("finance.record_payment", {FINANCE}),
        ("finance.post_manual_entry", {FINANCE}),
        ("finance.change_account", {FINANCE}),
        ("finance.request_refund", ASKERS),
        ("finance.view_refund", {*ASKERS, AUDITOR}),
        ("finance.view_journalentry", {OPERATIONS, FINANCE, ADMINISTRATOR, AUDITOR}),
        ("support.view_ticket", set(ROLES)),
        ("support.add_ticket", {OPERATIONS, *DESK}),
        ("support.change_ticket", {OPERATIONS, *DESK}),
        ("support.answer_ticket", DESK),
        ("support.close_queue", DESK),
    ],
)
def test_each_right_is_held_by_its_roles_alone(
    make_user: Callable[..., User], permission: str, roles: set[str]
) -> None:
    assert {role for role in ROLES if make_user(role).has_perm(permission)} == roles


def test_the_auditor_sees_everything_of_finance_and_support_and_changes_nothing(
    auditor_user: User,
) -> None:
    held = {
        name
        for name in auditor_user.get_all_permissions()
        if name.startswith(("finance.", "support."))
    }
    assert {
        f"finance.view_{model}"
        for model in ("account", "journalentry", "journalline", "orderbalance", "payment", "refund")
    } <= held
    assert all(name.split(".")[1].startswith("view_") for name in held)
