"""What is proven of conditions holds for every event, however bad; what is made up fits."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Kind
from automations.conditions.leaves import Verdict
from automations.conditions.operands import Scope
from automations.conditions.operators import OPERATORS
from automations.conditions.tree import Condition
from automations.interactions.alone import of_conditions
from automations.interactions.examples import made_from
from automations.interactions.leaves import Answer
from automations.interactions.solving import Goal, TooHard, is_impossible, models
from tests.automations import trees

ADAPTER: TypeAdapter[Any] = TypeAdapter(Condition)
SCOPE = Scope(trees.CATALOGUE)
LENIENT = settings(
    max_examples=200, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
answers = st.sampled_from(list(Answer))
asked = st.lists(st.tuples(trees.trees, answers), min_size=1, max_size=3)
GIVES: dict[Verdict, tuple[Answer, ...]] = {
    True: (Answer.YES, Answer.NOT_NO),
    False: (Answer.NO, Answer.NOT_YES),
    None: (Answer.NOT_YES, Answer.NOT_NO),
}


def as_it_is(raws: list[Any], event: Any, sharp: bool) -> list[Goal]:
    """Conditions with answers that an event does give; `sharp`: yes and no rather than not."""
    found = []
    for raw in raws:
        node = ADAPTER.validate_python(raw)
        verdict = compile_condition(node, trees.CATALOGUE)(*event)
        found.append(Goal(node, GIVES[verdict][0 if sharp else 1], SCOPE))
        if not sharp:
            found.append(Goal(node, GIVES[verdict][0], SCOPE))
    return found


@LENIENT
@given(st.lists(trees.clauses(), min_size=2, max_size=8), trees.events, st.booleans())
def test_clauses_that_an_event_meets_are_never_called_impossible(
    raws: list[Any], event: Any, sharp: bool
) -> None:
    assert not is_impossible(as_it_is(raws, event, sharp))


@LENIENT
@given(st.lists(trees.trees, min_size=1, max_size=3), trees.events, st.booleans())
def test_trees_that_an_event_meets_are_never_called_impossible(
    raws: list[Any], event: Any, sharp: bool
) -> None:
    assert not is_impossible(as_it_is(raws, event, sharp))


@st.composite
def of_one_kind(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Clauses on one field, so that they often say the same or exclude each other."""
    kind = draw(st.sampled_from(list(Kind)))
    found = []
    for number in range(draw(st.integers(2, 4))):
        op = draw(st.sampled_from(OPERATORS[kind]))
        clause: dict[str, Any] = {"uid": f"c{number}", "field": str(kind), "op": op}
        value = trees.value_of(draw, kind, op)
        found.append(clause if value is None else {**clause, "value": value})
    return found


@LENIENT
@given(
    of_one_kind(), st.sampled_from(["all", "any"]), st.lists(trees.events, min_size=4, max_size=4)
)
def test_without_what_adds_nothing_or_is_never_met_the_answer_is_the_same(
    parts: list[dict[str, Any]], shape: str, events: list[Any]
) -> None:
    tree = ADAPTER.validate_python({shape: parts})
    if is_impossible([Goal(tree, Answer.YES, SCOPE)]):
        return
    whole = compile_condition(tree, trees.CATALOGUE)
    found = list(of_conditions(tree, SCOPE))
    idle = {uid for each in found if each.kind == "idle" for uid in each.uids}
    rest = ADAPTER.validate_python({shape: [part for part in parts if part["uid"] not in idle]})
    without = compile_condition(rest, trees.CATALOGUE)
    dead = {uid for each in found if each.kind == "dead" for uid in each.uids}
    for event in events:
        assert without(*event) is whole(*event), (idle, event)
        for part in parts:
            if part["uid"] in dead:
                judged = compile_condition(ADAPTER.validate_python(part), trees.CATALOGUE)
                assert judged(*event) is not True


@LENIENT
@given(asked, trees.moments)
def test_whatever_is_made_up_can_be_judged(parts: list[tuple[Any, Answer]], now: Any) -> None:
    goals = [Goal(ADAPTER.validate_python(raw), answer, SCOPE) for raw, answer in parts]
    try:
        state = next(models(goals), None)
    except TooHard:
        return
    made = made_from(state, trees.CATALOGUE, now) if state is not None else None
    if made is not None:
        for goal in goals:
            verdict = compile_condition(goal.node, trees.CATALOGUE)(made.facts, made.lists, now)
            assert verdict in (True, False, None)
