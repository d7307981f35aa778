"""Amounts, dates and quantities that no till rings up."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from backoffice.actors import person
from finance.models.ledger import JournalEntry
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from inventory.models import StockLevel, StockMove
from tests.attacks.books import what_is_wrong
from tests.bed.people import MakeUser, signed_in
from tests.finance.factories import make_order, make_paid_order, make_stock, pounds

pytestmark = pytest.mark.django_db

BAD_AMOUNTS = [
    ("-5", "GBP"), ("0", "GBP"), ("-0", "GBP"), ("0.001", "GBP"), ("1e-3", "GBP"), ("NaN", "GBP"),
    ("sNaN", "GBP"), ("Infinity", "GBP"), ("999999999999999.99", "GBP"), ("1E+14", "GBP"),
    ("9" * 400, "GBP"), ("0x10", "GBP"), ("5", "EUR"), ("5", "JPY"), ("5", "gbp"), ("5", ""),
    ("5", "GB"), ("5", "ÀÀÀ"), ("", "GBP"), ("5", "£££"),
]  # fmt: skip
PAYMENT = {
    "method": "transfer",
    "provider": "bank",
    "external_id": "ref-1",
    "received_at": "2026-11-20 10:00",
}


@pytest.mark.parametrize(("amount", "currency"), BAD_AMOUNTS)
def test_no_payment_of_such_an_amount_is_recorded(
    finance_client: Client, amount: str, currency: str
) -> None:
    order = make_order("100.00")
    url = reverse("payment_record", args=[order.number])
    sent = {**PAYMENT, "amount_0": amount, "amount_1": currency}
    assert finance_client.post(url, sent).status_code == 422
    assert not Payment.objects.exists()
    assert not JournalEntry.objects.exists()


@pytest.mark.parametrize(
    "received_at",
    ["9999-12-31T23:59", "0001-01-01T00:00", "9999-12-31T23:59-14:00", "0001-01-01T00:00+14:00",
     "2100-01-01", "1969-12-31T23:00", "2026-02-30T00:00", "now", ""],
)  # fmt: skip
def test_no_payment_is_recorded_for_such_a_day(finance_client: Client, received_at: str) -> None:
    order = make_order("100.00")
    url = reverse("payment_record", args=[order.number])
    sent = {**PAYMENT, "received_at": received_at, "amount_0": "5", "amount_1": "GBP"}
    assert finance_client.post(url, sent).status_code == 422
    assert not Payment.objects.exists()


@pytest.mark.parametrize(
    ("amount", "currency"), [each for each in BAD_AMOUNTS if each != ("", "GBP")]
)
def test_no_refund_of_such_an_amount_is_asked_for(
    support_client: Client, amount: str, currency: str
) -> None:
    order = make_paid_order("100.00")
    url = reverse("refund_request", args=[order.number])
    sent = {"amount_0": amount, "amount_1": currency, "reason": "goodwill", "key": "k", "note": ""}
    assert support_client.post(url, sent).status_code == 422
    assert not Refund.objects.exists()
    assert what_is_wrong() == {}


def test_no_refund_is_approved_for_another_amount_than_was_asked(
    finance_client: Client, make_user: MakeUser
) -> None:
    order = make_paid_order("100.00")
    refund = request_refund(order, pounds(30), "goodwill", actor=person(make_user("support")))
    url = reverse("refund_approve", args=[refund.number])
    for amount, currency, version in (
        ("30.01", "GBP", "1"),
        ("29.99", "GBP", "1"),
        ("30", "EUR", "1"),
        ("30", "GBP", "2"),
        ("30", "GBP", "0"),
        ("-30", "GBP", "1"),
    ):
        sent = {"amount_0": amount, "amount_1": currency, "version": version, "note": ""}
        answer: Any = finance_client.post(url, sent)
        assert answer.status_code in (409, 422), (amount, currency, version)
    refund.refresh_from_db()
    assert (refund.state, refund.approved_by) == ("requested", None)


@pytest.mark.parametrize("quantity", ["0", "-1", "1.5", "NaN", "1e3", "99999999999", "9" * 400, ""])
@pytest.mark.parametrize("act", ["sku_receive", "sku_write_off"])
def test_no_stock_moves_by_such_a_quantity(
    operations_client: Client, act: str, quantity: str
) -> None:
    make_stock("MUG", 40)
    moves = StockMove.objects.count()
    url = reverse(act, args=["MUG"])
    place = StockLevel.objects.get().location_id
    sent = {"location": str(place), "quantity": quantity, "key": "k", "note": ""}
    assert operations_client.post(url, sent).status_code == 422
    assert (StockMove.objects.count(), StockLevel.objects.get().on_hand) == (moves, 40)


def test_a_form_sent_twice_moves_stock_once(operations_client: Client) -> None:
    make_stock("MUG", 40)
    place = StockLevel.objects.get().location_id
    sent = {"location": str(place), "quantity": "5", "key": "the-same", "note": ""}
    for _ in range(3):
        operations_client.post(reverse("sku_write_off", args=["MUG"]), sent)
    assert StockLevel.objects.get().on_hand == 35


def test_a_refund_form_sent_twice_asks_once(support_user: Any) -> None:
    order = make_paid_order("100.00")
    client = signed_in(support_user)
    sent = {"amount_0": "5", "amount_1": "GBP", "reason": "goodwill", "key": "the-same", "note": ""}
    for _ in range(3):
        client.post(reverse("refund_request", args=[order.number]), sent)
    assert Refund.objects.count() == 1
