"""Screens of finance without a browser: what a form says, and what the books look like."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backoffice.actors import person
from backoffice.models import User
from finance.models.payments import Payment
from finance.models.refunds import Refund
from finance.services.refunds import request_refund
from orders.models.orders import Order
from tests.finance.factories import make_order, make_paid_order, pay, pounds

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def ask(client: Client, order: Order, **fields: Any) -> Any:
    values = {"key": "one", "reason": "goodwill", **fields}
    return client.post(f"/finance/_/refund/{order.number}/", values, headers=HTMX)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"amount_0": "5"}, "Say the currency too, such as GBP."),
        ({"amount_0": "5", "amount_1": "pounds"}, "Write it like GBP."),
        ({"amount_0": "much", "amount_1": "GBP"}, "“much” is no number. Write it like 1234.50."),
        ({"amount_0": "0.001", "amount_1": "GBP"}, "GBP has no such small amounts."),
        ({"amount_0": "1.250", "amount_1": "GBP"}, "can be read in two ways"),
        ({"amount_0": "-1", "amount_1": "GBP"}, "Enter an amount above zero."),
        ({"amount_0": "5", "amount_1": "EUR"}, "EUR"),
    ],
)
def test_an_amount_that_is_none_is_told_at_its_field_and_asks_for_nothing(
    support_client: Client, typed: dict[str, str], words: str
) -> None:
    order = make_paid_order()
    answer = ask(support_client, order, **typed)
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert not Refund.objects.exists()


def test_a_comma_begins_the_pence_and_never_vanishes(support_client: Client) -> None:
    order = make_paid_order("80.00")
    page = support_client.get(f"/finance/_/refund/{order.number}/", headers=HTMX).content.decode()
    assert 'type="number"' not in page.partition('name="amount_0"')[0].rpartition("<")[2]
    assert ask(support_client, order, amount_0="12,50", amount_1="GBP").status_code == 204
    assert Refund.objects.get().money == pounds("12.50")


@pytest.mark.parametrize("typed", [{"amount_1": "GBP"}, {}])
def test_without_an_amount_all_that_is_left_is_asked_for(
    support_client: Client, typed: dict[str, str]
) -> None:
    order = make_paid_order("80.00")
    page = support_client.get(f"/finance/_/refund/{order.number}/", headers=HTMX)
    assert 'value="GBP"' in page.content.decode()
    assert ask(support_client, order, **typed).status_code == 204
    assert Refund.objects.get().money == pounds(80)


def test_a_payment_is_recorded_with_what_the_dialog_proposes(finance_client: Client) -> None:
    order = make_order("111.36")
    address = f"/finance/_/pay/{order.number}/"
    page = finance_client.get(address, headers=HTMX)
    proposed = {field.html_name: field.value() for field in page.context["form"]}
    assert 'value="111.36"' in page.content.decode()
    assert proposed["method"] == "transfer"
    values = {
        "amount_0": "111.36",
        "amount_1": "GBP",
        "method": "transfer",
        "provider": "bank",
        "external_id": "BACS 77",
        "received_at": "2026-11-20T12:00:05",
    }
    assert finance_client.post(address, values, headers=HTMX).status_code == 204
    payment = Payment.objects.get()
    expected = timezone.make_aware(datetime(2026, 11, 20, 12, 0, 5))  # noqa: DTZ001 (London)
    assert (payment.money, payment.received_at) == (pounds("111.36"), expected)


def test_an_order_says_whose_favour_its_account_is_in(finance_client: Client) -> None:
    order = make_order("100.00")
    part = f"/finance/_/of-order/{order.pk}/"
    assert "Customer account" in finance_client.get(part).content.decode()
    pay(order)
    said = finance_client.get(part).content.decode()
    assert "In the customer’s favour" in said
    assert "−£100.00" not in said


def test_what_was_paid_too_much_is_not_called_still_to_pay(finance_client: Client) -> None:
    order = make_paid_order("100.00")
    pay(order)
    page = finance_client.get(f"/orders/{order.number}/").content.decode()
    assert "Paid too much" in page
    assert "Still to pay" not in page


def test_a_waiting_refund_is_taken_off_once(finance_client: Client, support_user: User) -> None:
    order = make_paid_order("100.00")
    request_refund(order, pounds(30), Refund.Reason.GOODWILL, actor=person(support_user))
    said = finance_client.get(f"/finance/_/of-order/{order.pk}/").content.decode()
    assert said.count("−£30.00") == 1
    assert "£70.00" in said


def test_the_trial_balance_names_sides_and_adds_up(finance_client: Client) -> None:
    pay(make_order("100.00"))
    response = finance_client.get("/finance/trial-balance/")
    (book,) = response.context["books"]
    sides = {str(row["account"]): (str(row["balance"]), row["side"]) for row in book["rows"]}
    assert set(sides.values()) == {("£100.00", "credit"), ("£100.00", "debit")}
    assert book["totals"] == [(pounds(100), pounds(100))]
    assert "Total" in response.content.decode()


def test_books_that_are_not_open_yet_say_when_they_will_be(finance_client: Client) -> None:
    page = finance_client.get("/finance/trial-balance/").content.decode()
    assert "No books yet" in page
