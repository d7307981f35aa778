"""Reviews: what was found about an order, and the decision about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods

from backoffice import actors
from backoffice.dialogs import ask, seen_version
from backoffice.views.me import signed_in
from inventory.services.errors import InventoryError
from orders.forms.trust import BlockBuyerForm, FraudForm, OptionalWhyForm, WhyForm, until
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import MarkKind
from orders.queries.reviews import review_page
from orders.services.addresses import accept_proposal
from orders.services.blocklist import block_buyer, marks_on
from orders.services.errors import OrderError
from orders.services.reviews import report_fraud, settle_review
from orders.services.screening import screen_again
from orders.tables.reviews import KIND_ICON, REVIEW_STATE, words_of

Kind, State = Review.Kind, Review.State
REFUSALS = (OrderError, InventoryError)
both = require_http_methods(["GET", "HEAD", "POST"])

# The title, the explanation and the word of the button, by kind and verdict.
WORDS = {
    (Kind.FRAUD, State.PASSED): ("is no fraud", "It is released, and may be picked.", "Clear it"),
    (Kind.FRAUD, State.REFUSED): (
        "is a fraud",
        "It stays on hold, or is cancelled.",
        "Confirm the fraud",
    ),
    (Kind.ADDRESS, State.PASSED): (
        "keeps its address",
        "It is released and goes to the address as it was given.",
        "Keep the address",
    ),
    (Kind.DUPLICATE, State.PASSED): ("is no duplicate", "It is released.", "Not a duplicate"),
    (Kind.DUPLICATE, State.REFUSED): (
        "is a duplicate",
        "It is cancelled and its stock set free; the other order goes on. This can't be undone.",
        "Cancel this one",
    ),
    (Kind.PRICE, State.PASSED): (
        "goes on at these prices",
        "It is released, and the customer pays what was ordered.",
        "Release it",
    ),
    (Kind.PRICE, State.REFUSED): (
        "is not sold at these prices",
        "It is cancelled and its stock set free. This can't be undone.",
        "Cancel the order",
    ),
}
HOW = {Kind.ADDRESS: "kept"}


def _review(pk: int) -> Review:
    rows = Review.objects.select_related("order__channel", "order__customer", "order__location")
    return get_object_or_404(rows, pk=pk)


def _page(review: Review) -> str:
    return reverse("review_detail", args=[review.pk])


@permission_required("orders.view_review", raise_exception=True)
@require_GET
def review_detail(request: HttpRequest, pk: int) -> HttpResponse:
    """A review with what was found, and the story of its order."""
    review = _review(pk)
    kind = Kind(review.kind)
    token, sign = REVIEW_STATE[State(review.state)]
    needed = "orders.approve_credit" if kind == Kind.CREDIT else "orders.decide_review"
    context = {
        "subject": "orders.order",
        "record": review.order,
        "number": review.order.number,
        "list_url": reverse("review_list"),
        "list_title": "Reviews",
        "review": review,
        "page": review_page(review),
        "kind_icon": KIND_ICON[kind],
        "state": (token, words_of(review), sign),
        "may_decide": signed_in(request).has_perm(needed),
        "may_overturn": kind == Kind.FRAUD and review.state in (State.PASSED, State.REFUSED),
    }
    return render(request, "orders/review_detail.html", context)


def _decide(
    request: HttpRequest,
    review: Review,
    verdict: Review.State,
    form: forms.Form,
    words: tuple[str, str, str],
    *,
    also: Callable[[dict[str, Any]], None] | None = None,
) -> HttpResponse:
    """Ask for a decision and its reason; `also` is done in the same breath."""
    is_deed, text, word = words
    overturns = not review.is_open

    def act(values: dict[str, Any]) -> str:
        with transaction.atomic():
            settle_review(
                review.pk,
                verdict,
                reason=values["reason"],
                how=HOW.get(Kind(review.kind), ""),
                cancel=bool(values.get("cancel")),
                version=seen_version(request),
                actor=actors.person(signed_in(request)),
            )
            if also is not None:
                also(values)
        return f"Order {review.order} {is_deed}"

    return ask(
        request,
        form,
        back=_page(review),
        title=f"{'Overturn: order' if overturns else 'Order'} {review.order} {is_deed}?",
        text=_follows(review, verdict, text),
        word=word,
        danger=verdict == State.REFUSED,
        # “Cancel” would be taken for the deed.
        leave="Leave it as it is" if verdict == State.REFUSED else "Cancel",
        refusals=REFUSALS,
        act=act,
    )


def _follows(review: Review, verdict: Review.State, text: str) -> str:
    """What a verdict brings about as the order stands now."""
    order = review.order
    if (review.kind, verdict) != (Kind.FRAUD, State.REFUSED) or order.is_held:
        return text
    if order.is_cancelled or order.fulfilment == Order.Fulfilment.SHIPPED:
        return "The order has left or is cancelled: the verdict counts, and nothing is held back."
    return "It is put on hold again, or is cancelled."


def _deciding(pk: int, verdict: Review.State) -> tuple[Review, tuple[str, str, str]]:
    """The review and its words; 404 for what is decided elsewhere."""
    review = _review(pk)
    words = WORDS.get((Kind(review.kind), verdict))
    if words is None:
        raise Http404
    return review, words


@permission_required("orders.decide_review", raise_exception=True)
@both
def review_pass(request: HttpRequest, pk: int) -> HttpResponse:
    """The order goes on."""
    review, words = _deciding(pk, State.PASSED)
    kind = OptionalWhyForm if review.kind == Kind.ADDRESS else WhyForm
    return _decide(request, review, State.PASSED, kind(request.POST or None), words)


@permission_required("orders.decide_review", raise_exception=True)
@both
def review_refuse(request: HttpRequest, pk: int) -> HttpResponse:
    """The order does not go on: a fraud, a duplicate, or not at these prices."""
    review, words = _deciding(pk, State.REFUSED)
    if review.kind in (Kind.DUPLICATE, Kind.PRICE):
        form: forms.Form = WhyForm(request.POST or None)
        return _decide(request, review, State.REFUSED, form, words)
    user = signed_in(request)
    form = FraudForm(
        request.POST or None,
        marks=marks_on(review.order),
        may_cancel=user.has_perm("orders.cancel_order") and not review.order.is_cancelled,
        may_block=user.has_perm("orders.edit_blocklist"),
    )

    def block(values: dict[str, Any]) -> None:
        kinds = [MarkKind(kind) for kind in values.get("block") or ()]
        reason = values["reason"][:300]
        block_buyer(review.order_id, kinds, reason=reason, actor=actors.person(user))

    return _decide(request, review, State.REFUSED, form, words, also=block)


@permission_required("orders.decide_review", raise_exception=True)
@both
def review_accept(request: HttpRequest, pk: int) -> HttpResponse:
    """Send the order to the proposed address."""
    review = _review(pk)
    if review.kind != Kind.ADDRESS:
        raise Http404

    def act(values: dict[str, Any]) -> str:
        accept_proposal(
            pk,
            reason=values["reason"],
            version=seen_version(request),
            actor=actors.person(signed_in(request)),
        )
        return f"Order {review.order} goes to the proposed address"

    return ask(
        request,
        OptionalWhyForm(request.POST or None),
        back=_page(review),
        title=f"Send order {review.order} to the proposed address?",
        text="It is released. The address as it was given stays in this review.",
        word="Accept the proposal",
        refusals=REFUSALS,
        act=act,
    )


def _credit(request: HttpRequest, pk: int, verdict: Review.State, words: Any) -> HttpResponse:
    review = _review(pk)
    if review.kind != Kind.CREDIT:
        raise Http404
    return _decide(request, review, verdict, WhyForm(request.POST or None), words)


@permission_required("orders.approve_credit", raise_exception=True)
@both
def credit_approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an order go on although it is over the limit."""
    words = ("is approved", "It goes on, over the company's limit.", "Approve")
    return _credit(request, pk, State.PASSED, words)


@permission_required("orders.approve_credit", raise_exception=True)
@both
def credit_decline(request: HttpRequest, pk: int) -> HttpResponse:
    """Do not let an order go over the limit."""
    text = "It is cancelled, and its stock is set free. This can't be undone."
    return _credit(request, pk, State.REFUSED, ("is declined", text, "Decline and cancel"))


def _order(number: str) -> Order:
    return get_object_or_404(Order.objects.select_related("channel", "customer"), number=number)


@permission_required("orders.decide_review", raise_exception=True)
@both
def order_screen(request: HttpRequest, number: str) -> HttpResponse:
    """Look at an order again, with the signals as they stand now."""
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        done = screen_again([order.pk], actor=actors.person(signed_in(request))).or_raise()
        if done.unchanged:
            raise OrderError("No signal is on, so there is nothing to screen with.")
        return f"Order {order} was screened again"

    return ask(
        request,
        forms.Form(request.POST or None),
        back=reverse("order_detail", args=[number]),
        title=f"Screen order {order} again?",
        text="With the signals and the blocklist as they stand now. It is held if one says so.",
        word="Screen",
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.decide_review", raise_exception=True)
@both
def order_fraud(request: HttpRequest, number: str) -> HttpResponse:
    """Report a fraud that no signal saw, such as after a chargeback."""
    order = _order(number)

    def act(values: dict[str, Any]) -> str:
        report_fraud(order.pk, reason=values["reason"], actor=actors.person(signed_in(request)))
        return f"Order {order} is reported as fraud"

    return ask(
        request,
        WhyForm(request.POST or None),
        back=reverse("order_detail", args=[number]),
        title=f"Report order {order} as fraud",
        text="It is held where it can still be. The signals that fired on it are proven right.",
        word="Report",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )


@permission_required("orders.edit_blocklist", raise_exception=True)
@both
def order_block(request: HttpRequest, number: str) -> HttpResponse:
    """Put marks of an order's buyer on the blocklist."""
    order = _order(number)
    form = BlockBuyerForm(request.POST or None)
    kinds = form.fields["kinds"]
    if isinstance(kinds, forms.MultipleChoiceField):
        kinds.choices = [(kind.value, kind.label) for kind in marks_on(order)]

    def act(values: dict[str, Any]) -> str:
        entries = block_buyer(
            order.pk,
            [MarkKind(kind) for kind in values["kinds"]],
            reason=values["reason"],
            until=until(values["days"]),
            actor=actors.person(signed_in(request)),
        )
        return f"{len(entries)} of this buyer's marks are on the blocklist"

    return ask(
        request,
        form,
        back=reverse("order_detail", args=[number]),
        title=f"Block the buyer of order {order}",
        text="Orders placed from now on are looked at; this one stays as it is.",
        word="Block",
        danger=True,
        refusals=REFUSALS,
        act=act,
    )
