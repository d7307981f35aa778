"""Doubts about orders as rules see them: screening, reviews, the blocklist, cases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from automations.actions import Action, Call, Change, Done, How, Rejected, Risk, actions
from automations.cases import CaseKind, NewCase, cases
from automations.triggers import Fact, Tags, Trigger, labelled, triggers
from backoffice.actors import Acting, Actors
from backoffice.money import Money
from orders import signals
from orders.automation.actions import OrderAction, label_of
from orders.automation.payloads import CustomerFacts, OrderFacts, told
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import BlockEntry, MarkKind, RiskAssessment
from orders.services.blocklist import block_buyer, unblock
from orders.services.errors import OrderError
from orders.services.outcomes import Outcomes
from orders.services.screening import screen_again


@dataclass(frozen=True, slots=True)
class RiskFacts:
    outcome: str = labelled("Outcome", choices=RiskAssessment.Outcome.choices)
    score: int = labelled("Score", about="Weights of the signals that fired, monitored ones apart.")
    signals: Tags = labelled("Signals that fired", about="Their keys; those only monitored too.")


@dataclass(frozen=True, slots=True)
class RiskPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    risk: RiskFacts | None = labelled("Screening")


@dataclass(frozen=True, slots=True)
class ReviewFacts:
    kind: str = labelled("Doubt", choices=Review.Kind.choices)
    state: str = labelled("State", choices=Review.State.choices)
    how: str | None = labelled("Settled how", about="A word such as accepted, kept or edited.")
    score: int | None = labelled("Score", about="Of the screening; unknown for other doubts.")
    signals: Tags = labelled("Signals that stopped it")
    problems: int | None = labelled("Problems of the address")
    has_proposal: bool | None = labelled("Proposal for the address")
    minutes_apart: int | None = labelled("Minutes from the order like it")
    over_by: Money | None = labelled("Over the credit limit by")
    lines_off: int | None = labelled("Lines at a price out of bounds")
    price_off: Decimal | None = labelled(
        "Furthest from its price, in percent", about="Of the lines whose product has a price."
    )
    unanswered: bool = labelled("Nobody has answered in time")


@dataclass(frozen=True, slots=True)
class ReviewPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    review: ReviewFacts | None = labelled("Review")


def _risk(assessment: RiskAssessment | None) -> RiskFacts | None:
    if assessment is None:
        return None
    keys = sorted(str(row["key"]) for row in assessment.fired)
    return RiskFacts(assessment.outcome, assessment.score, Tags(tuple(keys)))


def _review(review: Review | None) -> ReviewFacts | None:
    if review is None:
        return None
    found = review.found
    problems, proposal = found.get("problems"), found.get("proposal")
    return ReviewFacts(
        kind=review.kind,
        state=review.state,
        how=review.how or None,
        score=found.get("score"),
        signals=Tags(tuple(sorted(found.get("signals", ())))),
        problems=None if problems is None else len(problems),
        has_proposal=None if problems is None else proposal is not None,
        minutes_apart=found.get("minutes"),
        over_by=_over(found),
        lines_off=len(found["lines"]) if review.kind == Review.Kind.PRICE else None,
        price_off=_furthest(review),
        unanswered=review.escalated_at is not None,
    )


def _furthest(review: Review) -> Decimal | None:
    """How far a line is from its price at most; None where no line has one."""
    if review.kind != Review.Kind.PRICE:
        return None
    found = [Decimal(row["variance"]) for row in review.found["lines"] if row["variance"]]
    return max(found, default=None)


def _over(found: Mapping[str, Any]) -> Money | None:
    """What an order goes over the limit by; None where nothing is owed in the limit's currency."""
    if "limit" not in found:
        return None
    used, limit, due = (Money.from_json(found[name]) for name in ("used", "limit", "due"))
    if due.currency != limit.currency:
        return None
    over = used + due - limit
    return told(over.amount, over.currency)


@triggers.register
class RiskAssessed(Trigger):
    key = "orders.risk_assessed"
    label = "A fraud signal fired on an order"
    example = "Order 1000123 is billed to France and shipped to Britain: score 40."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_assessed
    payload_class = RiskPayload

    def facts(
        self,
        *,
        orders: Sequence[Order],
        assessments: Mapping[int, RiskAssessment],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        seen = [order for order in orders if assessments[order.pk].fired]
        if not seen:
            return []
        payloads, now = payloads_of(seen), timezone.now()
        return [
            Fact(
                order.pk,
                order.version,
                RiskPayload(
                    payloads[order.pk].order,
                    payloads[order.pk].customer,
                    _risk(assessments[order.pk]),
                ),
                now,
                actor.of(order.pk),
                history,
            )
            for order in seen
        ]

    def current(self, ids: Iterable[int]) -> dict[int, RiskPayload]:
        rows = RiskAssessment.objects.filter(order__in=set(ids), is_current=True)
        newest = {row.order_id: row for row in rows}
        return {
            pk: RiskPayload(payload.order, payload.customer, _risk(newest.get(pk)))
            for pk, payload in order_payloads(ids).items()
        }


class _ReviewTrigger(Trigger):
    """A fact about reviews; `kinds` empty means of every kind."""

    subject = "orders.order"
    customer = "customer.number"
    payload_class = ReviewPayload
    kinds: ClassVar[tuple[Review.Kind, ...]] = ()

    def facts(
        self,
        *,
        orders: Sequence[Order],
        reviews: Sequence[Review],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        mine = [review for review in reviews if not self.kinds or review.kind in self.kinds]
        if not mine:
            return []
        by_id = {order.pk: order for order in orders}
        payloads = payloads_of([by_id[pk] for pk in {review.order_id for review in mine}])
        now = timezone.now()
        return [
            Fact(
                review.order_id,
                by_id[review.order_id].version,
                ReviewPayload(
                    payloads[review.order_id].order,
                    payloads[review.order_id].customer,
                    _review(review),
                ),
                now,
                actor.of(review.order_id),
                history,
            )
            for review in mine
        ]

    def current(self, ids: Iterable[int]) -> dict[int, ReviewPayload]:
        rows = Review.objects.filter(order__in=set(ids), kind__in=self.kinds or Review.Kind.values)
        newest = {row.order_id: row for row in self.sorted(rows)}
        return {
            pk: ReviewPayload(payload.order, payload.customer, _review(newest.get(pk)))
            for pk, payload in order_payloads(ids).items()
        }

    def sorted(self, rows: Any) -> Iterable[Review]:
        """The one that the fact is about comes last."""
        found: Iterable[Review] = rows.order_by("pk")
        return found


@triggers.register
class FraudSuspected(_ReviewTrigger):
    key = "orders.fraud_suspected"
    label = "Order stopped as possible fraud"
    example = "Order 1000123 is held: its card was used five times within an hour."
    signal = signals.reviews_opened
    kinds = (Review.Kind.FRAUD,)


@triggers.register
class AddressDoubted(_ReviewTrigger):
    key = "orders.address_doubted"
    label = "Delivery address can't be right"
    example = "The postcode of order 1000123 is none; another one is proposed."
    signal = signals.reviews_opened
    kinds = (Review.Kind.ADDRESS,)


@triggers.register
class DuplicateSuspected(_ReviewTrigger):
    key = "orders.duplicate_suspected"
    label = "Order like one just placed"
    example = "Order 1000124 has the goods, buyer and address of order 1000123, 11 minutes later."
    signal = signals.reviews_opened
    kinds = (Review.Kind.DUPLICATE,)


@triggers.register
class ApprovalAsked(_ReviewTrigger):
    key = "orders.approval_asked"
    label = "Order over the credit limit"
    example = "Order 1000123 of Holloway Interiors goes £200 over their limit."
    signal = signals.reviews_opened
    kinds = (Review.Kind.CREDIT,)


@triggers.register
class PriceDoubted(_ReviewTrigger):
    key = "orders.price_doubted"
    label = "Order at a price out of bounds"
    example = "Order 1000123 has a lamp at £1.49 that costs £14.90."
    signal = signals.reviews_opened
    kinds = (Review.Kind.PRICE,)


@triggers.register
class ReviewSettled(_ReviewTrigger):
    key = "orders.review_settled"
    label = "Review of an order decided"
    example = "Finance approves order 1000123 over the credit limit."
    signal = signals.reviews_settled

    def sorted(self, rows: Any) -> Iterable[Review]:
        found: Iterable[Review] = rows.exclude(settled_at=None).order_by("settled_at", "pk")
        return found


@triggers.register
class ReviewUnanswered(_ReviewTrigger):
    key = "orders.review_unanswered"
    label = "Review of an order unanswered"
    example = "Nobody has approved or declined order 1000123 within 24 hours."
    signal = signals.reviews_escalated

    def sorted(self, rows: Any) -> Iterable[Review]:
        found: Iterable[Review] = rows.exclude(escalated_at=None).order_by("escalated_at", "pk")
        return found


@cases.register
class UnansweredReview(CaseKind):
    key = "orders.review_unanswered"
    label = "Review unanswered"
    subject = "orders.order"
    signal = signals.reviews_escalated
    closed_signals = (signals.reviews_settled,)
    closed_says = "It has been decided."

    def cases(self, *, reviews: Sequence[Review], **sent: Any) -> list[NewCase]:
        return [
            NewCase(
                key=f"orders.review:{review.pk}",
                cause=f"Review unanswered: {review.get_kind_display().lower()}",
                says=f"Order {review.order} waits on hold, and nobody has decided in time.",
                subject_id=review.order_id,
                at_stake=review.order.total_money,
                fallback="Open the review under Reviews and decide, or cancel the order.",
                detail={"doubt": review.get_kind_display()},
            )
            for review in reviews
        ]

    def closed(self, *, reviews: Sequence[Review], **sent: Any) -> list[str]:
        return [
            f"orders.review:{review.pk}" for review in reviews if review.escalated_at is not None
        ]


class NothingToFillIn(forms.Form):
    """No parameters."""


class BlockMarkForm(forms.Form):
    """Which mark of the buyer goes on the blocklist, and why."""

    kind = forms.ChoiceField(label="What", choices=MarkKind.choices)
    reason = forms.CharField(label="Why", max_length=300)


@actions.register
class ScreenOrder(OrderAction):
    key = "orders.screen_order"
    label = "Screen the order for fraud again"
    form = NothingToFillIn
    permission = "orders.decide_review"
    writes = ("order.is_held",)
    announces = ("orders.order_held", "orders.risk_assessed", "orders.fraud_suspected")
    never_undone = "What was found stays found. Decide on its review."

    def write(self, params: Mapping[int, Mapping[str, Any]], actor: Actors) -> Outcomes:
        return screen_again(list(params), actor=actor)

    def told(self, params: Mapping[str, Any], *, already: bool) -> str:
        return "No signal is on" if already else "Screened again"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Screen the order for fraud again"


@actions.register
class BlockBuyer(Action):
    key = "orders.block_buyer"
    label = "Put the buyer on the blocklist"
    subject = "orders.order"
    form = BlockMarkForm
    permission = "orders.edit_blocklist"
    risk = Risk.CUSTOMER

    def changes(self, params: Mapping[str, Any]) -> tuple[Change, ...]:
        kind = params.get("kind")
        words = f"the {label_of(kind, MarkKind.choices)}" if kind else "a mark"
        return (Change("buyer.blocked", How.ADDS, f"{words} on the blocklist", kind),)

    def execute(self, call: Call) -> Done:
        kind = MarkKind(call.params["kind"])
        before = BlockEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        entries = block_buyer(
            call.subject_id, [kind], reason=call.params["reason"], actor=call.actor
        )
        if not entries:
            raise Rejected(f"The order has no {kind.label.lower()} to put on the blocklist.")
        if entries[0].pk <= before:
            return Done(f"{kind.label} was on the blocklist already", already=True)
        return Done(
            f"{kind.label} is on the blocklist", undo={"entry": entries[0].pk, "kind": kind.value}
        )

    def undo(self, call: Call, done: Mapping[str, Any]) -> Done:
        try:
            unblock(done["entry"], reason="What the rule did was taken back.", actor=call.actor)
        except OrderError:
            return Done("It was off the blocklist already", already=True)
        return Done("Taken off the blocklist again")

    def undo_in_words(self, done: Mapping[str, Any]) -> str:
        return f"Take the {label_of(done['kind'], MarkKind.choices)} off the blocklist"

    def in_words(self, params: Mapping[str, Any]) -> str:
        return f"Put the buyer’s {label_of(params['kind'], MarkKind.choices)} on the blocklist"
