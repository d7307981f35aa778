"""The SQL form of a condition lets through everything the predicate is true for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from automations.conditions.checking import DEEPEST, check_condition, depth
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Field, Kind
from automations.conditions.operators import OPERATORS, TAKES, Takes
from automations.conditions.sql import to_sql
from automations.rules.parsing import parse_condition
from automations.triggers import Country
from tests.automations import shop
from tests.automations.trees import (
    BAD,
    BASE,
    CATALOGUE,
    CURRENCIES,
    FIELDS,
    ITEM,
    LITERALS,
    MOMENTS,
    NUMBERS,
    STORED,
    events,
    trees,
)

# A backtest judges dates in the zone of the business.
FAR_EAST = ZoneInfo("Pacific/Kiritimati")
QUANTIFIERS = ("some", "every", "none")

EVENTS = """
    WITH event AS MATERIALIZED (
        SELECT number, facts, lists, occurred_at
        FROM unnest(%s::jsonb[], %s::jsonb[], %s::timestamptz[])
            WITH ORDINALITY AS row(facts, lists, occurred_at, number)
    )
"""


def _columns(rows: list[Any]) -> list[Any]:
    return [
        [json.dumps(facts) for facts, _, _ in rows],
        [json.dumps(lists) for _, lists, _ in rows],
        [moment for _, _, moment in rows],
    ]


def _ask(rows: list[Any], questions: list[tuple[str, list[Any]]]) -> list[Any]:
    """Each row as PostgreSQL stores it, with its answer to each piece of SQL."""
    wanted = ", ".join(f"({sql}) IS TRUE" for sql, _ in questions)
    params = [value for _, params in questions for value in params]
    with connection.cursor() as cursor:
        cursor.execute(
            f"{EVENTS} SELECT facts, lists, occurred_at, {wanted} FROM event ORDER BY number",
            [*_columns(rows), *params],
        )
        return [
            (json.loads(facts), json.loads(lists), moment, answers)
            for facts, lists, moment, *answers in cursor.fetchall()
        ]


def _lost(raws: list[Any], rows: list[Any], now: datetime | None) -> list[Any]:
    """The trees and events that the predicate accepts and the SQL does not let through."""
    parsed = [parse_condition(raw) for raw in raws]
    predicates = [compile_condition(tree, CATALOGUE) for tree in parsed]
    asked = _ask(rows, [to_sql(tree, CATALOGUE, now=now) for tree in parsed])
    return [
        (raw, facts, lists, moment)
        for facts, lists, moment, answers in asked
        for raw, predicate, let_through in zip(raws, predicates, answers, strict=True)
        for zone in (UTC, FAR_EAST)
        if not let_through and predicate(facts, lists, now or moment.astimezone(zone)) is True
    ]


def _some_facts(chance: Random, fields: dict[str, Field]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for known in fields.values():
        for key in known.keys:
            pool = CURRENCIES if key.endswith(".currency") else STORED.get(known.kind, NUMBERS)
            if chance.random() < 0.95:
                found[key] = chance.choice(BAD if chance.random() < 0.1 else pool)
    return found


def _some_rows(chance: Random, count: int) -> list[Any]:
    return [
        (
            _some_facts(chance, FIELDS),
            {"lines": [_some_facts(chance, ITEM) for _ in range(chance.randrange(3))]},
            chance.choice(MOMENTS),
        )
        for _ in range(count)
    ]


def _one_value(chance: Random, kind: Kind, op: str) -> Any:
    takes = TAKES[op]
    pool = LITERALS[Kind.DURATION if takes is Takes.SPAN else kind]
    if kind is Kind.MONEY:
        pool = [value for value in pool if value["currency"] == "GBP"]
    if takes in (Takes.ONE, Takes.SPAN):
        return chance.choice(pool)
    return sorted((chance.choice(pool) for _ in range(2)), key=str)


def batched(things: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(things, size)):
        yield batch


def _every_operator(chance: Random) -> Iterator[dict[str, Any]]:
    """Each operator of each kind, plain and negated, of the event and of its lines."""
    for kind, ops in OPERATORS.items():
        for op in ops:
            clause: dict[str, Any] = {"field": str(kind), "op": op}
            if TAKES[op] is not Takes.NOTHING:
                clause["value"] = _one_value(chance, kind, op)
            for part in (clause, *({shape: "lines", "where": clause} for shape in QUANTIFIERS)):
                yield part
                yield {"not": part}


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(3))
def test_each_operator_and_its_negation_keeps_every_match(seed: int) -> None:
    chance = Random(seed)
    rows = _some_rows(chance, 60)
    for raws in batched(_every_operator(chance), 60):
        for now in (None, BASE):
            assert _lost(raws, rows, now) == []


@pytest.mark.django_db
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(raw=trees, rows=st.lists(events, min_size=1, max_size=12), fixed=st.booleans())
def test_no_event_the_predicate_accepts_is_lost_by_the_prefilter(
    raw: Any, rows: list[Any], fixed: bool
) -> None:
    tree = parse_condition(raw)
    assume(depth(tree) <= DEEPEST)
    problems = [known for known in check_condition(tree, CATALOGUE) if known.blocks]
    assume(not problems or all("same currency" in known.message for known in problems))
    assert _lost([raw], rows, BASE if fixed else None) == []


@pytest.mark.django_db
def test_the_prefilter_drops_what_plainly_does_not_match() -> None:
    tree = parse_condition(shop.document()["when"])
    rows = [
        (*shop.paid(), shop.NOW),
        (*shop.paid(total=shop.gbp("499.99")), shop.NOW),
        (*shop.paid(country=Country("GB")), shop.NOW),
    ]
    asked = _ask(rows, [to_sql(tree, shop.CATALOGUE)])
    assert [answers for *_, answers in asked] == [[True], [False], [False]]


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
