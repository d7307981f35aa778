"""Placing orders, one or many hundreds, live or as history."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor
from backoffice.counting import counted
from backoffice.sets import insert_many
from inventory.models import Sku
from inventory.queries.skus import skus_by_code
from inventory.services.errors import UnknownSku
from inventory.services.moves import ship_stock
from inventory.services.writing import Moving
from orders import signals
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.queries.customers import live_ids
from orders.services.allocation import LINE, Lines, ShortOrders, allocate_new
from orders.services.carts import lock_carts_of
from orders.services.clock import set_ship_by
from orders.services.drafts import NewOrder, OnShort
from orders.services.errors import OrderError
from orders.services.figures import count_placed, lock_customers
from orders.services.market import meet_deadlines, refuse_unnumbered, write_market
from orders.services.new_orders import look_at_new
from orders.services.numbers import next_order_numbers
from orders.services.preorder_marks import Ahead, mark_ahead, write_ahead
from orders.services.pricing import line_rows, order_row
from orders.services.promoting import promote, write_redemptions
from orders.services.routing import route

# A try is lost to another transaction only, so even a crowd of merges is outlasted.
_TRIES = 6


@dataclass(frozen=True, slots=True)
class Placed:
    """The orders, in the order asked for, and the ids of those that this call placed."""

    orders: list[Order]
    new_ids: frozenset[int]


class _MergedMeanwhile(IntegrityError):
    """Seen only once the customer was locked: it begins anew, as after a number was taken."""


def place_orders(
    new: Sequence[NewOrder],
    *,
    on_short: OnShort = OnShort.REFUSE,
    history: bool = False,
    actor: Actor,
) -> Placed:
    """Place orders; one whose (channel, external id) is known is returned as it stands.

    Live orders get stock allocated; `on_short` says what if there is too little: all are refused
    (StockShort), or the short ones wait under an out-of-stock hold. What a channel sells ahead
    waits for its stock, up to its cap: beyond it SoldAhead, or the line is like any other. History
    claims no stock, and moves what has a `shipped_at`. Live orders that look like fraud, have a bad
    address, repeat one just placed, go over a credit limit or have prices out of bounds are held
    for a review; they end the carts of their buyers. Promotions take off what they give
    (PromotionUsedUp where one refuses an order once it is used up). Raises UnknownSku, OrderError.
    Announces promotions_redeemed, promotions_ended, orders_placed, and orders_paid for what is
    free, orders_held, orders_short, orders_assessed and reviews_opened.
    """
    for _ in range(_TRIES - 1):
        try:
            with transaction.atomic():
                return _place(new, on_short, history=history, actor=actor)
        except IntegrityError:
            # Another transaction placed one of them, took a number or merged a customer a moment
            # ago: now it is seen, though another one may have done so again.
            continue
    with transaction.atomic():
        return _place(new, on_short, history=history, actor=actor)


def _place(new: Sequence[NewOrder], on_short: OnShort, *, history: bool, actor: Actor) -> Placed:
    known = _known(new)
    drafts = _fresh(new, known)
    if not history and any(draft.shipped_at for draft in drafts):
        raise OrderError("Only history arrives shipped already.")
    if not history:
        refuse_unnumbered(drafts)
        lock_carts_of(drafts)
    customers = _customers(drafts)
    orders, lines = _write(drafts, customers, on_short, history=history, actor=actor)
    short = None
    if history:
        _ship_history(drafts, orders, lines, actor)
    else:
        short = allocate_new(orders, lines, on_short, actor=actor)
    _announce(orders, lines, short, history=history, actor=actor)
    if not history:
        write_market(orders, drafts, actor=actor)
        look_at_new(orders, drafts, actor=actor)
    by_draft = {id(draft): order for draft, order in zip(drafts, orders, strict=True)}
    known |= {_key(draft): by_draft[id(draft)] for draft in drafts if draft.external_id}
    return Placed(
        [known[_key(draft)] if draft.external_id else by_draft[id(draft)] for draft in new],
        frozenset(order.pk for order in orders),
    )


def _key(draft: NewOrder) -> tuple[int, str]:
    return draft.channel.pk, draft.external_id


def _known(new: Sequence[NewOrder]) -> dict[tuple[int, str], Order]:
    """Orders that are placed already, by channel and external id."""
    by_channel: dict[int, list[str]] = {}
    for draft in new:
        if draft.external_id:
            by_channel.setdefault(draft.channel.pk, []).append(draft.external_id)
    found = {}
    for channel_id, ids in by_channel.items():
        for order in Order.objects.filter(channel_id=channel_id, external_id__in=ids):
            found[order.channel_id, order.external_id] = order
    return found


def _fresh(new: Sequence[NewOrder], known: dict[tuple[int, str], Order]) -> list[NewOrder]:
    """The drafts to place: what a shop sends twice in one go is one order."""
    seen = set(known)
    fresh = []
    for draft in new:
        if draft.external_id:
            if _key(draft) in seen:
                continue
            seen.add(_key(draft))
        fresh.append(draft)
    return fresh


def _customers(drafts: Sequence[NewOrder]) -> dict[int, Customer]:
    """The customers these orders are of, locked, by the id the draft names and by their own.

    Whoever was merged into somebody orders as them.
    """
    wanted = {draft.customer_id for draft in drafts if draft.customer_id is not None}
    stand_for = live_ids(wanted)
    customers = lock_customers(stand_for.values())
    if wanted - set(stand_for) or len(customers) < len(set(stand_for.values())):
        raise OrderError("The customer of an order does not exist any more.")
    if any(customer.merged_into_id for customer in customers.values()):
        raise _MergedMeanwhile("A customer was merged into another a moment ago.")
    return customers | {asked: customers[live] for asked, live in stand_for.items()}


def _skus(drafts: Sequence[NewOrder]) -> dict[str, Sku]:
    codes = {line.sku for draft in drafts for line in draft.lines if line.sku is not None}
    skus = skus_by_code(codes)
    missing = sorted(codes - set(skus))
    if missing:
        raise UnknownSku(missing)
    return skus


def _numbers(drafts: Sequence[NewOrder]) -> list[str]:
    """The number each draft asks for if it is free, else our next one."""
    wanted = {draft.number for draft in drafts if draft.number}
    taken = set(Order.objects.filter(number__in=wanted).values_list("number", flat=True))
    numbers = []
    for draft in drafts:
        free = draft.number if draft.number not in taken else ""
        taken.add(free)
        numbers.append(free)
    own = iter(next_order_numbers(numbers.count("")))
    return [number or next(own) for number in numbers]


def _write(
    drafts: Sequence[NewOrder],
    customers: dict[int, Customer],
    on_short: OnShort,
    *,
    history: bool,
    actor: Actor,
) -> tuple[list[Order], Lines]:
    """Insert orders and lines with what promotions give, and count them for their customers."""
    skus = _skus(drafts)
    now = timezone.now()
    orders = []
    rows = [line_rows(draft, skus) for draft in drafts]
    presents, running = promote(drafts if not history else (), rows, customers, now)
    for draft, lines, number in zip(drafts, rows, _numbers(drafts), strict=True):
        order = order_row(draft, lines, number, now)
        order.is_history = history
        if draft.customer_id is not None:
            order.customer = customers[draft.customer_id]
        orders.append(order)
    ahead: list[Ahead] = []
    if not history:
        # Before any level is locked: whoever sells ahead locks in this order.
        ahead = mark_ahead(list(zip(orders, rows, strict=True)), on_short)
        set_ship_by(orders)
        meet_deadlines(orders, drafts)
        route(list(zip(orders, rows, strict=True)))
    count_placed(orders, customers)
    insert_many(orders)
    for order, lines in zip(orders, rows, strict=True):
        for line in lines:
            line.order_id = order.pk
            line._state.fields_cache["order"] = order
    insert_many([line for lines in rows for line in lines])
    write_ahead(ahead)
    by_order = {order.pk: lines for order, lines in zip(orders, rows, strict=True)}
    _tell(orders, actor)
    if not history:
        write_redemptions(orders, by_order, presents, running, actor)
    return orders, by_order


def _ship_history(
    drafts: Sequence[NewOrder], orders: Sequence[Order], lines: Lines, actor: Actor
) -> None:
    """Move what left at the time, so that stock equals the sum of its moves for history too."""
    movings = [
        Moving(
            key=f"{LINE}:{line.pk}:shipped",
            sku_id=line.sku_id,
            location_id=draft.channel.location_id,
            quantity=line.quantity,
            at=draft.shipped_at,
            source=LINE,
            source_id=line.pk,
        )
        for draft, order in zip(drafts, orders, strict=True)
        if draft.shipped_at
        for line in lines[order.pk]
        if line.is_stocked and line.sku_id is not None
    ]
    ship_stock(movings, actor=actor, history=True)


def _tell(orders: Sequence[Order], actor: Actor) -> None:
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"Placed: {order.total_money}, {counted(order.units, 'unit')}",
            actor,
            at=order.placed_at,
        )
        for order in orders
    )


def _announce(
    orders: list[Order], lines: Lines, short: ShortOrders | None, *, history: bool, actor: Actor
) -> None:
    if not orders:
        return
    signals.orders_placed.send(
        sender=Order, orders=orders, lines=lines, actor=actor, history=history
    )
    free = [order for order in orders if order.paid_at is not None]
    if free:
        signals.orders_paid.send(sender=Order, orders=free, actor=actor, history=history)
    if short:
        short.announce(actor)
