"""Selling ahead: what a channel offers before its stock has come, and a promised day that moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Acting, Actor
from backoffice.sets import save_many
from backoffice.versions import refuse_stale
from inventory.models import Sku
from orders import signals
from orders.models.channels import Channel
from orders.models.orders import Order
from orders.models.preorders import PreOrder, PreOrderLine, PreOrderMove, PreOrderNotice
from orders.queries.preorders import lines_of
from orders.services.clock import refuse_day
from orders.services.errors import OrderError
from orders.services.outcomes import lock_orders
from orders.services.preorder_marks import wind_ahead

PREORDER = "orders.preorder"
State = PreOrderLine.State
# Orders may come in while the waiting ones are locked: it is tried so often.
ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class NewPreOrder:
    """What to sell ahead. `promised_on` None: nobody knows yet; `cap` None: no limit."""

    channel: Channel
    sku: Sku
    billing: PreOrder.Billing
    reserve: PreOrder.Reserve
    promised_on: date | None = None
    cap: int | None = None


@transaction.atomic
def open_preorder(new: NewPreOrder, *, actor: Actor) -> PreOrder:
    """Sell a SKU ahead on a channel from now on; raises OrderError."""
    if not new.sku.is_stocked or not new.sku.is_active:
        raise OrderError(f"{new.sku} is not kept in stock, so nobody has to wait for it.")
    refuse_day(new.promised_on)
    try:
        with transaction.atomic():
            row = PreOrder.objects.create(
                channel=new.channel, sku=new.sku, billing=new.billing, reserve=new.reserve,
                promised_on=new.promised_on, cap=new.cap,
            )  # fmt: skip
    except IntegrityError as error:
        if "preorder_open_once" not in str(error):
            raise
        raise OrderError(f"{new.channel} sells {new.sku} ahead already.") from error
    _told(row, "opened", actor)
    return row


def change_preorder(
    preorder_id: int, cap: int | None, *, version: int | None, actor: Actor
) -> PreOrder:
    """Sell more or fewer ahead in all; `cap` None: no limit. Raises OrderError, StaleVersion."""
    with transaction.atomic():
        row = _locked(preorder_id, version)
        if cap is not None and cap < max(row.sold, 1):
            raise OrderError(f"{row.sold} are sold ahead already. Choose that many or more.")
        row.cap = cap
        return _saved(row, "cap", "changed", actor)


def close_preorder(preorder_id: int, *, version: int | None, actor: Actor) -> PreOrder:
    """Sell no more ahead; what was sold waits on. One that is closed is left alone."""
    with transaction.atomic():
        row = _locked(preorder_id, version)
        if row.closed_at is not None:
            return row
        row.closed_at = timezone.now()
        return _saved(row, "closed_at", "closed", actor)


def _locked(preorder_id: int, version: int | None) -> PreOrder:
    rows = PreOrder.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("channel", "sku").get(pk=preorder_id)
    refuse_stale([row], None if version is None else {preorder_id: version})
    return row


def _saved(row: PreOrder, field: str, verb: str, actor: Actor) -> PreOrder:
    row.version += 1
    row.save(update_fields=[field, "version"])
    _told(row, verb, actor)
    return row


def _told(row: PreOrder, verb: str, actor: Actor, **detail: object) -> None:
    promised = row.promised_on.isoformat() if row.promised_on else None
    audit.record(
        f"preorders.{verb}", PREORDER, row.pk, actor=actor,
        sku=row.sku.code, promised_on=promised, cap=row.cap, **detail,
    )  # fmt: skip


class _Meanwhile(Exception):
    """An order came in while the others were being locked."""


def move_preorder(
    preorder_id: int, to: date | None, *, why: str, version: int | None = None, actor: Actor
) -> PreOrderMove | None:
    """Promise another day; each order that waits gets its notice, once for each move.

    `to` None: nobody knows any more. Answers None where it is promised for that day already.
    Raises OrderError for a day that is over, StaleVersion. Announces preorders_moved.
    """
    for _ in range(ATTEMPTS):
        try:
            with transaction.atomic():
                return _move(preorder_id, to, why, version, actor)
        except _Meanwhile:
            continue
    raise OrderError("Orders of it keep coming in just now. Try again.")


def _move(
    preorder_id: int, to: date | None, why: str, version: int | None, actor: Actor
) -> PreOrderMove | None:
    refuse_day(to)
    waiting = PreOrderLine.objects.filter(preorder=preorder_id, state=State.WAITING)
    # Orders before pre-orders, as everywhere; whoever orders meanwhile waits for the pre-order.
    orders = lock_orders(waiting.values_list("order", flat=True))
    row = _locked(preorder_id, version)
    if row.promised_on == to:
        return None
    known = {order.pk: order for order in orders}
    lines = list(waiting.order_by("pk"))
    if any(line.order_id not in known for line in lines):
        raise _Meanwhile
    told = [known[pk] for pk in sorted({line.order_id for line in lines})]
    move = PreOrderMove.objects.create(
        preorder=row, step=row.moves.count() + 1, before=row.promised_on, after=to, why=why[:300],
        actor_kind=actor.kind, actor_label=actor.label[:200], user_id=actor.user_id,
        run_id=actor.run_id,
    )  # fmt: skip
    row.promised_on = to
    _saved(row, "promised_on", "moved", actor)
    was = {line.order_id: line.promised_on for line in lines}
    for line in lines:
        line.promised_on = to
    save_many(lines, ["promised_on"])
    _tell(told, move, row, was, actor=actor)
    return move


def _tell(
    orders: Sequence[Order],
    move: PreOrderMove,
    row: PreOrder,
    was: dict[int, date | None],
    *,
    actor: Acting,
) -> None:
    """Write each order's notice, wind its clock and announce it."""
    if not orders:
        return
    notices = PreOrderNotice.objects.bulk_create(
        PreOrderNotice(move=move, order=order, was_on=was[order.pk], now_on=move.after)
        for order in orders
    )
    wind_ahead(orders, lines_of(orders))
    for order in orders:
        order.version += 1
    save_many(orders, ["awaits", "promised_on", "ship_by", "version"])
    says = f"{row.sku} is promised {in_words(move.after)} now, no longer {in_words(move.before)}"
    timeline.record(
        timeline.Happened("orders.order", order.pk, says, actor.of(order.pk)) for order in orders
    )
    signals.preorders_moved.send(
        sender=PreOrder, orders=list(orders), notices=notices, actor=actor, history=False
    )


def in_words(day: date | None) -> str:
    """`for 4 December 2026`, or that nobody knows."""
    return f"for {day:%-d %B %Y}" if day else "for no day yet"
