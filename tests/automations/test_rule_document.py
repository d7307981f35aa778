"""The rule document: read or refused in words, canonical, hashed, and stepped through."""

from __future__ import annotations

import json
from copy import deepcopy
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automations.conditions.problems import Problem
from automations.rules.canonical import canonical, content_hash, contracts_of
from automations.rules.cursor import CursorLost, next_step, step_at
from automations.rules.differences import difference
from automations.rules.document import steps_by_uid
from automations.rules.parsing import DocumentInvalid, parse_document, read_document
from automations.rules.validating import validate_document
from automations.rules.words import rule_in_words
from tests.automations import shop
from tests.automations.shop import REGISTRIES, document

GBP = {"amount": "100.00", "currency": "GBP"}


def problems(raw: Any) -> list[Problem]:
    return [known for known in validate_document(raw, REGISTRIES) if known.blocks]


def said(raw: Any) -> list[tuple[str, str]]:
    return [(known.path, known.message) for known in problems(raw)]


def step(uid: str = "s1", do: str = "shop.add_tag", given: Any = None) -> dict[str, Any]:
    return {"uid": uid, "do": do, "with": {"tag": "x"} if given is None else given}


def test_a_complete_document_has_no_problems() -> None:
    assert validate_document(document(), REGISTRIES) == []


def test_the_whole_language_is_read() -> None:
    raw = document(
        steps=[
            step("a1"),
            {"uid": "w1", "wait": "PT30M", "end_run_on": ["shop.order_cancelled"]},
            {"uid": "b1", "if": {"all": []}, "then": [step("a2")], "else": []},
            {
                "uid": "l1",
                "for_each": "order.lines",
                "steps": [step("a3", given={"tag": {"field": "item.sku.code"}})],
            },
            {
                "uid": "p1",
                "ask": {
                    "role": "finance",
                    "question": "Refund over the limit?",
                    "due": "PT24H",
                    "on_timeout": "fail",
                },
            },
        ],
        params={"limit": {"type": "money", "label": "Limit", "value": GBP, "range": [GBP, GBP]}},
        limits={
            "runs": {"per_hour": 200},
            "money": {"per_day": GBP},
            "per_subject": {"runs": 1, "within": "P1D"},
        },
        missing_data="skip",
        connector_down="hold",
        latency="batch",
    )
    read = parse_document(raw)
    assert list(steps_by_uid(read)) == ["a1", "w1", "b1", "a2", "l1", "a3", "p1"]
    assert said(raw) == []


def test_a_question_goes_to_a_role_that_there_is() -> None:
    question = {"role": "nobody", "question": "Go on?", "due": "PT1H", "on_timeout": "fail"}
    raw = document(steps=[{"uid": "p1", "ask": question}])
    assert [path for path, _ in said(raw)] == ["steps.0.ask.role"]


def test_a_limit_per_customer_needs_a_trigger_that_knows_the_customer() -> None:
    raw = document(limits={"per_customer": {"runs": 1, "within": "P1D"}})
    assert [path for path, _ in said(raw)] == ["limits.per_customer"]


@pytest.mark.parametrize(
    ("start", "said_at"),
    [
        ({"every": "0 7 * * 1-5", "zone": "UTC", "for": "shop.nothing"}, "trigger.for"),
        ({"every": "0 7 31 2 *", "zone": "UTC", "for": "shop.order"}, "trigger.every"),
        ({"every": "0 25 * * *", "zone": "UTC", "for": "shop.order"}, "trigger.every"),
        ({"every": "0 7 * * *", "zone": "Mars/Base", "for": "shop.order"}, "trigger.zone"),
        ({"manual": "shop.nothing"}, "trigger.manual"),
        ({"on": "shop.nothing"}, "trigger.on"),
        ({"on": "shop.order_paid", "manual": "shop.order"}, "trigger"),
        ({}, "trigger"),
        ({"every": "daily", "zone": "UTC", "for": "shop.order"}, "trigger.every"),
    ],
)
def test_a_start_that_can_not_run_is_said_at_the_trigger(start: Any, said_at: str) -> None:
    assert [path for path, _ in said(document(trigger=start))] == [said_at]


@pytest.mark.parametrize(
    ("changes", "path", "message"),
    [
        ({"extra": 1}, "extra", "There is no “extra” here."),
        ({"schema": 2}, "schema", "This is 1."),
        ({"when": {"field": "order.units", "op": "is"}}, "when.value", "is takes one value."),
        ({"when": {"field": "order.units", "op": "like", "value": 1}}, "when.op", "no operator"),
        (
            {"when": {"field": "order.units", "op": "is", "value": 1.5}},
            "when.value",
            'like "12.5"',
        ),
        ({"when": {"all": [{"any": [{}]}]}}, "when.all.0.any.0", "exactly one of"),
        ({"when": {"all": 3}}, "when.all", "A list is needed."),
        ({"when": {"not": {"field": "x", "op": "is", "value": 1}}}, "when.not.field", "no field"),
        ({"steps": []}, "steps", "at least one step"),
        ({"steps": [step("a"), step("a")]}, "steps.0.uid", "stands twice"),
        ({"steps": [step("not ok")]}, "steps.0.uid", "Only letters"),
        ({"steps": [step(do="shop.nothing")]}, "steps.0.do", "no action"),
        ({"steps": [step(do="shop.count_stock")]}, "steps.0.do", "acts on shop.sku"),
        ({"steps": [step(given={})]}, "steps.0.with.tag", "required"),
        ({"steps": [step(given={"tag": "no spaces!"})]}, "steps.0.with.tag", "valid"),
        ({"steps": [step(given={"tag": "x", "b": 1})]}, "steps.0.with.b", "no parameter"),
        (
            {"steps": [step(given={"tag": {"text": "{{ order.number }}"}})]},
            "steps.0.with.tag",
            "no free text",
        ),
        (
            {"steps": [step(given={"tag": {"field": "order.total"}})]},
            "steps.0.with.tag",
            "can't be filled from",
        ),
        (
            {"steps": [step(given={"tag": {"param": "limit"}})]},
            "steps.0.with.tag",
            "no param",
        ),
        ({"missing_data": "ignore"}, "missing_data", "'skip' or 'hold'"),
    ],
)
def test_what_is_wrong_is_said_where_it_is_wrong(
    changes: dict[str, Any], path: str, message: str
) -> None:
    found = problems(document(**changes))
    assert path in [known.path for known in found]
    assert message in " ".join(known.message for known in found if known.path == path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{ order.number", "can't be read"),
        ("{{ order.numbr }}", "no field “order.numbr”"),
        ("{% include 'x' %}", "can't be read"),
        ("{{ order.number | replace: 'a', 'b' }}", "no filter replace"),
    ],
)
def test_a_text_that_can_not_be_filled_in_is_said_before_it_runs(text: str, message: str) -> None:
    ticket = {"subject": {"text": text}, "priority": "high"}
    raw = document(steps=[{"uid": "t", "do": "shop.open_ticket", "with": ticket}])
    assert [path for path, _ in said(raw)] == ["steps.0.with.subject"]
    assert message in said(raw)[0][1]


def test_two_currencies_in_one_clause_are_refused() -> None:
    euros = {"amount": "200", "currency": "EUR"}
    when = {"field": "order.total", "op": "between", "value": [GBP, euros]}
    assert said(document(when=when)) == [
        ("when.value", "Both amounts must be in the same currency.")
    ]


def test_an_empty_group_is_a_note_and_no_obstacle() -> None:
    found = validate_document(document(when={"any": [{"all": []}]}), REGISTRIES)
    assert [(known.path, known.blocks) for known in found] == [("when.any.0", False)]


def test_a_tunable_stays_inside_its_own_range() -> None:
    low, high = GBP, {"amount": "300", "currency": "GBP"}
    param = {"type": "money", "label": "Limit", "range": [low, high]}
    over = {"amount": "300.01", "currency": "GBP"}
    assert said(document(params={"limit": {**param, "value": high}})) == []
    assert said(document(params={"limit": {**param, "value": over}})) == [
        ("params.limit.value", "The value is outside its own range.")
    ]
    assert said(document(params={"limit": {**param, "value": 100}}))[0][0] == "params.limit.value"


def test_a_document_has_its_measure() -> None:
    clause = {"field": "order.units", "op": "is", "value": 1}
    deep: Any = clause
    for _ in range(12):
        deep = {"all": [deep]}
    assert "10 deep" in said(document(when=deep))[0][1]
    assert "200 clauses" in said(document(when={"all": [clause] * 201}))[0][1]
    steps = [step(f"s{number}") for number in range(51)]
    assert "50 steps" in said(document(steps=steps))[0][1]
    for _ in range(100_000):
        deep = {"not": deep}
    assert "far too large" in said(document(when=deep))[0][1]
    assert "far too large" in said(document(steps=[1] * 100_000))[0][1]


def test_pasted_json_that_is_none_is_said_so() -> None:
    for text in ("{", "[" * 100_000, '{"schema": 1, "schema": 1}', '"\\ud800"'):
        with pytest.raises(DocumentInvalid):
            read_document(text)


def test_equal_documents_have_one_canonical_text() -> None:
    one = document()
    two = json.loads(json.dumps(one, sort_keys=True))
    two["when"]["all"][0]["value"] = {"currency": "GBP", "amount": "500"}
    two["when"]["all"][1]["start_only"] = False
    two["missing_data"] = "hold"
    text = canonical(parse_document(one))
    assert canonical(parse_document(two)) == text
    assert canonical(read_document(text)) == text
    assert "\n" not in text


def test_text_is_canonical_in_nfc() -> None:
    composed, apart = "Caf\u00e9", "Cafe\u0301"
    raws = [document(steps=[step(given={"tag": name})]) for name in (composed, apart)]
    one, two = (canonical(parse_document(raw)) for raw in raws)
    assert one == two


@pytest.mark.parametrize(
    "start",
    [
        {"every": "0 7 * * 1-5", "zone": "Europe/London", "for": "shop.order"},
        {"manual": "shop.order"},
    ],
)
def test_a_schedule_and_a_button_pin_the_records_they_go_to(start: Any) -> None:
    raw = document(trigger=start)
    assert said(raw) == []
    read = parse_document(raw)
    contracts = contracts_of(read, shop.triggers, shop.actions, shop.scans)
    assert contracts["scan shop.order"] == 1
    assert not any(name.startswith("trigger ") for name in contracts)
    assert read_document(canonical(read)).trigger == read.trigger


def test_the_hash_covers_the_text_its_dependencies_and_the_contracts() -> None:
    read = parse_document(document())
    text, contracts = canonical(read), contracts_of(read, shop.triggers, shop.actions)
    assert contracts == {
        "trigger shop.order_paid": 1,
        "action shop.add_tag": 1,
        "action shop.open_ticket": 1,
    }
    signed = content_hash(text, ["b" * 64, "a" * 64], contracts)
    assert signed == content_hash(text, ["a" * 64, "b" * 64], contracts)
    assert signed != content_hash(text, ["a" * 64], contracts)
    assert signed != content_hash(text, ["b" * 64, "a" * 64], {**contracts, "x": 1})
    lines = [text, "a" * 64, "action shop.add_tag=1"]
    expected = sha256("\n".join(lines).encode()).hexdigest()
    assert content_hash(text, ["a" * 64], {"action shop.add_tag": 1}) == expected


def _cursors(raw: dict[str, Any], yes: bool = True, items: int = 2) -> list[str]:
    read = parse_document(raw)
    found: list[str] = []
    cursor = None
    while True:
        position = next_step(read, cursor, branch=lambda step, loop: yes, length=lambda step: items)
        if position is None:
            return found
        assert step_at(read, position.cursor) == position
        cursor = position.cursor
        found.append(cursor)


def test_steps_follow_each_other_through_branches_and_loops() -> None:
    assert _cursors(document()) == ["a1", "a2"]
    inner = {"uid": "b1", "if": {"all": []}, "then": [step("y1"), step("y2")], "else": [step("n")]}
    raw = document(
        steps=[
            step("a"),
            {"uid": "l", "for_each": "order.lines", "steps": [inner, step("c")]},
            {"uid": "b2", "if": {"all": []}, "then": [], "else": [step("m")]},
            step("z"),
        ]
    )
    first, second = (
        [f"l:{item}/b1:then/y1", f"l:{item}/b1:then/y2", f"l:{item}/c"] for item in (0, 1)
    )
    assert _cursors(raw) == ["a", *first, *second, "z"]
    assert _cursors(raw, yes=False, items=1) == ["a", "l:0/b1:else/n", "l:0/c", "b2:else/m", "z"]
    assert _cursors(raw, items=0) == ["a", "z"]


def test_a_cursor_of_another_version_is_lost_and_not_guessed() -> None:
    with pytest.raises(CursorLost):
        next_step(parse_document(document()), "gone")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(
        st.sampled_from(["field", "op", "value", "all", "any", "not", "some", "where", "count",
                         "uid", "do", "with", "if", "then", "wait", "ask", "text", "param", "of"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


def _replaced(raw: Any, path: list[int], new: Any) -> Any:
    """`raw` with one place, chosen by `path`, holding something else."""
    if not path or not isinstance(raw, dict | list) or not raw:
        return new
    keys = list(raw) if isinstance(raw, dict) else list(range(len(raw)))
    chosen = keys[path[0] % len(keys)]
    raw[chosen] = _replaced(raw[chosen], path[1:], new)
    return raw


@settings(max_examples=300, deadline=None)
@given(path=st.lists(st.integers(0, 5), max_size=5), new=JSON)
def test_no_document_however_odd_makes_checking_fail(path: list[int], new: Any) -> None:
    raw = _replaced(deepcopy(document()), path, new)
    found = validate_document(raw, REGISTRIES)
    try:
        read = parse_document(raw)
    except DocumentInvalid:
        assert found
        return
    assert canonical(read_document(canonical(read))) == canonical(read)
    assert rule_in_words(read, REGISTRIES).paragraph
    difference(parse_document(document()), read, REGISTRIES)
