"""Segments: written, kept up to date, and telling who came and who left."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.text import slugify

from backoffice import audit
from backoffice.actors import HOUSE, Actor
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.segments import Segment, SegmentMember
from orders.queries.segments import language
from orders.services.errors import BadSegment

_LABEL = "orders.segment"
# How old members may be before the house works them out anew.
FRESH = timedelta(seconds=45)


@transaction.atomic
def write_segment(
    name: str,
    condition: Any,
    *,
    about: str = "",
    segment_id: int | None = None,
    version: int | None = None,
    actor: Actor,
) -> Segment:
    """Make a segment, or change one (`segment_id`), and work out its members.

    Raises BadSegment, StaleVersion. Announces segments_entered and segments_left.
    """
    language().refuse_unfit(condition)
    segment = Segment(slug=_slug(name))
    if segment_id is not None:
        segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id)
        refuse_stale([segment], None if version is None else {segment_id: version})
        segment.version += 1
    segment.name, segment.condition, segment.about = name.strip(), condition, about
    segment.changed_by_id, segment.trouble = actor.user_id, ""
    try:
        with transaction.atomic():
            segment.save()
    except IntegrityError as error:
        raise BadSegment(f"There is a segment called “{name}” already.") from error
    verb = "orders.segment_changed" if segment_id else "orders.segment_made"
    audit.record(verb, _LABEL, segment.pk, actor=actor, condition=condition)
    _work_out(segment, actor)
    return segment


def _slug(name: str) -> str:
    slug = slugify(name)[:60]
    if not slug:
        raise BadSegment("Give the segment a name with letters or digits.")
    return slug


@transaction.atomic
def remove_segment(segment_id: int, *, actor: Actor) -> None:
    """Forget a segment; nobody is told to have left it."""
    segment = Segment.objects.select_for_update().get(pk=segment_id)
    audit.record("orders.segment_removed", _LABEL, segment.pk, actor=actor, name=segment.name)
    segment.delete()


@transaction.atomic
def refresh_segment(segment_id: int, *, actor: Actor = HOUSE) -> Segment:
    """Make members equal what the condition says now.

    Announces segments_entered and segments_left. A condition that fits no more is noted as
    trouble, and members stay as they are.
    """
    segment = Segment.objects.select_for_update(no_key=True).get(pk=segment_id)
    try:
        _work_out(segment, actor)
    except BadSegment as error:
        segment.trouble = str(error)[:300]
        segment.save(update_fields=["trouble"])
    return segment


def refresh_segments() -> int:
    """Work out every segment that is older than a minute or so; returns how many."""
    before = timezone.now() - FRESH
    due = Segment.objects.filter(is_active=True).exclude(refreshed_at__gt=before)
    ids = list(due.order_by("refreshed_at").values_list("pk", flat=True))
    for pk in ids:
        if Segment.objects.filter(pk=pk).exists():
            refresh_segment(pk)
    return len(ids)


def _work_out(segment: Segment, actor: Actor) -> None:
    """Bring the members of a locked segment up to date."""
    now = timezone.now()
    wanted = set(language().matching(segment.condition, now))
    rows = {member.customer_id: member for member in segment.members.all()}
    gone = [rows[pk] for pk in sorted(set(rows) - wanted)]
    SegmentMember.objects.filter(pk__in=[member.pk for member in gone]).delete()
    come = SegmentMember.objects.bulk_create(
        (
            SegmentMember(segment=segment, customer_id=pk, since=now)
            for pk in sorted(wanted - set(rows))
        ),
        batch_size=2000,
    )
    segment.size, segment.refreshed_at, segment.trouble = len(wanted), now, ""
    segment.save(update_fields=["size", "refreshed_at", "trouble"])
    _announce(segment, come, gone, actor)


def _announce(
    segment: Segment,
    come: Sequence[SegmentMember],
    gone: Sequence[SegmentMember],
    actor: Actor,
) -> None:
    for signal, members in ((signals.segments_entered, come), (signals.segments_left, gone)):
        if members:
            signal.send(
                sender=Segment, segments={segment.pk: segment}, members=list(members),
                actor=actor, history=False,
            )  # fmt: skip
