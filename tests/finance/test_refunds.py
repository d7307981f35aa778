from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import Actor, ActorKind, person
from backoffice.models import AuditEntry, User
from backoffice.timeline import story
from finance.models.balances import OrderBalance
from finance.models.ledger import JournalEntry
from finance.models.refunds import Refund
from finance.queries import trial_balance
from finance.services.documents import Category, Document, DocumentLine, post_documents
from finance.services.errors import (
    FinanceError,
    RefundChanged,
    RefundClosed,
    RefundTooLarge,
    SamePerson,
)
from finance.services.refunds import (
    approve_refund,
    reject_refund,
    request_refund,
    withdraw_refund,
)
from orders.models.orders import Order
from tests.bed.databases import Database, at_once
from tests.finance.factories import NOW, Role, make_order, make_paid_order, pounds

RULE = Actor(ActorKind.RULE, "Refund lost parcels", rule_id=3, rule_version=6, run_id=77)


def ask(order: Order, amount: str, user: User) -> Refund:
    return request_refund(order, pounds(amount), "damaged", actor=person(user))


def approve(refund: Refund, user: User) -> Refund:
    return approve_refund(refund, amount=refund.money, version=refund.version, actor=person(user))


def entries_of(refund: Refund) -> int:
    return JournalEntry.objects.filter(source="finance.refund", source_id=refund.pk).count()


def test_support_asks_finance_approves_and_it_is_booked(
    db: None, support_user: User, finance_user: User
) -> None:
    order = make_paid_order("100.00")
    refund = approve(ask(order, "30.00", support_user), finance_user)
    assert refund.state == Refund.State.APPROVED
    assert refund.approved_by == finance_user
    order.refresh_from_db()
    assert order.amount_refunded == Decimal("30.00")
    balance = OrderBalance.objects.get(order=order)
    assert balance.refunded == Decimal(30)
    assert balance.reserved == 0
    assert balance.refundable == pounds("70.00")
    books = trial_balance(order.channel.legal_entity_id)
    assert books.of(Role.PSP_CLEARING, "GBP") == Decimal("70.00")
    told = [entry.text for entry in story("orders.order", order.pk)]
    assert f"Refund {refund.number} of £30.00 approved" in told
    assert AuditEntry.objects.get(verb="finance.refund_approved").detail["version"] == 1


def test_a_refund_uses_what_we_owe_the_customer_before_it_lowers_sales(
    db: None, support_user: User, finance_user: User
) -> None:
    order = make_paid_order("100.00")
    entity = order.channel.legal_entity_id
    for purpose, amount in (("sale", "100.00"), ("credit", "-20.00")):
        line = DocumentLine(Category.GOODS, pounds(amount))
        new = Document(entity, NOW, ("tests.paper", order.pk), [line], RULE, purpose, order=order)
        post_documents([new])
    approve(ask(order, "50.00", support_user), finance_user)
    books = trial_balance(entity)
    # £20 was credited already; £30 is an allowance on top.
    assert books.of(Role.RETURNS, "GBP") == Decimal("50.00")
    assert books.of(Role.CUSTOMERS, "GBP") == 0
    assert books.of(Role.PSP_CLEARING, "GBP") == Decimal("50.00")
    assert OrderBalance.objects.get(order=order).balance == 0


def test_who_asked_can_not_approve(db: None, finance_user: User) -> None:
    refund = ask(make_paid_order(), "30.00", finance_user)
    with pytest.raises(SamePerson, match="Somebody else of finance"):
        approve(refund, finance_user)
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED
    assert entries_of(refund) == 0


def test_the_database_refuses_an_approver_who_asked(db: None, finance_user: User) -> None:
    refund = ask(make_paid_order(), "30.00", finance_user)
    with pytest.raises(IntegrityError, match="approver_is_not_requester"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(
            state="approved", approved_by=finance_user, decided_at=timezone.now()
        )
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_the_database_refuses_an_approval_by_nobody(db: None, support_user: User) -> None:
    refund = ask(make_paid_order(), "30.00", support_user)
    with pytest.raises(IntegrityError, match="refund_released_by_a_person"), transaction.atomic():
        Refund.objects.filter(pk=refund.pk).update(state="approved", decided_at=timezone.now())


def test_only_people_of_finance_decide(
    db: None, support_user: User, make_user: Callable[..., User]
) -> None:
    refund = ask(make_paid_order(), "30.00", support_user)
    left = make_user("finance", is_active=False)
    for actor in (person(make_user("support")), person(make_user("administrator")), RULE):
        with pytest.raises(FinanceError):
            approve_refund(refund, amount=refund.money, version=1, actor=actor)
    with pytest.raises(FinanceError):
        approve(refund, left)
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_fifty_approvals_at_once_are_one_refund(
    committed_db: Database, make_user: Callable[..., User]
) -> None:
    order = make_paid_order("100.00")
    refund = ask(order, "100.00", make_user("support"))
    approvers = [make_user("finance") for _ in range(5)]
    works = [lambda user=user: approve(refund, user) for user in approvers * 10]
    answers = at_once(works)
    assert sum(isinstance(answer, Refund) for answer in answers) == 1
    assert sum(isinstance(answer, RefundClosed) for answer in answers) == 49
    assert entries_of(refund) == 1
    order.refresh_from_db()
    assert order.amount_refunded == Decimal("100.00")
    assert OrderBalance.objects.get(order=order).refunded == Decimal("100.00")


def test_twenty_requests_at_once_never_promise_more_than_was_paid(
    committed_db: Database, support_user: User
) -> None:
    order = make_paid_order("100.00")
    answers = at_once([lambda: ask(order, "30.00", support_user)] * 20)
    assert sum(isinstance(answer, Refund) for answer in answers) == 3
    assert sum(isinstance(answer, RefundTooLarge) for answer in answers) == 17
    assert OrderBalance.objects.get(order=order).reserved == Decimal("90.00")


@pytest.mark.parametrize("amount", ["100.01", "0", "-1"])
def test_more_than_was_paid_or_nothing_is_refused(
    db: None, support_user: User, amount: str
) -> None:
    order = make_paid_order("100.00")
    with pytest.raises(FinanceError):
        ask(order, amount, support_user)
    assert not Refund.objects.exists()
    assert OrderBalance.objects.get(order=order).reserved == 0


def test_an_unpaid_order_has_nothing_to_refund(db: None, support_user: User) -> None:
    order = make_order()
    with pytest.raises(RefundTooLarge, match="Nothing is left to refund"):
        ask(order, "1.00", support_user)


def test_the_database_refuses_to_refund_more_than_was_paid(db: None) -> None:
    order = make_paid_order("100.00")
    with (
        pytest.raises(IntegrityError, match="balance_refunds_within_payments"),
        transaction.atomic(),
    ):
        OrderBalance.objects.filter(order=order).update(refunded=Decimal("100.01"))


def test_an_approval_holds_for_the_amount_and_version_that_were_shown(
    db: None, support_user: User, finance_user: User
) -> None:
    refund = ask(make_paid_order(), "30.00", support_user)
    actor = person(finance_user)
    with pytest.raises(RefundChanged, match=r"£30\.00, not £31\.00"):
        approve_refund(refund, amount=pounds("31.00"), version=1, actor=actor)
    with pytest.raises(RefundChanged, match="changed since"):
        approve_refund(refund, amount=refund.money, version=0, actor=actor)
    assert entries_of(refund) == 0


def test_what_was_asked_can_not_be_changed_afterwards(
    db: None, support_user: User, finance_user: User
) -> None:
    order = make_paid_order()
    refund = ask(order, "30.00", support_user)
    rows = Refund.objects.filter(pk=refund.pk)
    approve(refund, finance_user)
    for change in (
        lambda: rows.update(amount=Decimal(99)),
        lambda: rows.update(requested_by=None),
        lambda: rows.update(state="requested", approved_by=None, decided_at=None),
        rows.delete,
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    refund.refresh_from_db()
    assert (refund.amount, refund.state) == (Decimal("30.00"), "approved")


def test_a_rejected_or_withdrawn_request_frees_its_money(
    db: None, support_user: User, finance_user: User
) -> None:
    order = make_paid_order("100.00")
    rejected = ask(order, "60.00", support_user)
    reject_refund(rejected, version=1, note="Photo is missing.", actor=person(finance_user))
    withdrawn = ask(order, "70.00", support_user)
    withdraw_refund(withdrawn, version=1, actor=person(support_user))
    assert OrderBalance.objects.get(order=order).reserved == 0
    assert not JournalEntry.objects.filter(source="finance.refund").exists()
    with pytest.raises(RefundClosed, match="decided already: rejected"):
        approve(rejected, finance_user)


def test_a_rejection_says_why(db: None, support_user: User, finance_user: User) -> None:
    refund = ask(make_paid_order(), "60.00", support_user)
    with pytest.raises(FinanceError, match="Say why"):
        reject_refund(refund, version=1, note=" ", actor=person(finance_user))
    refund.refresh_from_db()
    assert refund.state == Refund.State.REQUESTED


def test_a_rule_asks_once_for_all_that_is_left_and_names_its_run(
    db: None, finance_user: User
) -> None:
    order = make_paid_order("100.00")
    first = request_refund(order, None, "lost", actor=RULE, key="1:3:a1")
    again = request_refund(order, None, "lost", actor=RULE, key="1:3:a1")
    assert first == again
    assert (first.amount, first.run_id, first.requested_by) == (Decimal("100.00"), 77, None)
    approve(first, finance_user)
