"""Rules that do the same, or to the same thing, each with a near miss that must not be reported."""

from __future__ import annotations

from typing import Any, NamedTuple

from tests.automations.interactions.parties import (
    CANCELLED,
    LOW,
    OPENED,
    PAID,
    PLACED,
    Json,
    R,
    button,
    clause,
    country,
    every,
    fork,
    gbp,
    hold,
    point,
    priority,
    refund,
    release,
    tag,
    tags,
    total,
)


class Planted(NamedTuple):
    """`rules` show what is named by `kind`; `near` look like them and don't. The first is new."""

    kind: str
    rules: tuple[R, ...]
    near: tuple[R, ...]


BIG, BIGGER, SMALL = total("gte", "500"), total("gte", "600"), total("lt", "50")
FRANCE, SPAIN = country("is", "FR"), country("is", "ES")
ABROAD = country("in", ["FR", "ES"])
NO_TAG = {"not": tags("contains", "seen")}
FRAGILE = {"all": [clause("sku.fragile", "is", True)]}
STURDY = {"all": [clause("sku.fragile", "is", False)]}
LINES = {"for_each": "order.lines"}


def lines(shape: str, where: Json | None = None, **more: Any) -> Json:
    return {shape: "order.lines", **({"where": where} if where else {}), **more}


SAME_RULE: dict[str, Planted] = {
    "the same rule again": Planted(
        "duplicate", (R(PLACED, [BIG]), R(PLACED, [BIG])), (R(PLACED, [BIG]), R(PAID, [BIG]))
    ),
    "its conditions in another order": Planted(
        "duplicate",
        (R(PLACED, [BIG, FRANCE]), R(PLACED, [FRANCE, BIG])),
        (R(PLACED, [BIG, FRANCE]), R(PLACED, [SMALL, FRANCE])),
    ),
    "its steps in another order": Planted(
        "duplicate",
        (R(PLACED, [BIG], [tag("a"), tag("b")]), R(PLACED, [BIG], [tag("b"), tag("a")])),
        (R(PLACED, [BIG], [tag("a"), tag("b")]), R(PLACED, [BIG], [tag("c"), tag("d")])),
    ),
    "the same bound said with not": Planted(
        "duplicate",
        (R(PLACED, [BIG]), R(PLACED, [{"not": total("lt", "500")}])),
        (R(PLACED, [BIG]), R(PLACED, [{"not": total("gte", "500")}])),
    ),
    "one of two countries said as a choice": Planted(
        "duplicate",
        (R(PLACED, [ABROAD]), R(PLACED, [{"any": [FRANCE, SPAIN]}])),
        (R(PLACED, [FRANCE]), R(PLACED, [SPAIN])),
    ),
    "a tunable that holds the same amount": Planted(
        "duplicate",
        (
            R(
                PLACED,
                [total("gte", {"param": "limit"})],
                more={
                    "params": {"limit": {"type": "money", "label": "Limit", "value": gbp("500")}}
                },
            ),
            R(PLACED, [BIG]),
        ),
        (R(PLACED, [total("lt", "500")]), R(PLACED, [BIG])),
    ),
    "two buttons that do the same": Planted(
        "duplicate",
        (R(button(), [BIG]), R(button(), [BIG])),
        (R(button(), [BIG], [hold("fraud")]), R(button(), [BIG], [release("fraud")])),
    ),
    "every line said as none without it": Planted(
        "duplicate",
        (
            R(PLACED, [lines("every", FRAGILE)]),
            R(PLACED, [lines("none", {"not": FRAGILE["all"][0]})]),
        ),
        (R(PLACED, [lines("every", FRAGILE)]), R(PLACED, [lines("none", FRAGILE), BIG])),
    ),
    "the same with another limit": Planted(
        "near",
        (R(PLACED, [BIG], more={"limits": {"runs": {"per_day": 5}}}), R(PLACED, [BIG])),
        (R(PLACED, [FRANCE], more={"limits": {"runs": {"per_day": 5}}}), R(PLACED, [SPAIN])),
    ),
    "the same but for what is missing": Planted(
        "near",
        (
            R(
                PLACED,
                [
                    clause("order.paid_at", "is_set"),
                    clause("order.paid_at", "after", "2026-01-01T00:00:00+00:00"),
                ],
            ),
            R(PLACED, [clause("order.paid_at", "after", "2026-01-01T00:00:00+00:00")]),
        ),
        (
            R(PLACED, [clause("order.paid_at", "is_empty")]),
            R(PLACED, [clause("order.paid_at", "after", "2026-01-01T00:00:00+00:00")]),
        ),
    ),
    "a narrower rule that does the same": Planted(
        "near", (R(PLACED, [BIGGER]), R(PLACED, [BIG])), (R(PLACED, [SMALL]), R(PLACED, [BIG]))
    ),
    "a wider rule that does the same": Planted(
        "near",
        (R(PLACED, [BIG]), R(PLACED, [BIGGER, FRANCE])),
        (R(PLACED, [BIG]), R(PLACED, [BIGGER], [tag("other")])),
    ),
    "the same hold with another note": Planted(
        "near",
        (
            R(PLACED, [BIG], [hold("fraud", "Look at it.")]),
            R(PLACED, [BIG], [hold("fraud", "Check it.")]),
        ),
        (
            R(PLACED, [BIG], [hold("fraud", "Look at it.")]),
            R(PLACED, [BIG], [hold("address", "Look at it.")]),
        ),
    ),
    "a part of what another does": Planted(
        "near",
        (R(PLACED, [BIGGER], [tag("a")]), R(PLACED, [BIG], [tag("a"), hold("fraud")])),
        (R(PLACED, [SMALL], [tag("a")]), R(PLACED, [BIG], [tag("a"), hold("fraud")])),
    ),
    "the same schedule at another hour": Planted(
        "near",
        (R(every("0 8 * * *"), [BIG]), R(every("0 9 * * *"), [BIG])),
        (R(every("0 8 * * *"), [BIG]), R(every("0 9 * * *"), [SMALL])),
    ),
}

SAME_THING: dict[str, Planted] = {
    "two priorities for one ticket": Planted(
        "same_field",
        (R(OPENED, [], [priority("high")]), R(OPENED, [], [priority("low")])),
        (
            R(OPENED, [clause("ticket.channel", "is", "mail")], [priority("high")]),
            R(OPENED, [clause("ticket.channel", "is_not", "mail")], [priority("low")]),
        ),
    ),
    "two reorder points for one product": Planted(
        "same_field",
        (R(LOW, [], [point(5)]), R(LOW, [], [point(9)])),
        (
            R(LOW, [clause("sku.fragile", "is", True)], [point(5)]),
            R(LOW, [clause("sku.fragile", "is", False)], [point(9)]),
        ),
    ),
    "a reorder point that is read and one that is written": Planted(
        "same_field",
        (R(LOW, [], [point({"field": "sku.available"})]), R(LOW, [], [point(9)])),
        (
            R(LOW, [], [point({"field": "sku.available"})]),
            R(
                LOW,
                [],
                [{"ask": {"role": "operations", "question": "More?", "due": "P1D"}}, point(9)],
            ),
        ),
    ),
    "a priority raised in a branch": Planted(
        "same_field",
        (
            R(
                OPENED,
                [],
                [fork(clause("ticket.channel", "is", "mail"), [priority("high")])],
            ),
            R(OPENED, [clause("ticket.channel", "is", "mail")], [priority("low")]),
        ),
        (
            R(
                OPENED,
                [],
                [fork(clause("ticket.channel", "is", "mail"), [], [priority("high")])],
            ),
            R(OPENED, [clause("ticket.channel", "is", "mail")], [priority("low")]),
        ),
    ),
    "the same tag by two rules": Planted(
        "same",
        (R(PLACED, [BIG, FRANCE]), R(PLACED, [BIGGER])),
        (R(PLACED, [BIG, FRANCE]), R(PLACED, [BIG, SPAIN])),
    ),
    "the same tag in two spellings": Planted(
        "same",
        (R(PLACED, [BIG], [tag("Big Order")]), R(PLACED, [FRANCE], [tag("big-order")])),
        (R(PLACED, [BIG], [tag("Big Order")]), R(PLACED, [FRANCE], [tag("big-orders")])),
    ),
    "the same hold by two rules": Planted(
        "same",
        (R(PLACED, [BIG], [hold("fraud")]), R(PLACED, [FRANCE], [hold("fraud")])),
        (R(PLACED, [BIG], [hold("fraud")]), R(PLACED, [FRANCE], [hold("address")])),
    ),
    "two refunds of one order": Planted(
        "twice",
        (R(CANCELLED, [BIG], [refund()]), R(CANCELLED, [FRANCE], [refund()])),
        (R(CANCELLED, [BIG], [refund()]), R(CANCELLED, [SMALL], [refund()])),
    ),
}
