"""The lists of webhooks: the inbox, and the sources that fill it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils.safestring import SafeString

from automations.intake import door
from automations.intake.signatures import SCHEMES
from automations.models.intake import Delivery, IntakeSource
from automations.queries import intake as queries
from automations.services import intake
from automations.triggers import triggers
from backoffice import ui
from backoffice.actors import Actor
from backoffice.counts import Count
from backoffice.models import User
from backoffice.workbench import bulk
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.bulk import BulkAction, Outcome
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Age, Choice, Day, Text, yes_no

State = Delivery.State
STATES = {
    State.WAITING: ("wait", "clock"),
    State.TAKEN: ("ok", "circle-check"),
    State.QUARANTINED: ("bad", "alert-circle"),
    State.OVERTAKEN: ("info", "clock-x"),
    State.UNREAD: ("warn", "eye-off"),
    State.DROPPED: ("wait", "archive"),
}


def state_of(delivery: Delivery) -> tuple[str, str, str]:
    """Token, words and sign of a delivery's state."""
    token, sign = STATES[State(delivery.state)]
    return token, str(delivery.get_state_display()), sign


def feed_label(key: str) -> str:
    known = triggers.get(key)
    return known.label if known is not None else key


def _became(delivery: Delivery) -> SafeString | str:
    return feed_label(delivery.feed) if delivery.feed else ui.NONE


def source_options() -> list[tuple[str, str]]:
    return list(IntakeSource.objects.order_by("name").values_list("key", "name"))


INBOX = Workbench[Delivery](
    key="automations.inbox",
    title="Webhooks in",
    noun="delivery",
    nouns="deliveries",
    url_name="delivery_list",
    permission="automations.view_delivery",
    queryset=lambda user: Delivery.objects.all(),
    decorate=lambda rows: rows.select_related("source").defer("body"),
    row_label=lambda delivery: f"delivery {delivery.pk}",
    row_url=lambda delivery: reverse("delivery_detail", args=[delivery.pk]),
    columns=(
        Column("at", "Received", "received_at", sort="pk", kind="time"),
        Column(
            "topic",
            "Topic",
            lambda d: d.topic or "no topic",
            main=True,
            export=lambda d: d.topic,
        ),
        Column("source", "Source", "source.name", sort="source__name"),
        Column(
            "state",
            "State",
            lambda d: ui.status(*state_of(d)),
            export=lambda d: d.state,
        ),
        Column("feed", "Read as", _became, export=lambda d: d.feed),
        Column("says", "Why", "says", wide=True),
        Column("id", "Its own id", "external_id"),
    ),
    filters=(
        Choice(
            key="source", label="Source", options=source_options, field="source__key", pinned=True
        ),
        Choice(key="state", label="State", options=State.choices, pinned=True),
        Text(key="topic", label="Topic", field="topic"),
        Text(key="cause", label="Cause", field="cause"),
        Day(key="at", label="Day", field="received_at", pinned=True),
        Age(key="age", label="Age", field="received_at"),
    ),
    search=("external_id__startswith", "topic__istartswith"),
    search_hint="Topic or its own id",
    sort=("-pk",),
    views=(
        View("all", "All"),
        View(
            "held",
            "In quarantine",
            "state=quarantined",
            default_for=("administrator",),
            empty="Everything could be read.",
        ),
        View("waiting", "Waiting", "state=waiting", empty="Nothing waits."),
        View("unread", "Not read", "state=unread", empty="Every topic is read."),
    ),
    bulk=("intake.replay",),
    empty=Empty(
        "Nothing has arrived yet.",
        "An administrator makes a source, and the system outside sends to its address.",
    ),
    actions_template="automations/_delivery_list_actions.html",
)


def source_state(source: IntakeSource) -> tuple[str, str, str]:
    """Token, words and sign of whether a source's deliveries are accepted now."""
    if not source.is_open:
        return "wait", "Closed", "ban"
    if not getattr(source, "has_secret", False):
        return "warn", "Without a secret", "key"
    return "ok", "Open", "circle-check"


def scheme_label(source: IntakeSource) -> str:
    known = SCHEMES.get(source.scheme)
    return known.label if known is not None else source.scheme


def _held(source: IntakeSource) -> object:
    number = getattr(source, "held", 0)
    return ui.status("bad", number, "alert-circle") if number else 0


SOURCES = Workbench[IntakeSource](
    key="automations.sources",
    title="Sources of webhooks",
    noun="source",
    url_name="source_list",
    permission="automations.view_intakesource",
    queryset=lambda user: IntakeSource.objects.all(),
    decorate=lambda rows: queries.source_list().filter(pk__in=rows.values("pk")),
    row_label=lambda source: source.name,
    row_url=lambda source: reverse("source_detail", args=[source.key]),
    columns=(
        Column(
            "name",
            "Source and its address",
            lambda s: ui.two_lines(s.name, door.address(s.key)),
            sort="name",
            main=True,
            wide=True,
            export=lambda s: s.name,
        ),
        Column("scheme", "Signs like", scheme_label, sort="scheme"),
        Column(
            "state",
            "State",
            lambda s: ui.pill(*source_state(s)),
            export=lambda s: source_state(s)[1],
        ),
        Column("topics", "Topics read", "topics", kind="number"),
        Column("received", "Received, 24 h", "received_24h", kind="number"),
        Column(
            "held",
            "In quarantine",
            _held,
            kind="number",
            export=lambda s: getattr(s, "held", 0),
        ),
    ),
    filters=(
        Choice(
            key="scheme",
            label="Signs like",
            options=lambda: [(each.key, each.label) for each in SCHEMES.values()],
            pinned=True,
        ),
        yes_no("closed", "Closed", Q(is_open=False)),
    ),
    search=("name__icontains", "key__istartswith"),
    search_hint="Filter by name",
    sort=("name",),
    empty=Empty(
        "No sources yet.",
        "A source is a system outside that tells us what happens there, under its signature.",
    ),
    actions_template="automations/_source_list_actions.html",
)


def _replay(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    done = set(intake.replay(ids, actor=actor))
    says = "It was taken already, or its content was let go."
    return [Outcome(pk, pk in done, "" if pk in done else says) for pk in ids]


REPLAY = BulkAction(
    key="intake.replay",
    label="Read again",
    done="Will read again",
    permission="automations.replay_delivery",
    run=_replay,
    icon="refresh",
    subject=intake.DELIVERY,
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    bulk.register(REPLAY)


def deliveries_held(user: User) -> Count | None:
    """The sign beside Webhooks in the rail."""
    number = queries.how_many_held()
    return Count(number, alarm=True, word="held") if number else None
