"""Rules that start on different things and come to one record, each with its near miss."""

from __future__ import annotations

from tests.automations.interactions.parties import (
    CANCELLED,
    HELD,
    LOW,
    OPENED,
    PAID,
    PLACED,
    RELEASED,
    TAGGED,
    Json,
    R,
    button,
    clause,
    country,
    do,
    every,
    fork,
    hold,
    point,
    priority,
    refund,
    release,
    tag,
    total,
    untag,
    wait,
)
from tests.automations.interactions.planted import BIG, FRANCE, SMALL, SPAIN, Planted

WROTE = "support.ticket_message_received"
RETURNED, CLAIMED = "orders.return_received", "orders.claim_opened"
IS_HELD, IS_FREE = clause("order.is_held", "is", True), clause("order.is_held", "is", False)
BY_MAIL = clause("ticket.channel", "is", "mail")
NOT_BY_MAIL = clause("ticket.channel", "is_not", "mail")


def mail(subject: str) -> Json:
    return do("support.write_about_order", subject=subject, text="Hello.")


def refund_return() -> Json:
    return do("finance.refund_return", reason="goodwill")


def refund_claim() -> Json:
    return do("finance.refund_claim", reason="goodwill")


def placed(op: str, value: str) -> Json:
    return clause("order.placed_at", op, value)


MARCH = "2026-03-01T00:00:00+00:00"

OPPOSED: dict[str, Planted] = {
    "a hold of placed orders and a release of paid ones": Planted(
        "over_time",
        (R(PLACED, [BIG], [hold("fraud")]), R(PAID, [FRANCE], [release("fraud")])),
        (R(PLACED, [BIG], [hold("fraud")]), R(PAID, [SMALL], [release("fraud")])),
    ),
    "a release of another reason": Planted(
        "over_time",
        (R(PLACED, [BIG], [hold("fraud")]), R(PAID, [BIG], [release()])),
        (R(PLACED, [BIG], [hold("fraud")]), R(PAID, [BIG], [release("address")])),
    ),
    "a tag put on when placed and taken off when paid": Planted(
        "over_time",
        (R(PLACED, [BIG], [tag("a")]), R(PAID, [BIG], [untag("a")])),
        (R(PLACED, [BIG], [tag("a")]), R(PAID, [BIG], [untag("b")])),
    ),
    "a schedule that holds what an event releases": Planted(
        "over_time",
        (R(every(), [BIG], [hold("fraud")]), R(PAID, [BIG], [release("fraud")])),
        (R(every(), [BIG], [hold("fraud")]), R(PAID, [SMALL], [release("fraud")])),
    ),
    "what may have changed in between rules nothing out": Planted(
        "over_time",
        (R(PLACED, [IS_FREE], [hold("fraud")]), R(PAID, [IS_HELD], [release("fraud")])),
        (R(PLACED, [FRANCE], [hold("fraud")]), R(PAID, [SPAIN], [release("fraud")])),
    ),
    "what is older at another time": Planted(
        "over_time",
        (
            R(every(), [placed("older_than", "P3D")], [hold("fraud")]),
            R(PAID, [placed("newer_than", "P2D")], [release("fraud")]),
        ),
        (
            R(every(), [placed("before", MARCH)], [hold("fraud")]),
            R(PAID, [placed("after", MARCH)], [release("fraud")]),
        ),
    ),
    "after a wait and in a branch": Planted(
        "over_time",
        (
            R(PLACED, [BIG], [wait("P1D"), hold("fraud")]),
            R(PAID, [], [fork(FRANCE, [release("fraud")])]),
        ),
        (
            R(PLACED, [FRANCE], [wait("P1D"), hold("fraud")]),
            R(PAID, [], [fork(FRANCE, [], [release("fraud")])]),
        ),
    ),
    "a button is pressed by somebody who looks": Planted(
        "over_time",
        (R(RELEASED, [BIG], [tag("a")]), R(PAID, [BIG], [untag("a")])),
        (R(RELEASED, [BIG], [tag("a")]), R(button(), [BIG], [untag("a")])),
    ),
    "a cancellation only ends holds by the way": Planted(
        "over_time",
        (R(PLACED, [BIG], [hold("fraud")]), R(CANCELLED, [BIG], [release("fraud")])),
        (
            R(PLACED, [BIG], [hold("fraud")]),
            R(PAID, [BIG], [do("orders.cancel_order", reason="unpaid")]),
        ),
    ),
}

AGAIN: dict[str, Planted] = {
    "two refunds of one order": Planted(
        "over_time",
        (R(CANCELLED, [BIG], [refund()]), R(TAGGED, [FRANCE], [refund()])),
        (R(CANCELLED, [BIG], [refund()]), R(TAGGED, [SMALL], [refund()])),
    ),
    "two mails about one order": Planted(
        "over_time",
        (R(PLACED, [BIG], [mail("Thank you")]), R(PAID, [FRANCE], [mail("We have it")])),
        (R(PLACED, [SPAIN], [mail("Thank you")]), R(PAID, [FRANCE], [mail("We have it")])),
    ),
    "a refund of an order and of its return": Planted(
        "over_time",
        (R(CANCELLED, [BIG], [refund()]), R(RETURNED, [FRANCE], [refund_return()])),
        (R(CANCELLED, [BIG], [refund()]), R(RETURNED, [SMALL], [refund_return()])),
    ),
    "a refund of a return and of a claim about one order": Planted(
        "over_time",
        (R(RETURNED, [BIG], [refund_return()]), R(CLAIMED, [FRANCE], [refund_claim()])),
        (R(RETURNED, [SPAIN], [refund_return()]), R(CLAIMED, [FRANCE], [refund_claim()])),
    ),
    "a priority set when opened and when the customer writes": Planted(
        "over_time",
        (R(OPENED, [BY_MAIL], [priority("high")]), R(WROTE, [], [priority("low")])),
        (R(OPENED, [BY_MAIL], [priority("high")]), R(WROTE, [NOT_BY_MAIL], [priority("low")])),
    ),
    "a reorder point that a schedule sets otherwise": Planted(
        "over_time",
        (R(LOW, [], [point(5)]), R(every(of="inventory.sku"), [], [point(9)])),
        (R(LOW, [], [point(5)]), R(every(of="inventory.sku"), [], [point(5)])),
    ),
    "the same tag at another time": Planted(
        "over_time",
        (R(PLACED, [BIG], [tag("a")]), R(PAID, [country("in", ["FR", "ES"])], [tag("a")])),
        (R(PLACED, [BIG], [tag("a")]), R(PAID, [total("lte", "499")], [tag("a")])),
    ),
    "records that have nothing to do with each other": Planted(
        "over_time",
        (R(HELD, [], [tag("a")]), R(PAID, [], [untag("a")])),
        (R(HELD, [], [tag("a")]), R(OPENED, [], [priority("high")])),
    ),
}
