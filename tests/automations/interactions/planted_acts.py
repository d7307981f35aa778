"""Rules that act against each other, each with its near miss."""

from __future__ import annotations

from tests.automations.interactions.parties import (
    CANCELLED,
    HELD,
    OPENED,
    PAID,
    PLACED,
    RELEASED,
    TAGGED,
    R,
    cancel,
    clause,
    do,
    every,
    fork,
    hold,
    priority,
    release,
    tag,
    tags,
    total,
    untag,
    wait,
)
from tests.automations.interactions.planted import (
    BIG,
    BIGGER,
    FRANCE,
    LINES,
    NO_TAG,
    SMALL,
    SPAIN,
    Planted,
    lines,
)

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
