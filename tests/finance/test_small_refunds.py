"""Small refunds by one person: within a limit that two have set, and never above it."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from backoffice.actors import person
from backoffice.models import AuditEntry, User
from finance.models.refund_limits import RefundLimit
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.refunds import request_refund
from finance.services.small_refunds import answer_limit, change_limit, left_alone, pay_if_small
from tests.bed.people import MakeUser
from tests.finance.factories import make_paid_order, pounds

pytestmark = pytest.mark.django_db


def allow(make_user: MakeUser, once: str, day: str) -> None:
    """A limit, by two people of finance."""
    one, two = make_user("finance"), make_user("finance")
    assert not change_limit("GBP", Decimal(once), Decimal(day), actor=person(one))
    answer_limit("GBP", Decimal(once), Decimal(day), agrees=True, actor=person(two))


def ask(user: User, amount: str) -> Refund:
    order = make_paid_order()
    return request_refund(order, pounds(amount), "goodwill", actor=person(user))


def test_without_a_limit_every_refund_waits_for_a_second_person(finance_user: User) -> None:
    refund = ask(finance_user, "1.00")
    assert left_alone(finance_user, "GBP") is None
    assert not pay_if_small(refund, actor=person(finance_user))
    with pytest.raises(IntegrityError, match="over what one person"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(
            state="approved", approved_by=finance_user, decided_at=timezone.now(), alone=True
        )
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_a_small_one_goes_back_at_once_and_a_larger_one_waits(
    support_client: Client, support_user: User, make_user: MakeUser
) -> None:
    allow(make_user, "20.00", "50.00")
    order = make_paid_order()
    url = f"/finance/_/refund/{order.number}/"
    page = support_client.get(url).content.decode()
    assert "£20.00 goes back at once" in page
    sent = {"amount_0": "20.00", "amount_1": "GBP", "reason": "goodwill", "note": ""}
    said = support_client.post(url, {**sent, "key": "one"}, follow=True)
    assert "of £20.00 goes back" in said.content.decode()
    small = Refund.objects.get(amount=20)
    assert (small.state, small.approved_by, small.alone) == ("approved", support_user, True)
    entry = AuditEntry.objects.get(verb="finance.refund_approved", subject_id=small.pk)
    assert entry.detail["alone"] is True
    sent["amount_0"] = "20.01"
    said = support_client.post(url, {**sent, "key": "two"}, follow=True)
    assert "waits for finance" in said.content.decode()
    assert Refund.objects.get(amount=Decimal("20.01")).state == Refund.State.REQUESTED


def test_the_day_s_sum_holds_of_each_person_and_by_postgresql(
    support_user: User, finance_user: User, make_user: MakeUser
) -> None:
    allow(make_user, "20.00", "30.00")
    assert pay_if_small(ask(support_user, "20.00"), actor=person(support_user))
    assert left_alone(support_user, "GBP") == pounds("10.00")
    second = ask(support_user, "11.00")
    assert not pay_if_small(second, actor=person(support_user))
    with pytest.raises(IntegrityError, match="over what one person"), transaction.atomic():
        Refund.objects.filter(pk=second.pk).update(
            state="approved", approved_by=support_user, decided_at=timezone.now(), alone=True
        )
    assert pay_if_small(ask(support_user, "10.00"), actor=person(support_user))
    assert left_alone(support_user, "GBP") is None
    assert left_alone(finance_user, "GBP") == pounds("20.00")


def test_nobody_else_than_who_asked_and_may_is_alone(
    support_user: User, operations_user: User, finance_user: User, make_user: MakeUser
) -> None:
    allow(make_user, "20.00", "50.00")
    for asker, approver in ((operations_user, operations_user), (support_user, finance_user)):
        refund = ask(asker, "5.00")
        assert not pay_if_small(refund, actor=person(approver))
        with pytest.raises(IntegrityError, match="alone only by who"), transaction.atomic():
            Refund.objects.filter(pk=refund.pk).update(
                state="approved", approved_by=approver, decided_at=timezone.now(), alone=True
            )
        refund.refresh_from_db()
        assert (refund.state, refund.alone) == ("requested", False)


def test_more_takes_two_and_less_takes_one(
    finance_user: User, support_user: User, make_user: MakeUser
) -> None:
    me, twenty = person(finance_user), (Decimal(20), Decimal(50))
    assert not change_limit("GBP", *twenty, actor=me)
    for who, why in ((finance_user, "someone else"), (support_user, "Another one of finance")):
        with pytest.raises(FinanceError, match=why):
            answer_limit("GBP", *twenty, agrees=True, actor=person(who))
    other = person(make_user("finance"))
    with pytest.raises(FinanceError, match="Look again"):
        answer_limit("GBP", Decimal(30), Decimal(50), agrees=True, actor=other)
    assert RefundLimit.objects.get().amount == 0
    answer_limit("GBP", *twenty, agrees=True, actor=other)
    assert RefundLimit.objects.get().amount == 20
    with pytest.raises(FinanceError, match="Finance says"):
        change_limit("GBP", Decimal(5), Decimal(5), actor=person(support_user))
    assert change_limit("GBP", Decimal(5), Decimal(50), actor=me)
    assert RefundLimit.objects.get().amount == 5
    verbs = AuditEntry.objects.filter(subject="finance.refundlimit", verb__contains="limit")
    assert list(verbs.order_by("pk").values_list("verb", flat=True)) == [
        "finance.refund_limit_asked",
        "finance.refund_limit_raised",
        "finance.refund_limit_lowered",
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO finance_refundlimit (currency, amount, a_day) VALUES ('GBP', 100, 100)",
        "UPDATE finance_refundlimit SET amount = 100",
        "DELETE FROM finance_refundlimit",
    ],
)
def test_the_application_writes_no_limit(statement: str) -> None:
    with (
        pytest.raises(DatabaseError, match="permission denied"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(statement)
    assert not RefundLimit.objects.exists()
