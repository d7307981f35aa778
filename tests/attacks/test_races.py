"""Fifty people and rules at once on the same few orders: money and stock stay right."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.utils import timezone

from backoffice.actors import HOUSE, Actor, person
from backoffice.models import LegalEntity, User
from backoffice.versions import StaleVersion
from finance.models.refunds import Refund
from finance.services.books import open_books
from finance.services.errors import FinanceError
from finance.services.payments import NewPayment, record_payments
from finance.services.refunds import (
    approve_refund,
    reject_refund,
    request_refund,
    withdraw_refund,
)
from inventory.models import Location, Sku
from inventory.services.errors import InventoryError
from inventory.services.moves import adjust_stock, receive_stock, write_off_stock
from inventory.services.writing import Moving
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.packages import Label, Package, TrackerEvent
from orders.models.returns import ReturnOrder
from orders.services.allocation import allocate_orders
from orders.services.backorders import promise_rest, reroute_order
from orders.services.cancelling import cancel_orders
from orders.services.delivery import Delivery, redeliver
from orders.services.drafts import Address, NewOrder, OnShort
from orders.services.errors import OrderError
from orders.services.holds import hold_orders, release_orders
from orders.services.labels import Wanted, buy_label, void_label
from orders.services.packing import hand_over, pack_order, unpack_package
from orders.services.picking import start_picking, stop_picking
from orders.services.placing import place_orders
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    refuse_returns,
    request_returns,
)
from orders.services.shipping import edit_order_address, ship_order
from orders.services.tags import add_tags, remove_tags
from orders.services.tracking import NewEvent, record_tracking
from tests.attacks.books import what_is_wrong
from tests.bed.databases import Database, at_once, without_the_late
from tests.bed.people import MakeUser
from tests.finance.factories import NOW, pounds
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, make_service, make_store, stock

WORKERS = 50
# What a service says when somebody was faster: nothing was changed.
REFUSALS = (OrderError, InventoryError, FinanceError, StaleVersion)
_next = itertools.count(1)


@dataclass
class Shop:
    """Two orders of two SKUs, and the people who work on them."""

    channel: Channel
    skus: list[Sku]
    orders: list[Order]
    asks: Actor
    decides: Actor
    dice: random.Random
    service: CarrierService
    second: Location

    @property
    def order(self) -> Order:
        return Order.objects.get(pk=self.dice.choice(self.orders).pk)

    def moving(self, quantity: int) -> Moving:
        sku, place = self.dice.choice(self.skus), self.channel.location_id
        return Moving(f"race:{next(_next)}", sku.pk, place, quantity)

    def refund(self) -> Refund:
        found = Refund.objects.filter(state="requested").order_by("?").first()
        return found or Refund(pk=0, order=self.orders[0], amount=Decimal(1), currency="GBP")

    def package(self) -> Package:
        found = Package.objects.filter(unpacked_at=None).order_by("?").first()
        if found is None:
            raise OrderError("Nothing is packed.")
        return found

    def coming(self, state: str) -> list[int]:
        found = ReturnOrder.objects.filter(state=state).order_by("?")
        return list(found.values_list("pk", flat=True)[:2])


def make_shop(make_user: MakeUser, seed: int) -> Shop:
    channel = make_channel(ships_unpaid=False)
    open_books(LegalEntity.objects.get())
    skus = [make_sku("MUG", stock=30), make_sku("PLATE", stock=30)]
    asks, decides = make_user("support"), make_user("finance")
    second = make_store("LEEDS", channel=channel)
    for sku in skus:
        stock(sku, 5, second)
    service = make_service(channel)
    dice = random.Random(seed)
    shop = Shop(channel, skus, [], person(asks), person(decides), dice, service, second)
    shop.orders = [place(shop), place(shop)]
    return shop


def place(shop: Shop) -> Order:
    lines = tuple(line(sku, 3, "10.00") for sku in shop.dice.sample(shop.skus, 2))
    new = NewOrder(shop.channel, lines, ship_to=Address("G", "Lane 1", "Leeds", "LS1", "GB"))
    return place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]


def pay(shop: Shop) -> object:
    reference = f"pi_{shop.dice.randrange(40)}"  # some are reported twice, or for another order
    new = NewPayment(shop.order.pk, "stripe", reference, pounds(20), NOW)
    return record_payments([new], actor=HOUSE)


def cancel(shop: Shop) -> object:
    reason = Order.CancelReason.CUSTOMER
    return cancel_orders([shop.order.pk], reason=reason, actor=shop.asks).or_raise()


def ship(shop: Shop) -> object:
    order = shop.order
    some = {each.pk: 1 for each in order.lines.all()} if shop.dice.random() < 0.5 else None
    return ship_order(order.pk, quantities=some, actor=shop.asks)


def hold(shop: Shop) -> object:
    return hold_orders([shop.order.pk], reason=Hold.Reason.FRAUD, actor=shop.asks).or_raise()


def release(shop: Shop) -> object:
    return release_orders([each.pk for each in shop.orders], actor=shop.asks).or_raise()


def ask(shop: Shop) -> object:
    amount = pounds(shop.dice.choice([5, 20, 60]))
    return request_refund(shop.order, amount, "goodwill", actor=shop.asks)


def approve(shop: Shop) -> object:
    refund = shop.refund()
    if not refund.pk:
        return None
    return approve_refund(refund, amount=refund.money, version=1, actor=shop.decides)


def reject(shop: Shop) -> object:
    refund = shop.refund()
    return reject_refund(refund, version=1, note="No.", actor=shop.decides) if refund.pk else None


def withdraw(shop: Shop) -> object:
    refund = shop.refund()
    return withdraw_refund(refund, version=1, actor=shop.asks) if refund.pk else None


def send_back(shop: Shop) -> object:
    order = shop.order
    lines = tuple(NewReturnLine(2, each.pk) for each in order.lines.all())
    return request_returns([NewReturn(shop.channel, lines, order_id=order.pk)], actor=shop.asks)


def receive_back(shop: Shop) -> object:
    return receive_returns(shop.coming("requested"), actor=shop.asks)


def inspect(shop: Shop) -> object:
    return inspect_returns(shop.coming("received"), actor=shop.asks)


def refuse_back(shop: Shop) -> object:
    return refuse_returns(shop.coming("requested"), actor=shop.asks)


def take_in(shop: Shop) -> object:
    return receive_stock([shop.moving(2)], actor=shop.asks)


def write_off(shop: Shop) -> object:
    return write_off_stock([shop.moving(3)], actor=shop.asks)


def adjust(shop: Shop) -> object:
    return adjust_stock([shop.moving(shop.dice.choice([-2, 2]))], actor=shop.asks)


def tag(shop: Shop) -> object:
    act = shop.dice.choice([add_tags, remove_tags])
    return act([each.pk for each in shop.orders], ["vip"], actor=shop.asks).or_raise()


def move_house(shop: Shop) -> object:
    address = Address("G", "Lane 1", "Leeds", "LS1", "GB")
    return edit_order_address(shop.order.pk, address, version=None, actor=shop.asks)


def pick(shop: Shop) -> object:
    act = shop.dice.choice([start_picking, stop_picking])
    return act([shop.order.pk], actor=shop.asks).or_raise()


def pack(shop: Shop) -> object:
    order = shop.order
    some = {each.pk: 1 for each in order.lines.all()} if shop.dice.random() < 0.5 else None
    return pack_order(order.pk, quantities=some, actor=shop.asks)


def label(shop: Shop) -> object:
    package = shop.package()
    key = f"race:{package.pk}:{shop.dice.randrange(3)}"
    tracking = f"JD{shop.dice.randrange(40)}"
    return buy_label(Wanted(package.pk, shop.service.pk, key, tracking), actor=shop.asks)


def void(shop: Shop) -> object:
    found = Label.objects.filter(state__in=Label.LIVE).order_by("?").first()
    return void_label(found.pk, actor=shop.asks) if found else None


def leave(shop: Shop) -> object:
    return hand_over(shop.package().pk, actor=shop.asks)


def unpack(shop: Shop) -> object:
    return unpack_package(shop.package().pk, actor=shop.asks)


def track(shop: Shop) -> object:
    states = list(TrackerEvent.State)
    event = NewEvent(shop.dice.choice(states), NOW)
    return record_tracking(shop.package().pk, [event], actor=shop.asks)


def collect(shop: Shop) -> object:
    place = shop.dice.choice([None, shop.channel.location])
    fee = Decimal(shop.dice.choice([0, 5]))
    return redeliver(shop.order.pk, Delivery(fee, place), actor=shop.asks)


def promise(shop: Shop) -> object:
    day = timezone.localdate() + timedelta(days=shop.dice.randrange(9))
    return promise_rest(shop.order.pk, day, actor=shop.asks)


def elsewhere(shop: Shop) -> object:
    place = shop.dice.choice([shop.channel.location, shop.second])
    return reroute_order(shop.order.pk, place.pk, actor=shop.asks)


def allocate(shop: Shop) -> object:
    return allocate_orders([each.pk for each in shop.orders], actor=shop.asks)


Act = Callable[[Shop], Any]
ACTS: list[Act] = [
    place, pay, cancel, ship, hold, release, ask, approve, reject, withdraw, send_back,
    receive_back, inspect, refuse_back, take_in, write_off, adjust, tag, move_house, pick, pack,
    label, void, leave, unpack, track, collect, promise, elsewhere, allocate,
]  # fmt: skip


def race(shop: Shop, acts: list[Act]) -> list[Exception]:
    """Let each act start at one moment; answers what none of the services should raise."""
    answers = at_once([partial(act, shop) for act in acts])
    strange = [
        answer
        for answer in answers
        if isinstance(answer, Exception) and not isinstance(answer, REFUSALS)
    ]
    return without_the_late(strange, len(acts))


PAIRS = [
    (pay, cancel),
    (ship, cancel),
    (hold, ship),
    (ask, approve),
    (approve, withdraw),
    (ask, cancel),
    (send_back, receive_back),
    (inspect, receive_back),
    (place, write_off),
    (place, cancel),
    (adjust, ship),
    (pick, cancel),
    (pick, hold),
    (pack, ship),
    (pack, cancel),
    (label, cancel),
    (label, collect),
    (leave, void),
    (leave, ship),
    (unpack, label),
    (elsewhere, ship),
    (elsewhere, cancel),
    (promise, allocate),
    (track, leave),
]


def name(pair: tuple[Act, Act]) -> str:
    return "-".join(act.__name__ for act in pair)


@pytest.mark.parametrize("pair", PAIRS, ids=name)
def test_two_acts_by_fifty_at_once_leave_money_and_stock_right(
    committed_db: Database, make_user: MakeUser, pair: tuple[Act, Act]
) -> None:
    shop = make_shop(make_user, seed=1)
    for begun in (pay, pay, pay, pay, ship, send_back, ask, ask, pack, label):
        try:
            begun(shop)
        except REFUSALS:
            continue
    assert race(shop, list(pair) * (WORKERS // 2)) == []
    assert what_is_wrong() == {}


@pytest.mark.parametrize("seed", range(4))
def test_whatever_fifty_do_at_once_money_and_stock_stay_right(
    committed_db: Database, make_user: MakeUser, seed: int
) -> None:
    shop = make_shop(make_user, seed)
    for _ in range(3):
        assert race(shop, [shop.dice.choice(ACTS) for _ in range(WORKERS)]) == []
        assert what_is_wrong() == {}


def test_one_unit_comes_back_once_however_often_it_is_sent_back(
    committed_db: Database, make_user: MakeUser
) -> None:
    shop = make_shop(make_user, seed=2)
    order = shop.orders[0]
    record_payments([NewPayment(order.pk, "stripe", "pi", order.total_money, NOW)], actor=HOUSE)
    ship_order(order.pk, actor=HOUSE)
    first = order.lines.all()[0]
    new = NewReturn(shop.channel, (NewReturnLine(3, first.pk),), order_id=order.pk)
    answers = at_once([lambda: request_returns([new], actor=shop.asks)] * WORKERS)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    (back,) = ReturnOrder.objects.all()
    for step in (receive_returns, inspect_returns):
        answers = at_once([partial(step, [back.pk], actor=shop.asks)] * WORKERS)
        assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert what_is_wrong() == {}


def test_one_reference_pays_one_order(committed_db: Database, make_user: MakeUser) -> None:
    shop = make_shop(make_user, seed=3)
    works = [
        partial(
            record_payments,
            [NewPayment(order.pk, "stripe", "pi_1", pounds(60), NOW)],
            actor=HOUSE,
        )
        for order in shop.orders * (WORKERS // 2)
    ]
    answers = at_once(works)
    strange = [a for a in answers if isinstance(a, Exception) and not isinstance(a, REFUSALS)]
    assert strange == []
    assert sorted(order.amount_paid for order in Order.objects.all()) == [0, 60]
    assert what_is_wrong() == {}


def test_whoever_asked_never_approves_among_fifty(
    committed_db: Database, make_user: MakeUser
) -> None:
    shop = make_shop(make_user, seed=4)
    pay(shop), pay(shop)
    asker: User = make_user("finance")
    paid = Order.objects.filter(amount_paid__gt=0)[0]
    refund = request_refund(paid, pounds(10), "goodwill", actor=person(asker))
    works = [
        lambda: approve_refund(refund, amount=pounds(10), version=1, actor=person(asker))
    ] * WORKERS
    answers = at_once(works)
    assert all(isinstance(answer, FinanceError) for answer in answers)
    refund.refresh_from_db()
    assert refund.state == "requested"
