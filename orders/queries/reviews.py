"""What the page of a review shows beside the order's own story."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Q

from backoffice.money import Money
from orders.models.orders import Order, OrderLine
from orders.models.reviews import Review, ReviewDecision
from orders.models.trust import MarkKind, OrderMark, RiskAssessment
from orders.queries.countries import country_name
from orders.queries.credit import Credit, credit_of

# Other orders that a page lists.
OTHERS = 8


@dataclass(frozen=True, slots=True)
class Twin:
    """One of two orders side by side."""

    order: Order
    lines: list[OrderLine]
    country: str
    is_suspect: bool


@dataclass(frozen=True, slots=True)
class Related:
    """Another order with some of the same marks."""

    order: Order
    shares: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A line at a price out of bounds. `valid` and `floor` None: there was none."""

    sku: str
    unit: Money
    valid: Money | None
    floor: Money | None
    variance: str | None
    under_floor: bool


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """A review as its page shows it; what is another kind's is empty."""

    decisions: list[ReviewDecision]
    assessment: RiskAssessment | None
    related: list[Related]
    twins: list[Twin]
    fields: list[tuple[str, str, str]]
    credit: Credit | None
    amounts: dict[str, Money]
    prices: list[PriceLine]


def review_page(review: Review) -> ReviewPage:
    """Everything a review's page shows of what was found and decided."""
    order, kind = review.order, Review.Kind(review.kind)
    is_fraud, is_credit = kind == Review.Kind.FRAUD, kind == Review.Kind.CREDIT
    return ReviewPage(
        decisions=list(review.decisions.order_by("-pk")),
        assessment=current_assessment(order) if is_fraud else None,
        related=_related(order) if is_fraud else [],
        twins=_twins(review) if kind == Review.Kind.DUPLICATE else [],
        fields=_fields(review) if kind == Review.Kind.ADDRESS else [],
        credit=credit_of([order.customer_id]).get(order.customer_id)
        if is_credit and order.customer_id
        else None,
        amounts={
            name: Money.from_json(review.found[name])
            for name in ("used", "limit", "due")
            if is_credit and name in review.found
        },
        prices=price_lines(review),
    )


def price_lines(review: Review) -> list[PriceLine]:
    """The lines of a price review, as they were when the order came; none of another kind."""
    if review.kind != Review.Kind.PRICE:
        return []
    return [
        PriceLine(
            row["sku"],
            Money.from_json(row["unit"]),
            Money.from_json(row["valid"]) if row["valid"] else None,
            Money.from_json(row["floor"]) if row["floor"] else None,
            row["variance"],
            row["under_floor"],
        )
        for row in review.found["lines"]
    ]


def current_assessment(order: Order) -> RiskAssessment | None:
    """The newest assessment of an order; None where it was never screened."""
    return RiskAssessment.objects.filter(order=order, is_current=True).first()


def _related(order: Order) -> list[Related]:
    """Orders of the same customer or with the same marks, the newest first."""
    marks = dict(OrderMark.objects.filter(order=order).values_list("kind", "value"))
    shared: dict[int, list[str]] = {}
    for kind, value in marks.items():
        rows = OrderMark.objects.filter(kind=kind, value=value).exclude(order=order)
        for pk in rows.order_by("-placed_at").values_list("order_id", flat=True)[:OTHERS]:
            shared.setdefault(pk, []).append(MarkKind(kind).label.lower())
    mine = Q(customer=order.customer_id) if order.customer_id else Q(pk__in=[])
    found = Order.objects.filter(mine).exclude(pk=order.pk).order_by("-placed_at")[:OTHERS]
    orders = {each.pk: each for each in found} | Order.objects.in_bulk(list(shared))
    newest = sorted(orders.values(), key=lambda each: each.placed_at, reverse=True)[:OTHERS]
    return [Related(each, ", ".join(shared.get(each.pk, ["customer"]))) for each in newest]


def _twins(review: Review) -> list[Twin]:
    other = Order.objects.select_related("channel", "customer").filter(pk=review.found["other"])
    return [
        Twin(
            order,
            list(order.lines.select_related("sku").order_by("position")),
            country_name(order.ship_country),
            order.pk == review.order_id,
        )
        for order in (*other, review.order)
    ]


_LABELS = (
    ("name", "Name"),
    ("lines", "Street"),
    ("city", "Town"),
    ("postcode", "Postcode"),
    ("country", "Country"),
)


def _fields(review: Review) -> list[tuple[str, str, str]]:
    """Each part of the address as it was given, and as proposed; blank where nobody can tell."""
    original: dict[str, Any] | None = review.found.get("original")
    if original is None:
        return []  # forgotten with the customer
    proposal: dict[str, Any] = review.found.get("proposal") or {}
    return [(label, original[name], proposal.get(name, "")) for name, label in _LABELS]


@dataclass(frozen=True, slots=True)
class TrustPart:
    """What an order's page says of trust."""

    assessment: RiskAssessment | None
    reviews: Sequence[Review]
    prices: Sequence[PriceLine]

    @property
    def has_fraud_review(self) -> bool:
        return any(review.kind == Review.Kind.FRAUD for review in self.reviews)


def trust_part(order: Order) -> TrustPart:
    """The order's assessment and its reviews, the open ones first."""
    reviews = list(order.reviews.order_by("-pk"))
    reviews.sort(key=lambda review: not review.is_open)
    doubted = (review for review in reviews if review.is_open)
    prices = [line for review in doubted for line in price_lines(review)]
    return TrustPart(current_assessment(order), reviews, prices)
