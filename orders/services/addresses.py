"""Delivery addresses: checked when an order is placed, mended by people, the original kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from django.db import transaction

from backoffice import timeline
from backoffice.actors import Acting, Actor
from orders import signals
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.models.trust import MarkKind, OrderMark
from orders.services.address_rules import Checked, check_address
from orders.services.drafts import Address
from orders.services.errors import WrongState
from orders.services.marks import address_mark
from orders.services.outcomes import lock_order
from orders.services.reviews import open_reviews, settle_review
from orders.services.shipping import edit_order_address

State = Review.State


def address_of(order: Order) -> Address:
    """Where an order is delivered to."""
    return Address(
        order.ship_name, order.ship_lines, order.ship_city, order.ship_postcode, order.ship_country
    )


def hold_bad_addresses(orders: Sequence[Order], *, actor: Acting) -> list[Review]:
    """Hold orders whose address can't be right, each with what is wrong and a proposal.

    Orders that are collected, and channels that check no addresses, are left out. Announces what
    open_reviews does.
    """
    checked = {order.pk: _checked(order) for order in orders}
    bad = {pk: answer for pk, answer in checked.items() if answer is not None}
    return open_reviews(
        Review.Kind.ADDRESS,
        [order for order in orders if order.pk in bad],
        {
            order.pk: {"original": asdict(address_of(order)), **_found(bad[order.pk])}
            for order in orders
            if order.pk in bad
        },
        {pk: " ".join(answer.problems) for pk, answer in bad.items()},
        actor=actor,
    )


@transaction.atomic
def ask_readdress(order_id: int, address: Address, *, actor: Actor) -> Order:
    """Ask for another address of an order that has its label or has left: people must see to it.

    Whoever answers customers hears of it through readdress_asked. Raises UnknownOrder.
    """
    order = lock_order(order_id)
    timeline.record(
        [
            timeline.Happened(
                "orders.order",
                order.pk,
                f"Another address was asked for, country {address.country or 'unknown'}: too late "
                "to change it here",
                actor,
            )
        ]
    )
    signals.readdress_asked.send(
        sender=Order, orders=[order], addresses={order.pk: address}, actor=actor, history=False
    )
    return order


def _checked(order: Order) -> Checked | None:
    if not order.channel.checks_addresses or order.method != Order.Method.HOME:
        return None
    return check_address(address_of(order))


def _found(checked: Checked) -> dict[str, Any]:
    return {
        "problems": list(checked.problems),
        "proposal": asdict(checked.proposal) if checked.proposal else None,
    }


@transaction.atomic
def accept_proposal(
    review_id: int, *, reason: str = "", version: int | None = None, actor: Actor
) -> Review:
    """Send the order to the proposed address and let it go; the original stays in the review.

    Raises WrongState without a proposal, StaleVersion, and what edit_order_address raises.
    """
    order = lock_order(Review.objects.values_list("order_id", flat=True).get(pk=review_id))
    review = Review.objects.select_for_update(no_key=True).get(pk=review_id)
    proposal = review.found.get("proposal")
    if review.kind != Review.Kind.ADDRESS or not review.is_open or not proposal:
        raise WrongState("There is no proposal left to accept. Reload the page.")
    edit_order_address(order.pk, Address(**proposal), version=None, actor=actor)
    return settle_review(
        review_id, State.PASSED, how="accepted", reason=reason, version=version, actor=actor
    )


@transaction.atomic
def mend_address(
    order_id: int, address: Address, *, version: int | None, actor: Actor
) -> tuple[str, ...]:
    """Change where an order is delivered, and settle the doubt about its address when it is gone.

    Returns what is still wrong with it, in sentences: then the order stays held, or is held.
    Raises what edit_order_address raises.
    """
    order = edit_order_address(order_id, address, version=version, actor=actor)
    mark = address_mark(address.lines, address.postcode, address.country)
    OrderMark.objects.filter(order=order, kind=MarkKind.ADDRESS).delete()
    if mark:
        OrderMark.objects.create(
            order=order, kind=MarkKind.ADDRESS, value=mark[:320], placed_at=order.placed_at
        )
    order = lock_order(order_id)
    checked = _checked(order)
    review = Review.objects.filter(order=order, kind=Review.Kind.ADDRESS, state=State.OPEN).first()
    if checked is None:
        if review is not None:
            settle_review(review.pk, State.PASSED, how="edited", reason="", actor=actor)
        return ()
    if review is None:
        hold_bad_addresses([order], actor=actor)
    else:
        # The original stays; what is wrong now is another thing.
        review.found |= _found(checked)
        review.version += 1
        review.save(update_fields=["found", "version"])
    return checked.problems
