"""Whatever document is written: it is judged in time, alike each time, and no compiler loses a row.

1,000 documents in a normal run; `CHAOS_FULL=1` makes it 10,000, `DOCUMENTS=…` any number.
"""

from __future__ import annotations

import json
import os
import time as clock
from dataclasses import make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from automations.catalogue import flatten
from automations.conditions.bounds import Bound, bounds
from automations.conditions.checking import DEEPEST, check_condition, depth
from automations.conditions.compiling import compile_condition
from automations.conditions.explaining import explain
from automations.conditions.fields import Kind
from automations.conditions.indexing import EqualityKey, RuleIndex, equality_keys
from automations.conditions.orm import Columns, to_q
from automations.conditions.sql import to_sql
from automations.conditions.tree import AllOf, Condition
from automations.rules.canonical import canonical
from automations.rules.parsing import (
    DocumentInvalid,
    parse_condition,
    parse_document,
    read_document,
)
from automations.rules.validating import validate_document
from automations.triggers import Country, Tags
from backoffice.money import Money
from tests.automations.trees import BASE, CATALOGUE, CODES, MOMENTS, NUMBERS, WORDS, trees
from tests.depot.models import Specimen

FULL = 10_000
DOCUMENTS = int(
    os.environ.get("DOCUMENTS") or (FULL if os.environ.get("CHAOS_FULL") else FULL / 10)
)
ROWS = 150
# Far above what any document takes: one that hangs is caught, a busy machine is not.
SECONDS = 5.0
FAR_EAST = ZoneInfo("Pacific/Kiritimati")

_TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.CHOICE: str,
    Kind.BOOL: bool,
    Kind.WHOLE: int,
    Kind.DECIMAL: Decimal,
    Kind.MONEY: Money,
    Kind.DATE: date,
    Kind.TIME: time,
    Kind.DATETIME: datetime,
    Kind.DURATION: timedelta,
    Kind.COUNTRY: Country,
    Kind.TAGS: Tags,
}
NAMES = [prefix + str(kind) for kind in Kind for prefix in ("", "other_")]
Payload = make_dataclass(
    "Payload", [(name, _TYPES[Kind(name.removeprefix("other_"))] | None) for name in NAMES]
)
COLUMNS: Columns = {
    name: (f"{name}_amount", f"{name}_currency") if name.endswith("money") else name
    for name in NAMES
}
_VALUES: dict[Kind, list[Any]] = {
    Kind.TEXT: [*WORDS, "a\\", "A%b_"],
    Kind.CHOICE: WORDS,
    Kind.BOOL: [True, False],
    Kind.WHOLE: [-2, -1, 0, 1, 2, 3],
    Kind.DECIMAL: [Decimal(number) for number in NUMBERS],
    Kind.MONEY: [
        Money(Decimal(number), code) for number in NUMBERS for code in ("GBP", "GBP", "EUR")
    ],
    Kind.DATE: [moment.date() for moment in MOMENTS],
    Kind.TIME: [time(0), time(9), time(9, 0, 1), time(9, 0, 0, 500_000), time(23, 59, 59)],
    Kind.DATETIME: MOMENTS,
    Kind.DURATION: [timedelta(seconds=s) for s in (0, 0.5, 1, 43_200, 86_400, 172_800, 86_400.25)],
    Kind.COUNTRY: [Country(code) for code in ("", *CODES)],
    Kind.TAGS: [
        Tags(found) for found in ((), ("a",), ("b",), ("a", "b"), ("b", "c"), ("a", "b", "c"))
    ],
}


def some_payload(chance: Random) -> Any:
    return Payload(
        *(
            None
            if chance.random() < 0.12
            else chance.choice(_VALUES[Kind(name.removeprefix("other_"))])
            for name in NAMES
        )
    )


def specimen(payload: Any) -> Specimen:
    """The row that a payload would be read from."""
    values: dict[str, Any] = {}
    for name in NAMES:
        value = getattr(payload, name)
        if name.endswith("money"):
            values[f"{name}_amount"] = value.amount if value is not None else None
            values[f"{name}_currency"] = value.currency if value is not None else ""
        else:
            values[name] = list(value) if name.endswith("tags") and value is not None else value
    return Specimen(**values)


class Shelf:
    """Rows as a scan finds them, and the same as stored events."""

    def __init__(self, seed: int) -> None:
        chance = Random(seed)
        payloads = [some_payload(chance) for _ in range(ROWS)]
        rows = Specimen.objects.bulk_create([specimen(payload) for payload in payloads])
        self.facts = {row.pk: flatten(p)[0] for row, p in zip(rows, payloads, strict=True)}
        lists = [
            {"lines": [flatten(some_payload(chance))[0] for _ in range(chance.randrange(3))]}
            for _ in rows
        ]
        self.lists = dict(zip(self.facts, lists, strict=True))
        # The application's role may make no table, not even a temporary one.
        self.columns: list[list[Any]] = [
            list(self.facts),
            [json.dumps(facts) for facts in self.facts.values()],
            [json.dumps(known) for known in self.lists.values()],
        ]

    def verdicts(self, tree: Condition, now: datetime) -> dict[int, bool | None]:
        predicate = compile_condition(tree, CATALOGUE)
        return {pk: predicate(facts, self.lists[pk], now) for pk, facts in self.facts.items()}

    def by_sql(self, tree: Condition, now: datetime) -> set[int]:
        sql, params = to_sql(tree, CATALOGUE, now=now)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT id FROM unnest(%s::bigint[], %s::jsonb[], %s::jsonb[]) "
                f"AS shelf(id, facts, lists) WHERE {sql}",
                [*self.columns, *params],
            )
            return {row[0] for row in cursor.fetchall()}

    def by_index(self, tree: Condition) -> set[int]:
        demands: list[EqualityKey | Bound] = [
            *equality_keys(tree, CATALOGUE),
            *bounds(tree, CATALOGUE),
        ]
        index: RuleIndex[str] = RuleIndex([("it", demands)])
        return {pk for pk, facts in self.facts.items() if index.candidates(facts)}

    def by_orm(self, tree: Condition, now: datetime, *, keep_unknown: bool) -> set[int]:
        found = to_q(tree, CATALOGUE, COLUMNS, now=now, keep_unknown=keep_unknown)
        return set(Specimen.objects.filter(found).values_list("pk", flat=True))


@pytest.fixture
def shelf(db: None) -> Shelf:
    return Shelf(1)


def written(raw: Any) -> dict[str, Any]:
    """A rule document around a condition."""
    return {
        "schema": 1,
        "trigger": {"on": "depot.parcel_arrived"},
        "when": raw,
        "steps": [{"uid": "a1", "do": "depot.add_tag", "with": {"tag": "x"}}],
    }


def fits(tree: Condition) -> bool:
    problems = [known for known in check_condition(tree, CATALOGUE) if known.blocks]
    return depth(tree) <= DEEPEST and all("same currency" in each.message for each in problems)


def assert_nothing_is_lost(shelf: Shelf, tree: Condition, now: datetime) -> None:
    verdicts = shelf.verdicts(tree, now)
    true = {pk for pk, verdict in verdicts.items() if verdict is True}
    open_ = {pk for pk, verdict in verdicts.items() if verdict is not False}
    assert true <= shelf.by_sql(tree, now), "SQL over events"
    assert true <= shelf.by_orm(tree, now, keep_unknown=False), "the ORM"
    assert open_ <= shelf.by_orm(tree, now, keep_unknown=True), "the ORM, with unknown ones"
    assert open_ <= shelf.by_index(tree), "the index of rules"


def test_no_document_hangs_differs_or_loses_a_row(shelf: Shelf) -> None:
    seen = {"documents": 0, "narrowed": 0}

    @settings(
        max_examples=DOCUMENTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(raw=trees, now=st.sampled_from([BASE, BASE.astimezone(FAR_EAST), *MOMENTS[:4]]))
    def check(raw: Any, now: datetime) -> None:
        began = clock.monotonic()
        document = parse_document(written(raw))
        assume(fits(document.when))
        assert_nothing_is_lost(shelf, document.when, now)
        again = read_document(canonical(document))
        for pk in list(shelf.facts)[:3]:
            facts, lists = shelf.facts[pk], shelf.lists[pk]
            one = explain(document.when, CATALOGUE, facts, lists, now)
            two = explain(again.when, CATALOGUE, dict(facts), dict(lists), now)
            assert one.as_json() == two.as_json()
            assert (
                one.verdict
                == {True: "yes", False: "no", None: "unknown"}[
                    compile_condition(again.when, CATALOGUE)(facts, lists, now)
                ]
            )
        assert clock.monotonic() - began < SECONDS
        seen["documents"] += 1
        seen["narrowed"] += len(shelf.by_orm(document.when, now, keep_unknown=False)) < ROWS

    check()
    # A filter that lets everything through would lose nothing either.
    assert seen["narrowed"] > seen["documents"] / 8


_scraps = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8)
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(
            st.sampled_from(
                ["field", "op", "value", "all", "any", "not", "some", "where", "count", "sum", "of"]
            ),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=DOCUMENTS, deadline=None, suppress_health_check=list(HealthCheck))
@given(when=st.one_of(trees, _scraps), trigger=_scraps, steps=_scraps)
def test_whatever_is_written_is_read_or_refused_in_words(
    when: Any, trigger: Any, steps: Any
) -> None:
    began = clock.monotonic()
    for raw in ({**written(when), "trigger": trigger}, {**written(when), "steps": steps}, when):
        for problem in validate_document(raw):
            assert problem.message
    assert clock.monotonic() - began < SECONDS


def test_a_clause_whose_field_has_no_column_is_left_to_python(shelf: Shelf) -> None:
    tree = parse_condition({"field": "text", "op": "is", "value": "a"})
    everything = to_q(tree, CATALOGUE, {}, now=BASE)
    assert Specimen.objects.filter(everything).count() == ROWS
    with_column = to_q(tree, CATALOGUE, COLUMNS, now=BASE)
    assert 0 < Specimen.objects.filter(with_column).count() < ROWS


def test_a_tag_longer_than_its_column_is_not_cut_to_another(shelf: Shelf) -> None:
    long = "x" * 41
    Specimen.objects.filter(pk=min(shelf.facts)).update(tags=[long[:40]])
    tree = parse_condition({"field": "tags", "op": "contains_none", "value": [long]})
    found = Specimen.objects.filter(to_q(tree, CATALOGUE, COLUMNS, now=BASE))
    assert found.filter(pk=min(shelf.facts)).exists()


def test_an_empty_group_is_always_or_never() -> None:
    assert not to_q(AllOf.model_validate({"all": []}), CATALOGUE, COLUMNS, now=BASE)
    nothing = to_q(parse_condition({"any": []}), CATALOGUE, COLUMNS, now=BASE)
    assert str(nothing) == "(AND: ('pk__in', []))"


def test_what_can_not_be_read_says_so() -> None:
    with pytest.raises(DocumentInvalid):
        parse_document(written({"all": [{"nothing": 1}]}))
