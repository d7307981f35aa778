"""The lists of carrier services and channels."""

from __future__ import annotations

from django.urls import reverse

from backoffice import ui
from backoffice.views.calendars import week_words
from backoffice.workbench.bench import Empty, Workbench
from backoffice.workbench.columns import Column
from orders.models.carriers import CarrierService
from orders.models.channels import Channel

CARRIERS = Workbench[CarrierService](
    key="orders.carriers",
    title="Carriers",
    noun="service",
    url_name="carrier_list",
    permission="orders.view_carrierservice",
    queryset=lambda user: CarrierService.objects.all(),
    decorate=lambda rows: rows.select_related("calendar"),
    row_label=str,
    row_url=lambda service: reverse("carrier_detail", args=[service.key]),
    columns=(
        Column("name", "Service", str, sort=("carrier", "name"), main=True, wide=True),
        Column("cutoff", "Cut-off", lambda s: f"{s.cutoff:%H:%M}", sort="cutoff"),
        Column("zone", "Time zone", "time_zone"),
        Column("days", "Collects on", lambda s: week_words(s.weekdays)),
        Column("calendar", "Not on days closed in", "calendar.name"),
        Column("active", "In use", "is_active"),
    ),
    search=("carrier__icontains", "name__icontains"),
    search_hint="Carrier or service",
    sort=("carrier", "name"),
    actions_template="orders/_carrier_list_actions.html",
    empty=Empty(
        "No carrier services yet.",
        "Without one, orders must be ready by the end of a working day.",
    ),
)

CHANNELS = Workbench[Channel](
    key="orders.channels",
    title="Channels",
    noun="channel",
    url_name="channel_list",
    permission="orders.view_channel",
    queryset=lambda user: Channel.objects.all(),
    decorate=lambda rows: rows.select_related("service", "location", "legal_entity"),
    row_label=str,
    row_url=lambda channel: reverse("channel_detail", args=[channel.key]),
    columns=(
        Column("name", "Channel", sort="name", main=True, wide=True),
        Column("kind", "Kind", lambda c: c.get_kind_display(), sort="kind"),
        Column("entity", "Company", "legal_entity.name"),
        Column("location", "Ships from", "location.name"),
        Column("service", "Ships with", lambda c: str(c.service) if c.service else ui.NONE),
        Column("promise", "Within, in collection days", "promise_days", kind="number"),
        Column("unpaid", "Ships unpaid", "ships_unpaid"),
    ),
    search=("name__icontains", "key__istartswith"),
    search_hint="Name",
    sort=("name",),
    empty=Empty("No channels yet.", "They are made when a shop is connected or imported."),
)
