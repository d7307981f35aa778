"""Fifty at once on what was sold ahead, on small refunds and on limits that two people set."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.db.models import F, Sum
from django.utils import timezone

from backoffice.actors import HOUSE, person
from backoffice.models import AuditEntry
from backoffice.versions import StaleVersion
from finance.models.refund_limits import RefundLimit
from finance.models.refunds import Refund
from finance.services.errors import FinanceError
from finance.services.payments import NewPayment, record_payments
from finance.services.refunds import request_refund
from finance.services.small_refunds import answer_limit, change_limit, pay_if_small
from inventory.models import Sku
from inventory.services.errors import InventoryError
from inventory.services.moves import receive_stock
from orders.models.channels import Channel
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.preorders import PreOrder, PreOrderLine
from orders.queries.checks import orders_that_differ
from orders.services.cancelling import cancel_orders
from orders.services.delivery import Delivery, redeliver
from orders.services.drafts import Address, NewOrder
from orders.services.errors import OrderError
from orders.services.holds import hold_orders, release_orders
from orders.services.placing import place_orders
from orders.services.preorder_release import release_preorder
from orders.services.preorders import change_preorder, close_preorder, move_preorder
from orders.services.shipping import edit_order_address, ship_order
from tests.attacks.books import what_is_wrong
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser
from tests.finance.factories import NOW, make_paid_order, pounds
from tests.finance.factories import make_channel as make_shop
from tests.inventory.factories import make_sku, moving
from tests.orders.factories import draft, line, sell_ahead

WORKERS = 50
SAID_NO = (OrderError, InventoryError, FinanceError, StaleVersion, ObjectDoesNotExist)
_next = itertools.count(1)


def strange(answers: list[Any]) -> list[Exception]:
    """What none of the services should raise."""
    found = [each for each in answers if isinstance(each, Exception)]
    return [each for each in found if not isinstance(each, SAID_NO)]


@dataclass
class Stall:
    """A channel that sells a lamp ahead, paid when its stock comes, beside a mug that is there."""

    shop: Channel
    lamp: Sku
    offer: PreOrder
    new: NewOrder
    dice: random.Random

    def some(self) -> Order:
        return Order.objects.order_by("?")[0]

    def pay(self) -> object:
        money = pounds(self.dice.choice(["8.00", "20.00"]))
        paid = NewPayment(self.some().pk, "stripe", f"pi_{next(_next)}", money, NOW)
        return record_payments([paid], actor=HOUSE)

    def cancel(self) -> object:
        reason = Order.CancelReason.CUSTOMER
        return cancel_orders([self.some().pk], reason=reason, actor=HOUSE).or_raise()

    def ship(self) -> object:
        return ship_order(self.some().pk, actor=HOUSE)

    def edit(self) -> object:
        home = Address("G", "2", "Leeds", "LS1", "GB")
        return edit_order_address(self.some().pk, home, version=None, actor=HOUSE)

    def collect(self) -> object:
        place = self.dice.choice([None, self.shop.location])
        return redeliver(self.some().pk, Delivery(Decimal(0), place), actor=HOUSE)

    def hold(self) -> object:
        ids = [self.some().pk]
        if self.dice.random() < 0.5:
            return release_orders(ids, actor=HOUSE).or_raise()
        return hold_orders(ids, reason=Hold.Reason.FRAUD, actor=HOUSE).or_raise()

    def change(self) -> object:
        if self.dice.random() < 0.1:
            return close_preorder(self.offer.pk, version=None, actor=HOUSE)
        cap = self.dice.choice([30, 40, None])
        return change_preorder(self.offer.pk, cap, version=None, actor=HOUSE)

    def move(self) -> object:
        to = timezone.localdate() + timedelta(days=self.dice.randrange(5, 90))
        return move_preorder(self.offer.pk, to, why="Late", actor=HOUSE)

    def take_in(self) -> object:
        return receive_stock([moving(self.lamp, 2, location=self.shop.location)], actor=HOUSE)

    def fill(self) -> object:
        return release_preorder(self.offer.pk, actor=HOUSE)

    def order(self) -> object:
        return place_orders([self.new], actor=HOUSE)


def set_up_stall() -> Stall:
    shop, lamp, mug = make_shop(), make_sku("LAMP"), make_sku("MUG")
    receive_stock([moving(mug, 60, location=shop.location)], actor=HOUSE)
    offer = sell_ahead(lamp, channel=shop, billing=PreOrder.Billing.FULFILMENT, cap=60)
    home = Address("G", "1", "Leeds", "L1", "GB")
    new = draft(line(lamp, 2), line(mug, 1, "8.00"), channel=shop, ship_to=home)
    place_orders([new] * 12, actor=HOUSE)
    return Stall(shop, lamp, offer, new, random.Random(7))


def test_fifty_acts_on_goods_sold_ahead_ship_nothing_unpaid(committed_db: Database) -> None:
    on = set_up_stall()
    acts = [
        on.pay, on.pay, on.pay, on.cancel, on.ship, on.ship, on.edit, on.collect, on.hold,
        on.change, on.move, on.take_in, on.take_in, on.fill, on.fill, on.order,
    ]  # fmt: skip
    for _ in range(2):
        assert strange(at_once([on.dice.choice(acts) for _ in range(WORKERS)])) == []
        assert what_is_wrong() == {}
        assert orders_that_differ(Order.objects.values_list("pk", flat=True)) == []
    on.offer.refresh_from_db()
    live = PreOrderLine.objects.exclude(state="cancelled")
    assert on.offer.sold == (live.aggregate(sum=Sum("units"))["sum"] or 0)
    assert not Order.objects.filter(fulfilment="shipped", amount_paid__lt=F("total")).exists()
    assert not Order.objects.filter(fulfilment="part_shipped", amount_paid__lt=8).exists()
    assert not PreOrderLine.objects.filter(asked_amount__gt=F("order__total")).exists()


def test_small_refunds_stay_within_the_day_while_the_limit_is_lowered(
    committed_db: Database, make_user: MakeUser
) -> None:
    one, two = person(make_user("finance")), person(make_user("finance"))
    change_limit("GBP", Decimal(10), Decimal(200), actor=one)
    answer_limit("GBP", Decimal(10), Decimal(200), agrees=True, actor=two)
    people = [person(make_user("support")) for _ in range(2)]
    order = make_paid_order("1000.00")
    asked = [
        (request_refund(order, pounds("10.00"), "goodwill", actor=who), who)
        for who in people * (WORKERS // 2 - 1)
    ]
    works: list[Callable[[], object]] = [
        partial(pay_if_small, refund, actor=who) for refund, who in asked
    ]
    works[20:20] = [partial(change_limit, "GBP", Decimal(10), Decimal(40), actor=one)]
    works[30:30] = [partial(change_limit, "GBP", Decimal(5), Decimal(40), actor=two)]
    assert strange(at_once(works)) == []
    for who in people:
        alone = Refund.objects.filter(requested_by=who.user_id, alone=True)
        assert (alone.aggregate(sum=Sum("amount"))["sum"] or 0) <= 200
    before = Refund.objects.filter(alone=True).count()
    # Once it is lowered nobody pays back what is over it.
    waiting = Refund.objects.filter(state="requested").select_related("requested_by")
    tries = [
        partial(pay_if_small, row, actor=person(row.requested_by))
        for row in waiting
        if row.requested_by is not None
    ]
    assert at_once(tries) == [False] * len(waiting)
    assert Refund.objects.filter(alone=True).count() == before
    assert what_is_wrong() == {}


def test_fifty_who_ask_and_agree_raise_a_limit_as_often_as_two_people_did(
    committed_db: Database, make_user: MakeUser
) -> None:
    people = [person(make_user("finance")) for _ in range(5)]

    def ask(amount: int, who: int) -> object:
        return change_limit("GBP", Decimal(amount), Decimal(amount * 2), actor=people[who])

    def agree(amount: int, who: int) -> None:
        answer_limit("GBP", Decimal(amount), Decimal(amount * 2), agrees=True, actor=people[who])

    works: list[Callable[[], object]] = []
    for number in range(WORKERS):
        act = ask if number % 3 == 0 else agree
        works.append(partial(act, 10 + number % 4, number % 5))
    assert strange(at_once(works)) == []
    entries = AuditEntry.objects.filter(subject="finance.refundlimit").order_by("pk")
    raised = [each for each in entries if each.verb == "finance.refund_limit_raised"]
    for entry in raised:
        assert entry.user_id != entry.detail["asked_by"]
    amount, a_day = Decimal(0), Decimal(0)
    for entry in entries:
        if entry.verb in ("finance.refund_limit_raised", "finance.refund_limit_lowered"):
            assert entry.detail["before"] == [amount, a_day]
            amount, a_day = entry.detail["after"]
    limit = RefundLimit.objects.get()
    assert (limit.amount, limit.a_day) == (amount, a_day)
