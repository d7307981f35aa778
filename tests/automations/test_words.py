"""A rule in words, and two versions compared."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from automations.conditions.checking import check_condition
from automations.conditions.compiling import compile_condition
from automations.conditions.operands import Scope
from automations.conditions.words import tree_words
from automations.rules.condition_changes import compare_conditions
from automations.rules.differences import difference
from automations.rules.parsing import parse_condition, parse_document
from automations.rules.words import rule_in_words
from tests.automations import trees
from tests.automations.shop import CATALOGUE, REGISTRIES, document

GBP = {"amount": "100.00", "currency": "GBP"}
OVER = {"field": "order.total", "op": "gte", "value": GBP}
ABROAD = {"field": "order.country", "op": "is_not", "value": "GB"}
VIP = {"field": "order.tags", "op": "contains", "value": "vip"}
HELD = {"field": "order.is_held", "op": "is", "value": True}
FRAGILE = {"field": "sku.fragile", "op": "is", "value": True}


def words(raw: Any) -> str:
    return tree_words(parse_condition(raw), Scope(CATALOGUE))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (OVER, "order total is at least £100.00"),
        (ABROAD, "order shipping country is not United Kingdom"),
        (
            {"field": "order.country", "op": "in", "value": ["FR", "DE", "ES"]},
            "order shipping country is one of France, Germany or Spain",
        ),
        (VIP, "order tags contain “vip”"),
        (
            {"field": "order.tags", "op": "contains_all", "value": ["a", "b"]},
            "order tags contain all of “a” and “b”",
        ),
        ({"field": "order.state", "op": "is", "value": "paid"}, "order state is Paid"),
        (
            {"field": "order.placed_at", "op": "in_the_last", "value": "PT36H"},
            "order placed is in the last 1 day 12 hours",
        ),
        (
            {"field": "order.placed_at", "op": "gte", "value": "2026-11-18T09:00:00+00:00"},
            "order placed is on or after 18 Nov 2026 09:00 UTC",
        ),
        (
            {"field": "order.units", "op": "between", "value": [1000, 2000]},
            "order units is between 1,000 and 2,000",
        ),
        (
            {"field": "order.country", "op": "is_not", "value": {"field": "order.billing_country"}},
            "order shipping country is not order billing country",
        ),
        (
            {"field": "customer.lifetime_spend", "op": "is_empty"},
            "customer lifetime spend is empty",
        ),
        ({"not": VIP}, "it is not so that order tags contain “vip”"),
        (
            {"all": [HELD, {"any": [VIP, HELD]}]},
            "order on hold is yes and (order tags contain “vip” or order on hold is yes)",
        ),
        (
            {"some": "order.lines", "where": FRAGILE},
            "for some of the order lines, SKU fragile is yes",
        ),
        (
            {"count": "order.lines", "where": FRAGILE, "op": "gte", "value": 2},
            "the number of order lines where SKU fragile is yes is at least 2",
        ),
        (
            {"sum": "order.lines", "of": "price", "op": "gt", "value": GBP},
            "the sum of price over order lines is more than £100.00",
        ),
        ({"all": []}, "always"),
        ({"field": "order.nothing", "op": "is", "value": 3}, "order.nothing is 3"),
    ],
)
def test_conditions_read_as_people_say_them(raw: Any, said: str) -> None:
    assert words(raw) == said


def test_a_rule_is_one_calm_paragraph() -> None:
    limits = {
        "runs": {"per_hour": 200},
        "money": {"per_day": {"amount": "1000", "currency": "GBP"}},
        "per_subject": {"runs": 1, "within": "P1D"},
    }
    told = rule_in_words(parse_document(document(limits=limits)), REGISTRIES)
    assert told.paragraph == (
        "When “Order paid” happens, if order total is at least £500.00 and order shipping country "
        "is not United Kingdom: add the tag “high-value”, then open a ticket “Check "
        "{{ order.number }}”. If a value it needs is missing, the event becomes a case. At most "
        "200 runs an hour, at most £1,000.00 a day and at most 1 run for one subject within 1 day."
    )
    assert told.start == "“Order paid” happens"
    assert told.joining == "and"
    assert told.conditions == (
        "order total is at least £500.00",
        "order shipping country is not United Kingdom",
    )
    assert [(known.uid, known.words) for known in told.steps] == [
        ("a1", "add the tag “high-value”"),
        ("a2", "open a ticket “Check {{ order.number }}”"),
    ]


def test_steps_inside_steps_are_told_inside() -> None:
    raw = document(
        when={"all": []},
        steps=[
            {"uid": "w", "wait": "PT30M", "end_run_on": ["shop.order_cancelled"]},
            {
                "uid": "b",
                "if": HELD,
                "then": [{"uid": "y", "do": "shop.add_tag", "with": {"tag": "a"}}],
                "else": [{"uid": "n", "do": "shop.add_tag", "with": {"tag": "b"}}],
            },
        ],
        missing_data="skip",
    )
    told = rule_in_words(parse_document(raw), REGISTRIES)
    assert told.paragraph == (
        "When “Order paid” happens: wait 30 minutes, and end at “Order cancelled”, then (if order "
        "on hold is yes, add the tag “a”, otherwise add the tag “b”). If a value it needs is "
        "missing, the event is skipped."
    )
    assert [(known.path, known.depth) for known in told.steps] == [
        ("steps.0", 0),
        ("steps.1", 0),
        ("steps.1.then.0", 1),
        ("steps.1.else", 0),
        ("steps.1.else.0", 1),
    ]


# --- the difference ---------------------------------------------------------------------------


def changes(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, str, str]]:
    versions = [parse_document(raw) for raw in (old, new)]
    found = difference(versions[0], versions[1], REGISTRIES)
    return [(known.kind, known.path, known.sentence) for known in found]


def when(*parts: Any) -> dict[str, Any]:
    return document(when={"all": list(parts)})


def test_the_same_rule_written_otherwise_is_no_change() -> None:
    other = document()
    other["when"]["all"].reverse()
    other["when"]["all"][0]["uid"] = "new"
    other["when"]["all"][1]["value"]["amount"] = "500"
    assert changes(document(), other) == []


def test_a_new_threshold_is_told_with_both_values() -> None:
    more = {**OVER, "value": {"amount": "150", "currency": "GBP"}}
    found = difference(parse_document(when(OVER)), parse_document(when(more)), REGISTRIES)
    assert [(known.title, known.before, known.after) for known in found] == [
        ("Order total is at least", "£100.00", "£150.00")
    ]
    assert found[0].sentence == "Order total is at least: £100.00 → £150.00"


def test_two_thresholds_on_one_field_keep_their_own_partner_by_uid() -> None:
    low, high = {**OVER, "uid": "low"}, {**OVER, "op": "lte", "uid": "high"}
    raised = {**high, "value": {"amount": "300", "currency": "GBP"}}
    assert changes(when(low, high), when(raised, low)) == [
        ("changed", "when.all.0", "Order total is at most: £100.00 → £300.00")
    ]


def test_conditions_added_removed_and_changed_are_told_apart() -> None:
    units = {"field": "order.units", "op": "gt", "value": 3}
    assert changes(when(OVER, ABROAD), when(OVER, {**ABROAD, "op": "is"}, units)) == [
        (
            "changed",
            "when.all.1",
            "Condition: order shipping country is not United Kingdom → "
            "order shipping country is United Kingdom",
        ),
        ("added", "when.all.2", "New condition: order units is more than 3"),
    ]
    assert changes(when(OVER, ABROAD), when(OVER)) == [
        (
            "removed",
            "when.all.1",
            "Condition removed: order shipping country is not United Kingdom",
        )
    ]


def test_groups_are_told_as_groups() -> None:
    assert changes(when(OVER), when(OVER, {"any": [VIP, HELD]})) == [
        ("added", "when.all.1", "New group: order tags contain “vip” or order on hold is yes")
    ]
    assert changes(when(OVER, ABROAD), document(when={"any": [OVER, ABROAD]})) == [
        ("changed", "when", "Group: all of these → any of these")
    ]


def test_a_condition_that_changes_its_group_is_moved() -> None:
    old = when(OVER, VIP, {"any": [HELD, ABROAD]})
    new = when(OVER, {"any": [HELD, ABROAD, VIP]})
    assert changes(old, new) == [
        (
            "moved",
            "when.all.1.any.2",
            "Condition moved: order tags contain “vip”, now in another group",
        )
    ]


def test_what_a_list_asks_is_compared_inside() -> None:
    code = {"field": "sku.code", "op": "is", "value": "A"}
    old = when({"some": "order.lines", "where": FRAGILE})
    new = when({"some": "order.lines", "where": {"all": [FRAGILE, code]}})
    assert changes(old, new) == [("added", "when.all.0.where.all.1", "New condition: SKU is “A”")]
    count = {"count": "order.lines", "op": "gte", "value": 2}
    assert changes(when(count), when({**count, "value": 3})) == [
        ("changed", "when.all.0", "The number of order lines is at least: 2 → 3")
    ]


def test_judging_at_the_start_only_is_a_change() -> None:
    assert changes(when(OVER), when({**OVER, "start_only": True})) == [
        (
            "changed",
            "when.all.0",
            "Order total is at least £100.00: judged again before each effect → "
            "judged at the start only",
        )
    ]


def test_steps_are_followed_by_their_uid() -> None:
    tag = {"uid": "a1", "do": "shop.add_tag", "with": {"tag": "high-value"}}
    low = {"subject": "Check", "priority": "low"}
    ticket = {"uid": "a2", "do": "shop.open_ticket", "with": low}
    other = {"uid": "a3", "do": "shop.add_tag", "with": {"tag": "b"}}
    old, new = document(steps=[tag, ticket]), document(steps=[ticket, tag, other])
    assert changes(old, new) == [
        ("added", "steps.2", "New step: add the tag “b”"),
        ("moved", "steps.1", "Step moved: add the tag “high-value”, now step 2"),
    ]
    assert changes(old, document(steps=[tag])) == [
        ("removed", "steps.1", "Step removed: open a ticket “Check”")
    ]
    high = {**ticket, "with": {**low, "priority": "high", "note": "now"}}
    assert changes(old, document(steps=[tag, high])) == [
        ("added", "steps.1.with.note", "Open a ticket: note: “now”"),
        ("changed", "steps.1.with.priority", "Open a ticket: priority: Low → High"),
    ]
    swapped = {**ticket, "do": "shop.add_tag", "with": {"tag": "x"}}
    assert changes(old, document(steps=[tag, swapped])) == [
        ("changed", "steps.1", "Step: open a ticket “Check” → add the tag “x”")
    ]


def test_tunables_limits_and_policies_are_part_of_the_difference() -> None:
    param = {"type": "money", "label": "Refund at most", "value": GBP, "range": [GBP, GBP]}
    high = {"amount": "300", "currency": "GBP"}
    old = document(params={"limit": param}, limits={"runs": {"per_day": 5}})
    new = document(
        params={"limit": {**param, "value": high, "range": [GBP, high]}},
        limits={"runs": {"per_day": 9}},
        missing_data="skip",
        trigger={"on": "shop.order_cancelled"},
    )
    assert [sentence for _, _, sentence in changes(old, new)] == [
        "What starts it: “Order paid” happens → “Order cancelled” happens",
        "Refund at most: £100.00 → £300.00",
        "Refund at most: owner may choose: £100.00 to £100.00 → £100.00 to £300.00",
        "Limit: at most 5 runs a day → at most 9 runs a day",
        "When a value is missing: If a value it needs is missing, the event becomes a case. → "
        "If a value it needs is missing, the event is skipped.",
    ]


def test_a_first_version_is_new_from_end_to_end() -> None:
    found = difference(None, parse_document(document()), REGISTRIES)
    assert {known.kind for known in found} == {"added"}
    assert [known.sentence for known in found] == [
        "What starts it: “Order paid” happens",
        "New condition: order total is at least £500.00",
        "New condition: order shipping country is not United Kingdom",
        "New step: add the tag “high-value”",
        "New step: open a ticket “Check {{ order.number }}”",
        "When a value is missing: If a value it needs is missing, the event becomes a case.",
    ]


def _altered(raw: Any, way: list[int], new: Any) -> Any:
    """The tree with one of its parts, found by `way`, made another."""
    if not way or not isinstance(raw, dict):
        return new
    for shape in ("all", "any"):
        if raw.get(shape):
            parts = raw[shape]
            at = way[0] % len(parts)
            parts[at] = _altered(parts[at], way[1:], new)
            return raw
    for shape in ("not", "where"):
        if shape in raw:
            raw[shape] = _altered(raw[shape], way[1:], new)
            return raw
    return new


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    raw=trees.trees,
    way=st.lists(st.integers(0, 3), max_size=3),
    new=st.one_of(trees.clauses(inside=True), trees.where),
    rows=st.lists(trees.events, min_size=1, max_size=6),
)
def test_what_is_told_as_no_change_acts_alike(raw: Any, way: Any, new: Any, rows: Any) -> None:
    old, other = parse_condition(raw), parse_condition(_altered(deepcopy(raw), way, new))
    for tree in (old, other):
        assume(not [known for known in check_condition(tree, trees.CATALOGUE) if known.blocks])
    scope = Scope(trees.CATALOGUE)
    assert compare_conditions(old, old, scope, scope, "when") == []
    if compare_conditions(old, other, scope, scope, "when") == []:
        before, after = (compile_condition(tree, trees.CATALOGUE) for tree in (old, other))
        assert [before(*event) for event in rows] == [after(*event) for event in rows]
