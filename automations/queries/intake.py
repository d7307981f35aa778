"""Webhooks in as screens show them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, TypedDict

from django.db.models import Count, Exists, IntegerField, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from automations.models.intake import Delivery, IntakeRoute, IntakeSecret, IntakeSource

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations


class SourceRow(TypedDict):
    """What a source's row shows beside its own fields."""

    has_secret: bool
    topics: int
    received_24h: int
    held: int
    last_id: int | None


def accepted_secrets() -> QuerySet[IntakeSecret]:
    """The secrets that have not ended."""
    return IntakeSecret.objects.filter(Q(ends_at=None) | Q(ends_at__gt=timezone.now()))


def _count(rows: QuerySet[Delivery] | QuerySet[IntakeRoute]) -> Coalesce:
    mine = rows.filter(source=OuterRef("pk")).order_by()
    counted = mine.values("source").annotate(n=Count("*")).values("n")
    return Coalesce(Subquery(counted, output_field=IntegerField()), 0)


def source_list() -> QuerySet[WithAnnotations[IntakeSource, SourceRow]]:
    """All sources as SourceRow describes them."""
    day = timezone.now() - timedelta(days=1)
    mine = Delivery.objects.filter(source=OuterRef("pk")).order_by()
    last = mine.values("source").annotate(n=Max("pk")).values("n")
    return IntakeSource.objects.annotate(
        has_secret=Exists(accepted_secrets().filter(source=OuterRef("pk"))),
        topics=_count(IntakeRoute.objects.all()),
        received_24h=_count(Delivery.objects.filter(received_at__gte=day)),
        held=_count(Delivery.objects.filter(state=Delivery.State.QUARANTINED)),
        last_id=Subquery(last, output_field=IntegerField()),
    )


def how_many_held() -> int:
    """How many deliveries wait in quarantine."""
    return Delivery.objects.filter(state=Delivery.State.QUARANTINED).count()


def newest_of(source: IntakeSource, topic: str) -> Delivery | None:
    """The newest delivery of a topic whose content is still there; any topic for an empty one."""
    rows = Delivery.objects.filter(source=source, body__isnull=False)
    return (rows.filter(topic=topic) if topic else rows).order_by("-pk").first()


def topics_seen(source: IntakeSource, looked_at: int = 1_000) -> list[tuple[str, int]]:
    """The topics of a source's latest deliveries, the commonest first."""
    latest = Delivery.objects.filter(source=source).order_by("-pk").values("topic")[:looked_at]
    found: dict[str, int] = {}
    for row in latest:
        found[row["topic"]] = found.get(row["topic"], 0) + 1
    return sorted(found.items(), key=lambda item: (-item[1], item[0]))
