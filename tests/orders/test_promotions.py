"""Promotions in the database: who starts them, how often they are used, what orders get."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from time import sleep
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from backoffice import roles
from backoffice.actors import HOUSE, person
from backoffice.models import TimelineEntry
from backoffice.money import Money
from orders import signals
from orders.models.claims import Claim
from orders.models.orders import Order
from orders.models.promotions import (
    Promotion,
    PromotionCount,
    Redemption,
    RedemptionLine,
    RedemptionRelease,
)
from orders.queries.checks import orders_that_differ
from orders.queries.promotions import State, state_of, why_over
from orders.services.cancelling import cancel_orders
from orders.services.claims import open_claim
from orders.services.drafts import NewLine
from orders.services.errors import PromotionUsedUp
from orders.services.placing import place_orders
from orders.services.price_floors import set_floor
from orders.services.promotion_sample import sample
from orders.services.promotions import (
    edit_promotion,
    end_promotions,
)
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.shipping import ship_order
from tests.bed.databases import at_once
from tests.inventory.factories import make_sku
from tests.orders.factories import (
    draft,
    fresh,
    line,
    make_channel,
    make_customer,
    pay,
    place,
)
from tests.orders.promotions import Kind, Target, somebody, started, terms_with

PLENTY = 100_000


def count_of(promotion: Promotion) -> PromotionCount:
    return PromotionCount.objects.get(promotion=promotion)


def now_is(promotion: Promotion) -> State:
    return state_of(Promotion.objects.select_related("count").get(pk=promotion.pk))


@pytest.mark.django_db
def test_a_code_takes_its_share_off_each_line_and_the_tax_follows() -> None:
    promotion = started()
    sku = make_sku(stock=PLENTY)
    lines = [
        NewLine(3, Decimal("3.33"), sku.code, tax=Decimal("1.67")),
        NewLine(1, Decimal("10.01"), sku.code, tax=Decimal("1.67")),
    ]
    order = place(*lines, codes=(" spring ",), shipping=Decimal("4.00"))
    rows = list(order.lines.order_by("position"))
    assert [row.discount for row in rows] == [Decimal("1.00"), Decimal("1.00")]
    assert [row.tax for row in rows] == [Decimal("1.50"), Decimal("1.50")]
    assert (order.discount, order.discount_on_lines) == (Decimal("2.00"), Decimal("2.00"))
    assert order.total == Decimal("20.00") - 2 + 4
    assert order.tax == Decimal("3.00")
    redemption = Redemption.objects.get(order=order, promotion=promotion)
    assert redemption.amount == Decimal("2.00")
    assert "10% off all goods" in redemption.how
    assert orders_that_differ([order.pk]) == []
    plain = place(*lines)
    assert plain.discount == 0
    assert plain.total == Decimal("20.00")


@pytest.mark.django_db
@pytest.mark.requirement("R80")
def test_each_kind_of_promotion_gives_what_its_terms_say() -> None:
    a, b = make_sku("A", stock=PLENTY), make_sku("B", stock=PLENTY)
    started(name="Spend 50", kind=Kind.THRESHOLD, thresholds={"GBP": "50"}, amounts={"GBP": "5"})
    started(
        name="A and B", kind=Kind.BUNDLE, bundle={"A": 1, "B": 2}, target=Target.BUNDLE,
        amounts={"GBP": "3"},
    )  # fmt: skip
    soon = timezone.now() + timedelta(days=1)
    weekend = started(
        name="B weekend", kind=Kind.TIME, ends_at=soon, target=Target.SKUS, skus=("B",),
        percent=Decimal(20),
    )  # fmt: skip
    assert place(line(a, 4, "10.00")).discount == 0
    assert place(line(a, 5, "10.00")).discount == 5
    assert place(line(a, 1, "10.00"), line(b, 2, "5.00")).discount == 3 + 2
    assert place(line(b, 1, "5.00")).discount == 1
    late = place(line(b, 1, "5.00"), placed_at=soon)
    assert late.discount == 0
    early = place(line(b, 1, "5.00"), placed_at=weekend.starts_at - timedelta(seconds=1))
    assert early.discount == 0
    fixed = place(line(b, 1, "5.00"), discount=Decimal("0.50"))
    assert fixed.discount == Decimal("0.50")
    assert fixed.discount_on_lines == 0
    assert place(line(b, 1, "5.00"), takes_promotions=False).discount == 0


@pytest.mark.django_db
def test_a_promotion_is_for_its_channels_and_its_currencies() -> None:
    sku = make_sku(stock=PLENTY)
    started(channels=(make_channel("mobile").key,))
    assert place(line(sku), codes=("SPRING",)).discount == 0
    said = TimelineEntry.objects.filter(text__contains="SPRING gave nothing").get()
    assert "it is not for The shop" in said.text
    assert place(line(sku), codes=("SPRING",), channel=make_channel("mobile")).discount == 1
    started(name="Euros", code="EURO", amounts={"EUR": "2"})
    assert place(line(sku), codes=("EURO",)).discount == 0


@pytest.mark.django_db
@pytest.mark.requirement("R81")
def test_no_line_goes_under_its_floor_and_no_order_over_its_cap() -> None:
    dear = make_sku("DEAR", stock=PLENTY, cost=Money(Decimal(8), "GBP"))
    free = make_sku("FREE", stock=PLENTY)
    started(percent=Decimal(50), margin_percent=Decimal(10))
    started(name="More", code="MORE", percent=Decimal(40), cap_percent=Decimal(60))
    order = place(line(dear, 1), line(free, 1), codes=("SPRING", "MORE"))
    by_sku = {row.sku.code: row.discount for row in order.lines.select_related("sku") if row.sku}
    # 8.00 and 10 per cent more are left of the one; both together stay under 60 per cent.
    assert by_sku["DEAR"] <= Decimal("1.20")
    assert order.discount <= Decimal("12.00")
    assert order.discount == Decimal("10.20")
    taxed = NewLine(3, Decimal("12.00"), "DEAR", tax=Decimal("6.00"))
    inside = place(taxed, codes=("SPRING",))
    row = inside.lines.get()
    assert row.discount > 4
    assert row.line_total - row.discount - row.tax >= 3 * Decimal("8.80")
    dearer = make_sku("LOSS", stock=PLENTY, cost=Money(Decimal(80), "GBP"))
    assert place(line(dearer), codes=("SPRING",)).discount == 0


@pytest.mark.django_db
@pytest.mark.requirement("R81")
def test_no_line_goes_under_the_least_price_that_finance_set() -> None:
    sku, promotion = make_sku("LEAST", stock=PLENTY), started(percent=Decimal(50))
    plain = place(line(sku, 3))
    set_floor(plain.channel, sku.pk, Decimal("8.005"), why="Brand", actor=HOUSE)
    order = place(line(sku, 3), codes=("SPRING",))
    # Three at 10.00 may not bring less than 24.015.
    assert order.discount == Decimal("5.98")
    assert sample(promotion).total == "£11.96"


@pytest.mark.django_db
@pytest.mark.requirement("R81")
def test_postgresql_lets_no_discount_in_that_leaves_less_than_the_least_price() -> None:
    sku = make_sku("LEAST", stock=PLENTY)
    started(percent=Decimal(50))
    order = place(line(sku), codes=("SPRING",))
    # As if whoever placed it had not asked for the least price.
    set_floor(order.channel, sku.pk, Decimal("8.00"), why="Brand", actor=HOUSE)
    with pytest.raises(IntegrityError, match="under its floor"), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.mark.django_db
def test_postgresql_refuses_discounts_that_do_not_add_up_or_go_under_the_floor() -> None:
    sku = make_sku(stock=PLENTY, cost=Money(Decimal(9), "GBP"))
    promotion = started()
    order = place(line(sku), codes=("SPRING",))
    assert order.discount == 1
    plain = place(line(sku))

    def forge(amount: str, on_line: str) -> None:
        with transaction.atomic():
            row = Redemption.objects.create(
                promotion=promotion, order=plain, amount=Decimal(amount), asked=Decimal(amount),
                currency="GBP", how="Forged",
            )  # fmt: skip
            RedemptionLine.objects.create(
                redemption=row, order_line=plain.lines.get(), amount=Decimal(on_line)
            )
            with connection.cursor() as cursor:
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")

    for amounts in (("1", "1"), ("2", "1")):
        with pytest.raises(IntegrityError, match="do not add up"):
            forge(*amounts)
    for change in ({"discount": 2}, {"discount_tax": 1}):
        with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
            order.lines.update(**change)
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        Order.objects.filter(pk=order.pk).update(discount_on_lines=0)
    assert fresh(order).discount == 1
    assert fresh(plain).discount == 0
    assert Redemption.objects.count() == 1


@pytest.mark.requirement("R80")
def test_of_fifty_buyers_with_a_code_for_ten_exactly_ten_get_it(committed_db: None) -> None:
    promotion = started(usage_limit=10)
    sku = make_sku(stock=PLENTY)
    new = draft(line(sku), codes=("SPRING",))
    answers = at_once([lambda: place_orders([new], actor=HOUSE)] * 50)
    assert [answer for answer in answers if isinstance(answer, Exception)] == []
    assert Order.objects.filter(discount=1, total=9).count() == 10
    assert Order.objects.filter(discount=0, total=10).count() == 40
    count = count_of(promotion)
    assert (count.used, count.ended_why) == (10, "limit")
    assert now_is(promotion) == State.ENDED
    # The other 40 were told why, and a promotion that says so refuses them instead.
    assert TimelineEntry.objects.filter(text__contains="it is used up").count() == 40
    started(name="Strict", code="STRICT", usage_limit=10, when_used_up="refuse")
    strict = draft(line(sku), codes=("STRICT",))
    answers = at_once([lambda: place_orders([strict], actor=HOUSE)] * 50)
    refused = [answer for answer in answers if isinstance(answer, Exception)]
    assert len(refused) == 40
    assert {type(error) for error in refused} == {PromotionUsedUp}
    assert "Leave it out" in str(refused[0])
    assert Order.objects.count() == 60
    # Cancelled at once by several people, an order gives its use back once.
    order = Order.objects.filter(discount=1)[0]
    cancel = [
        lambda: cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    ] * 50
    at_once(cancel)
    assert RedemptionRelease.objects.count() == 1


@pytest.mark.django_db
def test_cancelling_gives_a_use_back_once_and_the_promotion_runs_again() -> None:
    promotion = started(usage_limit=1)
    sku = make_sku(stock=PLENTY)
    order = place(line(sku), codes=("SPRING",))
    assert place(line(sku), codes=("SPRING",)).discount == 0
    for _ in range(2):
        cancel_orders([order.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    assert (count_of(promotion).used, now_is(promotion)) == (0, State.LIVE)
    # The cancelled order keeps what it was given.
    assert fresh(order).discount == 1
    assert place(line(sku), codes=("SPRING",)).discount == 1
    standing = Redemption.objects.get(release__isnull=True)
    with pytest.raises(IntegrityError, match="stay used"), transaction.atomic():
        RedemptionRelease.objects.create(redemption=standing, actor_kind="house", actor_label="x")
    assert count_of(promotion).used == 1


def test_a_customer_gets_it_as_often_as_it_says_however_many_orders_come_at_once(
    committed_db: None,
) -> None:
    started(customer_limit=2)
    sku, customer = make_sku(stock=PLENTY), make_customer()
    new = draft(line(sku), codes=("SPRING",), customer_id=customer.pk)
    at_once([lambda: place_orders([new], actor=HOUSE)] * 12)
    assert Order.objects.filter(discount=1).count() == 2
    assert Order.objects.count() == 12
    assert place(line(sku), codes=("SPRING",)).discount == 0


@pytest.mark.django_db
@pytest.mark.requirement("R82")
def test_when_the_stock_set_aside_is_gone_the_next_order_gets_nothing() -> None:
    heard = []

    def hear(**sent: Any) -> None:
        heard.append(sent["why"])

    signals.promotions_ended.connect(hear)
    sku = make_sku("MUG", stock=PLENTY)
    promotion = started(
        name="Mugs", kind=Kind.TIME, ends_at=timezone.now() + timedelta(days=9),
        target=Target.SKUS, skus=("MUG",), percent=Decimal(50), stock_sku="MUG", stock_units=5,
    )  # fmt: skip
    assert place(line(sku, 3)).discount == 15
    # More than is left for it: all of the order is at full price.
    assert place(line(sku, 3)).discount == 0
    assert now_is(promotion) == State.LIVE
    last = place(line(sku, 2))
    assert last.discount == 10
    assert place(line(sku, 1)).discount == 0
    row = Promotion.objects.select_related("count").get(pk=promotion.pk)
    assert (state_of(row), why_over(row)) == (State.ENDED, "All gone: 5 units of MUG")
    signals.promotions_ended.disconnect(hear)
    assert heard == [{promotion.pk: "stock"}]
    cancel_orders([last.pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE)
    assert (count_of(promotion).stock_used, now_is(promotion)) == (3, State.LIVE)


@pytest.mark.django_db
def test_a_promotion_whose_time_is_over_is_told_of_once() -> None:
    over = timezone.now() + timedelta(seconds=3)
    promotion = started(kind=Kind.TIME, ends_at=over)
    sleep(max((over - timezone.now()).total_seconds(), 0) + 0.01)
    assert place(line(make_sku(stock=9))).discount == 0
    assert now_is(promotion) == State.ENDED
    assert (end_promotions(), end_promotions()) == (1, 0)
    assert count_of(promotion).ended_why == "date"


@pytest.mark.django_db
def test_ending_it_sooner_takes_one_person() -> None:
    promotion = started()
    earlier = timezone.now() - timedelta(minutes=30)
    operator = person(somebody(roles.OPERATIONS))
    edit_promotion(
        promotion.pk, terms_with(promotion, ends_at=earlier), why="Sooner", actor=operator
    )
    assert now_is(promotion) == State.ENDED
    assert place(line(make_sku(stock=9)), codes=("SPRING",)).discount == 0


@pytest.mark.django_db
def test_what_was_sold_at_a_discount_is_claimed_and_returned_at_it() -> None:
    started(percent=Decimal(10))
    sku = make_sku(stock=PLENTY)
    order = pay(place(line(sku, 3, "3.33"), codes=("SPRING",)))
    assert order.total == Decimal("8.99")
    row = order.lines.get()
    claim = open_claim(order.pk, {row.pk: 3}, reason=Claim.Reason.DAMAGED, actor=HOUSE)
    assert claim.amount == Decimal("8.99")
    ship_order(order.pk, actor=HOUSE)
    amounts = []
    for _ in range(3):
        new = NewReturn(order.channel, (NewReturnLine(1, order_line_id=row.pk),), order.pk)
        (back,) = request_returns([new], actor=HOUSE)
        amounts.append(back.amount)
    assert sum(amounts) == Decimal("8.99")
