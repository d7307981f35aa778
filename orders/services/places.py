"""Which places a channel ships from besides its own, and where its customers may collect."""

from __future__ import annotations

from django.db import transaction

from backoffice import audit
from backoffice.actors import Actor
from backoffice.versions import refuse_stale
from inventory.models import Location
from orders.models.channels import Channel
from orders.models.places import ChannelPlace
from orders.services.errors import OrderError

CHANNEL = "orders.channel"
MOST = 50


def _locked(channel_id: int, version: int | None) -> Channel:
    rows = Channel.objects.select_for_update(no_key=True, of=("self",))
    channel = rows.select_related("legal_entity").get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    return channel


def _changed(channel: Channel, verb: str, actor: Actor, **detail: object) -> None:
    channel.version += 1
    channel.save(update_fields=["version"])
    audit.record(f"channels.{verb}", CHANNEL, channel.pk, actor=actor, **detail)


@transaction.atomic
def add_place(
    channel_id: int,
    location: Location,
    *,
    priority: int,
    hands_over: bool,
    version: int | None,
    actor: Actor,
) -> ChannelPlace:
    """Let orders of a channel ship from one more place; raises OrderError, StaleVersion.

    New orders, and those that have nothing set aside anywhere, may be routed there from now on.
    """
    channel = _locked(channel_id, version)
    if location.kind != Location.Kind.INTERNAL or not location.is_active:
        raise OrderError(f"{location.name} ships nothing. Choose a warehouse or shop in use.")
    if location.legal_entity_id != channel.legal_entity_id:
        raise OrderError(f"{location.name} does not belong to {channel.legal_entity}.")
    if location.pk == channel.location_id:
        raise OrderError(f"{channel} ships from {location.name} already: it is its own place.")
    if channel.places.filter(location=location).exists():
        raise OrderError(f"{channel} ships from {location.name} already.")
    if channel.places.count() >= MOST:
        raise OrderError(f"A channel ships from {MOST} places at most.")
    row = ChannelPlace.objects.create(
        channel=channel, location=location, priority=priority, hands_over=hands_over
    )
    _changed(
        channel, "place_added", actor, place=location.code, priority=priority, collect=hands_over
    )
    return row


@transaction.atomic
def edit_place(
    place_id: int, *, priority: int, hands_over: bool, version: int | None, actor: Actor
) -> ChannelPlace:
    """Change a place's turn, and whether customers collect there; raises StaleVersion."""
    row = ChannelPlace.objects.select_related("location").get(pk=place_id)
    channel = _locked(row.channel_id, version)
    row.refresh_from_db()
    before = {"priority": row.priority, "collect": row.hands_over}
    if (row.priority, row.hands_over) == (priority, hands_over):
        return row
    row.priority, row.hands_over = priority, hands_over
    row.save(update_fields=["priority", "hands_over"])
    _changed(
        channel, "place_changed", actor, place=row.location.code, before=before,
        priority=priority, collect=hands_over,
    )  # fmt: skip
    return row


@transaction.atomic
def remove_place(place_id: int, *, version: int | None, actor: Actor) -> None:
    """Route nothing of a channel there any more; what is set aside there leaves from there still.

    One that is gone is left alone. Raises StaleVersion.
    """
    row = ChannelPlace.objects.select_related("location").filter(pk=place_id).first()
    if row is None:
        return
    channel = _locked(row.channel_id, version)
    deleted, _ = ChannelPlace.objects.filter(pk=place_id).delete()
    if deleted:
        _changed(channel, "place_removed", actor, place=row.location.code)
