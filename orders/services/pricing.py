"""Rows of a new order from its draft: rounding, sums, snapshots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from babel.numbers import get_currency_precision

from backoffice.sets import Stencil
from inventory.models import Sku
from orders.models.axes import fulfilment_axis, payment_axis
from orders.models.orders import Order, OrderLine
from orders.services.drafts import ZERO, NewLine, NewOrder
from orders.services.errors import OrderError, WrongAmount
from orders.services.tags import clean_tags

LINES = Stencil(OrderLine)


def step_of(currency: str) -> Decimal:
    """The smallest amount of a currency, for rounding half up."""
    return Decimal(1).scaleb(-get_currency_precision(currency))


def order_row(new: NewOrder, lines: list[OrderLine], number: str, now: datetime) -> Order:
    """The order of these lines; raises WrongAmount when its total is negative or not rounded."""
    step = step_of(new.channel.currency)
    subtotal = sum((line.line_total for line in lines), ZERO)
    tax = sum((line.tax for line in lines), new.shipping_tax)
    on_lines = sum((line.discount for line in lines), ZERO)
    total = subtotal + new.shipping - new.discount - on_lines
    if not new.prices_include_tax:
        total += tax
    if total < 0 or total != total.quantize(step):
        raise WrongAmount(
            f"The total of order {number} would be {total} {new.channel.currency}. It must be zero "
            "or more, in whole minor units."
        )
    units = sum(line.quantity for line in lines if line.kind == OrderLine.Kind.STOCK)
    placed_at, payment = new.placed_at or now, payment_axis(total, ZERO, ZERO)
    return Order(
        number=number,
        channel=new.channel,
        external_id=new.external_id,
        customer_id=new.customer_id,
        payment=payment,
        paid_at=placed_at if payment == Order.Payment.PAID else None,
        fulfilment=fulfilment_axis(units, units if new.shipped_at else 0, 0, is_cancelled=False),
        currency=new.channel.currency,
        subtotal=subtotal,
        shipping=new.shipping,
        shipping_tax=new.shipping_tax,
        tax=tax,
        prices_include_tax=new.prices_include_tax,
        discount=new.discount + on_lines,
        discount_on_lines=on_lines,
        total=total,
        units=units,
        line_count=len(lines),
        method=Order.Method.PICKUP if new.pickup_at_id else Order.Method.HOME,
        pickup_at_id=new.pickup_at_id,
        follows_id=new.follows_id,
        **_addresses(new),
        placed_at=placed_at,
        tags=list(clean_tags(new.tags)),
    )


def _addresses(new: NewOrder) -> dict[str, Any]:
    """The order's own copy of both addresses; without a billing address, the shipping one twice."""
    ship, bill = new.ship_to, new.bill_to or new.ship_to
    parts = ("name", "lines", "city", "postcode", "country")
    return {
        f"{kind}_{part}": getattr(address, part)
        for kind, address in (("ship", ship), ("bill", bill))
        for part in parts
    }


def line_rows(new: NewOrder, skus: Mapping[str, Sku]) -> list[OrderLine]:
    """The lines of a draft, not yet of an order; raises OrderError when there are none."""
    if not new.lines:
        raise OrderError("An order needs at least one line.")
    step = step_of(new.channel.currency)
    return [
        _line_row(line, position, skus, step, was_shipped=new.shipped_at is not None)
        for position, line in enumerate(new.lines, 1)
    ]


def _line_row(
    line: NewLine, position: int, skus: Mapping[str, Sku], step: Decimal, *, was_shipped: bool
) -> OrderLine:
    if line.quantity <= 0:
        raise OrderError("The quantity of an order line is a whole number above zero.")
    sku = skus[line.sku] if line.sku is not None else None
    is_product = line.kind == OrderLine.Kind.STOCK
    fragile = sku.is_fragile if sku and line.is_fragile is None else bool(line.is_fragile)
    source = line.source
    row = LINES.row(
        position=position,
        kind=line.kind,
        sku_id=sku.pk if sku else None,
        description=line.description[:200],
        is_fragile=fragile,
        is_stocked=bool(sku and sku.is_stocked and is_product),
        quantity=line.quantity,
        quantity_shipped=line.quantity if was_shipped and is_product else 0,
        unit_price=line.unit_price,
        line_total=(line.unit_price * line.quantity).quantize(step, rounding=ROUND_HALF_UP),
        tax=line.tax,
        source_kind=source.kind if source else "",
        source_document=source.document if source else "",
        source_row=source.row if source else None,
    )
    row._state.fields_cache["sku"] = sku
    return row
