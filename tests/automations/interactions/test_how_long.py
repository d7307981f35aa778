"""A hundred rules that all start on the same are compared while one saves."""

from __future__ import annotations

from time import process_time

import pytest

from automations.interactions.checking import check
from tests.automations.interactions.parties import (
    HELD,
    PLACED,
    TAGGED,
    R,
    country,
    fork,
    hold,
    release,
    tag,
    tags,
    total,
    untag,
)

COUNTRIES = ["FR", "ES", "DE", "IT", "NL"]


def a_hundred() -> list[R]:
    """Rules that overlap in what they ask, and write the same tags and holds."""
    rules = []
    for number in range(100):
        asks = [
            total("gte", str(100 + number)),
            {"any": [country("is", code) for code in COUNTRIES[: 1 + number % 5]]},
            {"not": tags("contains", f"t{number % 7}")},
        ]
        steps = [
            tag(f"t{(number + 1) % 7}"),
            untag(f"t{number % 3}"),
            fork(total("gte", "900"), [hold("fraud")], [release("address")]),
        ]
        on = [PLACED, TAGGED, HELD][number % 3 if number % 4 == 0 else 0]
        rules.append(R(on, asks, steps, at=number))
    return rules


@pytest.mark.parametrize("which", [0, 50, 96])
def test_a_rule_among_a_hundred_is_compared_while_one_saves(which: int) -> None:
    took = []
    for _ in range(3):
        parties = [rule.party(f"Rule {n}", n) for n, rule in enumerate(a_hundred(), 1)]
        mine = parties.pop(which)
        started = process_time()
        assert check(mine, parties)
        took.append(process_time() - started)
    # Half a second where nothing else runs.
    assert min(took) < 2.0
