"""The blocklist: marks whose orders are suspect."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Acting, Actor
from orders.models.orders import Order
from orders.models.trust import BlockEntry, MarkKind, OrderMark
from orders.services.errors import OrderError, WrongState
from orders.services.marks import clean_mark

LABEL = "orders.blockentry"


@transaction.atomic
def block_mark(
    kind: MarkKind, text: str, *, reason: str, until: datetime | None = None, actor: Actor
) -> BlockEntry:
    """Put a mark on the blocklist; one that stands there is returned as it is.

    `text` is what somebody typed; `until` None: until somebody takes it off. Acts on orders placed
    from now on. Raises OrderError for a mark nothing can be told by, or an end that is over.
    """
    if until is not None and until <= timezone.now():
        raise OrderError("Choose an end later than now.")
    return _block(kind, clean_mark(kind, text), reason, until, actor)


def _block(
    kind: MarkKind, value: str, reason: str, until: datetime | None, actor: Actor
) -> BlockEntry:
    _end_of_themselves(kind, value)
    entry, is_new = BlockEntry.objects.get_or_create(
        kind=kind,
        value=value,
        ended_at=None,
        defaults={
            "reason": reason,
            "until": until,
            "actor_kind": actor.kind,
            "actor_label": actor.label,
            "user_id": actor.user_id,
        },
    )
    if is_new:
        audit.record("orders.mark_blocked", LABEL, entry.pk, actor=actor, kind=kind)
    return entry


def _end_of_themselves(kind: MarkKind, value: str) -> None:
    """An entry whose time is over makes room for a new one."""
    now = timezone.now()
    over = BlockEntry.objects.filter(kind=kind, value=value, ended_at=None, until__lte=now)
    over.update(ended_at=now, end_reason="Its time was over.")


@transaction.atomic
def block_buyer(
    order_id: int,
    kinds: Iterable[MarkKind],
    *,
    reason: str,
    until: datetime | None = None,
    actor: Acting,
) -> list[BlockEntry]:
    """Put marks of an order's buyer on the blocklist; kinds that the order lacks are left out."""
    by = actor.of(order_id)
    marks = OrderMark.objects.filter(order=order_id, kind__in=list(kinds)).order_by("kind")
    entries = [_block(MarkKind(mark.kind), mark.value, reason, until, by) for mark in marks]
    if entries:
        listed = ", ".join(MarkKind(entry.kind).label.lower() for entry in entries)
        text = f"On the blocklist: {listed}"
        timeline.record([timeline.Happened("orders.order", order_id, text, by)])
    return entries


@transaction.atomic
def unblock(entry_id: int, *, reason: str, actor: Actor) -> BlockEntry:
    """Take a mark off the blocklist; the entry stays, with who and why. Raises WrongState."""
    entry = BlockEntry.objects.select_for_update(no_key=True).get(pk=entry_id)
    if entry.ended_at is not None:
        raise WrongState("It is off the blocklist already.")
    entry.ended_at = timezone.now()
    entry.ended_by = actor.label
    entry.end_reason = reason
    entry.save(update_fields=["ended_at", "ended_by", "end_reason"])
    audit.record("orders.mark_unblocked", LABEL, entry.pk, actor=actor, kind=entry.kind)
    return entry


def marks_on(order: Order) -> list[MarkKind]:
    """Which marks an order's buyer has."""
    kinds = OrderMark.objects.filter(order=order).order_by("kind").values_list("kind", flat=True)
    return [MarkKind(kind) for kind in kinds]
