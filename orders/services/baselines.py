"""Keeping the figures of a span of days, to hold later ones against."""

from __future__ import annotations

from datetime import date

from django.db import transaction
from django.utils import timezone

from backoffice import audit
from backoffice.actors import Actor
from orders.models.claims import OperationsBaseline
from orders.queries.operations import operations
from orders.services.errors import OrderError


@transaction.atomic
def take_baseline(
    since: date, until: date, *, channel_id: int | None = None, actor: Actor
) -> OperationsBaseline:
    """Keep the figures of these days as they are now; raises OrderError for days to come."""
    if until < since or until > timezone.localdate():
        raise OrderError("A baseline is of days that are over, the first one first.")
    now = operations(since, until, channel_id=channel_id)
    row = OperationsBaseline.objects.create(
        channel_id=channel_id,
        since=since,
        until=until,
        shipped=now.shipped,
        processing_seconds=None if now.processing is None else now.processing.total_seconds(),
        touchless=now.touchless,
        wrong_items=now.wrong_items,
        wrong_messages=now.wrong_messages,
        due=now.due,
        missed=now.missed,
        taken_at=timezone.now(),
        taken_by=actor.label[:200],
    )
    audit.record(
        "figures.baseline_taken", "orders.operationsbaseline", row.pk, actor=actor,
        since=since.isoformat(), until=until.isoformat(),
    )  # fmt: skip
    return row
