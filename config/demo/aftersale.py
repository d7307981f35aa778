"""What customers want after the sale: returns at each step, claims, an exchange, a baseline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from django.utils import timezone

from backoffice.actors import Actor, outside, person
from backoffice.models import User
from backoffice.roles import SUPPORT
from inventory.services.errors import InventoryError
from orders.models.channels import Channel
from orders.models.claims import Claim, OperationsBaseline
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnOrder
from orders.services.authorising import authorise_returns, note_way_back
from orders.services.baselines import take_baseline
from orders.services.claims import open_claim, refuse_claim, reship_claim
from orders.services.errors import OrderError
from orders.services.exchanges import NewGoods, exchange_goods
from orders.services.intake import take_down_return
from orders.services.returns import NewReturn, NewReturnLine, receive_returns, request_returns

WAREHOUSE = outside("Warehouse")
_CLAIMS = (
    (Claim.Reason.DAMAGED, "A photo shows the handle broken off."),
    (Claim.Reason.WRONG_ITEM, "A blue one came, the order says red."),
    (Claim.Reason.LATE, "It came two days after the party."),
    (Claim.Reason.WRONG_MESSAGE, "The card greets somebody else."),
    (Claim.Reason.LOST, "The carrier says delivered; the neighbours know of nothing."),
)
_REASONS = ReturnOrder.Reason


def live_after_the_sale(channel: Channel, shipped: Sequence[Order]) -> None:
    """Let some of these orders come back, be complained of and be exchanged, once."""
    if Claim.objects.exists() or len(shipped) < len(_CLAIMS) + 5:
        return
    clerk = User.objects.filter(groups__name=SUPPORT, is_active=True).order_by("pk").first()
    by = person(clerk) if clerk else outside("Support")
    left = [order for order in shipped if _goods(order) is not None]
    _claims(left[: len(_CLAIMS)], by)
    _returns(channel, left[len(_CLAIMS) : len(_CLAIMS) + 4], by)
    for order in left[len(_CLAIMS) + 4 :]:
        if _exchange(order, by):
            break
    today = timezone.localdate()
    if not OperationsBaseline.objects.exists():
        take_baseline(today - timedelta(days=27), today, actor=by)


def _goods(order: Order) -> OrderLine | None:
    """The dearest line of an order that has left."""
    rows = order.lines.filter(kind=OrderLine.Kind.STOCK, quantity_shipped__gt=0)
    return rows.select_related("sku").order_by("-line_total").first()


def _claims(orders: Sequence[Order], by: Actor) -> None:
    made = []
    for order, (reason, evidence) in zip(orders, _CLAIMS, strict=False):
        line = _goods(order)
        if line is not None:
            units = {line.pk: 1}
            made.append(open_claim(order.pk, units, reason=reason, evidence=evidence, actor=by))
    if len(made) > 2:
        reship_claim(made[0].pk, note="The next one goes out well padded.", actor=by)
        refuse_claim(made[2].pk, note="The order named no day.", actor=by)


def _returns(channel: Channel, orders: Sequence[Order], by: Actor) -> None:
    """One at each step, and one whose order nobody knows."""
    reasons = (_REASONS.UNWANTED, _REASONS.DAMAGED, _REASONS.WRONG_ITEM, _REASONS.UNWANTED)
    rows = []
    for order, reason in zip(orders, reasons, strict=False):
        line = _goods(order)
        if line is not None:
            back = (NewReturnLine(1, order_line_id=line.pk),)
            new = NewReturn(order.channel, back, order_id=order.pk, reason=reason)
            rows += request_returns([new], actor=by)
    for row in rows[1:]:
        authorise_returns([row.pk], actor=by)
    if len(rows) > 2:
        note_way_back(
            rows[1].pk, carrier="Royal Mail", tracking="RT481220577GB",
            pickup_point="Post office, High Street", actor=by,
        )  # fmt: skip
        receive_returns([rows[2].pk], actor=WAREHOUSE)
    line = _goods(orders[0]) if orders else None
    if line is not None and line.sku is not None:
        goods = {line.sku.code: 2}
        take_down_return(channel, "A-1729", goods, reason=_REASONS.UNKNOWN, actor=by)


def _exchange(order: Order, by: Actor) -> bool:
    """Another piece of the same for one; False where this order can't pay for it."""
    line = _goods(order)
    if line is None or line.sku is None or line.unit_price <= 0:
        return False
    goods = [NewGoods(line.sku.code, 1, line.unit_price * 2)]
    try:
        exchange_goods(order.pk, {line.pk: 1}, goods, reason=_REASONS.WRONG_ITEM, actor=by)
    except (OrderError, InventoryError):
        return False
    return True
