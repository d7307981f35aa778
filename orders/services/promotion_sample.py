"""What a promotion would have given on the last orders, before anybody starts it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from backoffice.money import Money
from orders.models.orders import Order, OrderLine
from orders.models.promotions import Promotion
from orders.services.offers import alone, together
from orders.services.pricing import step_of
from orders.services.promotion_offers import Least, item_of, least_of, offer_of

DAYS = 30
# So many orders say enough, and are read while somebody waits.
MOST = 2000


@dataclass(frozen=True, slots=True)
class Sample:
    """Orders looked at, those that would have got it, and what it would have cost by currency."""

    looked_at: int
    given: int
    amounts: tuple[Money, ...]

    @property
    def share(self) -> int:
        """How many of a hundred orders."""
        return round(100 * self.given / self.looked_at) if self.looked_at else 0

    @property
    def total(self) -> str:
        return ", ".join(str(amount) for amount in self.amounts) or "nothing"


def sample(promotion: Promotion) -> Sample:
    """Work out a promotion, saved or not, on the newest orders of the last 30 days.

    As if each buyer had typed its code; its dates, limits and other promotions do not count.
    """
    since = timezone.now() - timedelta(days=DAYS)
    rows = Order.objects.filter(placed_at__gte=since, cancelled_at=None, follows=None)
    if promotion.channels:
        rows = rows.filter(channel__key__in=promotion.channels)
    orders = {
        order.pk: order
        for order in rows.only("currency", "prices_include_tax", "channel_id").order_by(
            "-placed_at", "-pk"
        )[:MOST]
    }
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    goods = OrderLine.objects.filter(order__in=list(orders), kind=OrderLine.Kind.STOCK)
    for line in goods.select_related("sku"):
        lines[line.order_id].append(line)
    least = least_of(
        {(orders[pk].channel_id, line.sku_id) for pk in orders for line in lines[pk] if line.sku_id}
    )
    sums: dict[str, Decimal] = defaultdict(Decimal)
    given = 0
    for pk, order in orders.items():
        amount = _on(promotion, order, lines[pk], least.get(order.channel_id, {}))
        if amount:
            given += 1
            sums[order.currency] += amount
    amounts = tuple(Money(amount, currency) for currency, amount in sorted(sums.items()))
    return Sample(len(orders), given, amounts)


def _on(promotion: Promotion, order: Order, lines: list[OrderLine], least: Least) -> Decimal:
    """What one order would have got, at its full prices."""
    offer = offer_of(promotion, order.currency)
    if offer is None:
        return Decimal(0)
    step = step_of(order.currency)
    items = [
        item_of(line, order.currency, step, least, prices_include_tax=order.prices_include_tax)
        for line in lines
    ]
    if not alone(offer, items):
        return Decimal(0)
    return sum((gift.amount for gift in together([offer], items)), 0) * step
