"""An order's whole life, in whatever order things happen: O1 to O9 hold after each step.

`make test` takes a small part of it; `CHAOS_FULL=1` 2,000 lives of 50 steps. LIFE_SEED and
LIFE_EXAMPLES split those over several processes.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import models, transaction
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, note, seed, settings
from hypothesis import strategies as st

from backoffice.actors import HOUSE
from backoffice.models import User
from finance.services.errors import FinanceError
from finance.services.payments import NewPayment, record_payments
from inventory.models import Location, Sku, StockMove
from inventory.services.errors import InventoryError
from inventory.services.moves import receive_stock, write_off_stock
from inventory.services.skus import NewSku, add_skus
from inventory.services.writing import Moving
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.models.preorders import PreOrder
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.backorders import promise_rest, reroute_order
from orders.services.calling_off import call_off_order
from orders.services.cancelling import cancel_orders
from orders.services.delivery import Delivery, redeliver
from orders.services.drafts import NewLine, NewOrder, OnShort
from orders.services.errors import OrderError
from orders.services.holds import hold_orders, release_orders
from orders.services.labels import Wanted, buy_label, void_label
from orders.services.packing import hand_over, pack_order, unpack_package
from orders.services.picking import start_picking, stop_picking
from orders.services.placing import place_orders
from orders.services.preorder_release import release_preorder
from orders.services.preorders import move_preorder
from orders.services.shipping import edit_order_address
from tests.attacks.books import prepare_books, what_is_wrong_now
from tests.finance.factories import NOW, pounds
from tests.finance.test_aftersale_machine import Desk, check
from tests.orders.factories import make_service, make_store, sell_ahead, stock
from tests.orders.parcels import HOME, OSLO

FULL = bool(os.environ.get("CHAOS_FULL"))
EXAMPLES = int(os.environ.get("LIFE_EXAMPLES", 2000 if FULL else 8))
SEED = int(os.environ.get("LIFE_SEED", 1))
STEPS = 50
# In so many lives each way of doing a verb goes through at least once; in fewer some may not.
ALL_WAYS = 1000
MOST = 7
REFUSALS = (OrderError, InventoryError, FinanceError)
# Each of the ten verbs, with the ways there are to do it.
VERBS = {
    "place": ("place", "place", "place short", "place again", "place ahead"),
    "pay": ("pay", "settle", "settle", "settle", "settle", "pay again"),
    "hold": ("hold", "release", "release", "release"),
    "edit": ("address", "redeliver", "reroute", "promise", "take in", "write off",
             "allocate", "move day", "fill ahead"),
    "split": ("pack some", "pack some", "unpack", "label", "label", "void", "pick", "unpick"),
    "ship": ("ship", "ship", "ship some", "ship some", "leave", "leave"),
    "cancel": ("cancel", "call off"),
    "return": ("ask back", "ask back", "authorise", "receive", "inspect", "refuse return"),
    "exchange": ("exchange", "exchange", "claim", "reship", "refuse claim"),
    "refund": (
        "refund return", "refund claim", "refund some", "approve", "approve", "reject", "withdraw",
    ),
}  # fmt: skip
NAMES = [name for names in VERBS.values() for name in names]
# A refund never moves stock, and stock never moves money.
STILL = {*VERBS["refund"], *VERBS["pay"], *VERBS["hold"]}
Step = tuple[str, int, int]


class Life(Desk):
    """Everybody who has to do with orders, from the first to the last of them."""

    def __init__(self, finance_user: User) -> None:
        super().__init__(finance_user)
        self.channel = self.first.channel
        Location.objects.filter(pk=self.channel.location_id).update(
            legal_entity=self.channel.legal_entity_id
        )
        self.second = make_store("LEEDS", channel=self.channel)
        Location.objects.filter(pk=self.second.pk).update(legal_entity=self.channel.legal_entity_id)
        for sku in Sku.objects.all():
            stock(sku, 4, self.second)
        self.service = make_service(self.channel)
        lamp = add_skus([NewSku("LAMP")], actor=HOUSE)["LAMP"]
        self.ahead = sell_ahead(
            lamp, channel=self.channel, billing=PreOrder.Billing.FULFILMENT, cap=9
        )
        self.made = 0
        self.acts |= {
            "place": lambda n, k: self.place("MUG", k, external=""),
            "place short": lambda n, k: self.place("BIG", 20 * k, external=""),
            "place again": lambda n, k: self.place("MUG", k, external=f"W-{n}"),
            "place ahead": lambda n, k: self.place("LAMP", 1 + k // 2, external=""),
            "move day": lambda n, k: move_preorder(
                self.ahead.pk, timezone.localdate() + timedelta(days=n), why="Late", actor=HOUSE
            ),
            "fill ahead": lambda n, k: release_preorder(self.ahead.pk, actor=HOUSE),
            "pay again": self.pay_again,
            "hold": lambda n, k: hold_orders(
                [self.order(n).pk], reason=Hold.Reason.FRAUD, actor=HOUSE
            ).or_raise(),
            "release": lambda n, k: release_orders([self.order(n).pk], actor=HOUSE).or_raise(),
            "address": lambda n, k: edit_order_address(
                self.order(n).pk, OSLO if k == 4 else HOME, version=None, actor=HOUSE
            ),
            "redeliver": self.redeliver,
            "reroute": lambda n, k: reroute_order(
                self.order(n).pk, self.place_of(k).pk, actor=HOUSE
            ),
            "promise": lambda n, k: promise_rest(
                self.order(n).pk, timezone.localdate() + timedelta(days=k), actor=HOUSE
            ),
            "take in": lambda n, k: receive_stock([self.moving(n, k)], actor=HOUSE),
            "write off": lambda n, k: write_off_stock([self.moving(n, k)], actor=HOUSE),
            "allocate": lambda n, k: allocate_orders([self.order(n).pk], actor=HOUSE).or_raise(),
            "pack some": self.pack_some,
            "unpack": lambda n, k: unpack_package(self.package(n), actor=HOUSE),
            "label": self.label,
            "void": lambda n, k: void_label(self.live_label(n), actor=HOUSE),
            "pick": lambda n, k: start_picking([self.order(n).pk], actor=HOUSE).or_raise(),
            "unpick": lambda n, k: stop_picking([self.order(n).pk], actor=HOUSE).or_raise(),
            "leave": lambda n, k: hand_over(self.package(n), actor=HOUSE),
            "cancel": lambda n, k: cancel_orders(
                [self.order(n).pk], reason=Order.CancelReason.CUSTOMER, actor=HOUSE
            ).or_raise(),
            "call off": lambda n, k: call_off_order(
                self.order(n).pk, reason=Order.CancelReason.CUSTOMER, actor=HOUSE
            ),
        }

    def package(self, n: int) -> int:
        """Most often one that is still here."""
        return self.any(Package.objects.filter(unpacked_at=None, shipment=None), n)

    def live_label(self, n: int) -> int:
        return self.any(Label.objects.filter(state__in=Label.LIVE), n)

    def any(self, rows: models.QuerySet[Any], n: int) -> int:
        """One of these, or in one case of six whatever of them was made last."""
        rows = rows.model._default_manager.all() if n == 5 else rows
        keys = list(rows.order_by("-pk").values_list("pk", flat=True))
        if not keys:
            raise OrderError("There is none yet.")
        return int(keys[n % len(keys)])

    def place_of(self, k: int) -> Location:
        return self.second if k % 2 else self.channel.location

    def moving(self, n: int, k: int) -> Moving:
        self.made += 1
        skus = list(Sku.objects.order_by("pk"))
        place = self.place_of(n).pk
        return Moving(f"life:{self.made}", skus[n % len(skus)].pk, place, 3 * k)

    def place(self, code: str, units: int, *, external: str) -> object:
        if Order.objects.count() >= MOST:
            raise OrderError("So many orders are enough to get into trouble with.")
        line = NewLine(units, Decimal("4.99"), code, tax=Decimal("0.83") * units)
        new = NewOrder(
            self.channel, (line, NewLine(1, Decimal("2.50"), "BIG")), external_id=external,
            ship_to=HOME, shipping=Decimal("3.00"), shipping_tax=Decimal("0.50"),
            discount=Decimal("1.00"),
        )  # fmt: skip
        return place_orders([new], on_short=OnShort.HOLD, actor=HOUSE)

    def pay_again(self, n: int, k: int) -> object:
        """A report that comes twice, or names another order than before."""
        new = NewPayment(self.order(n).pk, "stripe", f"again-{k % 2}", pounds(7), NOW)
        return record_payments([new], actor=HOUSE)

    def redeliver(self, n: int, k: int) -> object:
        place = self.channel.location if k == 1 else None
        return redeliver(self.order(n).pk, Delivery(Decimal(k), place), actor=HOUSE)

    def pack_some(self, n: int, k: int) -> object:
        line = self.line(n)
        return pack_order(line.order_id, quantities={line.pk: k}, actor=HOUSE)

    def label(self, n: int, k: int) -> object:
        self.made += k % 2
        wanted = Wanted(self.package(n), self.service.pk, f"life:{self.made}", f"JD{self.made}")
        return buy_label(wanted, actor=HOUSE)


@dataclass
class Seen:
    """How often each way was taken, and how often it went through."""

    taken: Counter[str]
    done: Counter[str]


def live(life: Life, step: Step, seen: Seen) -> None:
    """One step, and what must be true after it."""
    name, n, k = step
    moves = StockMove.objects.count()
    seen.taken[name] += 1
    try:
        with transaction.atomic():
            life.acts[name](n, k)
        seen.done[name] += 1
        if name in STILL:
            assert StockMove.objects.count() == moves
    except REFUSALS:
        assert StockMove.objects.count() == moves
    assert what_is_wrong_now() == {}
    assert orders_that_differ(Order.objects.values_list("pk", flat=True)) == []


def a_life(finance_user: User, dice: random.Random, seen: Seen) -> None:
    with transaction.atomic():
        life = Life(finance_user)
        prepare_books()
        live(life, ("settle", 0, 0), seen)
        for _ in range(STEPS):
            # The ten verbs alike, whatever number of ways there is to do each.
            name = dice.choice(VERBS[dice.choice(list(VERBS))])
            step = (name, dice.randrange(6), dice.randint(1, 4))
            note(str(step))
            live(life, step, seen)
        # Refunds by line and unit, returns, claims and exchanges: asked once, for they only grow.
        check()
        transaction.set_rollback(True)


@pytest.mark.requirement("R53")
@pytest.mark.django_db
def test_an_order_keeps_its_invariants_whatever_happens_to_it(
    finance_user: User, record_property: Callable[[str, object], None]
) -> None:
    seen = Seen(Counter(), Counter())

    # A life's own dice choose its steps: evenly, which a list of draws does not.
    @seed(SEED)
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(number=st.integers(0, 2**32 - 1))
    def lives(number: int) -> None:
        a_life(finance_user, random.Random(number), seen)

    lives()
    done = {verb: sum(seen.done[name] for name in names) for verb, names in VERBS.items()}
    record_property("steps", sum(seen.taken.values()))
    record_property("done", done)
    assert all(done.values()), f"Nothing ever came of {[v for v, n in done.items() if not n]}."
    if EXAMPLES >= ALL_WAYS:
        assert set(NAMES) == set(seen.done), "Some way of doing a verb never went through."
