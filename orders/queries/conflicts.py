"""What carriers and marketplaces told last, and when that is too old to act on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce, Least

from orders.models.conflicts import Conflict
from orders.models.market import MarketOrder
from orders.models.orders import Order
from orders.models.packages import Label, Package, TrackerEvent

State = Package.State
# A carrier that scans a parcel like this has it, or has given it to somebody.
CARRIED = (State.MOVING, State.OUT_FOR_DELIVERY, State.AT_PICKUP_POINT, State.DELIVERED)
# Where more news is due. At a pickup point a parcel lies for weeks, and nobody scans it.
UNDER_WAY = (State.MOVING, State.OUT_FOR_DELIVERY, State.RETURNING)
# How long news counts where no carrier service says so: long enough for a weekend and a customs
# office, short enough that a lost parcel is not refunded twice.
NEWS_DAYS = 7
# A carrier whose clock runs ahead knows no more than when it told.
NEWEST = Max(Least("occurred_at", "recorded_at"))
# What nobody has heard of for so long is history; a claim is how people take it up.
FORGOTTEN = timedelta(days=90)


@dataclass(frozen=True, slots=True)
class Old:
    """News that is older than its limit: since when, and what the limit is."""

    order_id: int
    package_id: int | None
    as_of: datetime
    days: int


def told_at(package_ids: Iterable[int]) -> dict[int, datetime]:
    """When a carrier's newest news of each parcel was true."""
    events = TrackerEvent.objects.filter(package__in=package_ids)
    newest = events.order_by().values("package_id").annotate(newest=NEWEST)
    return dict(newest.values_list("package_id", "newest"))


def _labels() -> QuerySet[Label]:
    return Label.objects.filter(package=OuterRef("pk"), state__in=Label.LIVE)


def stale_tracking(now: datetime, limit: int) -> list[Old]:
    """Parcels under way of which no carrier has told for longer than its news counts."""
    newest = (
        TrackerEvent.objects.filter(package=OuterRef("pk"))
        .order_by()
        .values("package")
        .annotate(newest=NEWEST)
        .values("newest")
    )
    rows = (
        Package.objects.filter(state__in=UNDER_WAY, order__is_history=False)
        .annotate(
            days=Coalesce(
                Subquery(_labels().values("service__news_days")[:1]),
                F("order__service__news_days"),
                F("order__channel__service__news_days"),
                NEWS_DAYS,
            ),
            as_of=Subquery(newest),
        )
        .filter(days__gt=0, as_of__gt=now - FORGOTTEN, as_of__lt=now - F("days") * timedelta(1))
        .exclude(pk__in=_known(Conflict.Kind.TRACKING, "package", OuterRef("as_of")))
    )
    found = rows.order_by("pk").values_list("order_id", "pk", "as_of", "days")
    return [Old(*row) for row in found[:limit]]


def stale_market(now: datetime, limit: int) -> list[Old]:
    """Orders still to be shipped of which the marketplace has told nothing for too long."""
    waiting = (Order.Fulfilment.UNSHIPPED, Order.Fulfilment.PART_SHIPPED)
    rows = (
        MarketOrder.objects.filter(
            status__in=[MarketOrder.Status.PENDING, MarketOrder.Status.OPEN],
            order__fulfilment__in=waiting,
            order__is_history=False,
            order__channel__news_days__gt=0,
            told_at__gt=now - FORGOTTEN,
            told_at__lt=now - F("order__channel__news_days") * timedelta(1),
        )
        .exclude(order__in=_known(Conflict.Kind.MARKET, "order", OuterRef("told_at")))
        .order_by("pk")
    )
    found = rows.values_list("order_id", "told_at", "order__channel__news_days")
    return [Old(order_id, None, as_of, days) for order_id, as_of, days in found[:limit]]


def cancelled_and_carried(limit: int) -> list[int]:
    """Orders that are cancelled while a carrier has a parcel, and of which nobody was asked yet."""
    asked = Conflict.objects.filter(order=OuterRef("order"), kind=Conflict.Kind.CANCELLED)
    rows = Package.objects.filter(
        Q(order__cancelled_at__isnull=False)
        | Q(order__market__status=MarketOrder.Status.CANCELLED)
        | Q(order__market__called_off_at__isnull=False),
        ~Exists(asked),
        state__in=[State.MOVING, State.OUT_FOR_DELIVERY],
        order__is_history=False,
    )
    found = rows.order_by("order_id").values_list("order_id", flat=True).distinct()
    return list(found[:limit])


def _known(kind: Conflict.Kind, of: str, as_of: OuterRef) -> QuerySet[Conflict, Any]:
    """Of which parcel or order people were asked about this very news."""
    rows = Conflict.objects.filter(kind=kind, theirs_since=as_of)
    found: QuerySet[Conflict, Any] = rows.values(of)
    return found


def open_conflicts(order: Order) -> list[Conflict]:
    """What of an order waits for a decision, the oldest first."""
    rows = Conflict.objects.filter(order=order, decided_at=None)
    return list(rows.select_related("order").order_by("pk"))
