"""The list of segments."""

from __future__ import annotations

from django.db.models import Q
from django.urls import reverse

from backoffice import ui
from backoffice.workbench.bench import Empty, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Number, yes_no
from orders.models.segments import Segment
from orders.queries.segments import language
from orders.services.errors import BadSegment


def words_of(segment: Segment) -> str:
    """The condition in words, or why there are none."""
    try:
        return language().in_words(segment.condition)
    except BadSegment as error:
        return str(error)


SEGMENTS = Workbench[Segment](
    key="orders.segments",
    title="Segments",
    noun="segment",
    url_name="segment_list",
    permission="orders.view_segment",
    queryset=lambda user: Segment.objects.all(),
    row_label=lambda segment: segment.name,
    row_url=lambda segment: reverse("segment_detail", args=[segment.slug]),
    columns=(
        Column("name", "Segment", "name", sort="name", main=True),
        Column("words", "Customers for whom", words_of, wide=True),
        Column("size", "Members", "size", sort="size", kind="number"),
        Column("fresh", "As of", "refreshed_at", sort="refreshed_at", kind="time"),
        Column("trouble", "Trouble", lambda s: s.trouble or ui.NONE, default=False),
    ),
    filters=(
        Number(key="size", label="Members", field="size"),
        yes_no("trouble", "In trouble", ~Q(trouble="")),
    ),
    search=("name__icontains",),
    search_hint="Name",
    sort=("name",),
    actions_template="orders/_segment_list_actions.html",
    empty=Empty(
        "No segments yet.",
        "A segment is a group of customers by conditions; rules can start when somebody comes in.",
    ),
)
