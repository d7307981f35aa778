"""The SQL form of a condition lets through everything the predicate is true for."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from automations.conditions.checking import DEEPEST, check_condition, depth
from automations.conditions.compiling import compile_condition
from automations.conditions.sql import to_sql
from automations.rules.parsing import parse_condition
from tests.automations import shop
from tests.automations.trees import BASE, CATALOGUE, events, trees

ROWS = """
    SELECT number, facts, lists, occurred_at
    FROM unnest(%s::jsonb[], %s::jsonb[], %s::timestamptz[])
        WITH ORDINALITY AS event(facts, lists, occurred_at, number)
"""


def _filtered(rows: list[Any], sql: str, params: list[Any]) -> tuple[list[Any], set[int]]:
    """The rows as PostgreSQL stores them, and the numbers of those the SQL lets through."""
    columns: list[Any] = [
        [json.dumps(facts) for facts, _, _ in rows],
        [json.dumps(lists) for _, lists, _ in rows],
        [moment for _, _, moment in rows],
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({ROWS}) AS event", columns)
        stored = [
            (number, json.loads(facts), json.loads(lists), moment)
            for number, facts, lists, moment in cursor.fetchall()
        ]
        cursor.execute(f"SELECT number FROM ({ROWS}) AS event WHERE {sql}", [*columns, *params])
        return stored, {number for (number,) in cursor.fetchall()}


def _lost(tree: Any, rows: list[Any], now: datetime | None) -> list[Any]:
    predicate = compile_condition(tree, CATALOGUE)
    stored, let_through = _filtered(rows, *to_sql(tree, CATALOGUE, now=now))
    return [
        (facts, lists, moment)
        for number, facts, lists, moment in stored
        if predicate(facts, lists, now or moment) is True and number not in let_through
    ]


@pytest.mark.django_db
@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=trees, rows=st.lists(events, min_size=1, max_size=12), fixed=st.booleans())
def test_no_event_the_predicate_accepts_is_lost_by_the_prefilter(
    raw: Any, rows: list[Any], fixed: bool
) -> None:
    tree = parse_condition(raw)
    assume(depth(tree) <= DEEPEST)
    problems = [known for known in check_condition(tree, CATALOGUE) if known.blocks]
    assume(not problems or all("same currency" in known.message for known in problems))
    assert _lost(tree, rows, BASE if fixed else None) == []


@pytest.mark.django_db
def test_the_prefilter_drops_what_plainly_does_not_match() -> None:
    tree = parse_condition(shop.document()["when"])
    rows = [
        (*shop.paid(), shop.NOW),
        (*shop.paid(total=shop.gbp("499.99")), shop.NOW),
        (*shop.paid(country=shop.Country("GB")), shop.NOW),
    ]
    sql, params = to_sql(tree, shop.CATALOGUE)
    _, let_through = _filtered(rows, sql, params)
    assert let_through == {1}


def test_values_and_field_names_are_always_bound() -> None:
    tree = parse_condition({"field": "order.number", "op": "is", "value": "x'; DROP TABLE --"})
    sql, params = to_sql(tree, shop.CATALOGUE)
    assert "DROP" not in sql
    assert "order.number" not in sql
    assert params == ["order.number", "x'; DROP TABLE --"]


def test_only_a_column_name_is_taken_as_a_column() -> None:
    tree = parse_condition({"all": []})
    with pytest.raises(ValueError, match="no column"):
        to_sql(tree, shop.CATALOGUE, facts="facts; DROP TABLE x")
