from __future__ import annotations

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db.models import Sum

from backoffice.actors import HOUSE, person
from backoffice.models import LegalEntity, User
from backoffice.money import Money
from finance.models.balances import OrderBalance
from finance.models.ledger import JournalEntry
from finance.queries import income, trial_balance
from finance.services.documents import Category, Document, DocumentLine, post_documents
from finance.services.errors import RefundTooLarge, WrongCurrency
from finance.services.payments import NewPayment, record_payments
from finance.services.refunds import approve_refund, reject_refund, request_refund
from orders.models.orders import Order
from tests.finance.factories import (
    NOW,
    Role,
    make_channel,
    make_entity,
    make_order,
    make_orders,
    pounds,
)


@pytest.fixture
def entity(db: None) -> LegalEntity:
    return make_entity()


def paper(
    entity: LegalEntity,
    number: int,
    *lines: tuple[Category, str],
    order: Order | None = None,
    at: datetime = NOW,
) -> Document:
    return Document(
        entity_id=entity.pk,
        at=at,
        source=("tests.paper", number),
        lines=[DocumentLine(category, pounds(amount)) for category, amount in lines],
        actor=HOUSE,
        order=order,
    )


def test_a_document_is_booked_by_category(entity: LegalEntity) -> None:
    order = make_order()
    post_documents(
        [
            paper(
                entity,
                1,
                (Category.GOODS, "90.00"),
                (Category.GOODS, "10.00"),
                (Category.POSTAGE, "4.95"),
                (Category.DISCOUNT, "-5.00"),
                order=order,
            )
        ]
    )
    books = trial_balance(entity.pk)
    assert books.of(Role.SALES, "GBP") == Decimal("-100.00")
    assert books.of(Role.SHIPPING, "GBP") == Decimal("-4.95")
    assert books.of(Role.DISCOUNTS, "GBP") == Decimal("5.00")
    assert books.of(Role.CUSTOMERS, "GBP") == Decimal("99.95")
    assert OrderBalance.objects.get(order=order).charged == Decimal("99.95")


def test_what_goes_back_is_shown_apart_from_what_was_sold(entity: LegalEntity) -> None:
    post_documents([paper(entity, 1, (Category.GOODS, "-30.00"), (Category.MANUAL, "-2.00"))])
    books = trial_balance(entity.pk)
    assert books.of(Role.RETURNS, "GBP") == Decimal("30.00")
    assert books.of(Role.MANUAL, "GBP") == Decimal("2.00")
    assert books.of(Role.UNMATCHED, "GBP") == Decimal("-32.00")


def test_prices_of_three_decimals_are_rounded_half_up_on_each_line(entity: LegalEntity) -> None:
    post_documents([paper(entity, 1, *[(Category.GOODS, "0.125")] * 3)])
    post_documents([paper(entity, 2, *[(Category.GOODS, "-0.125")] * 3)])
    books = trial_balance(entity.pk)
    assert books.of(Role.SALES, "GBP") == Decimal("-0.39")
    assert books.of(Role.RETURNS, "GBP") == Decimal("0.39")


def test_a_document_worth_nothing_books_nothing(entity: LegalEntity) -> None:
    assert post_documents([paper(entity, 1, (Category.GOODS, "0.001"))]) == []
    assert post_documents([paper(entity, 2)]) == []


def test_bad_debt_fees_and_samples_find_their_accounts(entity: LegalEntity) -> None:
    post_documents(
        [
            paper(entity, 563185, (Category.BAD_DEBT, "11062.06")),
            paper(entity, 563186, (Category.BAD_DEBT, "-11062.06")),
            paper(entity, 563187, (Category.BAD_DEBT, "-11062.06")),
            paper(entity, 4, (Category.MARKETPLACE_FEE, "-13541.33")),
            paper(entity, 5, (Category.BANK_FEE, "-15.001")),
            paper(entity, 6, (Category.COMMISSION, "-52.24")),
            paper(entity, 7, (Category.SAMPLES, "-9.74")),
        ]
    )
    books = trial_balance(entity.pk)
    assert books.off == {"GBP": 0}
    assert books.of(Role.BAD_DEBT, "GBP") == Decimal("11062.06")
    assert books.of(Role.MARKETPLACE_FEES, "GBP") == Decimal("13541.33")
    assert books.of(Role.PSP_CLEARING, "GBP") == Decimal("-13541.33")
    assert books.of(Role.BANK_FEES, "GBP") == Decimal("15.00")
    assert books.of(Role.BANK, "GBP") == Decimal("-15.00")
    assert books.of(Role.COMMISSIONS, "GBP") == Decimal("52.24")
    assert books.of(Role.SAMPLES, "GBP") == Decimal("9.74")
    assert books.of(Role.UNMATCHED, "GBP") == Decimal("-11062.06") - Decimal("61.98")
    earned = -sum(row.balance for row in income(entity.pk).rows)
    assert earned == Decimal("11062.06") - 2 * Decimal("11062.06") - Decimal("13618.31")


def test_a_document_is_booked_once(entity: LegalEntity) -> None:
    order = make_order()
    document = paper(entity, 1, (Category.GOODS, "10.00"), order=order)
    assert len(post_documents([document, document])) == 1
    assert post_documents([document]) == []
    assert OrderBalance.objects.get(order=order).charged == Decimal("10.00")


def test_the_day_is_the_entitys_not_the_servers(db: None) -> None:
    sydney = make_entity("Kestrel Pty", "Australia/Sydney")
    late = datetime(2026, 6, 30, 20, tzinfo=UTC)
    (entry,) = post_documents([paper(sydney, 1, (Category.GOODS, "10.00"), at=late)])
    assert entry.posted_on.isoformat() == "2026-07-01"


def test_a_document_in_another_currency_than_its_order_is_refused(entity: LegalEntity) -> None:
    order = make_order(channel=make_channel(entity, "EUR"))
    with pytest.raises(WrongCurrency):
        post_documents([paper(entity, 1, (Category.GOODS, "10.00"), order=order)])
    assert not JournalEntry.objects.exists()


def test_a_thousand_random_orders_payments_and_refunds_balance_in_three_currencies(
    entity: LegalEntity, support_user: User, finance_user: User
) -> None:
    chance = random.Random(20261120)
    orders = make_orders(entity, ("GBP", "EUR", "JPY"), 1000)
    papers = [paper for order in orders for paper in _charged(chance, order)]
    payments = [
        NewPayment(order.pk, "stripe", f"{order.pk}-{part}", _paid(chance, order), NOW)
        for order in orders
        for part in range(chance.randint(0, 2))
    ]
    chance.shuffle(papers)
    chance.shuffle(payments)
    # Money and paper meet in any order.
    record_payments(payments[:500], actor=HOUSE)
    post_documents(papers[:700])
    record_payments(payments[500:], actor=HOUSE)
    post_documents(papers[700:])
    for order in chance.sample([each for each in orders if each.pk % 2], 60):
        _ask_back(chance, order, support_user, finance_user)
    books = trial_balance(entity.pk)
    assert books.off == {"GBP": 0, "EUR": 0, "JPY": 0}
    for currency in books.off:
        _ties(books.of(Role.CUSTOMERS, currency), books.of(Role.PSP_CLEARING, currency), currency)


def _charged(chance: random.Random, order: Order) -> list[Document]:
    """A bill of a few lines with many decimals, now and then with part of it given back."""
    lines = [
        DocumentLine(category, order.money(Decimal(chance.randint(1, 99999)) / 1000))
        for category in chance.choices((Category.GOODS, Category.POSTAGE, Category.MANUAL), k=4)
    ]
    back = [DocumentLine(line.category, -line.amount) for line in lines[: chance.randint(0, 2)]]
    return [
        Document(
            entity_id=order.channel.legal_entity_id,
            at=NOW,
            source=("tests.paper", order.pk),
            lines=body,
            actor=HOUSE,
            purpose=purpose,
            order=order,
        )
        for purpose, body in (("sale", lines), ("credit", back))
    ]


def _paid(chance: random.Random, order: Order) -> Money:
    step = Decimal(1) if order.currency == "JPY" else Decimal("0.01")
    return order.money(chance.randint(1, 9000) * step)


def _ask_back(chance: random.Random, order: Order, asker: User, decider: User) -> None:
    try:
        refund = request_refund(order, None, "goodwill", actor=person(asker))
    except RefundTooLarge:
        return  # nothing was paid
    if chance.random() < 0.3:
        reject_refund(refund, version=1, note="No.", actor=person(decider))
    else:
        approve_refund(refund, amount=refund.money, version=1, actor=person(decider))


def _ties(customers: Decimal, clearing: Decimal, currency: str) -> None:
    """The sub-ledger of orders is the control account, and clearing is what was paid."""
    sums = OrderBalance.objects.filter(currency=currency).aggregate(
        charged=Sum("charged"), credited=Sum("credited"), paid=Sum("paid"), back=Sum("refunded")
    )
    assert customers == sums["charged"] - sums["credited"] - sums["paid"] + sums["back"]
    assert clearing == sums["paid"] - sums["back"]
