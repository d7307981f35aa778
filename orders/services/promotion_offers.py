"""From lines and promotions to the whole minor units that offers are worked out in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import ROUND_CEILING, Decimal

from orders.models.orders import OrderLine
from orders.models.promotions import Promotion
from orders.queries.prices import set_minimums
from orders.services.offers import Item, Offer
from orders.services.pricing import step_of

# The least prices that people set, by product.
Least = Mapping[int, Decimal]


def items_of(
    lines: Iterable[OrderLine], currency: str, least: Least, *, prices_include_tax: bool
) -> list[Item]:
    """The goods of an order, in minor units, with what they cost us where that is known."""
    step = step_of(currency)
    return [
        item_of(line, currency, step, least, prices_include_tax=prices_include_tax)
        for line in lines
        if line.kind == OrderLine.Kind.STOCK
    ]


def item_of(
    line: OrderLine, currency: str, step: Decimal, least: Least, *, prices_include_tax: bool
) -> Item:
    """One line of goods; its cost is brought up by the tax that its price includes."""
    sku, cost, pad = line.sku, None, 0
    if sku is not None and sku.unit_cost is not None and sku.cost_currency == currency:
        cost = sku.unit_cost * line.quantity / step
        if prices_include_tax and line.tax:
            net = line.line_total - line.tax
            cost = cost * line.line_total / net if net > 0 else None
            pad = 1
    code = sku.code if sku is not None else ""
    stays = least.get(line.sku_id or 0, Decimal(0)) * line.quantity / step
    floor = int(stays.to_integral_value(ROUND_CEILING))
    return Item(line.position, code, line.quantity, int(line.line_total / step), cost, pad, floor)


def least_of(pairs: Iterable[tuple[int, int]]) -> dict[int, dict[int, Decimal]]:
    """The least prices that people set, by channel and product; asked by (channel, product)."""
    found: dict[int, dict[int, Decimal]] = defaultdict(dict)
    for (channel, sku), row in set_minimums(pairs).items():
        if row.amount is not None:
            found[channel][sku] = row.amount
    return found


def offer_of(promotion: Promotion, currency: str) -> Offer | None:
    """A promotion's terms in a currency; None where it says nothing about that currency."""
    step = step_of(currency)
    amount = promotion.amounts.get(currency)
    threshold = promotion.thresholds.get(currency)
    if promotion.percent is None and amount is None:
        return None
    if promotion.thresholds and threshold is None:
        return None
    return Offer(
        id=promotion.pk or 0,
        percent=promotion.percent,
        amount=int(Decimal(amount or 0) / step),
        threshold=int(Decimal(threshold or 0) / step),
        bundle={sku: int(units) for sku, units in sorted(promotion.bundle.items())},
        on_bundle=promotion.target == Promotion.Target.BUNDLE,
        skus=frozenset(promotion.skus),
        is_exclusive=promotion.is_exclusive,
        cap=promotion.cap_percent,
        margin=promotion.margin_percent,
    )
