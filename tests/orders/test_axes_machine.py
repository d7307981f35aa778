"""Whatever happens to an order, in whatever order: its axes are what its children say."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backoffice.actors import HOUSE
from backoffice.money import Money
from inventory.queries.levels import levels_that_differ
from inventory.services.errors import InventoryError
from orders.models.holds import Hold
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.queries.checks import orders_that_differ
from orders.services.allocation import allocate_orders
from orders.services.cancelling import cancel_orders
from orders.services.drafts import OnShort
from orders.services.errors import OrderError
from orders.services.holds import hold_orders, release_orders
from orders.services.payment import Amount, mark_orders_paid, record_refunded
from orders.services.placing import place_orders
from orders.services.returns import (
    NewReturn,
    NewReturnLine,
    inspect_returns,
    receive_returns,
    refuse_returns,
    request_returns,
)
from orders.services.shipping import ship_order
from tests.inventory.factories import make_sku, receive
from tests.orders.factories import draft, fresh, line, make_customer, postage

Step = tuple[str, int]
NAMES = (
    "pay",
    "pay",
    "refund",
    "hold",
    "release",
    "receive stock",
    "allocate",
    "ship",
    "ship",
    "ask back",
    "take back",
    "inspect",
    "refuse",
    "cancel",
)
STEPS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(1, 3)), min_size=4, max_size=16)


def ask_back(order: Order, quantity: int) -> object:
    back = NewReturnLine(quantity, order_line_id=order.lines.get(kind="stock").pk)
    new = NewReturn(channel=order.channel, order_id=order.pk, lines=(back,))
    return request_returns([new], actor=HOUSE)


def act(step: Step, order: Order) -> None:
    name, quantity = step
    ids = [order.pk]
    amounts = [Amount(order.pk, Money(Decimal(quantity * 10), "GBP"))]
    returns = list(ReturnOrder.objects.values_list("pk", flat=True)[:quantity])
    goods = order.lines.get(kind="stock")
    acts: dict[str, Callable[[], object]] = {
        "pay": lambda: mark_orders_paid(amounts, actor=HOUSE),
        "refund": lambda: record_refunded(amounts, actor=HOUSE),
        "hold": lambda: hold_orders(ids, reason=Hold.Reason.FRAUD, actor=HOUSE).or_raise(),
        "release": lambda: release_orders(ids, actor=HOUSE).or_raise(),
        "receive stock": lambda: receive(make_sku(), quantity),
        "allocate": lambda: allocate_orders(ids, actor=HOUSE).or_raise(),
        "ship": lambda: ship_order(order.pk, quantities={goods.pk: quantity}, actor=HOUSE),
        "ask back": lambda: ask_back(order, quantity),
        "take back": lambda: receive_returns(returns, actor=HOUSE),
        "inspect": lambda: inspect_returns(returns, actor=HOUSE),
        "refuse": lambda: refuse_returns(returns, actor=HOUSE),
        "cancel": lambda: cancel_orders(
            ids, reason=Order.CancelReason.OTHER, actor=HOUSE
        ).or_raise(),
    }
    acts[name]()


@pytest.mark.django_db
@given(steps=STEPS)
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_axes_recomputed_from_children_are_the_stored_ones(steps: list[Step]) -> None:
    with transaction.atomic():
        sku = make_sku(stock=3)
        new = draft(line(sku, 4, "5.00"), postage("0.00"), customer_id=make_customer().pk)
        order = place_orders([new], on_short=OnShort.HOLD, actor=HOUSE).orders[0]
        for step in steps:
            before = fresh(order).version
            try:
                with transaction.atomic():
                    act(step, fresh(order))
            except (OrderError, InventoryError):
                assert fresh(order).version == before
            assert orders_that_differ([order.pk]) == []
        assert levels_that_differ() == []
        transaction.set_rollback(True)
