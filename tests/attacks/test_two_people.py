"""What takes two people takes two: one person, two accounts, and a change dressed as another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction

from automations.models.rules import Rule
from automations.services import approvals, owners, policies, rules
from automations.services.errors import Refused
from backoffice import staff
from backoffice.actors import person
from backoffice.models import User
from finance.models.refund_limits import RefundLimit
from finance.services.errors import FinanceError
from finance.services.small_refunds import answer_limit, change_limit
from orders.models.trust import RiskSignal
from orders.services.errors import OrderError
from orders.services.risk_signals import SignalEdit, edit_signal
from tests.automations import factories as make
from tests.bed.people import MakeUser
from tests.orders.trust import Kind, Mode, make_signal

pytestmark = pytest.mark.django_db


def given(make_user: MakeUser, role: str, by: User) -> User:
    """A second account that an administrator asked a role for, and another agreed to."""
    account = make_user(None)
    (grant,) = staff.change_role([account.pk], role, actor=person(by))
    staff.agree_to_role(grant.pk, actor=person(make_user("administrator")))
    return account


LOOSER: list[dict[str, Any]] = [
    {"orders": 30_000},
    {"minutes": 1},
    {"weight": 0},
    {"mark": "ip"},
]


@pytest.mark.parametrize("looser", LOOSER, ids=lambda each: next(iter(each)))
def test_a_signal_sees_no_fewer_orders_by_a_stricter_mode(
    looser: dict[str, Any], operations_user: User
) -> None:
    signal = make_signal(Kind.VELOCITY, Mode.REVIEW, mark="mail", orders=3, minutes=60)
    before = RiskSignal.objects.filter(pk=signal.pk).values().get()
    fields: dict[str, Any] = {"weight": 40, "mark": "mail", "orders": 3, "minutes": 60, **looser}
    edit = SignalEdit(signal.name, Mode.BLOCK, **fields)
    with pytest.raises(OrderError, match="Finance decides"):
        edit_signal(
            signal.pk, edit, reason="Stricter", may_loosen=False, actor=person(operations_user)
        )
    with pytest.raises(DatabaseError, match="two people of finance"), transaction.atomic():
        RiskSignal.objects.filter(pk=signal.pk).update(mode="block", **looser)
    assert RiskSignal.objects.filter(pk=signal.pk).values().get() == before


def test_what_only_watched_takes_another_shape_as_it_begins_to_hold(operations_user: User) -> None:
    signal = make_signal(Kind.VELOCITY, Mode.MONITOR, mark="mail", orders=3, minutes=60)
    edit = SignalEdit(signal.name, Mode.REVIEW, 10, mark="mail", orders=9, minutes=60)
    edit_signal(signal.pk, edit, reason="Now", may_loosen=False, actor=person(operations_user))
    signal.refresh_from_db()
    assert (signal.mode, signal.orders, signal.weight) == ("review", 9, 10)


def test_whoever_asked_for_somebodys_role_does_not_agree_to_their_limit(
    administrator_user: User, make_user: MakeUser
) -> None:
    account = given(make_user, "finance", by=administrator_user)
    change_limit("GBP", Decimal(500), Decimal(5000), actor=person(account))
    with pytest.raises(FinanceError, match="asked for the role"):
        answer_limit(
            "GBP", Decimal(500), Decimal(5000), agrees=True, actor=person(administrator_user)
        )
    assert RefundLimit.objects.get().amount == 0
    answer_limit(
        "GBP", Decimal(500), Decimal(5000), agrees=True, actor=person(make_user("finance"))
    )
    assert RefundLimit.objects.get().amount == 500


def test_whoever_asked_for_somebodys_role_does_not_agree_that_fewer_approve(
    administrator_user: User, make_user: MakeUser
) -> None:
    account = given(make_user, "finance", by=administrator_user)
    policies.change("money", 2, actor=person(make_user("finance")))
    policies.change("money", 1, actor=person(account))
    with pytest.raises(Refused, match="asked for the role"):
        policies.agree("money", actor=person(administrator_user))
    assert policies.quorum("money") == 2
    policies.agree("money", actor=person(make_user("finance")))
    assert policies.quorum("money") == 1


def test_whoever_has_their_role_by_the_asker_does_not_agree_to_an_owner(
    administrator_user: User, make_user: MakeUser
) -> None:
    rule = make.live_rule()
    account = given(make_user, "operations", by=administrator_user)
    owners.ask_owner(rule, account.pk, actor=person(administrator_user))
    with pytest.raises(Refused, match="from who asked"):
        owners.agree_to_owner(rule.pk, owner_id=account.pk, actor=person(account))
    assert Rule.objects.get(pk=rule.pk).owner == make.author()


def test_an_approved_version_goes_in_force_with_the_owner_it_was_approved_with(
    operations_user: User,
) -> None:
    rule = make.make_rule()
    document = make.submit(rule)
    approvals.approve(
        document.pk,
        sha256=document.sha256,
        actor=person(make.approver(document)),
        comment="Fine.",
        activate_now=False,
    )
    rules.describe_rule(
        rule.pk,
        version=rule.version,
        actor=person(operations_user),
        owner_id=operations_user.pk,
    )
    with pytest.raises(DatabaseError, match="two people"), transaction.atomic():
        Rule.objects.filter(pk=rule.pk).update(owner=operations_user)
    assert Rule.objects.get(pk=rule.pk).owner == make.author()
