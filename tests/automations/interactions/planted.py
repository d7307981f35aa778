"""Pairs of rules that meet, each with a near miss that must not be reported."""

from __future__ import annotations

from typing import Any, NamedTuple

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
    cancel,
    clause,
    country,
    do,
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
    untag,
    wait,
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
OPPOSITES: dict[str, Planted] = {
    "a tag put on and taken off": Planted(
        "opposite",
        (R(PLACED, [BIG], [tag("a")]), R(PLACED, [FRANCE], [untag("a")])),
        (R(PLACED, [BIG], [tag("a")]), R(PLACED, [FRANCE], [untag("b")])),
    ),
    "a hold and its release": Planted(
        "opposite",
        (R(PAID, [BIG], [hold("fraud")]), R(PAID, [FRANCE], [release("fraud")])),
        (R(PAID, [BIG], [hold("fraud")]), R(PAID, [FRANCE], [release("address")])),
    ),
    "a hold and the release of every hold": Planted(
        "opposite",
        (R(PAID, [BIG], [release()]), R(PAID, [FRANCE], [hold("fraud")])),
        (R(PAID, [BIG], [release()]), R(PAID, [SMALL], [hold("fraud")])),
    ),
    "a hold and a cancellation": Planted(
        "opposite",
        (R(PAID, [BIG], [cancel()]), R(PAID, [FRANCE], [hold("fraud")])),
        (R(PAID, [BIG], [cancel()]), R(PAID, [FRANCE], [tag("a")])),
    ),
    "a tag in a branch against another rule": Planted(
        "opposite",
        (R(PLACED, [BIG], [fork(FRANCE, [tag("a")])]), R(PLACED, [FRANCE], [untag("a")])),
        (R(PLACED, [BIG], [fork(FRANCE, [tag("a")])]), R(PLACED, [SPAIN], [untag("a")])),
    ),
    "a tag for each line against another rule": Planted(
        "opposite",
        (R(PLACED, [BIG], [{**LINES, "steps": [tag("a")]}]), R(PLACED, [FRANCE], [untag("a")])),
        (
            R(PLACED, [lines("count", op="is", value=0)], [{**LINES, "steps": [tag("a")]}]),
            R(PLACED, [FRANCE], [untag("a")]),
        ),
    ),
    "two schedules over one record": Planted(
        "opposite",
        (R(every(), [BIG], [tag("a")]), R(every("0 9 * * *"), [FRANCE], [untag("a")])),
        (R(every(), [BIG], [tag("a")]), R(every("0 9 * * *"), [SMALL], [untag("a")])),
    ),
    "both after the same wait": Planted(
        "opposite",
        (
            R(PLACED, [BIG], [wait("P1D"), tag("a")]),
            R(PLACED, [FRANCE], [wait("P1D"), untag("a")]),
        ),
        (R(PLACED, [BIG], [tag("a")]), R(PLACED, [FRANCE], [wait("P1D"), untag("a")])),
    ),
}
CHAINS: dict[str, Planted] = {
    "a rule that sets itself off": Planted(
        "cycle",
        (R(TAGGED, [], [tag("a")]),),
        (R(TAGGED, [clause("tagged.tags", "contains", "b")], [tag("a")]),),
    ),
    "two rules that set each other off": Planted(
        "cycle",
        (R(TAGGED, [], [hold("fraud")]), R(HELD, [], [tag("a")])),
        (
            R(TAGGED, [], [hold("fraud")]),
            R(HELD, [clause("hold.reason", "is", "address")], [tag("a")]),
        ),
    ),
    "two rules of one size of order": Planted(
        "cycle",
        (R(TAGGED, [BIG], [hold("fraud")]), R(HELD, [BIGGER], [tag("a")])),
        (R(TAGGED, [BIG], [hold("fraud")]), R(HELD, [SMALL], [tag("a")])),
    ),
    "three rules in a circle": Planted(
        "cycle",
        (
            R(TAGGED, [clause("tagged.tags", "contains", "a")], [hold("fraud")]),
            R(HELD, [], [release("fraud")]),
            R(RELEASED, [], [tag("a")]),
        ),
        (
            R(TAGGED, [clause("tagged.tags", "contains", "a")], [hold("fraud")]),
            R(HELD, [], [release("fraud")]),
            R(RELEASED, [], [tag("b")]),
        ),
    ),
    "a tag that is there already is not announced": Planted(
        "cycle",
        (R(TAGGED, [tags("contains", "b")], [tag("a")]),),
        (R(TAGGED, [tags("contains", "a")], [tag("a")]),),
    ),
    "a hold that is released as soon as it is placed": Planted(
        "undoes",
        (R(PLACED, [BIG], [hold("fraud")]), R(HELD, [FRANCE], [release()])),
        (R(PLACED, [BIG], [hold("fraud")]), R(HELD, [SMALL], [release()])),
    ),
    "a tag that is taken off as soon as it is there": Planted(
        "undoes",
        (R(TAGGED, [], [untag("a")]), R(PAID, [BIG], [tag("a")])),
        (
            R(TAGGED, [clause("tagged.tags", "contains", "b")], [untag("a")]),
            R(PAID, [BIG], [tag("a")]),
        ),
    ),
    "a released order that is held again": Planted(
        "undoes",
        (R(PAID, [], [release("fraud")]), R(RELEASED, [], [hold("fraud")])),
        (
            R(PAID, [], [release("fraud")]),
            R(RELEASED, [clause("hold.reason", "is", "address")], [hold("fraud")]),
        ),
    ),
}
NEVER: dict[str, Planted] = {
    "two amounts that exclude each other": Planted(
        "never", (R(PLACED, [BIG, SMALL]),), (R(PLACED, [BIG, total("lt", "501")]),)
    ),
    "two currencies at once": Planted(
        "never",
        (R(PLACED, [BIG, total("lte", {"amount": "900", "currency": "EUR"})]),),
        (R(PLACED, [{"any": [BIG, total("lte", {"amount": "900", "currency": "EUR"})]}]),),
    ),
    "two countries at once": Planted(
        "never", (R(PLACED, [FRANCE, SPAIN]),), (R(PLACED, [FRANCE, ABROAD]),)
    ),
    "a tag that must be there and must not": Planted(
        "never",
        (R(PLACED, [tags("contains_all", ["a", "b"]), tags("contains_none", ["b", "c"])]),),
        (R(PLACED, [tags("contains_any", ["a", "b"]), tags("contains_none", ["b", "c"])]),),
    ),
    "older and newer": Planted(
        "never",
        (
            R(
                every(),
                [
                    clause("order.placed_at", "older_than", "P3D"),
                    clause("order.placed_at", "newer_than", "P2D"),
                ],
            ),
        ),
        (
            R(
                every(),
                [
                    clause("order.placed_at", "older_than", "P2D"),
                    clause("order.placed_at", "newer_than", "P3D"),
                ],
            ),
        ),
    ),
    "before and after": Planted(
        "never",
        (
            R(
                PLACED,
                [
                    clause("order.placed_at", "before", "2026-01-01T00:00:00+00:00"),
                    clause("order.placed_at", "after", "2026-02-01T00:00:00+00:00"),
                ],
            ),
        ),
        (
            R(
                PLACED,
                [
                    clause("order.placed_at", "before", "2026-02-01T00:00:00+00:00"),
                    clause("order.placed_at", "after", "2026-01-01T00:00:00+00:00"),
                ],
            ),
        ),
    ),
    "filled in and empty": Planted(
        "never",
        (R(PLACED, [clause("order.paid_at", "is_set"), clause("order.paid_at", "is_empty")]),),
        (
            R(
                PLACED,
                [{"any": [clause("order.paid_at", "is_set"), clause("order.paid_at", "is_empty")]}],
            ),
        ),
    ),
    "two beginnings of one text": Planted(
        "never",
        (
            R(
                PLACED,
                [
                    clause("order.number", "starts_with", "10"),
                    clause("order.number", "starts_with", "20"),
                ],
            ),
        ),
        (
            R(
                PLACED,
                [
                    clause("order.number", "starts_with", "10"),
                    clause("order.number", "contains", "20"),
                ],
            ),
        ),
    ),
    "some line and none": Planted(
        "never",
        (R(PLACED, [lines("some", FRAGILE), lines("none", FRAGILE)]),),
        (R(PLACED, [lines("some", FRAGILE), lines("some", STURDY)]),),
    ),
    "more lines and fewer": Planted(
        "never",
        (R(PLACED, [lines("count", op="gte", value=3), lines("count", op="lt", value=2)]),),
        (R(PLACED, [lines("count", op="gte", value=2), lines("count", op="lt", value=3)]),),
    ),
    "two fields above each other": Planted(
        "never",
        (
            R(
                PAID,
                [
                    clause("order.paid", "gt", {"field": "order.total"}),
                    total("gte", {"field": "order.paid"}),
                ],
            ),
        ),
        (
            R(
                PAID,
                [
                    clause("order.paid", "gte", {"field": "order.total"}),
                    total("gte", {"field": "order.paid"}),
                ],
            ),
        ),
    ),
    "two fields whose bounds exclude each other": Planted(
        "never",
        (
            R(
                PAID,
                [
                    clause("order.paid", "gt", {"field": "order.total"}),
                    BIG,
                    clause("order.paid", "lt", gbp("100")),
                ],
            ),
        ),
        (
            R(
                PAID,
                [
                    clause("order.paid", "lt", {"field": "order.total"}),
                    BIG,
                    clause("order.paid", "lt", gbp("100")),
                ],
            ),
        ),
    ),
    "a whole number between two others": Planted(
        "never",
        (R(PLACED, [clause("order.units", "gt", 4), clause("order.units", "lt", 5)]),),
        (R(PLACED, [clause("order.units", "gt", 4), clause("order.units", "lt", 6)]),),
    ),
}
PARTS: dict[str, Planted] = {
    "a condition that another implies": Planted(
        "idle", (R(PLACED, [BIG, total("gte", "100")]),), (R(PLACED, [BIG, total("lte", "900")]),)
    ),
    "a condition said twice": Planted(
        "idle",
        (R(PLACED, [FRANCE, country("in", ["FR"])]),),
        (R(PLACED, [FRANCE, clause("order.billing_country", "is", "FR")]),),
    ),
    "a choice that another covers": Planted(
        "idle",
        (R(PLACED, [{"any": [BIG, BIGGER]}]),),
        (R(PLACED, [{"any": [BIG, total("lt", "500")]}]),),
    ),
    "a value that must be there before it is compared": Planted(
        "idle",
        (
            R(
                every(),
                [clause("order.paid_at", "is_set"), {"not": clause("order.paid_at", "is_empty")}],
            ),
        ),
        (
            R(
                every(),
                [clause("order.paid_at", "is_set"), clause("order.paid_at", "older_than", "P2D")],
            ),
        ),
    ),
    "a condition that is judged later as well": Planted(
        "idle",
        (R(PLACED, [BIG, total("gte", "100")]),),
        (R(PLACED, [{**BIG, "start_only": True}, total("gte", "100")]),),
    ),
    "a choice that can't be met": Planted(
        "dead",
        (R(PLACED, [{"any": [FRANCE, {"all": [BIG, SMALL]}]}]),),
        (R(PLACED, [{"any": [FRANCE, {"all": [BIG, SPAIN]}]}]),),
    ),
    "a choice that the rest rules out": Planted(
        "dead",
        (R(PLACED, [BIG, {"any": [FRANCE, SMALL]}]),),
        (R(PLACED, [BIG, {"any": [FRANCE, SPAIN]}]),),
    ),
    "items that can't be": Planted(
        "dead",
        (R(PLACED, [lines("none", {"all": [*FRAGILE["all"], *STURDY["all"]]})]),),
        (R(PLACED, [lines("none", {"any": [*FRAGILE["all"], *STURDY["all"]]})]),),
    ),
    "a branch that is never taken": Planted(
        "dead",
        (R(PLACED, [BIG], [fork(SMALL, [tag("a")], [tag("b")])]),),
        (R(PLACED, [BIG], [wait("P1D"), fork(SMALL, [tag("a")], [tag("b")])]),),
    ),
    "a branch that is always taken": Planted(
        "dead",
        (R(PLACED, [BIG], [fork(total("gte", "100"), [tag("a")], [tag("b")])]),),
        (R(PLACED, [BIG], [fork(BIGGER, [tag("a")], [tag("b")])]),),
    ),
    "steps that undo each other": Planted(
        "opposite",
        (R(PLACED, [BIG], [tag("a"), untag("a")]),),
        (R(PLACED, [BIG], [tag("a"), wait("P1D"), untag("a")]),),
    ),
    "steps that set one field twice": Planted(
        "same_field",
        (R(OPENED, [], [priority("high"), priority("urgent")]),),
        (
            R(
                OPENED,
                [],
                [
                    fork(
                        clause("ticket.channel", "is", "mail"),
                        [priority("high")],
                        [priority("low")],
                    )
                ],
            ),
        ),
    ),
    "a wait that its own step ends": Planted(
        "ends_wait",
        (R(PLACED, [BIG], [hold("fraud"), wait("P1D", HELD), tag("a")]),),
        (R(PLACED, [BIG], [hold("fraud"), wait("P1D", RELEASED), tag("a")]),),
    ),
}
ORDER: dict[str, Planted] = {
    "a tag that another rule asks not to be there": Planted(
        "order",
        (R(PLACED, [BIG], [tag("seen")], 10), R(PLACED, [NO_TAG, FRANCE], [hold("fraud")], 20)),
        (R(PLACED, [BIG], [tag("new")], 10), R(PLACED, [NO_TAG, FRANCE], [hold("fraud")], 20)),
    ),
    "the same where the other acts first": Planted(
        "order",
        (R(PLACED, [BIG], [tag("seen")], 20), R(PLACED, [NO_TAG, FRANCE], [hold("fraud")], 10)),
        (R(PLACED, [BIG], [tag("seen")], 20), R(PLACED, [NO_TAG, FRANCE], [tag("seen")], 10)),
    ),
    "a priority that another rule asks for": Planted(
        "order",
        (
            R(OPENED, [clause("ticket.queue", "is", "sales")], [priority("high")], 10),
            R(
                OPENED,
                [
                    clause("ticket.priority", "is", "normal"),
                    clause("ticket.channel", "is", "mail"),
                ],
                [do("support.add_note", text="Normal.")],
                20,
            ),
        ),
        (
            R(OPENED, [], [priority("high")], 10),
            R(
                OPENED,
                [{**clause("ticket.priority", "is", "normal"), "start_only": True}],
                [do("support.add_note", text="Normal.")],
                20,
            ),
        ),
    ),
    "a rule that a hold shadows wholly": Planted(
        "shadowed",
        (
            R(PLACED, [BIGGER, clause("order.is_held", "is", False)], [tag("free")], 20),
            R(PLACED, [BIG], [hold("fraud")], 10),
        ),
        (
            R(PLACED, [BIGGER, clause("order.is_held", "is", False)], [tag("free")], 20),
            R(PLACED, [BIG, FRANCE], [hold("fraud")], 10),
        ),
    ),
    "a rule that a cancellation shadows wholly": Planted(
        "shadowed",
        (
            R(PAID, [BIG, clause("order.fulfilment", "is", "unshipped")], [tag("a")], 20),
            R(PAID, [total("gte", "100")], [cancel()], 10),
        ),
        (
            R(PAID, [BIG, clause("order.fulfilment", "is", "unshipped")], [tag("a")], 10),
            R(PAID, [total("gte", "100")], [cancel()], 20),
        ),
    ),
    "a wait that another rule ends": Planted(
        "ends_wait",
        (
            R(PAID, [BIG], [wait("P2D", CANCELLED), tag("late")]),
            R(PAID, [FRANCE], [cancel()]),
        ),
        (
            R(PAID, [BIG], [wait("P2D", CANCELLED), tag("late")]),
            R(PAID, [SMALL], [cancel()]),
        ),
    ),
}
PLANTED = {**SAME_RULE, **SAME_THING, **OPPOSITES, **CHAINS, **NEVER, **PARTS, **ORDER}
