"""Carrier services and what channels promise: master data of the ship-by clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from decimal import Decimal

from django.db import transaction
from django.utils.text import slugify

from backoffice import audit
from backoffice.actors import Actor
from backoffice.models import Calendar
from backoffice.versions import refuse_stale
from orders.models.carriers import CarrierService
from orders.models.channels import Channel
from orders.services.clock import rewind_clocks
from orders.services.errors import OrderError

SERVICE = "orders.carrierservice"
CHANNEL = "orders.channel"


@dataclass(frozen=True, slots=True)
class ServiceEdit:
    """What a carrier service is.

    `calendar` None means that it knows no holidays; limits that are None and no countries, that it
    takes anything anywhere. `price` None: it is never chosen by itself; `transit_days` None: nobody
    knows how many collection days it is on its way. `news_days` 0: its news never grows old.
    """

    carrier: str
    name: str
    time_zone: str
    cutoff: time
    weekdays: Sequence[int]
    calendar: Calendar | None
    is_active: bool = True
    max_grams: int | None = None
    max_side_cm: int | None = None
    countries: Sequence[str] = ()
    price: Decimal | None = None
    currency: str = ""
    transit_days: int | None = None
    news_days: int = 7


@transaction.atomic
def add_service(edit: ServiceEdit, *, actor: Actor) -> CarrierService:
    """Add a carrier service; raises OrderError where there is one of this name."""
    if CarrierService.objects.filter(carrier__iexact=edit.carrier, name__iexact=edit.name).exists():
        raise OrderError(f"There is a service {edit.carrier} {edit.name} already.")
    service = CarrierService(key=_free_key(f"{edit.carrier} {edit.name}"))
    _write(service, edit)
    service.save()
    audit.record("carriers.added", SERVICE, service.pk, actor=actor, key=service.key)
    return service


@transaction.atomic
def edit_service(
    service_id: int, edit: ServiceEdit, *, version: int | None, actor: Actor
) -> CarrierService:
    """Change a carrier service, and the clocks that hang on it; raises StaleVersion, OrderError."""
    service = CarrierService.objects.select_for_update(no_key=True).get(pk=service_id)
    refuse_stale([service], None if version is None else {service_id: version})
    channels = list(service.channels.values_list("pk", flat=True))
    if not edit.is_active and channels:
        raise OrderError(
            f"Channels ship with {service}. Give them another service before it is switched off."
        )
    _write(service, edit)
    service.version += 1
    service.save()
    audit.record(
        "carriers.changed",
        SERVICE,
        service.pk,
        actor=actor,
        cutoff=edit.cutoff.isoformat(),
        weekdays=sorted(edit.weekdays),
        news_days=edit.news_days,
    )
    rewind_clocks(channel_ids=channels)
    return service


def _write(service: CarrierService, edit: ServiceEdit) -> None:
    if not edit.weekdays:
        raise OrderError("A service that collects on no day ships nothing. Choose its days.")
    service.carrier = edit.carrier
    service.name = edit.name
    service.time_zone = edit.time_zone
    service.cutoff = edit.cutoff
    service.weekdays = sorted(set(edit.weekdays))
    service.calendar = edit.calendar
    service.is_active = edit.is_active
    service.max_grams = edit.max_grams
    service.max_side_cm = edit.max_side_cm
    service.countries = list(edit.countries)
    service.price, service.currency = edit.price, edit.currency if edit.price is not None else ""
    service.transit_days = edit.transit_days
    service.news_days = edit.news_days


def _free_key(name: str) -> str:
    base = slugify(name)[:32] or "service"
    taken = set(CarrierService.objects.filter(key__startswith=base).values_list("key", flat=True))
    if base not in taken:
        return base
    return next(f"{base}-{n}" for n in range(2, len(taken) + 3) if f"{base}-{n}" not in taken)


@transaction.atomic
def edit_promise(
    channel_id: int,
    *,
    service: CarrierService | None,
    promise_days: int,
    arrives_days: int | None = None,
    chooses_service: bool = False,
    news_days: int = 14,
    version: int | None,
    actor: Actor,
) -> Channel:
    """Change how a channel ships and how soon, and the clocks of its open orders.

    `service` None: by the end of a working day. `arrives_days` None: no day of arrival is promised.
    With `chooses_service` an order's own service is chosen when it is packed. `news_days` 0: what
    its marketplace tells never grows old. Raises StaleVersion, OrderError.
    """
    channel = Channel.objects.select_for_update(no_key=True).get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    if service is not None and not service.is_active:
        raise OrderError(f"{service} is switched off. Choose another service.")
    channel.service = service
    channel.promise_days = promise_days
    channel.arrives_days, channel.chooses_service = arrives_days, chooses_service
    channel.news_days = news_days
    channel.version += 1
    changed = ["service", "promise_days", "arrives_days", "chooses_service", "news_days", "version"]
    channel.save(update_fields=changed)
    audit.record(
        "channels.promise_changed",
        CHANNEL,
        channel.pk,
        actor=actor,
        service=service.key if service else "",
        days=promise_days,
        arrives=arrives_days,
        chooses=chooses_service,
        news_days=news_days,
    )
    rewind_clocks(channel_ids=[channel_id])
    return channel
