"""Every kind of meeting that is planted is found, and nothing of it in its near miss."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.automations.interactions.parties import findings, kinds
from tests.automations.interactions.planted import SAME_RULE, SAME_THING, Planted
from tests.automations.interactions.planted_acts import CHAINS, OPPOSITES, ORDER
from tests.automations.interactions.planted_apart import AGAIN, OPPOSED
from tests.automations.interactions.planted_parts import NEVER, PARTS

PLANTED = {
    **SAME_RULE,
    **SAME_THING,
    **OPPOSITES,
    **CHAINS,
    **ORDER,
    **NEVER,
    **PARTS,
    **{f"over time: {name}": planted for name, planted in {**OPPOSED, **AGAIN}.items()},
}
EACH = pytest.mark.parametrize("planted", PLANTED.values(), ids=PLANTED)


def test_there_are_kinds_enough() -> None:
    assert len(PLANTED) >= 30


@EACH
@pytest.mark.requirement("R6")
def test_it_is_found(planted: Planted) -> None:
    found = findings(*planted.rules)
    assert planted.kind in {str(each.kind) for each in found}, found
    for each in found:
        assert each.is_certain
        assert each.says[0].isupper() or each.says[0] in "“"
        assert each.says.endswith("."), each.says


@EACH
def test_its_near_miss_is_not(planted: Planted) -> None:
    assert planted.kind not in kinds(*planted.near), findings(*planted.near)


@EACH
def test_an_example_is_an_event_on_which_both_act(planted: Planted) -> None:
    for found in findings(*planted.rules):
        # One that acts at another time does so on another event.
        if found.example is None or len(found.both) < 2 or found.apart:
            continue
        made = found.example
        for party, doing in found.both:
            assert party.does(doing, made.facts, made.lists, datetime.now().astimezone())
        assert found.shown() or not found.both[0][0].reads
