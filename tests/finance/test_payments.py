from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from backoffice.actors import HOUSE
from backoffice.money import Money
from backoffice.timeline import story
from finance import signals
from finance.models.balances import OrderBalance
from finance.models.ledger import JournalEntry
from finance.models.payments import Payment
from finance.queries import trial_balance
from finance.services.errors import FinanceError, PaymentConflict, WrongCurrency
from finance.services.payments import NewPayment, record_payments
from tests.bed.databases import Database, at_once
from tests.finance.factories import NOW, Role, make_channel, make_order, pay, pounds


def test_a_payment_is_booked_and_told_to_its_order(db: None) -> None:
    order = make_order("120.00")
    payment = pay(order)
    order.refresh_from_db()
    assert order.amount_paid == Decimal("120.00")
    assert order.payment == order.Payment.PAID
    assert payment.number == f"P-{payment.pk}"
    entry = JournalEntry.objects.get(source="finance.payment", source_id=payment.pk)
    lines = [(line.account.role, line.debit - line.credit) for line in entry.lines.all()]
    assert lines == [("psp_clearing", Decimal(120)), ("customers", Decimal(-120))]
    assert story("finance.payment", payment.pk).get().link_id == order.pk


def test_part_payments_add_up_and_overpaying_is_recorded(db: None) -> None:
    order = make_order("100.00")
    for amount, state in (("40.00", "part_paid"), ("60.00", "paid"), ("5.00", "overpaid")):
        pay(order, amount)
        order.refresh_from_db()
        assert order.payment == state
    balance = OrderBalance.objects.get(order=order)
    assert balance.paid == order.amount_paid == Decimal("105.00")
    assert balance.refundable == pounds("105.00")


def test_the_same_payment_twice_is_one_payment(db: None) -> None:
    order = make_order()
    first = pay(order, reference="pi_1")
    assert pay(order, reference="pi_1") == first
    assert Payment.objects.count() == JournalEntry.objects.count() == 1
    assert OrderBalance.objects.get(order=order).paid == Decimal("100.00")


def test_the_same_payment_reported_twenty_times_at_once_is_one_payment(
    committed_db: Database,
) -> None:
    order = make_order()
    answers = at_once([lambda: pay(order, reference="pi_1")] * 20)
    assert {answer.pk for answer in answers if isinstance(answer, Payment)} == {
        Payment.objects.get().pk
    }
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert OrderBalance.objects.get(order=order).paid == Decimal("100.00")


def test_a_known_reference_with_another_amount_is_refused(db: None) -> None:
    order = make_order()
    pay(order, "40.00", "pi_1")
    with pytest.raises(PaymentConflict, match="pi_1 is recorded already"):
        pay(order, "60.00", "pi_1")
    assert OrderBalance.objects.get(order=order).paid == Decimal("40.00")


def test_a_payment_in_another_currency_is_refused(db: None) -> None:
    order = make_order()
    euros = NewPayment(order.pk, "stripe", "pi_1", Money(Decimal(100), "EUR"), NOW)
    with pytest.raises(WrongCurrency, match="is in GBP, not EUR"):
        record_payments([euros], actor=HOUSE)
    assert not Payment.objects.exists()


@pytest.mark.parametrize("amount", ["0", "-5", "1.001"])
def test_a_payment_is_above_zero_in_whole_pence(db: None, amount: str) -> None:
    order = make_order()
    with pytest.raises(FinanceError, match="whole minor units"):
        pay(order, amount)
    assert not Payment.objects.exists()


def test_a_payment_stands_as_it_was_received(db: None) -> None:
    payment = pay(make_order())
    payments = Payment.objects.filter(pk=payment.pk)
    for change in (
        lambda: payments.update(amount=1),
        lambda: payments.update(external_id="other"),
        payments.delete,
    ):
        with pytest.raises((DatabaseError, IntegrityError)), transaction.atomic():
            change()
    payment.refresh_from_db()
    assert payment.amount == Decimal("100.00")


def test_payments_of_many_orders_are_announced_together_as_the_history_they_are(
    db: None,
) -> None:
    heard = []

    def hear(payments: list[Payment], history: bool, **sent: object) -> None:
        heard.append((len(payments), history))

    channel = make_channel()
    orders = [make_order(channel=channel) for _ in range(3)]
    signals.payments_received.connect(hear)
    try:
        record_payments(
            [NewPayment(o.pk, "file", o.number, pounds("100.00"), NOW) for o in orders],
            actor=HOUSE,
            history=True,
        )
    finally:
        signals.payments_received.disconnect(hear)
    assert heard == [(3, True)]
    assert Payment.objects.filter(is_history=True).count() == 3
    balance = trial_balance(channel.legal_entity_id)
    assert balance.of(Role.PSP_CLEARING, "GBP") == Decimal(300)
