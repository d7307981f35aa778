"""Orders of marketplaces: known once by their number there, with its status and its deadline."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from orders import signals
from orders.models.channels import Channel
from orders.models.holds import Hold
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.services.clock import earlier, rewind
from orders.services.conflicts import notice_disagreements, settle_old_news
from orders.services.drafts import MarketNews, NewOrder
from orders.services.errors import OrderError
from orders.services.holds import hold_orders, open_holds, release_hold
from orders.services.outcomes import lock_order

Status = MarketOrder.Status
PENDING = "Pending at the marketplace: nothing may leave yet."


def of_market(channel: Channel) -> bool:
    return channel.kind == Channel.Kind.MARKETPLACE


def refuse_unnumbered(drafts: Iterable[NewOrder]) -> None:
    """Raise OrderError for an order of a marketplace without its number there.

    What makes up for another order, sent again or exchanged, is ours alone.
    """
    for draft in drafts:
        is_theirs = of_market(draft.channel) and draft.follows_id is None
        if is_theirs and not draft.external_id.strip():
            raise OrderError(f"An order of {draft.channel} needs the number it has there.")


def meet_deadlines(orders: Sequence[Order], drafts: Sequence[NewOrder]) -> None:
    """Let new orders, unsaved, leave by what their marketplaces promised, where that is earlier."""
    for order, draft in zip(orders, drafts, strict=True):
        if draft.market is not None:
            order.ship_by = earlier(order.ship_by, draft.market.ship_latest, order)


def write_market(orders: Sequence[Order], drafts: Sequence[NewOrder], *, actor: Acting) -> None:
    """Keep what marketplaces said of orders just placed; what is pending there is held.

    Announces orders_held.
    """
    sold = {
        order.pk: draft
        for order, draft in zip(orders, drafts, strict=True)
        if of_market(draft.channel) and draft.external_id
    }
    if not sold:
        return
    news = {pk: draft.market or MarketNews(Status.OPEN) for pk, draft in sold.items()}
    now = timezone.now()
    pending = [pk for pk, told in news.items() if told.status == Status.PENDING]
    held = _hold(pending, Hold.Reason.PAYMENT, PENDING, actor)
    MarketOrder.objects.bulk_create(
        MarketOrder(
            order_id=pk,
            status=told.status,
            ship_latest=told.ship_latest,
            told_at=told.at or now,
            pending_hold_id=held.get(pk),
        )
        for pk, told in news.items()
    )


def _hold(ids: Sequence[int], reason: Hold.Reason, note: str, actor: Acting) -> Mapping[int, int]:
    """Hold what can be held; answers the open hold of each by order id."""
    if not ids:
        return {}
    done = hold_orders(ids, reason=reason, note=note, actor=actor)
    return open_holds([*done.changed, *done.unchanged], reason)


@dataclass(frozen=True, slots=True)
class Heard:
    """A marketplace's side after it was told of; `is_news`: something changed by that."""

    row: MarketOrder
    is_news: bool


def note_market(order_id: int, news: MarketNews, *, actor: Acting) -> MarketOrder:
    """Note what the marketplace says of an order now, as `hear_market` does; its side afterwards.

    Raises OrderError.
    """
    return hear_market(order_id, news, actor=actor).row


@transaction.atomic
def hear_market(order_id: int, news: MarketNews, *, actor: Acting) -> Heard:
    """Note what the marketplace says of an order now; told late or twice, it changes nothing.

    What is no longer pending there is released; what was cancelled there is held, so that a person
    cancels it or tells them. An earlier deadline winds the order's clock. Raises OrderError for an
    order that no marketplace sold. Announces market_changed, orders_held, orders_released,
    conflicts_found where it is cancelled there and a carrier has its parcel, conflicts_settled.
    What counts as shipped there stays so, but that it was cancelled afterwards is kept.
    """
    order = lock_order(order_id)
    if not of_market(order.channel) or not order.external_id:
        raise OrderError(f"Order {order} was sold by no marketplace.")
    told = news.at or timezone.now()
    row, is_new = MarketOrder.objects.get_or_create(
        order=order,
        defaults={"status": news.status, "ship_latest": news.ship_latest, "told_at": told},
    )
    settle_old_news(order, told, package=None)
    called_off = row.called_off_at
    if not is_new and not _advance(row, news, told):
        # The same again: it still is so, which counts from now on.
        row.save(update_fields=["told_at", "called_off_at"])
        notice_disagreements([order], actor=actor)
        return Heard(row, row.called_off_at != called_off)
    row.save()
    _follow(order, row, actor)
    order = lock_order(order_id)
    order.version += 1
    order.save(update_fields=["version"])
    text = f"{order.channel}: {row.get_status_display().lower()}"
    if row.ship_latest:
        text += f", to be shipped by {timezone.localtime(row.ship_latest):%-d %B %H:%M}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])
    signals.market_changed.send(
        sender=MarketOrder, orders=[order], markets={order.pk: row}, actor=actor, history=False
    )
    notice_disagreements([order], actor=actor)
    return Heard(row, is_news=True)


def _advance(row: MarketOrder, news: MarketNews, told: datetime) -> bool:
    """Take over what is newer; answers whether anything changed."""
    before = row.status, row.ship_latest
    too_late = row.status == Status.SHIPPED and news.status == Status.CANCELLED
    if too_late and told >= row.told_at:
        row.called_off_at = row.called_off_at or told
    if news.status in MarketOrder.NEXT[Status(row.status)]:
        row.status = news.status
    if told >= row.told_at:
        row.ship_latest = news.ship_latest or row.ship_latest
        row.told_at = told
    return before != (row.status, row.ship_latest)


def _follow(order: Order, row: MarketOrder, actor: Acting) -> None:
    """What a status there means here; the row is saved again where a hold came or went."""
    before = row.pending_hold_id
    if row.status == Status.PENDING and before is None:
        held = _hold([order.pk], Hold.Reason.PAYMENT, PENDING, actor)
        row.pending_hold_id = held.get(order.pk)
    elif row.status != Status.PENDING and before is not None:
        release_hold(order.pk, before, actor=actor)
        row.pending_hold_id = None
    if row.status == Status.CANCELLED:
        note = f"{order.channel} cancelled it. Cancel it here too, or tell them that it comes."
        _hold([order.pk], Hold.Reason.CUSTOMER_REQUEST, note, actor)
    if row.pending_hold_id != before:
        row.save(update_fields=["pending_hold"])
    rewind([order.pk])
