"""What a refund is for, line by line: what is left of each line, and the tax that was charged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from backoffice.counting import counted
from backoffice.money import Money
from finance.models.refunds import Refund, RefundLine
from finance.services.errors import FinanceError, RefundTooLarge
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.services.worth import charged, share_of

What = RefundLine.What
NIL = Decimal(0)
LIVE = (Refund.State.REQUESTED, *Refund.RELEASED)


@dataclass(frozen=True, slots=True)
class NewPart:
    """An amount for a line, for delivery or for anything else, tax included.

    `order_line_id` is for lines alone; `quantity` None: an amount off, for no unit in particular.
    """

    what: RefundLine.What
    amount: Decimal
    order_line_id: int | None = None
    quantity: int | None = None


@dataclass(frozen=True, slots=True)
class Offered:
    """A line, or delivery, of which something can be refunded, and what is proposed now.

    `left` is the most that can still be asked for it; `units` what the proposal is for.
    """

    what: RefundLine.What
    line: OrderLine | None
    label: str
    left: Money
    proposed: Money
    units: int = 0

    @property
    def key(self) -> str:
        return f"line_{self.line.pk}" if self.line else str(self.what)


@dataclass(frozen=True, slots=True)
class _Before:
    """What live refunds hold of an order: amounts and units by line, amounts for delivery."""

    amounts: Mapping[int, Decimal]
    units: Mapping[int, int]
    shipping: Decimal


def delivery_charged(order: Order) -> Decimal:
    """What delivery was charged, tax included."""
    return order.shipping if order.prices_include_tax else order.shipping + order.shipping_tax


def offered(
    order: Order, units: Mapping[int, int], *, everything_else: bool = True
) -> list[Offered]:
    """What can be refunded on an order, with a proposal for so many units of each line.

    Delivery is proposed when nothing that left stays with the customer, as charged lines of it
    are. Amounts are cut so that the parts of a line add up to it; a discount on the whole order is
    shared by the lines' worth. `everything_else` False leaves out lines without units.
    """
    before = _before(order)
    lines = list(order.lines.select_related("sku").order_by("position"))
    goods = [line for line in lines if line.kind == OrderLine.Kind.STOCK]
    back = {line.pk: before.units.get(line.pk, 0) + units.get(line.pk, 0) for line in goods}
    complete = bool(units) and all(
        back[line.pk] >= line.quantity - line.quantity_cancelled for line in goods
    )
    rows = []
    for line in lines:
        whole = complete and line.kind == OrderLine.Kind.POSTAGE
        # Units that money went back for already, as for a claim, may come back all the same.
        unpaid = max(line.quantity - before.units.get(line.pk, 0), 0)
        count = min(line.quantity if whole else units.get(line.pk, 0), unpaid)
        left = max(charged(order, line) - before.amounts.get(line.pk, NIL), NIL)
        if left <= 0 or not (count or everything_else):
            continue
        share = share_of(order, line, before.units.get(line.pk, 0), count)
        label = f"{line.sku.code} {line.description}" if line.sku else line.description
        rows.append(
            Offered(
                What.LINE, line, label.strip() or line.get_kind_display(), order.money(left),
                order.money(min(share, left)), count,
            )
        )  # fmt: skip
    left = max(delivery_charged(order) - before.shipping, NIL)
    if left > 0:
        proposed = left if complete else NIL
        rows.append(
            Offered(What.SHIPPING, None, "Delivery", order.money(left), order.money(proposed))
        )
    return rows


def units_of(row: ReturnOrder) -> dict[int, int]:
    """Units of each order line that a return is about, less what was asked for it already."""
    back: dict[int, int] = {}
    for pk, quantity in ReturnLine.objects.filter(
        return_order=row, order_line__isnull=False
    ).values_list("order_line", "quantity"):
        back[pk] = back.get(pk, 0) + quantity
    asked = _units(RefundLine.objects.filter(refund__return_order=row, refund__state__in=LIVE))
    left = {pk: count - asked.get(pk, 0) for pk, count in back.items()}
    return {pk: count for pk, count in left.items() if count > 0}


def check_return(row: ReturnOrder, order: Order) -> None:
    """Raise FinanceError unless a return is one of this order that somebody authorised."""
    if row.order_id != order.pk:
        raise FinanceError(f"Return {row} is not one of order {order.number}.")
    if row.authorised_at is None and not row.is_history:
        raise FinanceError(f"Return {row} was not authorised. Authorise or refuse it first.")


def _units(rows: object) -> dict[int, int]:
    found = rows.filter(order_line__isnull=False)  # type: ignore[attr-defined]
    sums = found.values_list("order_line").annotate(Sum("quantity"))
    return {pk: units or 0 for pk, units in sums}


def _before(order: Order) -> _Before:
    rows = RefundLine.objects.filter(refund__order=order, refund__state__in=LIVE)
    amounts = dict(
        rows.filter(order_line__isnull=False).values_list("order_line").annotate(Sum("amount"))
    )
    shipping = rows.filter(what=What.SHIPPING).aggregate(sum=Sum("amount"))["sum"]
    return _Before(amounts, _units(rows), shipping or NIL)


def part_rows(order: Order, parts: Sequence[NewPart]) -> list[RefundLine]:
    """Rows of a new refund of a locked order, with their tax; raises FinanceError.

    Raises RefundTooLarge where more would go back for a line or for delivery than was charged.
    """
    before = _before(order)
    lines = order.lines.in_bulk([part.order_line_id for part in parts if part.order_line_id])
    rows = []
    for part in parts:
        amount = order.money(part.amount)
        if not part.amount.is_finite() or amount.amount <= 0 or amount != amount.rounded():
            raise FinanceError(f"{amount} is no refund. Enter an amount above zero.")
        line = lines.get(part.order_line_id or 0)
        if (part.what == What.LINE) != (line is not None):
            raise FinanceError("A refund names a line that is not of its order.")
        if line is not None:
            most, had, tax = charged(order, line), before.amounts.get(line.pk, NIL), line.tax
        elif part.what == What.SHIPPING:
            most, had, tax = delivery_charged(order), before.shipping, order.shipping_tax
        else:
            most, had, tax = part.amount, NIL, NIL
        if had + part.amount > most:
            name = line.description if line else "delivery"
            raise RefundTooLarge(
                f"{amount} is more than is left of {name}: {order.money(max(most - had, NIL))}."
            )
        _refuse_units(part, line, before)
        rows.append(
            RefundLine(
                what=part.what, order_line=line, quantity=part.quantity, amount=part.amount,
                tax=_tax(order, tax, most, had, had + part.amount),
            )
        )  # fmt: skip
    return rows


def _refuse_units(part: NewPart, line: OrderLine | None, before: _Before) -> None:
    left = line.quantity - before.units.get(line.pk, 0) if line else 0
    if part.quantity is not None and line is not None and part.quantity > max(left, 0):
        raise RefundTooLarge(
            f"{counted(max(left, 0), 'unit')} of {line.description} can still be refunded, "
            f"not {part.quantity}. Give the amount for no unit in particular."
        )


def _tax(order: Order, tax: Decimal, whole: Decimal, before: Decimal, after: Decimal) -> Decimal:
    """The tax between two amounts of a whole, so that the parts add up to the tax charged."""
    if whole <= 0 or tax <= 0:
        return NIL
    upto = order.money(tax * after / whole).rounded()
    return min((upto - order.money(tax * before / whole).rounded()).amount, after - before)


def to_be_credited(refund: Refund) -> Decimal:
    """What a refund gives back for goods that are still to come, and are credited then."""
    row = refund.return_order
    if row is None or row.state not in ReturnOrder.COMING:
        return NIL
    parts = refund.lines.filter(what=What.LINE).aggregate(sum=Sum("amount"))
    return parts["sum"] or NIL


def tax_inside(refund: Refund, allowance: Decimal, coming: Decimal) -> Decimal:
    """The tax within an allowance: its share of that of the parts no credit will stand for."""
    parts = refund.lines.exclude(what=What.LINE) if coming else refund.lines
    sums = parts.aggregate(amount=Sum("amount"), tax=Sum("tax"))
    return (sums["tax"] or NIL) * allowance / sums["amount"] if sums["amount"] else NIL
