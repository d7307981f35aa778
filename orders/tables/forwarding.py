"""The lists of forwarded shipments and of those who ship them."""

from __future__ import annotations

from django.db.models import Count, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.queries.countries import country_name
from orders.tables.stores import store_filters

State = ForwardedOrder.State
STATE = {
    State.TO_SEND: ("warn", "clock"),
    State.SENT: ("info", "truck"),
    State.UNANSWERED: ("bad", "clock-x"),
    State.ACKNOWLEDGED: ("ok", "check"),
    State.REFUSED: ("bad", "ban"),
    State.SHIPPED: ("ok", "truck"),
    State.WITHDRAWN: ("wait", "ban"),
}


def forwarded_state(row: ForwardedOrder) -> SafeString:
    token, sign = STATE[State(row.state)]
    return ui.status(token, row.get_state_display(), sign)


def answer_due(row: ForwardedOrder) -> SafeString | str:
    if row.answer_by is None or row.state not in (State.SENT, State.UNANSWERED):
        return ui.NONE
    said = ui.moment(row.answer_by)
    late = row.answer_by < timezone.now()
    return ui.status("bad", said, "clock-x") if late else ui.status("wait", said, "clock")


def forwarder_options() -> list[tuple[str, str]]:
    rows = Forwarder.objects.order_by("name").values_list("pk", "name")
    return [(str(pk), name) for pk, name in rows]


FORWARDED = Workbench[ForwardedOrder](
    key="orders.forwarded",
    title="Forwarding",
    noun="shipment",
    url_name="forwarded_list",
    permission="orders.view_forwardedorder",
    queryset=lambda user: ForwardedOrder.objects.all(),
    decorate=lambda rows: rows.select_related("order", "forwarder"),
    row_label=lambda row: row.reference,
    row_url=lambda row: reverse("forwarded_detail", args=[row.number]),
    columns=(
        Column("reference", "Reference", "reference", sort="reference", main=True),
        Column("order", "Order", "order.number"),
        Column("forwarder", "Ships for us", "forwarder.name", wide=True),
        Column("state", "State", forwarded_state, sort="state", export=lambda r: r.state),
        Column("theirs", "Their reference", lambda r: r.their_reference or ui.NONE),
        Column("country", "Goes to", lambda r: country_name(r.order.ship_country)),
        Column("sends", "Times sent", "sends", sort="sends", kind="number", default=False),
        Column("sent", "Sent", "sent_at", sort="sent_at", kind="time"),
        Column(
            "answer", "Answer by", answer_due, sort="answer_by",
            export=lambda r: r.answer_by.isoformat() if r.answer_by else "",
        ),
        Column("made", "Since", "made_at", sort="made_at", kind="time"),
    ),
    filters=(
        Choice(key="state", label="State", options=State.choices, field="state", pinned=True),
        Choice(
            key="forwarder", label="Ships for us", options=forwarder_options, field="forwarder",
            pinned=True,
        ),
        *store_filters("order__channel"),
        Day(key="made", label="Since", field="made_at"),
    ),
    search=("reference__istartswith", "order__number__istartswith", "their_reference__iexact"),
    search_hint="Reference or order",
    sort=("-made_at",),
    actions_template="orders/_forwarded_list_actions.html",
    bulk=("forwarded.sent",),
    views=(
        View("to_send", "To send", "state=to_send&sort=made", empty="Nobody has to be told."),
        View("waiting", "No answer yet", "state=sent&sort=answer", empty="Everybody has answered."),
        View(
            "late", "No answer in time", "state=unanswered&sort=answer",
            empty="Nobody is late with an answer.",
        ),
        View("all", "All"),
    ),
    empty=Empty(
        "Nothing is forwarded yet.",
        "Say who ships from a place: what is ready there is then put down here.",
    ),
)  # fmt: skip


FORWARDERS = Workbench[Forwarder](
    key="orders.forwarders",
    title="Who ships for us",
    noun="forwarder",
    url_name="forwarder_list",
    permission="orders.view_forwarder",
    queryset=lambda user: Forwarder.objects.annotate(
        open=Count("forwarded", filter=Q(forwarded__state__in=[State.TO_SEND, State.SENT]))
    ),
    decorate=lambda rows: rows.select_related("location", "calendar"),
    row_label=str,
    row_url=lambda row: reverse("forwarder_detail", args=[row.pk]),
    columns=(
        Column("name", "Name", "name", sort="name", main=True, wide=True),
        Column("kind", "Kind", lambda r: r.get_kind_display(), sort="kind"),
        Column("location", "Ships from", "location.name"),
        Column("hours", "Answers within, in working hours", "answer_hours", kind="number"),
        Column("open", "Open shipments", "open", sort="open", kind="number"),
        Column("active", "In use", "is_active"),
    ),
    search=("name__icontains", "location__code__istartswith"),
    search_hint="Name or place",
    sort=("name",),
    actions_template="orders/_forwarder_list_actions.html",
    empty=Empty(
        "Everything leaves from our own places.",
        "Name the supplier or warehouse that ships from a place for us.",
    ),
)
