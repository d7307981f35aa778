"""Explanations: each part in words, the value seen, the verdict, and why it is unknown."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, assume, given, settings

from automations.conditions.checking import check_condition
from automations.conditions.compiling import compile_condition
from automations.conditions.explaining import Explained, explain, explain_again
from automations.conditions.rechecking import Seen
from automations.rules.parsing import parse_condition
from automations.triggers import Country, Tags
from backoffice.money import Money
from tests.automations import trees
from tests.automations.shop import CATALOGUE, NOW, gbp, paid

GBP_500 = {"amount": "500.00", "currency": "GBP"}
OVER = {"field": "order.total", "op": "gte", "value": GBP_500, "uid": "c1"}
ABROAD = {"field": "order.country", "op": "is_not", "value": "GB"}
FRAGILE = {"field": "sku.fragile", "op": "is", "value": True}
ANSWER = {True: "yes", False: "no", None: "unknown"}


def told(raw: Any, stored: Any = None) -> Explained:
    facts, lists = stored or paid()
    return explain(parse_condition(raw), CATALOGUE, facts, lists, NOW)


def test_each_clause_shows_its_words_the_value_seen_and_its_verdict() -> None:
    found = told({"all": [OVER, ABROAD]}, paid(total=gbp("128")))
    assert found.as_json() == {
        "path": "when",
        "shape": "all",
        "words": "all of these",
        "verdict": "no",
        "parts": [
            {
                "path": "when.all.0",
                "shape": "field",
                "words": "order total is at least £500.00",
                "verdict": "no",
                "seen": "£128.00",
                "uid": "c1",
            },
            {
                "path": "when.all.1",
                "shape": "field",
                "words": "order shipping country is not United Kingdom",
                "verdict": "yes",
                "seen": "France",
            },
        ],
    }


def _why(raw: Any, stored: Any) -> tuple[str, str, str]:
    found = told(raw, stored)
    return found.verdict, found.seen, found.why


def test_unknown_says_why() -> None:
    facts, lists = paid()
    assert _why(OVER, ({}, {})) == ("unknown", "not stored", "not stored with this event")
    assert _why(ABROAD, paid(country=Country(""))) == ("unknown", "empty", "empty")
    euros = paid(total=Money(gbp("640").amount, "EUR"))
    assert _why(OVER, euros) == ("unknown", "€640.00", "in EUR, not GBP")
    wrong = ({**facts, "order.total.amount": "much"}, lists)
    assert _why(OVER, wrong) == ("unknown", "not readable", "no money is stored")
    beside = {"field": "order.total", "op": "gt", "value": {"field": "customer.lifetime_spend"}}
    assert _why(beside, paid()) == (
        "unknown",
        "£640.00; empty",
        "Customer › lifetime spend: empty",
    )
    moved = {"field": "order.state", "op": "changed_to", "value": "paid"}
    del facts["order.previous_state"]
    assert _why(moved, (facts, lists)) == (
        "unknown",
        "not stored → Paid",
        "before: not stored with this event",
    )


def test_a_transition_shows_both_values_and_an_age_how_long_it_is() -> None:
    assert told({"field": "order.state", "op": "changed_to", "value": "paid"}).seen == "Open → Paid"
    old = told({"field": "order.placed_at", "op": "older_than", "value": "P1D"})
    assert (old.words, old.seen) == (
        "order placed is older than 1 day",
        "16 Nov 2026 08:00 UTC, 2 days 1 hour ago",
    )
    assert old.marks == ("on_the_clock",)


def test_a_list_shows_its_items_and_how_many_met() -> None:
    found = told({"some": "order.lines", "where": FRAGILE})
    assert (found.words, found.seen, found.verdict) == ("some of the order lines", "1 of 2", "yes")
    assert [(item.words, item.verdict) for item in found.parts] == [
        ("GL-LMP-03", "yes"),
        ("TX-CUS-40", "no"),
    ]
    assert found.parts[0].parts[0].words == "SKU fragile is yes"
    count = told({"count": "order.lines", "where": FRAGILE, "op": "gte", "value": 2})
    assert (count.words, count.seen) == (
        "the number of order lines where SKU fragile is yes is at least 2",
        "1",
    )
    worth = told({"sum": "order.lines", "of": "price", "op": "gt", "value": GBP_500})
    assert (worth.seen, worth.verdict) == ("£620.00", "yes")


def test_a_long_list_is_cut_and_says_by_how_much() -> None:
    facts, lists = paid()
    long = {"order.lines": lists["order.lines"] * 15}
    found = told({"some": "order.lines", "where": FRAGILE}, (facts, long))
    assert (len(found.parts), found.more, found.seen) == (20, 10, "15 of 30")


def test_a_list_says_why_it_can_not_be_judged() -> None:
    every = {"every": "order.lines", "where": FRAGILE}
    facts, lists = paid()
    assert told(every, (facts, {})).why == "not stored with this event"
    assert told(every, (facts, {"order.lines": None})).why == "empty"
    lists["order.lines"][1] = {}
    assert told(every, (facts, {"order.lines": [{}, lists["order.lines"][0]]})).why == (
        "1 of 2 can't be judged"
    )


def test_equal_inputs_give_equal_explanations() -> None:
    raw = {"all": [OVER, {"some": "order.lines", "where": FRAGILE}]}
    one, two = (json.dumps(told(raw, paid()).as_json()) for _ in range(2))
    assert one == two


def test_a_second_look_shows_what_was_taken_as_it_was() -> None:
    raw = {
        "all": [
            OVER,
            {"not": {"field": "order.tags", "op": "contains", "value": "checked"}},
            {**ABROAD, "start_only": True},
        ]
    }
    then = Seen(*paid(), NOW)
    current = Seen(
        *paid(total=gbp("10"), tags=Tags(("checked",)), country=Country("GB")),
        NOW + timedelta(hours=1),
    )
    tree = parse_condition(raw)
    found = explain_again(tree, CATALOGUE, then, current, written=["order.tags"])
    total, not_checked, abroad = found.parts
    assert (total.seen, total.verdict, total.marks) == ("£10.00", "no", ())
    assert not_checked.parts[0].marks == ("as_it_was",)
    assert not_checked.verdict == "yes"
    assert (abroad.seen, abroad.marks) == ("France", ("start_only", "as_it_was"))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=trees.trees, event=trees.events)
def test_an_explanation_always_agrees_with_the_predicate(raw: Any, event: Any) -> None:
    tree = parse_condition(raw)
    assume(not [known for known in check_condition(tree, trees.CATALOGUE) if known.blocks])
    facts, lists, now = event
    found = explain(tree, trees.CATALOGUE, facts, lists, now)
    assert found.verdict == ANSWER[compile_condition(tree, trees.CATALOGUE)(facts, lists, now)]
    json.dumps(found.as_json(), allow_nan=False)
    assert all(part.why for part in _unknown_leaves(found))


def _unknown_leaves(found: Explained) -> list[Explained]:
    if not found.parts and found.verdict == "unknown":
        return [found]
    return [leaf for part in found.parts for leaf in _unknown_leaves(part)]
