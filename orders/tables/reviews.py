"""The list of reviews: what waits for somebody's decision, and what was decided."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.safestring import SafeString

from backoffice import ui
from backoffice.money import Money
from backoffice.workbench.bench import Empty, View, Workbench
from backoffice.workbench.columns import Column
from backoffice.workbench.filters import Choice, Day, Text, yes_no
from orders.models.reviews import Review
from orders.tables.orders import buyer
from orders.tables.stores import store_filters

Kind, State = Review.Kind, Review.State
REVIEW_STATE = {
    State.OPEN: ("warn", "clock"),
    State.PASSED: ("ok", "circle-check"),
    State.REFUSED: ("bad", "ban"),
    State.WITHDRAWN: ("wait", "minus"),
}
KIND_ICON = {
    Kind.FRAUD: "shield-exclamation",
    Kind.ADDRESS: "map-pin",
    Kind.DUPLICATE: "copy",
    Kind.CREDIT: "wallet",
    Kind.PRICE: "coin",
}
# The state of each kind in its own words.
WORDS = {
    (Kind.FRAUD, State.PASSED): "No fraud",
    (Kind.FRAUD, State.REFUSED): "Fraud",
    (Kind.ADDRESS, State.PASSED): "Settled",
    (Kind.DUPLICATE, State.PASSED): "No duplicate",
    (Kind.DUPLICATE, State.REFUSED): "Duplicate",
    (Kind.CREDIT, State.PASSED): "Approved",
    (Kind.CREDIT, State.REFUSED): "Declined",
    (Kind.PRICE, State.PASSED): "Sold so",
    (Kind.PRICE, State.REFUSED): "Not sold so",
}


def words_of(review: Review) -> str:
    """What became of a review, in the words of its kind."""
    key = (Kind(review.kind), State(review.state))
    return WORDS.get(key) or review.get_state_display()


def state_of_review(review: Review) -> SafeString:
    token, sign = REVIEW_STATE[State(review.state)]
    return ui.status(token, words_of(review), sign)


def kind_of_review(review: Review) -> SafeString:
    return ui.status("wait", review.get_kind_display(), KIND_ICON[Kind(review.kind)])


def found_in(review: Review) -> str:
    """What was found, in one line without anybody's address."""
    found = review.found
    if review.kind == Kind.FRAUD:
        if "score" not in found:
            return "reported by hand"
        return f"score {found['score']}: {'; '.join(found['reasons'])}"
    if review.kind == Kind.DUPLICATE:
        return f"like order {found['number']}, {found['minutes']} min apart"
    if review.kind == Kind.CREDIT:
        used, limit, due = (Money.from_json(found[name]) for name in ("used", "limit", "due"))
        return f"{used} of {limit} used, adds {due}"
    if review.kind == Kind.PRICE:
        return _prices_found(found["lines"])
    proposal = "with a proposal" if found.get("proposal") else "no proposal"
    return f"{len(found['problems'])} problem{'s'[: len(found['problems']) > 1]}, {proposal}"


def _prices_found(lines: list[dict[str, Any]]) -> str:
    """The first line that is out of bounds, and how many more there are."""
    first, more = lines[0], len(lines) - 1
    is_price = first["valid"] is not None
    other = Money.from_json(first["valid"] if is_price else first["floor"])
    said = f"its price is {other}" if is_price else f"not below {other}"
    text = f"{first['sku']} at {Money.from_json(first['unit'])}, {said}"
    return f"{text}; {more} more" if more else text


def due(review: Review) -> SafeString | str:
    """Until when an answer is expected; marked when it is late."""
    if not review.is_open:
        return ui.NONE
    if review.due_at < timezone.now():
        return ui.status("bad", ui.moment(review.due_at), "clock-x")
    return ui.moment(review.due_at)


REVIEWS = Workbench[Review](
    key="orders.reviews",
    title="Reviews",
    noun="review",
    url_name="review_list",
    permission="orders.view_review",
    queryset=lambda user: Review.objects.all(),
    decorate=lambda rows: rows.select_related("order__channel", "order__customer"),
    row_label=lambda review: f"{review.get_kind_display()}, order {review.order.number}",
    row_url=lambda review: reverse("review_detail", args=[review.pk]),
    columns=(
        Column("order", "Order", "order.number", main=True),
        Column("kind", "Doubt", kind_of_review, sort="kind", export=lambda r: r.kind),
        Column("found", "Found", found_in, wide=True),
        Column("customer", "Customer", lambda r: buyer(r.order)),
        Column("channel", "Channel", "order.channel.name"),
        Column("total", "Total", lambda r: r.order.total_money, kind="money"),
        Column("state", "State", state_of_review, sort="state", export=lambda r: r.state),
        Column("due", "Answer by", due, sort="due_at", export=lambda r: r.due_at),
        Column("opened", "Opened", "opened_at", sort="opened_at", kind="time"),
        Column("by", "Decided by", "decided_by", default=False),
        Column("settled", "Decided", "settled_at", kind="time", default=False),
    ),
    filters=(
        Choice(key="kind", label="Doubt", options=Kind.choices, pinned=True),
        Choice(key="state", label="State", options=State.choices, pinned=True),
        *store_filters("order__channel"),
        yes_no("late", "Unanswered in time", Q(escalated_at__isnull=False)),
        Day(key="opened", label="Opened", field="opened_at"),
        Text(key="order", label="Order number", field="order__number", lookup="exact"),
    ),
    search=("order__number__istartswith",),
    search_hint="Order number",
    sort=("-opened_at",),
    views=(
        View(
            "open",
            "Open",
            "state=open&sort=due",
            default_for=("operations", "support", "administrator"),
            empty="Nothing waits for a decision.",
        ),
        View(
            "fraud",
            "Possible fraud",
            "state=open&kind=fraud&sort=due",
            empty="No order is suspect.",
        ),
        View(
            "addresses",
            "Addresses",
            "state=open&kind=address&sort=due",
            empty="Every address can be right.",
        ),
        View(
            "duplicates",
            "Duplicates",
            "state=open&kind=duplicate&sort=due",
            empty="No order is like another.",
        ),
        View(
            "approvals",
            "Credit",
            "state=open&kind=credit&sort=due",
            default_for=("finance",),
            empty="No order waits for an approver.",
        ),
        View(
            "prices",
            "Prices",
            "state=open&kind=price&sort=due",
            empty="No order is at a price out of bounds.",
        ),
        View("settled", "Settled", "state=passed&state=refused&state=withdrawn"),
        View("all", "All", default_for=("auditor",)),
    ),
    empty=Empty(
        "No reviews yet.",
        "Orders that look like fraud, have an impossible address, repeat one just placed, go "
        "over a credit limit or have prices out of bounds come here.",
    ),
)
