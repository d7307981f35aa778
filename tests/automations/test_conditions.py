"""What conditions mean: operators, three values, lists, time, and what a match requires."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from automations.conditions.bounds import bounds
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.indexing import RuleIndex, equality_keys
from automations.conditions.operands import ConditionInvalid
from automations.conditions.rechecking import Seen, compile_recheck, flags_for_recheck, paths_read
from automations.rules.parsing import parse_condition
from automations.triggers import Country, Tags
from backoffice.money import Money
from tests.automations.shop import CATALOGUE, NOW, Customer, gbp, paid

GBP_500 = {"amount": "500.00", "currency": "GBP"}


def judge(raw: Any, stored: Any, now: datetime = NOW, params: Any = None) -> bool | None:
    facts, lists = stored
    return compile_condition(parse_condition(raw), CATALOGUE, params)(facts, lists, now)


def clause(field: str, op: str, value: Any = None) -> dict[str, Any]:
    return {"field": field, "op": op, **({} if value is None else {"value": value})}


@pytest.mark.parametrize(
    ("field", "op", "value", "expected"),
    [
        ("order.total", "gte", {"amount": "640.00", "currency": "GBP"}, True),
        ("order.total", "gt", {"amount": "640", "currency": "GBP"}, False),
        ("order.total", "is", {"amount": "640", "currency": "GBP"}, True),
        (
            "order.total",
            "between",
            [GBP_500, {"amount": "640", "currency": "GBP"}],
            True,
        ),
        ("order.units", "lt", 3, False),
        ("order.units", "lte", 3, True),
        ("order.units", "in", [1, 3], True),
        ("order.units", "not_in", [1, 3], False),
        ("order.weight", "is", "2.50", True),
        ("order.weight", "gt", 2, True),
        ("order.country", "is", "FR", True),
        ("order.country", "is_not", "FR", False),
        ("order.state", "is", "paid", True),
        ("order.is_held", "is", False, True),
        ("order.number", "starts_with", "104-", True),
        ("order.number", "ends_with", "90", True),
        ("order.number", "contains", "-22", True),
        ("order.number", "not_contains", "-22", False),
        ("order.number", "is", "104-22790 ", False),
        ("order.tags", "contains", "vip", True),
        ("order.tags", "contains_any", ["x", "gift"], True),
        ("order.tags", "contains_all", ["vip", "gift"], True),
        ("order.tags", "contains_all", ["vip", "x"], False),
        ("order.tags", "contains_none", ["x", "y"], True),
        ("order.placed_at", "before", "2026-11-16T08:00:00.000001+00:00", True),
        ("order.placed_at", "after", "2026-11-16T09:00:00+01:00", False),
        ("order.placed_at", "gte", "2026-11-16T09:00:00+01:00", True),
        ("customer.orders_before", "is_set", None, True),
        ("customer.lifetime_spend", "is_set", None, False),
        ("customer.lifetime_spend", "is_empty", None, True),
    ],
)
def test_each_operator_says_what_it_says(field: str, op: str, value: Any, expected: bool) -> None:
    assert judge(clause(field, op, value), paid()) is expected


def test_a_missing_a_wrong_and_a_foreign_value_are_unknown() -> None:
    facts, lists = paid()
    over = clause("order.total", "gte", GBP_500)
    assert judge(over, ({}, {})) is None
    assert judge(over, ({**facts, "order.total.amount": None}, lists)) is None
    assert judge(over, ({**facts, "order.total.amount": "a lot"}, lists)) is None
    assert judge(over, ({**facts, "order.total.amount": "NaN"}, lists)) is None
    assert judge(over, paid(total=Money(gbp("900").amount, "EUR"))) is None
    assert judge(clause("order.units", "gte", 1), ({"order.units": "3"}, {})) is None
    assert judge(clause("order.units", "gte", 1), ({"order.units": True}, {})) is None
    assert judge(clause("order.units", "gte", 1), ({"order.units": 3.0}, {})) is None
    assert judge(clause("order.is_held", "is", True), ({"order.is_held": 1}, {})) is None
    assert judge(clause("order.country", "is_not", "GB"), paid(country=Country(""))) is None


def test_unknown_is_neither_true_nor_false_in_groups() -> None:
    unknown = clause("customer.lifetime_spend", "gt", GBP_500)
    yes, no = clause("order.units", "is", 3), clause("order.units", "is", 4)
    assert judge(unknown, paid()) is None
    assert judge({"not": unknown}, paid()) is None
    assert judge({"all": [yes, unknown]}, paid()) is None
    assert judge({"all": [unknown, no]}, paid()) is False
    assert judge({"any": [no, unknown]}, paid()) is None
    assert judge({"any": [unknown, yes]}, paid()) is True


def test_an_empty_all_is_true_and_an_empty_any_is_false() -> None:
    assert judge({"all": []}, ({}, {})) is True
    assert judge({"any": []}, ({}, {})) is False


def test_a_customer_who_is_unknown_makes_clauses_on_them_unknown() -> None:
    assert judge(clause("customer.orders_before", "is", 0), paid(None)) is None
    assert judge(clause("customer.orders_before", "is_empty"), paid(None)) is True
    assert judge(clause("customer.orders_before", "is_empty"), ({}, {})) is None


def test_fields_stand_beside_each_other() -> None:
    abroad = clause("order.country", "is_not", {"field": "order.billing_country"})
    assert judge(abroad, paid()) is True
    assert judge(abroad, paid(billing_country=Country("FR"))) is False
    spent = clause("order.total", "gt", {"field": "customer.lifetime_spend"})
    assert judge(spent, paid()) is None
    assert judge(spent, paid(Customer(2, gbp("600")))) is True
    assert judge(spent, paid(Customer(2, Money(gbp("600").amount, "EUR")))) is None


def test_a_tunable_is_read_from_the_values_in_use() -> None:
    over = clause("order.total", "gte", {"param": "limit"})
    assert judge(over, paid(), params={"limit": GBP_500}) is True
    assert judge(over, paid(), params={"limit": {"amount": "641", "currency": "GBP"}}) is False
    with pytest.raises(ConditionInvalid, match="no param"):
        judge(over, paid())


@pytest.mark.parametrize(
    ("op", "value", "expected"),
    [
        ("older_than", "P2D", True),
        ("older_than", "PT49H", False),  # exactly 49 hours old
        ("newer_than", "PT49H", True),
        ("in_the_last", "PT49H", True),
        ("in_the_last", "PT48H", False),
        ("in_the_next", "P9D", False),
    ],
)
def test_time_is_counted_from_now(op: str, value: str, expected: bool) -> None:
    assert judge(clause("order.placed_at", op, value), paid()) is expected


def test_what_lies_ahead_is_in_the_next_and_not_in_the_last_days() -> None:
    later = paid(placed_at=NOW + timedelta(days=3))
    assert judge(clause("order.placed_at", "in_the_next", "P3D"), later) is True
    assert judge(clause("order.placed_at", "in_the_last", "P30D"), later) is False
    assert judge(clause("order.placed_at", "newer_than", "P30D"), later) is True


def _own(kind: Kind, **more: Field) -> Catalogue:
    return Catalogue({"x": Field("x", kind, ("x",)), **more})


def test_days_are_those_of_the_zone_that_now_carries() -> None:
    check = compile_condition(parse_condition(clause("x", "in_the_last", "PT0S")), _own(Kind.DATE))
    late = datetime(2026, 11, 18, 23, 30, tzinfo=UTC)
    assert check({"x": "2026-11-18"}, {}, late) is True
    assert check({"x": "2026-11-19"}, {}, late.astimezone(ZoneInfo("Europe/Berlin"))) is True


def test_a_time_of_day_may_run_over_midnight() -> None:
    night = parse_condition(clause("x", "between", ["22:00", "06:00"]))
    check = compile_condition(night, _own(Kind.TIME))
    assert check({"x": "23:15:00"}, {}, NOW) is True
    assert check({"x": "05:59:59"}, {}, NOW) is True
    assert check({"x": "12:00:00"}, {}, NOW) is False


def test_only_the_canonical_form_of_a_moment_is_read() -> None:
    check = compile_condition(
        parse_condition(clause("x", "after", "2020-01-01T00:00:00+00:00")), _own(Kind.DATETIME)
    )
    assert check({"x": "2026-11-18T09:00:00.000000Z"}, {}, NOW) is True
    for other in ("2026-11-18T09:00:00Z", "2026-11-18 09:00:00.000000Z", "2026-11-18", 5):
        assert check({"x": other}, {}, NOW) is None


def test_a_transition_compares_the_values_before_and_after() -> None:
    to_paid, from_open = (
        clause("order.state", "changed_to", "paid"),
        clause("order.state", "changed_from", "open"),
    )
    assert judge(to_paid, paid()) is True
    assert judge(from_open, paid()) is True
    assert judge(to_paid, paid(previous_state="paid")) is False
    assert judge(from_open, paid(state="open")) is False
    facts, lists = paid()
    del facts["order.previous_state"]
    assert judge(to_paid, (facts, lists)) is None
    # Known to have been empty before: that is a change.
    assert judge(to_paid, paid(previous_state=None)) is True


def test_a_transition_needs_a_trigger_that_carries_the_value_before() -> None:
    with pytest.raises(ConditionInvalid, match="was before"):
        judge(clause("order.units", "changed_to", 3), paid())


FRAGILE = clause("sku.fragile", "is", True)


def test_some_every_and_none_of_a_list() -> None:
    assert judge({"some": "order.lines", "where": FRAGILE}, paid()) is True
    assert judge({"every": "order.lines", "where": FRAGILE}, paid()) is False
    assert judge({"none": "order.lines", "where": FRAGILE}, paid()) is False
    empty = paid(lines=())
    assert judge({"some": "order.lines", "where": FRAGILE}, empty) is False
    assert judge({"every": "order.lines", "where": FRAGILE}, empty) is True
    assert judge({"none": "order.lines", "where": FRAGILE}, empty) is True


def test_a_list_with_an_unknown_item_is_unknown_only_where_it_matters() -> None:
    facts, lists = paid()
    lists["order.lines"][1] = {"quantity": 2}
    assert judge({"some": "order.lines", "where": FRAGILE}, (facts, lists)) is True
    assert judge({"every": "order.lines", "where": FRAGILE}, (facts, lists)) is None
    lists["order.lines"][0]["sku.fragile"] = False
    assert judge({"every": "order.lines", "where": FRAGILE}, (facts, lists)) is False
    assert judge({"none": "order.lines", "where": FRAGILE}, (facts, lists)) is None
    assert judge({"some": "order.lines", "where": FRAGILE}, (facts, {})) is None


def test_a_line_sees_its_own_fields_first_and_then_those_of_the_event() -> None:
    half = {"some": "order.lines", "where": clause("price", "gt", {"field": "order.total"})}
    assert judge(half, paid()) is False
    assert judge(half, paid(total=gbp("500"))) is True


def test_counts_and_sums_compare_like_figures() -> None:
    count = {"count": "order.lines", "where": FRAGILE, "op": "is", "value": 1}
    assert judge(count, paid()) is True
    assert judge({"count": "order.lines", "op": "gte", "value": 3}, paid()) is False
    units = {"sum": "order.lines", "of": "quantity", "op": "is", "value": {"field": "order.units"}}
    assert judge(units, paid()) is True
    worth = {"sum": "order.lines", "of": "price", "where": FRAGILE, "op": "gt", "value": GBP_500}
    assert judge(worth, paid()) is True
    assert judge(worth, paid(lines=())) is False


def test_a_count_is_known_when_unknown_items_make_no_difference() -> None:
    facts, lists = paid()
    lists["order.lines"][1] = {}
    at_least_one = {"count": "order.lines", "where": FRAGILE, "op": "gte", "value": 1}
    exactly_one = {"count": "order.lines", "where": FRAGILE, "op": "is", "value": 1}
    assert judge(at_least_one, (facts, lists)) is True
    assert judge(exactly_one, (facts, lists)) is None


def test_a_sum_over_two_currencies_is_unknown() -> None:
    facts, lists = paid()
    lists["order.lines"][1]["price.currency"] = "EUR"
    worth = {"sum": "order.lines", "of": "price", "op": "gt", "value": GBP_500}
    assert judge(worth, (facts, lists)) is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (clause("order.totl", "is", 1), "no field “order.totl”"),
        (clause("order.lines", "is", 1), "is a list"),
        (clause("order.total", "starts_with", "6"), "has no operator starts_with"),
        (clause("order.total", "gte", 500), "Money is written"),
        (clause("order.units", "gte", "three"), "whole number"),
        (clause("order.state", "is", "lost"), "no choice here"),
        (clause("order.country", "is", "Fr"), "two letters"),
        (clause("order.placed_at", "older_than", "2 days"), "P2D"),
        (clause("order.placed_at", "older_than", "P1M"), "P2D"),
        (clause("order.units", "gte", {"field": "order.total"}), "can't be compared"),
        (clause("order.units", "between", [1]), "two values"),
        (clause("order.units", "in", 1), "list of values"),
        (clause("order.units", "is_set", 1), "takes no value"),
        ({"some": "order.number", "where": FRAGILE}, "no list “order.number”"),
        ({"sum": "order.lines", "of": "sku.code", "op": "is", "value": 1}, "can't be added up"),
        ({"count": "order.lines", "op": "contains", "value": 1}, "no operator contains"),
    ],
)
def test_what_does_not_fit_the_trigger_is_refused_in_words(raw: Any, said: str) -> None:
    with pytest.raises(ConditionInvalid, match=said):
        judge(raw, paid())


# --- the index --------------------------------------------------------------------------------


def test_an_equality_that_every_match_needs_is_found() -> None:
    tree = parse_condition(
        {
            "all": [
                clause("order.is_held", "is", False),
                {
                    "any": [
                        clause("order.country", "is", "FR"),
                        clause("order.country", "in", ["DE"]),
                    ]
                },
                clause("order.units", "gte", 2),
                {"not": clause("order.state", "is", "held")},
            ]
        }
    )
    keys = equality_keys(tree, CATALOGUE)
    assert [(known.key, known.values) for known in keys] == [
        ("order.country", frozenset({"FR", "DE"})),
        ("order.is_held", frozenset({False})),
    ]


def test_an_any_with_a_branch_that_asks_for_something_else_requires_nothing() -> None:
    tree = parse_condition(
        {"any": [clause("order.country", "is", "FR"), clause("order.units", "is", 1)]}
    )
    assert equality_keys(tree, CATALOGUE) == []


def test_an_event_finds_the_rules_that_can_be_true_or_unknown_for_it() -> None:
    trees = {
        country: parse_condition(clause("order.country", "is", country))
        for country in ("FR", "DE", "GB")
    }
    keyed = [(country, equality_keys(tree, CATALOGUE)) for country, tree in trees.items()]
    index: RuleIndex[str] = RuleIndex([*keyed, ("every", [])])
    assert set(index.candidates(paid()[0])) == {"FR", "every"}
    assert set(index.candidates(paid(country=Country("US"))[0])) == {"every"}
    # Nobody knows the country: each of them is unknown, which may have to become a case.
    assert set(index.candidates({})) == {"FR", "DE", "GB", "every"}


def test_an_event_finds_the_rules_whose_bounds_it_keeps_and_those_it_can_say_nothing_of() -> None:
    demands = {
        "over 500": clause("order.total", "gte", GBP_500),
        "over 900": clause("order.total", "gt", {"amount": "900.00", "currency": "GBP"}),
        "under 500": clause("order.total", "lt", GBP_500),
        "under 700": clause("order.total", "lte", {"amount": "700.00", "currency": "GBP"}),
        "in euros": clause("order.total", "gte", {"amount": "9000.00", "currency": "EUR"}),
        "three pieces": clause("order.units", "between", [3, 5]),
    }
    trees = {name: parse_condition({"all": [raw]}) for name, raw in demands.items()}
    index: RuleIndex[str] = RuleIndex(
        [(name, bounds(tree, CATALOGUE)) for name, tree in trees.items()]
    )
    facts = paid()[0]
    assert (facts["order.total.amount"], facts["order.units"]) == ("640.00", 3)
    assert set(index.candidates(facts)) == {"over 500", "under 700", "in euros", "three pieces"}
    facts["order.units"] = 2
    assert "three pieces" not in index.candidates(facts)
    assert set(index.candidates({})) == set(demands)


# --- still true? ------------------------------------------------------------------------------

RECHECKED = {
    "all": [
        clause("order.total", "gte", GBP_500),
        clause("order.state", "changed_to", "paid"),
        {"not": clause("order.tags", "contains", "checked")},
        {**clause("order.units", "gte", 2), "start_only": True},
        clause("order.placed_at", "older_than", "P1D"),
    ]
}


def test_a_recheck_freezes_the_moment_the_start_and_what_the_run_wrote() -> None:
    flags = flags_for_recheck(parse_condition(RECHECKED), ["order.tags"])
    assert flags.frozen == ("when.all.1", "when.all.2.not", "when.all.3")
    assert flags.live == ("when.all.0", "when.all.4")
    assert flags.on_the_clock == ("when.all.4",)


def test_a_runs_own_work_does_not_stop_it_and_a_changed_world_does() -> None:
    then = Seen(*paid(), NOW)
    recheck = compile_recheck(parse_condition(RECHECKED), CATALOGUE, {}, ["order.tags"])
    later = NOW + timedelta(minutes=30)
    own = paid(tags=Tags(("checked",)), state="held", previous_state="paid", units=1)
    assert recheck(then, Seen(*own, later)) is True
    assert recheck(then, Seen(*paid(total=gbp("499.99")), later)) is False
    untouched = compile_recheck(parse_condition(RECHECKED), CATALOGUE)
    assert untouched(then, Seen(*own, later)) is False


def test_the_paths_a_tree_reads_include_lists_and_the_fields_beside() -> None:
    tree = parse_condition(
        {
            "all": [
                clause("order.country", "is", {"field": "order.billing_country"}),
                {"sum": "order.lines", "of": "price", "op": "gt", "value": GBP_500},
            ]
        }
    )
    assert paths_read(tree) == {
        "order.country",
        "order.billing_country",
        "order.lines",
        "order.lines.price",
    }
