"""Returns: asked for, received into quarantine, inspected. Refunds are finance's, apart from it.

All take sets. `actor` is asked by return id once a return exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting, Actor, Actors
from backoffice.counting import counted
from backoffice.sets import save_many
from inventory.models import Sku
from inventory.queries.skus import skus_by_code
from inventory.services.errors import UnknownSku
from inventory.services.moves import inspect_stock, return_stock
from inventory.services.writing import Moving
from orders import signals
from orders.models.channels import Channel
from orders.models.orders import Order, OrderLine
from orders.models.returns import ReturnLine, ReturnOrder
from orders.queries.customers import live_ids
from orders.queries.figures import with_parties
from orders.services.drafts import ZERO, LineSource
from orders.services.errors import OrderError, TooMany, WrongState
from orders.services.numbers import next_return_numbers
from orders.services.outcomes import lock_orders
from orders.services.pricing import step_of
from orders.services.returnable import (
    count_returned,
    refuse_too_many,
    settle_axes,
    take_promotions_off,
)
from orders.services.window import set_window

State = ReturnOrder.State


@dataclass(frozen=True, slots=True)
class NewReturnLine:
    """A quantity that comes back. With `order_line_id` what is None is taken from that line."""

    quantity: int
    order_line_id: int | None = None
    sku: str | None = None
    kind: OrderLine.Kind = OrderLine.Kind.STOCK
    description: str = ""
    unit_price: Decimal | None = None
    source: LineSource | None = None


@dataclass(frozen=True, slots=True)
class NewReturn:
    """A return. Without `order_id`, `unmatched_cause` says in a code why no order was found.

    One whose (channel, external id) is known is not made again. `requested_at` None means now.
    """

    channel: Channel
    lines: tuple[NewReturnLine, ...]
    order_id: int | None = None
    unmatched_cause: str = ""
    customer_id: int | None = None
    reason: ReturnOrder.Reason = ReturnOrder.Reason.UNKNOWN
    external_id: str = ""
    number: str = ""
    requested_at: datetime | None = None


@transaction.atomic
def request_returns(
    new: Sequence[NewReturn], *, history: bool = False, actor: Actor
) -> list[ReturnOrder]:
    """Record that goods are to come back; nothing moves yet.

    Raises TooMany when a line would return more than was shipped, UnknownSku, OrderError.
    Announces returns_requested, and returns_unmatched for those without an order. Returns those
    made now.
    """
    fresh = _fresh(new)
    if any((draft.order_id is None) != bool(draft.unmatched_cause) for draft in fresh):
        raise OrderError("A return names its order, or says why none was found.")
    wanted = {draft.order_id for draft in fresh if draft.order_id is not None}
    orders = {order.pk: order for order in lock_orders(wanted)}
    with_parties(list(orders.values()))
    sold = _sold(fresh, orders)
    skus = _skus(fresh)
    rows = _rows(fresh, orders, history=history)
    if not history:
        set_window(rows)
    lines = [_lines(draft, row, sold, skus) for draft, row in zip(fresh, rows, strict=True)]
    refuse_too_many((line for mine in lines for line in mine), sold)
    for row, mine in zip(rows, lines, strict=True):
        take_promotions_off(mine, row.currency)
        row.amount = sum((line.line_total for line in mine), ZERO)
        row.units = sum(line.quantity for line in mine if line.kind == OrderLine.Kind.STOCK)
    ReturnOrder.objects.bulk_create(rows, batch_size=1000)
    for row, mine in zip(rows, lines, strict=True):
        for line in mine:
            line.return_order = row
    ReturnLine.objects.bulk_create((line for mine in lines for line in mine), batch_size=2000)
    settle_axes(orders.values())
    _announce_requested(rows, history=history, actor=actor)
    return rows


def _fresh(new: Sequence[NewReturn]) -> list[NewReturn]:
    ids = {draft.external_id for draft in new if draft.external_id}
    seen = set(
        ReturnOrder.objects.filter(external_id__in=ids).values_list("channel_id", "external_id")
    )
    fresh = []
    for draft in new:
        key = (draft.channel.pk, draft.external_id)
        if draft.external_id:
            if key in seen:
                continue
            seen.add(key)
        fresh.append(draft)
    return fresh


def _sold(drafts: Sequence[NewReturn], orders: dict[int, Order]) -> dict[int, OrderLine]:
    """The order lines these returns name, of their own orders only."""
    ids = {line.order_line_id for draft in drafts for line in draft.lines if line.order_line_id}
    sold = OrderLine.objects.select_related("sku").filter(order__in=orders).in_bulk(ids)
    for draft in drafts:
        for line in draft.lines:
            if line.order_line_id is None:
                continue
            known = sold.get(line.order_line_id)
            if known is None or known.order_id != draft.order_id:
                raise OrderError("A return names a line that is not of its order.")
    return sold


def _skus(drafts: Sequence[NewReturn]) -> dict[str, Sku]:
    codes = {line.sku for draft in drafts for line in draft.lines if line.sku is not None}
    skus = skus_by_code(codes)
    missing = sorted(codes - set(skus))
    if missing:
        raise UnknownSku(missing)
    return skus


def _rows(
    drafts: Sequence[NewReturn], orders: dict[int, Order], *, history: bool
) -> list[ReturnOrder]:
    now = timezone.now()
    wanted = {draft.number for draft in drafts if draft.number}
    taken = set(ReturnOrder.objects.filter(number__in=wanted).values_list("number", flat=True))
    own = iter(next_return_numbers(len(drafts)) if len(taken) or len(wanted) < len(drafts) else [])
    stand_for = live_ids(draft.customer_id for draft in drafts if draft.customer_id is not None)
    rows = []
    for draft in drafts:
        number = draft.number if draft.number and draft.number not in taken else next(own)
        taken.add(number)
        order = None if draft.order_id is None else orders[draft.order_id]
        rows.append(
            ReturnOrder(
                number=number,
                channel=draft.channel,
                external_id=draft.external_id,
                order=order,
                unmatched_cause=draft.unmatched_cause,
                customer_id=order.customer_id if order else stand_for.get(draft.customer_id or 0),
                location_id=draft.channel.location_id,
                reason=draft.reason,
                is_history=history,
                currency=order.currency if order else draft.channel.currency,
                requested_at=draft.requested_at or now,
            )
        )
    return rows


def _lines(
    draft: NewReturn, row: ReturnOrder, sold: dict[int, OrderLine], skus: dict[str, Sku]
) -> list[ReturnLine]:
    step = step_of(row.currency)
    lines = []
    for new in draft.lines:
        line = sold.get(new.order_line_id) if new.order_line_id else None
        price = new.unit_price if new.unit_price is not None else line.unit_price if line else ZERO
        source = new.source
        lines.append(
            ReturnLine(
                order_line=line,
                kind=line.kind if line else new.kind,
                sku=line.sku if line else skus[new.sku] if new.sku is not None else None,
                description=(new.description or (line.description if line else ""))[:200],
                quantity=new.quantity,
                unit_price=price,
                line_total=(price * new.quantity).quantize(step, rounding=ROUND_HALF_UP),
                source_kind=source.kind if source else "",
                source_document=source.document if source else "",
                source_row=source.row if source else None,
            )
        )
    if not lines:
        raise OrderError("A return needs at least one line.")
    return lines


def _announce_requested(rows: list[ReturnOrder], *, history: bool, actor: Actor) -> None:
    if not rows:
        return
    tell_returns(rows, "Return {number} requested: {units}", actor, at="requested_at")
    signals.returns_requested.send(sender=ReturnOrder, returns=rows, actor=actor, history=history)
    unmatched = [row for row in rows if row.order_id is None]
    if unmatched:
        signals.returns_unmatched.send(
            sender=ReturnOrder, returns=unmatched, actor=actor, history=history
        )


@transaction.atomic
def receive_returns(
    return_ids: Iterable[int], *, at: datetime | None = None, history: bool = False, actor: Acting
) -> list[ReturnOrder]:
    """Take the goods of returns into quarantine; `at` None means now.

    What arrives unasked is here all the same: it may be authorised later. For history, the time
    of the request is taken. Raises WrongState. Announces returns_received.
    """
    rows, orders = lock_returns(return_ids, *ReturnOrder.COMING)
    now = timezone.now()
    for row in rows:
        row.state = State.RECEIVED
        row.received_at = row.requested_at if history else at or now
        row.version += 1
    save_many(rows, ["state", "received_at", "version"])
    lines = _lines_of(rows)
    count_returned(lines)
    settle_axes(orders)
    return_stock(
        _movings(lines, "received", by_return(rows, "received_at")),
        actor=_by_sku(lines, actor),
        history=history,
    )
    tell_returns(rows, "Return {number} received: {units}", actor, at="received_at")
    signals.returns_received.send(sender=ReturnOrder, returns=rows, actor=actor, history=history)
    return rows


@transaction.atomic
def inspect_returns(
    return_ids: Iterable[int],
    *,
    scrap: Mapping[int, int] | None = None,
    at: datetime | None = None,
    history: bool = False,
    actor: Acting,
) -> list[ReturnOrder]:
    """Put received goods back in stock but for what is scrapped: units by return line's id.

    Raises WrongState, TooMany when more would be scrapped than came back. Announces
    returns_inspected.
    """
    rows, _orders = lock_returns(return_ids, State.RECEIVED)
    now = timezone.now()
    for row in rows:
        row.state = State.INSPECTED
        row.inspected_at = row.received_at if history else at or now
        row.version += 1
    save_many(rows, ["state", "inspected_at", "version"])
    lines = _lines_of(rows)
    _judge(lines, scrap or {})
    times = by_return(rows, "inspected_at")
    for sellable, step, field in (
        (True, "inspected", "restocked"),
        (False, "scrapped", "scrapped"),
    ):
        part = [line for line in lines if getattr(line, field)]
        inspect_stock(
            _movings(part, step, times, field),
            sellable=sellable,
            actor=_by_sku(part, actor),
            history=history,
        )
    tell_returns(rows, "Return {number} inspected", actor, at="inspected_at")
    signals.returns_inspected.send(sender=ReturnOrder, returns=rows, actor=actor, history=history)
    return rows


def _judge(lines: Sequence[ReturnLine], scrap: Mapping[int, int]) -> None:
    """Write down what becomes of each unit; raises TooMany."""
    for line in lines:
        gone = scrap.get(line.pk, 0)
        if not 0 <= gone <= line.quantity:
            raise TooMany(f"{counted(line.quantity, 'unit')} of this line came back, not {gone}.")
        line.scrapped = gone
        line.restocked = line.quantity - gone
        line.outcome = outcome_of(line.restocked, gone)
    save_many(lines, ["outcome", "restocked", "scrapped"])


def outcome_of(restocked: int, scrapped: int) -> ReturnLine.Outcome:
    """What became of an inspected line, in a word."""
    if restocked and scrapped:
        return ReturnLine.Outcome.PARTLY
    return ReturnLine.Outcome.SCRAPPED if scrapped else ReturnLine.Outcome.RESTOCKED


@transaction.atomic
def refuse_returns(
    return_ids: Iterable[int],
    *,
    refusal: ReturnOrder.Refusal = ReturnOrder.Refusal.OTHER,
    actor: Acting,
) -> list[ReturnOrder]:
    """Refuse returns that have not arrived; raises WrongState. Announces returns_refused."""
    rows, orders = lock_returns(return_ids, *ReturnOrder.COMING)
    for row in rows:
        row.state = State.REFUSED
        row.refusal = refusal
        row.version += 1
    save_many(rows, ["state", "refusal", "version"])
    settle_axes(orders)
    tell_returns(rows, f"Return {{number}} refused: {refusal.label.lower()}", actor, at=None)
    signals.returns_refused.send(sender=ReturnOrder, returns=rows, actor=actor, history=False)
    return rows


def lock_returns(
    return_ids: Iterable[int], *states: ReturnOrder.State
) -> tuple[list[ReturnOrder], list[Order]]:
    """Lock returns and before them their orders; raises WrongState when one is at another step."""
    ids = set(return_ids)
    orders = lock_orders(
        ReturnOrder.objects.filter(pk__in=ids, order__isnull=False).values_list(
            "order_id", flat=True
        )
    )
    rows = list(
        ReturnOrder.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    )
    for row in rows:
        if row.state not in states:
            asked = " or ".join(state.label.lower() for state in states)
            raise WrongState(f"Return {row} is {row.get_state_display().lower()}, not {asked}.")
    return rows, orders


def _lines_of(rows: Sequence[ReturnOrder]) -> list[ReturnLine]:
    return list(
        ReturnLine.objects.filter(return_order__in=rows)
        .select_related("return_order", "sku", "order_line")
        .order_by("pk")
    )


def by_return(rows: Sequence[ReturnOrder], field: str) -> dict[int, datetime]:
    return {row.pk: getattr(row, field) for row in rows}


def _movings(
    lines: Sequence[ReturnLine], step: str, times: dict[int, datetime], units: str = "quantity"
) -> list[Moving]:
    """Moves of the goods among these lines; each line is moved once per step."""
    return [
        Moving(
            key=f"orders.returnline:{line.pk}:{step}",
            sku_id=line.sku.pk,
            location_id=line.return_order.location_id,
            quantity=getattr(line, units),
            at=times[line.return_order_id],
            source="orders.returnorder",
            source_id=line.return_order_id,
        )
        for line in lines
        if line.sku is not None and line.sku.is_stocked and line.kind == OrderLine.Kind.STOCK
    ]


def _by_sku(lines: Sequence[ReturnLine], actor: Acting) -> Actors:
    return Actors({line.sku_id or 0: actor.of(line.return_order_id) for line in lines})


def tell_returns(rows: Sequence[ReturnOrder], text: str, actor: Acting, *, at: str | None) -> None:
    """One entry on the return, one on its order; `at` names the field that holds the time."""
    entries = []
    for row in rows:
        said = text.format(number=row.number, units=counted(row.units, "unit"))
        when, by = getattr(row, at) if at else None, actor.of(row.pk)
        link = ("orders.returnorder", row.pk)
        entries.append(timeline.Happened("orders.returnorder", row.pk, said, by, at=when))
        if row.order_id is not None:
            entries.append(
                timeline.Happened("orders.order", row.order_id, said, by, at=when, link=link)
            )
    timeline.record(entries)
