"""Whatever happens after a sale, in whatever order: O1, O2 and O4 hold, and the books balance."""

from __future__ import annotations

import os
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F, Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.actors import HOUSE, person
from backoffice.models import User
from finance.models.refunds import Refund, RefundLine
from finance.queries import trial_balance
from finance.services.errors import FinanceError
from finance.services.parts import NewPart, offered, units_of
from finance.services.refunds import (
    Asked,
    NewRefund,
    approve_refund,
    reject_refund,
    request_refunds,
    withdraw_refund,
)
from inventory.models import StockMove
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import InventoryError
from orders.models.claims import Claim
from orders.models.exchanges import Exchange
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.queries.checks import orders_that_differ
from orders.services.authorising import authorise_returns
from orders.services.claims import open_claim, refuse_claim, reship_claim
from orders.services.drafts import NewLine
from orders.services.errors import OrderError
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    refuse_returns,
    request_returns,
)
from orders.services.shipping import ship_order
from orders.services.worth import charged
from tests.bed.databases import at_once
from tests.finance.factories import make_stock, pay, place

FULL = bool(os.environ.get("CHAOS_FULL"))
EXAMPLES, STEPS_AT_MOST = (2000, 50) if FULL else (15, 18)
LIVE = ("requested", "approved", "paid")
MONEY = {"refund return", "refund claim", "refund some", "approve", "reject", "withdraw"}
NAMES = (
    *("pay", "settle", "settle", "ship", "ship some", "ask back", "ask back", "authorise"),
    *("authorise", "receive", "receive", "inspect", "inspect", "refuse return", "claim", "claim"),
    *("reship", "refuse claim", "exchange", "exchange", *sorted(MONEY), "approve", "approve"),
)
Step = tuple[str, int, int]


class Desk:
    """Everybody who does something after the sale; `n` and `k` choose what and how much."""

    def __init__(self, finance_user: User) -> None:
        self.finance = person(finance_user)
        make_stock("MUG", 40)
        make_stock("BIG", 40)
        lines = (NewLine(4, Decimal("3.33"), "MUG", tax=Decimal("2.22")),)
        self.first = place(*lines, shipping=Decimal("5.00"), shipping_tax=Decimal("0.83"))
        self.acts: dict[str, Callable[[int, int], object]] = {
            "pay": lambda n, k: pay(self.order(n), Decimal(k * 7)),
            "settle": lambda n, k: pay(self.order(n)),
            "ship": lambda n, k: ship_order(self.order(n).pk, actor=HOUSE),
            "ship some": self.ship_some,
            "ask back": self.ask_back,
            "authorise": lambda n, k: authorise_returns(self.returns(n), actor=HOUSE),
            "receive": lambda n, k: receive_returns(self.returns(n), actor=HOUSE),
            "inspect": self.inspect,
            "refuse return": lambda n, k: refuse_returns(self.returns(n), actor=HOUSE),
            "claim": self.claim,
            "reship": lambda n, k: reship_claim(self.one(Claim, n), actor=HOUSE),
            "refuse claim": lambda n, k: refuse_claim(self.one(Claim, n), note="No", actor=HOUSE),
            "exchange": self.exchange,
            "refund return": self.refund_return,
            "refund claim": self.refund_claim,
            "refund some": self.refund_some,
            "approve": self.approve,
            "reject": self.reject,
            "withdraw": self.withdraw,
        }

    def order(self, n: int) -> Order:
        rows = list(Order.objects.select_related("channel").order_by("pk"))
        return rows[n % len(rows)]

    def line(self, n: int) -> OrderLine:
        return self.order(n).lines.order_by("pk")[0]

    def one(self, model: type[Claim] | type[ReturnOrder] | type[Refund], n: int) -> int:
        keys = list(model._default_manager.order_by("pk").values_list("pk", flat=True))
        if not keys:
            raise OrderError("There is none yet.")
        return keys[n % len(keys)]

    def returns(self, n: int) -> list[int]:
        return [self.one(ReturnOrder, n)]

    def ship_some(self, n: int, k: int) -> object:
        line = self.line(n)
        return ship_order(line.order_id, quantities={line.pk: k}, actor=HOUSE)

    def ask_back(self, n: int, k: int) -> object:
        line, order = self.line(n), self.order(n)
        back = (NewReturnLine(k, order_line_id=line.pk),)
        return request_returns([NewReturn(order.channel, back, order_id=order.pk)], actor=HOUSE)

    def inspect(self, n: int, k: int) -> object:
        (pk,) = self.returns(n)
        lines = ReturnLine.objects.filter(return_order=pk).values_list("pk", flat=True)
        scrap = dict.fromkeys(lines, k - 1)
        return inspect_returns([pk], scrap=scrap, actor=HOUSE)

    def claim(self, n: int, k: int) -> object:
        line = self.line(n)
        reason = Claim.Reason.DAMAGED
        return open_claim(line.order_id, {line.pk: k}, reason=reason, actor=HOUSE)

    def exchange(self, n: int, k: int) -> object:
        line = self.line(n)
        goods = [NewGoods("BIG", 1, Decimal(k * 3))]
        reason = ReturnOrder.Reason.UNWANTED
        return exchange_goods(line.order_id, {line.pk: k}, goods, reason=reason, actor=HOUSE)

    def ask(self, order: Order, parts: tuple[NewPart, ...], **about: Any) -> None:
        new = NewRefund(order.pk, None, "returned", HOUSE, parts=parts, **about)
        (answer,) = request_refunds([new])
        if not isinstance(answer, Asked):
            raise answer

    def proposed(self, order: Order, units: dict[int, int]) -> tuple[NewPart, ...]:
        return tuple(
            NewPart(row.what, row.proposed.amount, row.line.pk if row.line else None,
                    row.units or None)
            for row in offered(order, units) if row.proposed.amount > 0
        )  # fmt: skip

    def refund_return(self, n: int, k: int) -> None:
        row = ReturnOrder.objects.select_related("order__channel").get(pk=self.one(ReturnOrder, n))
        assert row.order is not None
        self.ask(row.order, self.proposed(row.order, units_of(row)), return_id=row.pk)

    def refund_claim(self, n: int, k: int) -> None:
        claim = Claim.objects.select_related("order__channel").get(pk=self.one(Claim, n))
        units = dict(claim.lines.values_list("order_line", "quantity"))
        self.ask(claim.order, self.proposed(claim.order, units), claim_id=claim.pk)

    def refund_some(self, n: int, k: int) -> None:
        line = self.line(n)
        part = NewPart(RefundLine.What.LINE, Decimal(k) * 2, line.pk)
        self.ask(self.order(n), (part, NewPart(RefundLine.What.SHIPPING, Decimal(k))))

    def approve(self, n: int, k: int) -> None:
        row = Refund.objects.get(pk=self.one(Refund, n))
        approve_refund(row, amount=row.money, version=row.version, actor=self.finance)

    def reject(self, n: int, k: int) -> None:
        row = Refund.objects.get(pk=self.one(Refund, n))
        reject_refund(row, version=row.version, note="No", actor=self.finance)

    def withdraw(self, n: int, k: int) -> None:
        row = Refund.objects.get(pk=self.one(Refund, n))
        withdraw_refund(row, version=row.version, actor=HOUSE)


def check() -> None:
    """O1, O2 and O4, told from the records themselves."""
    orders = list(Order.objects.select_related("channel"))
    assert orders_that_differ([order.pk for order in orders]) == []
    assert not OrderLine.objects.filter(
        quantity__lt=F("quantity_shipped") + F("quantity_cancelled")
    ).exists()
    assert not OrderLine.objects.filter(quantity_shipped__lt=F("quantity_returned")).exists()
    for order in orders:
        live = order.refunds.filter(state__in=LIVE)
        paid = order.payments.aggregate(sum=Sum("amount"))["sum"] or 0
        assert (live.aggregate(sum=Sum("amount"))["sum"] or 0) <= paid
        for line in order.lines.all():
            given = line.refund_lines.filter(refund__state__in=LIVE)
            sums = given.aggregate(amount=Sum("amount"), tax=Sum("tax"), units=Sum("quantity"))
            assert (sums["amount"] or 0) <= charged(order, line)
            assert (sums["units"] or 0) <= line.quantity
            assert (sums["tax"] or 0) <= line.tax + Decimal("0.02")
    moved = StockMove.objects.filter(source="orders.returnorder")
    for row in ReturnLine.objects.exclude(outcome="pending"):
        steps = dict(
            moved.filter(key__startswith=f"orders.returnline:{row.pk}:").values_list(
                "key", "quantity"
            )
        )
        assert steps.get(f"orders.returnline:{row.pk}:inspected", 0) == row.restocked
        assert steps.get(f"orders.returnline:{row.pk}:scrapped", 0) == row.scrapped
    for claim in Claim.objects.all():
        made = Order.objects.filter(makes_good=claim).count()
        asked = claim.refunds.filter(state__in=LIVE).count()
        assert made + asked == int(claim.state in ("reshipped", "refunded"))
    for swap in Exchange.objects.all():
        # How the new goods are delivered may change later, and is paid for apart.
        new = swap.replacement
        assert sum(charged(new, line) for line in new.lines.all()) == swap.price
        assert swap.difference == swap.price - swap.credit


STEPS = st.lists(
    st.tuples(st.sampled_from(NAMES), st.integers(0, 3), st.integers(1, 4)),
    min_size=6,
    max_size=STEPS_AT_MOST,
)


@pytest.mark.django_db
@given(steps=STEPS)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=not FULL,
    suppress_health_check=list(HealthCheck),
)
def test_after_the_sale_nothing_is_given_back_or_restocked_twice(
    steps: list[Step], finance_user: User
) -> None:
    with transaction.atomic():
        desk = Desk(finance_user)
        # Most of what happens here needs a sale that was paid and has left.
        for name, n, k in [("settle", 0, 0), ("ship", 0, 0), *steps]:
            moves = StockMove.objects.count()
            try:
                with transaction.atomic():
                    desk.acts[name](n, k)
            except (OrderError, InventoryError, FinanceError):
                assert StockMove.objects.count() == moves
            if name in MONEY:
                assert StockMove.objects.count() == moves
            check()
        assert levels_that_differ() == []
        assert not any(trial_balance(desk.first.channel.legal_entity_id).off.values())
        transaction.set_rollback(True)


def test_fifty_hands_at_once_give_nothing_back_twice_and_block_nobody(
    committed_db: None, finance_user: User
) -> None:
    desk = Desk(finance_user)
    for name in ("settle", "ship", "ask back", "authorise", "claim", "refund some"):
        desk.acts[name](0, 1)
    busy = (
        "receive", "inspect", "refuse return", "ask back", "authorise", "claim", "reship",
        "refuse claim", "exchange", "refund return", "refund claim", "refund some", "approve",
        "reject", "withdraw", "settle", "ship",
    )  # fmt: skip

    def work(number: int) -> Callable[[], None]:
        def act() -> None:
            desk.acts[busy[number % len(busy)]](number % 3, 1 + number % 2)

        return act

    answers = at_once([work(number) for number in range(50)])
    refused = (OrderError, InventoryError, FinanceError)
    assert [each for each in answers if each is not None and not isinstance(each, refused)] == []
    check()
    assert levels_that_differ() == []
    assert not any(trial_balance(desk.first.channel.legal_entity_id).off.values())
