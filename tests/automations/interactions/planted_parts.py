"""Conditions and steps that get in their own way, each with its near miss."""

from __future__ import annotations

from tests.automations.interactions.parties import (
    HELD,
    OPENED,
    PAID,
    PLACED,
    RELEASED,
    R,
    clause,
    country,
    every,
    fork,
    gbp,
    hold,
    priority,
    tag,
    tags,
    total,
    untag,
    wait,
)
from tests.automations.interactions.planted import (
    ABROAD,
    BIG,
    BIGGER,
    FRAGILE,
    FRANCE,
    SMALL,
    SPAIN,
    STURDY,
    Planted,
    lines,
)

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
