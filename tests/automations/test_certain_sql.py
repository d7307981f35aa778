"""What the SQL is sure of, the predicate says too: no event is counted wrongly without a look."""

from __future__ import annotations

from datetime import UTC
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from automations.conditions.certain import surely_false
from automations.conditions.checking import DEEPEST, check_condition, depth
from automations.conditions.compiling import compile_condition
from automations.rules.parsing import parse_condition
from automations.triggers import Country
from tests.automations import shop
from tests.automations.test_sql_prefilter import (
    FAR_EAST,
    _ask,
    _every_operator,
    _some_rows,
    batched,
)
from tests.automations.trees import CATALOGUE, events, trees


def _too_sure(raws: list[Any], rows: list[Any]) -> list[Any]:
    """The trees and events that the SQL calls false and the predicate does not."""
    parsed = [parse_condition(raw) for raw in raws]
    predicates = [compile_condition(tree, CATALOGUE) for tree in parsed]
    asked = _ask(rows, [surely_false(tree, CATALOGUE) for tree in parsed])
    return [
        (raw, facts, lists, moment)
        for facts, lists, moment, answers in asked
        for raw, predicate, sure in zip(raws, predicates, answers, strict=True)
        for zone in (UTC, FAR_EAST)
        if sure and predicate(facts, lists, moment.astimezone(zone)) is not False
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_no_operator_or_negation_is_called_false_that_is_not(seed: int) -> None:
    chance = Random(seed)
    rows = _some_rows(chance, 60)
    for raws in batched(_every_operator(chance), 60):
        assert _too_sure(raws, rows) == []


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=trees, rows=st.lists(events, min_size=1, max_size=12))
def test_no_event_is_called_false_that_the_predicate_calls_otherwise(
    raw: Any, rows: list[Any]
) -> None:
    tree = parse_condition(raw)
    assume(depth(tree) <= DEEPEST)
    problems = [known for known in check_condition(tree, CATALOGUE) if known.blocks]
    assume(not problems or all("same currency" in known.message for known in problems))
    assert _too_sure([raw], rows) == []


@pytest.mark.django_db
def test_it_is_sure_of_what_plainly_does_not_match_and_of_nothing_unknown() -> None:
    tree = parse_condition(shop.document()["when"])
    rows = [
        (*shop.paid(), shop.NOW),
        (*shop.paid(total=shop.gbp("499.99")), shop.NOW),
        (*shop.paid(country=Country("GB")), shop.NOW),
        (*shop.paid(country=Country("")), shop.NOW),
    ]
    asked = _ask(rows, [surely_false(tree, shop.CATALOGUE)])
    assert [answers for *_, answers in asked] == [[False], [True], [True], [False]]
