"""Book sales when goods leave, and credits when they come back.

Payments are booked apart from this: both meet on the customer accounts, in whichever order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone

from backoffice.actors import Acting
from backoffice.money import Money
from finance.models.ledger import JournalEntry
from finance.services.balances import Change, add_to_balances
from finance.services.documents import Category, Document, DocumentLine, post_documents
from finance.services.journal import BusinessDays, reverse_entry
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.models.shipments import Shipment, ShipmentLine

ORDER = "orders.order"
SHIPMENT = "orders.shipment"
RETURN = "orders.returnorder"
Lines = Mapping[int, Sequence[OrderLine]]

_CATEGORY = {
    OrderLine.Kind.STOCK: Category.GOODS,
    OrderLine.Kind.POSTAGE: Category.POSTAGE,
    OrderLine.Kind.DISCOUNT: Category.DISCOUNT,
    OrderLine.Kind.FEE: Category.OTHER,
    OrderLine.Kind.GIFT_CARD: Category.GIFT_CARD,
    OrderLine.Kind.MANUAL: Category.MANUAL,
    OrderLine.Kind.OTHER: Category.OTHER,
}


@transaction.atomic
def post_sales(
    orders: Sequence[Order], *, lines: Lines | None = None, actor: Acting, history: bool = False
) -> list[JournalEntry]:
    """Book whole orders as sold, on the day they were placed; each is booked once.

    For orders without goods to ship, and for imported ones that left long ago. `lines` by order
    id saves reading them. `actor.of()` is asked with the order's id.
    """
    lines = _lines(orders) if lines is None else lines
    documents = [
        _document(
            order,
            (ORDER, order.pk),
            "sale",
            order.placed_at,
            [*_header(order), *_summed(order, lines[order.pk])],
            actor,
        )
        for order in orders
    ]
    return post_documents(documents, history=history)


@transaction.atomic
def post_shipments(
    shipments: Sequence[Shipment], *, actor: Acting, history: bool = False
) -> list[JournalEntry]:
    """Book what each shipment took along; the first also carries postage, discounts and charges.

    Shares of a line are cut so that they add up to the line. Each is booked once, and nothing of
    an order that was booked as a whole. `actor.of()` is asked with the order's id.
    """
    whole = _booked(ORDER, (shipment.order_id for shipment in shipments), "sale")
    open_ones = [shipment for shipment in shipments if shipment.order_id not in whole]
    orders = {
        order.pk: order
        for order in Order.objects.filter(pk__in={s.order_id for s in open_ones}).select_related(
            "channel"
        )
    }
    charged = _booked(ORDER, orders, "charges")
    first = [shipment for shipment in open_ones if shipment.order_id not in charged]
    documents = _charges(orders, {s.order_id: s for s in reversed(first)}, actor)
    for shipment, parts in _shares(open_ones).items():
        order = orders[shipment.order_id]
        paper = [part for line, share in parts for part in _split(order, line, *share)]
        at = shipment.shipped_at
        documents.append(_document(order, (SHIPMENT, shipment.pk), "sale", at, paper, actor))
    return post_documents(documents, history=history)


@transaction.atomic
def post_credits(
    returns: Sequence[ReturnOrder], *, actor: Acting, history: bool = False
) -> list[JournalEntry]:
    """Book what came back as credited, on the day it was received; each return once.

    A credit moves no money: that takes a refund. `actor.of()` is asked with the return's id.
    """
    ids = [each.pk for each in returns]
    full = (
        ReturnOrder.objects.filter(pk__in=ids)
        .select_related("order__channel", "channel")
        .prefetch_related(Prefetch("lines", ReturnLine.objects.select_related("order_line")))
    )
    documents = [
        Document(
            entity_id=each.channel.legal_entity_id,
            at=each.received_at or each.requested_at,
            source=(RETURN, each.pk),
            lines=[part for line in each.lines.all() for part in _credited(each, line)],
            actor=actor.of(each.pk),
            purpose="credit",
            code="credit",
            order=each.order,
            reference=each.number,
        )
        for each in full
    ]
    return post_documents(documents, history=history)


@transaction.atomic
def cancel_sales(orders: Sequence[Order], *, actor: Acting) -> list[JournalEntry]:
    """Reverse the sale of orders that were booked as a whole and are cancelled after all."""
    sold = JournalEntry.objects.filter(
        source=ORDER, source_id__in=[order.pk for order in orders], purpose="sale"
    )
    entries = list(sold.exclude(reversals__isnull=False).order_by("pk"))
    by_id = {order.pk: order for order in orders}
    days = BusinessDays({entry.entity_id for entry in entries})
    reversals = []
    for entry in entries:
        order = by_id[entry.source_id]
        on = days.of(entry.entity_id, order.cancelled_at or timezone.now())
        reversals.append(reverse_entry(entry, actor=actor.of(order.pk), posted_on=on))
        add_to_balances({order.pk: Change(credited=order.total)})
    return reversals


def _document(
    order: Order,
    source: tuple[str, int],
    purpose: str,
    at: datetime,
    lines: Sequence[DocumentLine],
    actor: Acting,
) -> Document:
    return Document(
        entity_id=order.channel.legal_entity_id,
        at=at,
        source=source,
        lines=lines,
        actor=actor.of(order.pk),
        purpose=purpose,
        code="sale",
        order=order,
        reference=order.number,
    )


def _charges(
    orders: Mapping[int, Order], firsts: Mapping[int, Shipment], actor: Acting
) -> list[Document]:
    """What an order costs beyond its goods, dated with its first shipment."""
    lines = _lines([orders[pk] for pk in firsts])
    documents = []
    for pk, shipment in firsts.items():
        order = orders[pk]
        others = [line for line in lines[pk] if line.kind != OrderLine.Kind.STOCK]
        paper = [*_header(order), *_summed(order, others)]
        at = shipment.shipped_at
        documents.append(_document(order, (ORDER, pk), "charges", at, paper, actor))
    return documents


def _shares(
    shipments: Sequence[Shipment],
) -> dict[Shipment, list[tuple[OrderLine, tuple[int, int]]]]:
    """Each shipment's lines with the units shipped before and after it."""
    rows = list(
        ShipmentLine.objects.filter(shipment__in=shipments)
        .select_related("order_line")
        .order_by("shipment_id", "pk")
    )
    of = {shipment.pk: shipment for shipment in shipments}
    ahead: dict[int, int] = defaultdict(int)
    for row in rows:
        ahead[row.order_line_id] += row.quantity
    shares: dict[Shipment, list[tuple[OrderLine, tuple[int, int]]]] = defaultdict(list)
    for row in rows:
        # quantity_shipped counts these shipments already: walk back to where they began.
        before = row.order_line.quantity_shipped - ahead[row.order_line_id]
        ahead[row.order_line_id] -= row.quantity
        share = (row.order_line, (before, before + row.quantity))
        shares[of[row.shipment_id]].append(share)
    return shares


def _header(order: Order) -> list[DocumentLine]:
    """Postage and discount that stand on the order itself; promotions stand on its lines."""
    inside = order.shipping_tax if order.prices_include_tax else Decimal(0)
    return [
        DocumentLine(Category.POSTAGE, order.money(order.shipping - inside)),
        DocumentLine(Category.TAX, order.money(order.shipping_tax)),
        DocumentLine(Category.DISCOUNT, order.money(order.discount_on_lines - order.discount)),
    ]


def _summed(order: Order, lines: Iterable[OrderLine]) -> list[DocumentLine]:
    """Whole lines by category, given and taken apart; each is rounded in the order already."""
    sums: dict[tuple[Category, bool], Decimal] = defaultdict(Decimal)
    for line in lines:
        net, off = _nets(order, line)
        sums[_CATEGORY[OrderLine.Kind(line.kind)], net < 0] += net
        sums[Category.DISCOUNT, True] -= off
        sums[Category.TAX, False] += line.tax
    return [DocumentLine(category, order.money(sums[category, sign])) for category, sign in sums]


def _nets(order: Order, line: OrderLine) -> tuple[Decimal, Decimal]:
    """A line at its full price and what promotions took off it, both without tax."""
    if not order.prices_include_tax:
        return line.line_total, line.discount
    return line.line_total - line.tax - line.discount_tax, line.discount - line.discount_tax


def _split(order: Order, line: OrderLine, before: int, after: int) -> list[DocumentLine]:
    """The part of a line between two counts of its units; parts add up to the line exactly."""
    span = (line.quantity, before, after)
    category = _CATEGORY[OrderLine.Kind(line.kind)]
    tax = _part(order, line.tax, *span)
    if not line.discount:
        total = _part(order, line.line_total, *span)
        net = total - tax if order.prices_include_tax else total
        return [DocumentLine(category, net), DocumentLine(Category.TAX, tax)]
    net, off = (_part(order, amount, *span) for amount in _nets(order, line))
    parts = [(category, net), (Category.DISCOUNT, -off), (Category.TAX, tax)]
    return [DocumentLine(kind, amount) for kind, amount in parts]


def _part(order: Order, amount: Decimal, units: int, before: int, after: int) -> Money:
    upto = order.money(amount * after / units).rounded()
    return upto - order.money(amount * before / units).rounded()


def _credited(each: ReturnOrder, line: ReturnLine) -> list[DocumentLine]:
    """A returned line given back, with the tax that was charged on it."""
    total = Money(-line.line_total, each.currency)
    sold = line.order_line
    category = _CATEGORY[OrderLine.Kind(line.kind)]
    if sold is None or each.order is None or not sold.tax:
        return [DocumentLine(category, total)]
    tax = Money(-sold.tax * line.quantity / sold.quantity, each.currency).rounded()
    net = total - tax if each.order.prices_include_tax else total
    return [DocumentLine(category, net), DocumentLine(Category.TAX, tax)]


def _lines(orders: Iterable[Order]) -> dict[int, list[OrderLine]]:
    found: dict[int, list[OrderLine]] = {order.pk: [] for order in orders}
    for line in OrderLine.objects.filter(order__in=list(found)).order_by("pk"):
        found[line.order_id].append(line)
    return found


def _booked(label: str, ids: Iterable[int], purpose: str) -> set[int]:
    known = JournalEntry.objects.filter(source=label, source_id__in=set(ids), purpose=purpose)
    return set(known.values_list("source_id", flat=True))
