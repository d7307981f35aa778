"""Refunds line by line: proposed from what comes back, tax and delivery with it, never too much."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client

from backoffice.actors import HOUSE, person
from backoffice.models import User
from backoffice.money import Money
from finance.models.ledger import Account
from finance.models.refunds import Refund, RefundLine
from finance.queries import balance_shown, trial_balance
from finance.services.errors import FinanceError, RefundTooLarge
from finance.services.parts import NewPart, offered, units_of
from finance.services.refunds import (
    Asked,
    NewRefund,
    approve_refund,
    request_refunds,
    withdraw_refund,
)
from inventory.models import StockMove
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns
from orders.services.drafts import NewLine
from orders.services.intake import find_order_of
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    receive_returns,
    request_returns,
)
from orders.services.shipping import ship_order
from tests.bed.databases import at_once
from tests.finance.factories import make_stock, pay, place, pounds

What = RefundLine.What


def shipped(*, tax: str = "2.00", **fields: Any) -> Order:
    """Three mugs for £12.00 of which £2.00 is tax, delivery £5.00 of which £0.83, paid and sent."""
    make_stock("MUG")
    order = place(
        NewLine(3, Decimal("4.00"), "MUG", description="Mug", tax=Decimal(tax)),
        shipping=Decimal("5.00"),
        shipping_tax=Decimal("0.83"),
        **fields,
    )
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    return Order.objects.select_related("channel").get(pk=order.pk)


def mugs(order: Order) -> OrderLine:
    return order.lines.get(kind="stock")


def coming(order: Order, units: int) -> ReturnOrder:
    line = NewReturnLine(units, order_line_id=mugs(order).pk)
    (row,) = request_returns([NewReturn(order.channel, (line,), order_id=order.pk)], actor=HOUSE)
    return authorise_returns([row.pk], actor=HOUSE)[0]


def asked(order: Order, *parts: NewPart, **fields: Any) -> Refund:
    new = NewRefund(order.pk, None, "returned", HOUSE, parts=parts, **fields)
    (answer,) = request_refunds([new])
    if not isinstance(answer, Asked):
        raise answer
    return answer.refund


def told(order: Order, units: int) -> list[tuple[str, Money, int]]:
    rows = offered(order, {mugs(order).pk: units} if units else {})
    return [(row.label, row.proposed, row.units) for row in rows]


def test_the_proposal_is_what_the_units_cost_and_delivery_once_all_come_back(db: None) -> None:
    order = shipped()
    assert told(order, 1) == [("MUG Mug", pounds("4.00"), 1), ("Delivery", pounds("0.00"), 0)]
    assert told(order, 3) == [("MUG Mug", pounds("12.00"), 3), ("Delivery", pounds("5.00"), 0)]
    before = shipped(prices_include_tax=False)
    assert told(before, 3)[0][1] == pounds("14.00")
    assert told(before, 3)[1][1] == pounds("5.83")
    reduced = shipped(discount=Decimal("1.00"))
    parts = []
    for _ in range(3):
        (row, *_) = offered(reduced, {mugs(reduced).pk: 1})
        parts.append(row.proposed.amount)
        asked(reduced, NewPart(What.LINE, row.proposed.amount, mugs(reduced).pk, 1))
    assert sum(parts) == Decimal("11.00")


def test_a_refund_carries_the_tax_of_its_lines_and_the_parts_add_up(
    db: None, finance_user: User
) -> None:
    order = shipped()
    line = mugs(order)
    first = asked(order, NewPart(What.LINE, Decimal("4.00"), line.pk, 1))
    rest = asked(
        order,
        NewPart(What.LINE, Decimal("8.00"), line.pk, 2),
        NewPart(What.SHIPPING, Decimal("5.00")),
    )
    taxes = list(RefundLine.objects.order_by("pk").values_list("tax", flat=True))
    assert taxes == [Decimal("0.67"), Decimal("1.33"), Decimal("0.83")]
    assert (first.amount, rest.amount) == (Decimal(4), Decimal(13))
    for refund in (first, rest):
        approve_refund(
            refund, amount=refund.money, version=refund.version, actor=person(finance_user)
        )
    books = trial_balance(order.channel.legal_entity_id)
    # Sold and given back in full: neither tax nor income is left.
    assert books.of(Account.Role.TAX, "GBP") == 0
    assert books.of(Account.Role.PSP_CLEARING, "GBP") == 0


def test_the_money_of_a_return_is_asked_for_with_what_was_proposed_edited(
    db: None, client: Client, support_user: User
) -> None:
    order = shipped()
    row = coming(order, 2)
    client.force_login(support_user)
    page = client.get(f"/finance/_/refund-return/{row.number}/").content.decode()
    assert "Proposed: £8.00" in page
    assert 'value="8.00"' in page
    given = {"reason": "returned", f"line_{mugs(order).pk}": "7.50", "other": "1.00", "key": "k"}
    assert client.post(f"/finance/_/refund-return/{row.number}/", given).status_code == 302
    client.post(f"/finance/_/refund-return/{row.number}/", given)
    refund = Refund.objects.get()
    assert (refund.money, refund.return_order, refund.state) == (pounds("8.50"), row, "requested")
    panel = client.get(f"/finance/_/of-return/{row.pk}/").content.decode()
    assert refund.number in panel
    shown = client.get(f"/finance/refunds/{refund.number}/").content.decode()
    assert "£7.50" in shown
    assert f"Return {row.number}" in shown
    assert units_of(row) == {mugs(order).pk: 2}


def test_a_return_that_nobody_authorised_gives_no_money_back(db: None) -> None:
    order = shipped()
    line = NewReturnLine(1, order_line_id=mugs(order).pk)
    (row,) = request_returns([NewReturn(order.channel, (line,), order_id=order.pk)], actor=HOUSE)
    part = NewPart(What.LINE, Decimal(4), mugs(order).pk, 1)
    with pytest.raises(FinanceError, match="was not authorised"):
        asked(order, part, return_id=row.pk)
    with pytest.raises(FinanceError, match="not one of order"):
        asked(shipped(), NewPart(What.OTHER, Decimal(1)), return_id=row.pk)
    assert not Refund.objects.exists()


def test_no_line_gives_back_more_than_it_cost_whatever_was_paid(db: None) -> None:
    order = shipped()
    line = mugs(order)
    asked(order, NewPart(What.LINE, Decimal("8.00"), line.pk, 2))
    for part in (
        NewPart(What.LINE, Decimal("4.01"), line.pk),
        NewPart(What.SHIPPING, Decimal("5.01")),
        NewPart(What.LINE, Decimal("-1.00"), line.pk),
        NewPart(What.LINE, Decimal("NaN"), line.pk),
        NewPart(What.LINE, Decimal("1.00"), mugs(shipped()).pk),
    ):
        with pytest.raises(FinanceError):
            asked(order, part)
    assert Refund.objects.count() == 1
    with pytest.raises(RefundTooLarge):
        asked(order, NewPart(What.OTHER, Decimal("9.01")))
    assert Refund.objects.count() == 1
    withdraw_refund(Refund.objects.get(), version=1, actor=HOUSE)
    asked(order, NewPart(What.LINE, Decimal("12.00"), line.pk, 3))


def test_postgresql_holds_the_parts_to_the_refund_and_to_the_line(db: None) -> None:
    order = shipped()
    line = mugs(order)
    refund = asked(order, NewPart(What.LINE, Decimal("8.00"), line.pk, 2))
    other = asked(order, NewPart(What.OTHER, Decimal("1.00")))

    def more(**fields: Any) -> Callable[[], object]:
        values = {"refund": other, "what": "line", "order_line": line, "tax": 0, **fields}

        def act() -> object:
            RefundLine.objects.create(**values)
            with transaction.get_connection().cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            return None

        return act

    attempts: list[Callable[[], object]] = [
        more(amount=Decimal("4.01")),
        more(amount=Decimal("1.00"), quantity=2),
        more(amount=Decimal("1.00")),
        lambda: RefundLine.objects.filter(refund=refund).update(amount=Decimal("1.00")),
        lambda: RefundLine.objects.filter(refund=refund).delete(),
        lambda: Refund.objects.filter(pk=refund.pk).update(return_order=coming(order, 1)),
    ]
    for attempt in attempts:
        with pytest.raises(DatabaseError), transaction.atomic():
            attempt()
    assert RefundLine.objects.count() == 2


def test_money_given_back_before_the_goods_arrive_is_credited_once(
    db: None, finance_user: User
) -> None:
    order = shipped()
    row = coming(order, 3)
    refund = asked(
        order,
        NewPart(What.LINE, Decimal("12.00"), mugs(order).pk, 3),
        NewPart(What.SHIPPING, Decimal("5.00")),
        return_id=row.pk,
    )
    approve_refund(refund, amount=refund.money, version=1, actor=person(finance_user))
    assert balance_shown(order).balance == Decimal("12.00")
    receive_returns([row.pk], actor=HOUSE)
    assert balance_shown(order).balance == 0
    books = trial_balance(order.channel.legal_entity_id)
    assert books.of(Account.Role.TAX, "GBP") == 0
    assert books.of(Account.Role.PSP_CLEARING, "GBP") == 0


def test_goods_that_came_without_a_price_are_credited_once_their_order_is_found(db: None) -> None:
    order = shipped()
    goods = (NewReturnLine(2, sku="MUG"),)
    new = NewReturn(order.channel, goods, unmatched_cause="no_number_given")
    (row,) = request_returns([new], actor=HOUSE)
    receive_returns([row.pk], actor=HOUSE)
    assert balance_shown(order).balance == 0
    find_order_of(row.pk, order.number, actor=HOUSE)
    assert balance_shown(order).balance == Decimal("-8.00")


def test_a_refund_moves_no_stock(db: None, finance_user: User) -> None:
    order = shipped()
    moves = StockMove.objects.count()
    refund = asked(order, NewPart(What.LINE, Decimal("12.00"), mugs(order).pk, 3))
    approve_refund(refund, amount=refund.money, version=1, actor=person(finance_user))
    assert StockMove.objects.count() == moves


def test_fifty_who_ask_for_one_line_at_once_get_it_once(committed_db: None) -> None:
    order = shipped()
    part = NewPart(What.LINE, Decimal("12.00"), mugs(order).pk, 3)

    def attempt() -> bool:
        try:
            asked(order, part)
        except FinanceError:
            return False
        return True

    answers = at_once([attempt] * 50)
    assert (answers.count(True), answers.count(False)) == (1, 49)
    assert Refund.objects.get().amount == Decimal(12)
