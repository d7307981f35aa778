"""Exchanges: goods come back, others leave, and what is due between them is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor
from inventory.queries.skus import skus_by_code
from orders import signals
from orders.models.exchanges import Exchange
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns
from orders.services.claims import follow_up
from orders.services.drafts import NewLine
from orders.services.errors import OrderError
from orders.services.intake import can_come_back
from orders.services.numbers import next_exchange_numbers
from orders.services.outcomes import lock_order
from orders.services.returns import NewReturn, NewReturnLine, request_returns
from orders.services.worth import paid_per_unit, share_of, tax_rate

LABEL = "orders.exchange"


@dataclass(frozen=True, slots=True)
class NewGoods:
    """Goods that leave. `unit_price` None: as the order sold this SKU; the order's currency."""

    sku: str
    quantity: int
    unit_price: Decimal | None = None


@transaction.atomic
def exchange_goods(
    order_id: int,
    back: Mapping[int, int],
    goods: Sequence[NewGoods],
    *,
    reason: ReturnOrder.Reason,
    why: str = "",
    takes_late: bool = False,
    actor: Actor,
) -> Exchange:
    """Let units come back, by line id, and place an order for what leaves in their place.

    The new goods are taxed as those that come back. Finance hears of it and is asked to move the
    money: what the goods cost pays for the new ones, and the rest goes back. What the new ones
    cost more is due on the new order. Raises TooMany, UnknownSku, OrderError. Announces
    exchanges_made.
    """
    order = lock_order(order_id)
    if not back or not goods:
        raise OrderError("An exchange needs goods that come back and goods that leave.")
    credits = _credits(order, back)
    credit = sum((amount for _, amount in credits.values()), Decimal(0))
    if credit <= 0:
        raise OrderError("These goods cost nothing. Open a claim, which sends them again.")
    lines = tuple(NewReturnLine(count, order_line_id=pk) for pk, count in sorted(back.items()))
    new = NewReturn(order.channel, lines, order_id=order.pk, reason=reason)
    (row,) = request_returns([new], actor=actor)
    authorise_returns([row.pk], why=why, takes_late=takes_late, actor=actor)
    made = follow_up(order, _lines(order, back, goods), tag="exchange", actor=actor)
    exchange = Exchange.objects.create(
        number=next_exchange_numbers(1)[0], order=order, return_order=row, replacement=made,
        currency=order.currency, credit=credit, price=made.total, difference=made.total - credit,
        made_at=timezone.now(), made_by=actor.label[:200],
    )  # fmt: skip
    _tell(exchange, actor)
    signals.exchanges_made.send(
        sender=Exchange,
        exchanges=[exchange],
        credits={exchange.pk: credits},
        actor=actor,
        history=False,
    )
    return exchange


def _credits(order: Order, back: Mapping[int, int]) -> dict[int, tuple[int, Decimal]]:
    """Units and their price by line; what came back or is coming was the first units."""
    free = {line.pk: (line, left) for line, left in can_come_back(order)}
    if set(back) - set(free):
        raise OrderError("An exchange names lines of its own order.")
    return {
        pk: (count, share_of(order, free[pk][0], _gone(*free[pk]), count))
        for pk, count in back.items()
    }


def _gone(line: OrderLine, left: int) -> int:
    return max(line.quantity_shipped - left, 0)


def _lines(order: Order, back: Mapping[int, int], goods: Sequence[NewGoods]) -> list[NewLine]:
    sold = list(order.lines.filter(kind=OrderLine.Kind.STOCK).select_related("sku"))
    prices = {line.sku.code: paid_per_unit(line) for line in sold if line.sku}
    rate = tax_rate([line for line in sold if line.pk in back])
    known = skus_by_code({each.sku for each in goods})
    lines = []
    for each in goods:
        price = prices.get(each.sku) if each.unit_price is None else each.unit_price
        if price is None:
            raise OrderError(f"The order has no {each.sku} before. Say what it costs.")
        tax = order.money(price * each.quantity * rate).rounded().amount
        name = known[each.sku].name if each.sku in known else ""
        lines.append(NewLine(each.quantity, price, each.sku, description=name, tax=tax))
    return lines


def _tell(exchange: Exchange, actor: Actor) -> None:
    due = exchange.due
    what = "even" if not due else f"{due} to pay" if due.amount > 0 else f"{-due} goes back"
    said = f"Exchange {exchange}: return {exchange.return_order}, "
    said += f"order {exchange.replacement}, {what}"
    own = (LABEL, exchange.pk)
    timeline.record(
        timeline.Happened(subject, pk, said, actor, link=link)
        for subject, pk, link in (
            (*own, ("orders.order", exchange.order_id)),
            ("orders.order", exchange.order_id, own),
            ("orders.order", exchange.replacement_id, own),
            ("orders.returnorder", exchange.return_order_id, own),
        )
    )
