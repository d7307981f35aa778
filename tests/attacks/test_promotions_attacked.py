"""Promotions, met with goods sold ahead, refunds, second accounts, odd times and fifty buyers."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.db.models import Count
from django.test import Client

from backoffice.actors import HOUSE, person
from backoffice.models import User
from finance.models.refunds import Refund, RefundLine
from finance.services.errors import FinanceError
from finance.services.parts import NewPart, offered
from finance.services.refunds import NewRefund, request_refunds
from orders.models.orders import Order
from orders.models.preorders import PreOrder
from orders.models.promotions import Promotion, PromotionCount, Redemption
from orders.models.shipments import Shipment
from orders.services.cancelling import cancel_orders
from orders.services.drafts import NewLine
from orders.services.errors import OrderError, PromotionError
from orders.services.placing import place_orders
from orders.services.promotions import agree_promotion, ask_start, edit_promotion, stop_promotion
from orders.services.shipping import ship_order
from tests.attacks.books import what_is_wrong
from tests.attacks.test_two_people import given
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.finance import factories as finance
from tests.inventory.factories import make_sku
from tests.orders.factories import draft, fresh, line, make_customer, pay, place, sell_ahead
from tests.orders.promotions import Target, drafted, started, terms_with

WORKERS = 50


def forged_shipment(order: Order) -> None:
    with transaction.atomic():
        Shipment.objects.create(order=order, key="forged", shipped_at=order.placed_at)


@pytest.mark.django_db
def test_goods_that_are_paid_leave_before_those_sold_ahead_though_a_promotion_is_on_them() -> None:
    sell_ahead(make_sku("LAMP"), billing=PreOrder.Billing.FULFILMENT)
    mug = make_sku("MUG", stock=5)
    started(percent=Decimal(50), target=Target.SKUS, skus=("MUG",))
    order = place(line(make_sku("LAMP"), 2), line(mug, 1, "8.00"), codes=("SPRING",))
    assert order.total == 24
    pay(order, "3.00")
    with pytest.raises(DatabaseError, match="is not paid"):
        forged_shipment(order)
    pay(fresh(order), "1.00")
    ship_order(order.pk, actor=HOUSE)
    assert fresh(order).fulfilment == "part_shipped"


@pytest.mark.django_db
def test_a_promotion_on_goods_sold_ahead_makes_nothing_else_cheaper() -> None:
    sell_ahead(make_sku("LAMP"), billing=PreOrder.Billing.FULFILMENT)
    started(percent=Decimal(50), target=Target.SKUS, skus=("LAMP",))
    mug = make_sku("MUG", stock=5)
    order = place(line(make_sku("LAMP"), 2), line(mug, 1, "8.00"), codes=("SPRING",))
    assert order.total == 18
    pay(order, "7.00")
    with pytest.raises(DatabaseError, match="is not paid"):
        forged_shipment(order)
    assert not Shipment.objects.exists()


@pytest.mark.django_db
def test_nobody_starts_a_promotion_of_who_gave_them_their_role(
    administrator_user: User, make_user: MakeUser
) -> None:
    account = given(make_user, "finance", by=administrator_user)
    change = ask_start(drafted().pk, why="Spring", actor=person(administrator_user))
    with pytest.raises(PromotionError, match="from who asked"):
        agree_promotion(change.pk, actor=person(account))
    assert not Promotion.objects.get().is_on
    assert agree_promotion(change.pk, actor=person(make_user("finance"))).is_on


EAST, WEST = timezone(timedelta(hours=14)), timezone(-timedelta(hours=12))
TIMES: dict[str, dict[str, Any]] = {
    "before the first day": {"starts_at": datetime(1, 1, 1, tzinfo=EAST)},
    "after the last day": {"ends_at": datetime(9999, 12, 31, 23, tzinfo=WEST)},
    "the last day": {"ends_at": datetime(9999, 12, 31, 23, 59, tzinfo=UTC)},
}


@pytest.mark.django_db
@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_a_promotion_at_the_edge_of_the_calendar_spoils_no_list(
    times: dict[str, Any], operations_client: Client
) -> None:
    row = drafted()
    with pytest.raises(PromotionError, match="within ten years"):
        drafted(name="Far", **times)
    with pytest.raises(PromotionError, match="within ten years"):
        edit_promotion(row.pk, terms_with(row, **times), why="x", actor=HOUSE)
    assert Promotion.objects.count() == 1
    assert operations_client.get("/promotions/").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(6))
def test_all_of_a_discounted_order_goes_back_to_the_penny_and_never_more(
    seed: int, make_user: MakeUser
) -> None:
    dice = random.Random(seed)
    currency, unit = dice.choice([("GBP", "0.01"), ("JPY", "1"), ("KWD", "0.001")])
    step = Decimal(unit)
    shop = finance.make_channel(finance.make_entity(), currency)
    started(percent=Decimal(dice.choice([1, 33, 50, 99])), starts_at=finance.NOW)
    started(name="Too", code="TOO", percent=Decimal(20), starts_at=finance.NOW)
    for code in "ABC":
        finance.make_stock(code)
    goods = [
        NewLine(dice.choice([1, 3, 7]), step * dice.choice([1, 2, 333]), code, tax=step)
        for code in "ABC"
    ]
    order = finance.place(
        *goods, channel=shop, codes=("SPRING", "TOO"), shipping=step * 5,
        prices_include_tax=dice.random() < 0.5,
    )  # fmt: skip
    if not order.total:
        return
    finance.pay(order)
    ship_order(order.pk, actor=HOUSE)
    order.refresh_from_db()
    asker = person(make_user("support"))
    for _ in range(60):
        for row in offered(order, {}):
            most = int(row.left.amount / step)
            amount = step * dice.choice([most, dice.randint(1, most)])
            part = NewPart(row.what, amount, row.line.pk if row.line else None)
            (answer,) = request_refunds(
                [NewRefund(order.pk, None, "goodwill", asker, parts=(part,))]
            )
            assert not isinstance(answer, FinanceError), answer
    assert sum(Refund.objects.values_list("amount", flat=True)) == order.total
    assert what_is_wrong() == {}
    refund = Refund.objects.latest("pk")
    with pytest.raises(DatabaseError), transaction.atomic():
        RefundLine.objects.create(
            refund=refund, what="line", order_line=order.lines.all()[0], amount=step, tax=0
        )


@pytest.mark.django_db
def test_postgresql_gives_no_more_back_for_a_line_than_it_cost_after_promotions() -> None:
    finance.make_stock("MUG")
    finance.make_stock("BOWL")
    started(percent=Decimal(50), target=Target.SKUS, skus=("MUG",), starts_at=finance.NOW)
    lines = (NewLine(1, Decimal(10), "MUG"), NewLine(1, Decimal(10), "BOWL"))
    order = finance.place(*lines, codes=("SPRING",))
    finance.pay(order)
    mug = order.lines.get(sku__code="MUG")
    refund = Refund.objects.create(
        order=order, amount=9, currency="GBP", reason="goodwill", actor_kind="system"
    )
    parts = {"refund": refund, "what": "line", "order_line": mug, "tax": 0}
    with pytest.raises(DatabaseError, match="more than was charged"), transaction.atomic():
        RefundLine.objects.create(amount=9, **parts)
    assert not RefundLine.objects.exists()


def test_fifty_who_buy_cancel_lower_and_stop_use_a_promotion_no_oftener_than_it_allows(
    committed_db: Database,
) -> None:
    row = started(percent=Decimal(10), usage_limit=12, customer_limit=2)
    sku, dice = make_sku("MUG", stock=500), random.Random(5)
    buyers = [make_customer(str(20_000 + number)) for number in range(8)]

    def buy(number: int) -> object:
        new = draft(line(sku), customer_id=buyers[number % 8].pk, codes=("SPRING",))
        return place_orders([new], actor=HOUSE)

    def cancel() -> object:
        ids = list(Order.objects.order_by("?").values_list("pk", flat=True)[:2])
        reason = Order.CancelReason.CUSTOMER
        return cancel_orders(ids, reason=reason, actor=HOUSE)

    def lower() -> object:
        terms = terms_with(row, usage_limit=11)
        return edit_promotion(row.pk, terms, why="Less", actor=HOUSE)

    works: list[Callable[[], object]] = [partial(buy, number) for number in range(32)]
    works += [cancel] * 14 + [lower] * 4
    dice.shuffle(works)
    works[40:40] = [partial(stop_promotion, row.pk, reason="Over", actor=HOUSE)]
    said = [each for each in at_once(works) if isinstance(each, Exception)]
    assert [each for each in said if not isinstance(each, OrderError)] == []
    live = Redemption.objects.filter(promotion=row, release=None)
    assert PromotionCount.objects.get(promotion=row).used == live.count() <= 12
    by_buyer = live.values("order__customer").annotate(uses=Count("id"))
    assert all(each["uses"] <= 2 for each in by_buyer)
    assert not live.exclude(order__cancelled_at=None).exists()
    assert what_is_wrong() == {}
