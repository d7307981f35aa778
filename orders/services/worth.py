"""What units of an order's lines cost, tax included, cut so that the parts add up."""

from __future__ import annotations

from decimal import Decimal

from backoffice.money import Money
from orders.models.orders import Order, OrderLine


def charged(order: Order, line: OrderLine) -> Decimal:
    """What a line was charged, tax included, less what promotions took off it."""
    price = line.line_total - line.discount
    return price if order.prices_include_tax else price + line.tax


def share_of(order: Order, line: OrderLine, before: int, count: int) -> Decimal:
    """What `count` units of a line cost after the `before` first ones.

    A discount on the whole order is shared by the lines' worth; one of a promotion stands on the
    lines it is for.
    """
    whole = charged(order, line)
    on_order = order.discount - order.discount_on_lines
    if on_order and order.subtotal:
        whole -= on_order * line.line_total / order.subtotal
    upto = min(before + count, line.quantity)
    after = order.money(whole * upto / line.quantity).rounded()
    return (after - order.money(whole * min(before, upto) / line.quantity).rounded()).amount


def tax_rate(lines: list[OrderLine]) -> Decimal:
    """The tax on these lines as a part of what was left of their totals; zero without any."""
    totals = sum((line.line_total - line.discount for line in lines), Decimal(0))
    return sum((line.tax for line in lines), Decimal(0)) / totals if totals else Decimal(0)


def paid_per_unit(line: OrderLine) -> Decimal:
    """What a unit of a line cost after promotions, to four decimals, as prices have."""
    if not line.discount:
        return line.unit_price
    return (line.unit_price - line.discount / line.quantity).quantize(Decimal("0.0001"))


def off_units(line: OrderLine, currency: str, before: int, count: int) -> Decimal:
    """What promotions took off `count` units of a line after the `before` first ones."""
    upto = min(before + count, line.quantity)
    after = Money(line.discount * upto / line.quantity, currency).rounded()
    first = Money(line.discount * min(before, upto) / line.quantity, currency).rounded()
    return (after - first).amount
