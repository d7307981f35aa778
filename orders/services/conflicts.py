"""Where two systems disagree about an order, or news of it is too old: found, and decided.

Found under the order's lock, by whichever side told last. A rule asks under the same lock whether
the order is blocked, so nothing is spent or written between the news and its case.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import HOUSE, Acting, Actor
from backoffice.counting import counted
from orders import signals
from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.models.packages import Label, Package
from orders.queries.conflicts import (
    CARRIED,
    UNDER_WAY,
    Old,
    cancelled_and_carried,
    stale_market,
    stale_tracking,
    told_at,
)
from orders.services.errors import AlreadyDecided, OrderError
from orders.services.outcomes import lock_order

Kind = Conflict.Kind
AT_ONCE = 200


def notice_disagreements(orders: Sequence[Order], *, actor: Acting) -> list[Conflict]:
    """Bring orders before people that are cancelled while a carrier has their parcels.

    The caller holds the orders' locks. Announces conflicts_found.
    """
    live = {order.pk: order for order in orders if not order.is_history}
    carried: dict[int, list[Package]] = {}
    packages = Package.objects.filter(order__in=live, state__in=CARRIED).order_by("pk")
    for package in packages if live else ():
        carried.setdefault(package.order_id, []).append(package)
    if not carried:
        return []
    off = Q(status=MarketOrder.Status.CANCELLED) | Q(called_off_at__isnull=False)
    markets = MarketOrder.objects.filter(off, order__in=carried)
    sold = {row.order_id: row for row in markets}
    found = []
    for pk, parcels in carried.items():
        side = _cancelled(live[pk], sold.get(pk))
        if side is not None and (made := _ask(live[pk], side, parcels, actor)) is not None:
            found.append(made)
    _announce([live[each.order_id] for each in found], found, actor)
    return found


def _cancelled(order: Order, market: MarketOrder | None) -> tuple[str, datetime] | None:
    """Who says since when that it is cancelled; None where nobody does."""
    if order.cancelled_at is not None:
        reason = order.get_cancel_reason_display().lower()
        return f"Cancelled here: {reason}", order.cancelled_at
    if market is not None:
        words = MarketOrder.Status.CANCELLED.label.lower()
        return f"{order.channel}: {words}", market.called_off_at or market.told_at
    return None


def _ask(
    order: Order, side: tuple[str, datetime], parcels: list[Package], actor: Acting
) -> Conflict | None:
    """The case of these parcels; None where people were asked about them already."""
    known = list(Conflict.objects.filter(order=order, kind=Kind.CANCELLED))
    asked = {pk for row in known for pk in row.package_ids}
    fresh = [package for package in parcels if package.pk not in asked]
    if not fresh:
        return None
    ids = [package.pk for package in fresh]
    for row in known:
        if row.decided_at is None:
            _widen(order, row, fresh, actor)
            return None
    return Conflict.objects.create(
        order=order,
        kind=Kind.CANCELLED,
        package_ids=ids,
        ours=side[0],
        ours_since=side[1],
        theirs=_carrier_says(fresh[0]),
        theirs_since=told_at(ids).get(fresh[0].pk, timezone.now()),
    )


def _widen(order: Order, row: Conflict, parcels: list[Package], actor: Acting) -> None:
    """More parcels of it are on their way: the decision is about them too."""
    row.package_ids = [*row.package_ids, *(package.pk for package in parcels)]
    row.save(update_fields=["package_ids"])
    # Whoever has the question open has not seen these.
    order.version += 1
    order.save(update_fields=["version"])
    timeline.record(
        timeline.Happened(
            "orders.order",
            order.pk,
            f"{row.get_kind_display()}: parcel {package} too",
            actor.of(order.pk),
        )
        for package in parcels
    )


def _carrier_says(package: Package) -> str:
    label = package.labels.exclude(state=Label.State.FAILED).order_by("-pk").first()
    who = label.carrier if label is not None and label.carrier else "The carrier"
    return f"{who}, parcel {package}: {package.get_state_display().lower()}"[:200]


def _announce(orders: Sequence[Order], found: Sequence[Conflict], actor: Acting) -> None:
    if not found:
        return
    timeline.record(
        timeline.Happened(
            "orders.order",
            each.order_id,
            f"{each.get_kind_display()}. {each.ours}; {each.theirs}"[:500],
            actor.of(each.order_id),
        )
        for each in found
    )
    signals.conflicts_found.send(
        sender=Conflict, orders=list(orders), conflicts=list(found), actor=actor, history=False
    )


def notice_missed(*, actor: Acting = HOUSE) -> int:
    """Bring before people what no news told of: orders that disagreed before anybody looked.

    Answers how many there were. Announces conflicts_found.
    """
    return sum(_look(pk, actor) for pk in cancelled_and_carried(AT_ONCE))


@transaction.atomic
def _look(order_id: int, actor: Acting) -> int:
    return len(notice_disagreements([lock_order(order_id)], actor=actor))


def notice_old_news(*, now: datetime | None = None, actor: Acting = HOUSE) -> int:
    """Bring before people what carriers and marketplaces told too long ago; how many there were.

    News grows old once: whatever somebody decides about it, they are asked again only about newer
    news. `now` None means the present. Announces conflicts_found.
    """
    now = now or timezone.now()
    old = [*stale_tracking(now, AT_ONCE), *stale_market(now, AT_ONCE)]
    return sum(_note_old(each, actor) for each in old)


@transaction.atomic
def _note_old(old: Old, actor: Acting) -> bool:
    """Look again under the order's lock: news may have come meanwhile."""
    order = lock_order(old.order_id)
    package = market = None
    if old.package_id is not None:
        package = Package.objects.get(pk=old.package_id)
        if package.state not in UNDER_WAY:
            return False
        as_of, theirs = told_at([package.pk])[package.pk], _carrier_says(package)
    else:
        market = MarketOrder.objects.get(order=order)
        as_of, theirs = market.told_at, f"{order.channel}: {market.get_status_display().lower()}"
    if as_of != old.as_of:
        return False
    made, is_new = Conflict.objects.get_or_create(
        order=order,
        kind=Kind.MARKET if package is None else Kind.TRACKING,
        package=package,
        theirs_since=as_of,
        defaults={
            "ours": f"What they tell counts for {counted(old.days, 'day')}",
            "ours_since": as_of + timedelta(days=old.days),
            "theirs": theirs,
        },
    )
    _announce([order], [made] if is_new else [], actor)
    return is_new


def settle_old_news(order: Order, as_of: datetime, *, package: Package | None) -> None:
    """Newer news settles what was only too old; `package` None: of the marketplace.

    The caller holds the order's lock. Announces conflicts_settled.
    """
    kind = Kind.MARKET if package is None else Kind.TRACKING
    rows = Conflict.objects.select_for_update(no_key=True).filter(
        order=order, kind=kind, package=package, decided_at=None, theirs_since__lt=as_of
    )
    _settle(list(rows.order_by("pk")), order, Conflict.Decision.NEWS, None, "")


def settle_what_was_sold(orders: Sequence[Order]) -> None:
    """How old a marketplace's word is matters no more once its orders are cancelled here.

    The caller holds the orders' locks. Announces conflicts_settled.
    """
    rows = Conflict.objects.select_for_update(no_key=True, of=("self",)).filter(
        order__in=orders, kind=Kind.MARKET, decided_at=None
    )
    by_id = {order.pk: order for order in orders}
    for row in rows.order_by("pk"):
        _settle([row], by_id[row.order_id], Conflict.Decision.NEWS, None, "")


def _settle(
    rows: Sequence[Conflict],
    order: Order,
    decision: Conflict.Decision,
    by: Actor | None,
    note: str,
) -> None:
    for row in rows:
        row.decision, row.decided_at, row.note = decision, timezone.now(), note
        row.decided_by_id = by.user_id if by is not None else None
        row.save(update_fields=["decision", "decided_at", "note", "decided_by"])
    if not rows:
        return
    text = f"{rows[0].get_kind_display()}: {decision.label[0].lower()}{decision.label[1:]}"
    if note:
        text += f". {note}"
    actor = by or HOUSE
    timeline.record([timeline.Happened("orders.order", order.pk, text[:500], actor)])
    signals.conflicts_settled.send(
        sender=Conflict, orders=[order], conflicts=list(rows), actor=actor, history=False
    )


@transaction.atomic
def decide_conflict(
    conflict_id: int,
    *,
    decision: Conflict.Decision,
    note: str,
    version: int | None = None,
    actor: Actor,
) -> Conflict:
    """Say which side holds; what rules were kept from goes on, if it is still true.

    Raises AlreadyDecided, StaleVersion, and OrderError for a side that this kind does not have or
    an actor who is no person. Announces conflicts_settled.
    """
    order_id = Conflict.objects.values_list("order_id", flat=True).get(pk=conflict_id)
    order = lock_order(order_id, version)
    row = Conflict.objects.select_for_update(no_key=True).get(pk=conflict_id)
    if row.decided_at is not None:
        raise AlreadyDecided(f"It was decided: {row.get_decision_display()}.")
    if actor.user_id is None:
        raise OrderError("A person decides this, not a rule.")
    if decision not in Conflict.CHOICES[Kind(row.kind)]:
        raise OrderError("Choose one of the sides that disagree.")
    _settle([row], order, decision, actor, note.strip())
    # Rules look at the order again, whichever side holds.
    order.version += 1
    order.save(update_fields=["version"])
    return row
