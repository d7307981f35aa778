"""Orders with promotions in the books: sold, shipped in parts, returned, refunded."""

from __future__ import annotations

from decimal import Decimal

from backoffice.actors import HOUSE
from finance.models.balances import OrderBalance
from finance.queries import trial_balance
from finance.services.parts import offered
from orders.models.orders import Order
from orders.models.returns import ReturnOrder
from orders.services.drafts import NewLine
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns
from orders.services.shipping import ship_order
from tests.finance.factories import NOW, Role, make_stock, pay, place
from tests.orders.promotions import started


def of(order: Order, role: Role) -> Decimal:
    found = trial_balance(order.channel.legal_entity_id)
    assert not any(found.off.values())
    return found.of(role, order.currency)


def test_a_discount_is_booked_without_its_tax_and_goods_come_back_at_what_they_cost(
    db: None,
) -> None:
    started(percent=Decimal(15), starts_at=NOW)
    make_stock("BOWL")
    order = place(NewLine(2, Decimal("5.00"), "BOWL", tax=Decimal("1.60")), codes=("SPRING",))
    assert (order.total, order.tax) == (Decimal("8.50"), Decimal("1.36"))
    pay(order)
    line = order.lines.get()
    for _ in range(2):
        ship_order(order.pk, quantities={line.pk: 1}, actor=HOUSE)
    assert of(order, Role.SALES) == Decimal("-8.40")
    assert of(order, Role.DISCOUNTS) == Decimal("1.26")
    assert of(order, Role.TAX) == Decimal("-1.36")
    assert of(order, Role.CUSTOMERS) == 0
    assert OrderBalance.objects.get(order=order).balance == 0
    parts = offered(order, {line.pk: 2})
    assert [(part.left.amount, part.proposed.amount) for part in parts] == [
        (Decimal("8.50"), Decimal("8.50"))
    ]
    for _ in range(2):
        new = NewReturn(order.channel, (NewReturnLine(1, order_line_id=line.pk),), order.pk)
        (back,) = request_returns([new], actor=HOUSE)
        receive_returns([back.pk], actor=HOUSE)
    assert of(order, Role.CUSTOMERS) == Decimal("-8.50")
    assert of(order, Role.TAX) == 0


def test_prices_without_tax_are_taxed_on_what_is_left(db: None) -> None:
    started(amounts={"GBP": "2"}, starts_at=NOW)
    make_stock("BOWL")
    order = place(
        NewLine(1, Decimal("10.00"), "BOWL", tax=Decimal("2.00")), prices_include_tax=False,
        codes=("SPRING",),
    )  # fmt: skip
    assert (order.total, order.tax) == (Decimal("9.60"), Decimal("1.60"))
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    assert of(order, Role.SALES) == Decimal("-10.00")
    assert of(order, Role.DISCOUNTS) == Decimal("2.00")
    assert of(order, Role.CUSTOMERS) == 0


def test_a_like_exchange_of_something_bought_at_a_discount_is_even(db: None) -> None:
    started(percent=Decimal(15), starts_at=NOW)
    make_stock("BOWL")
    order = place(NewLine(2, Decimal("5.00"), "BOWL", tax=Decimal("1.60")), codes=("SPRING",))
    pay(order)
    ship_order(order.pk, actor=HOUSE)
    goods, reason = [NewGoods("BOWL", 1)], ReturnOrder.Reason.UNWANTED
    swap = exchange_goods(order.pk, {order.lines.get().pk: 1}, goods, reason=reason, actor=HOUSE)
    assert (swap.credit, swap.difference) == (Decimal("4.25"), Decimal("0.00"))
    assert swap.replacement.discount == 0
