"""What is proven of conditions holds for every event, however bad; what is made up fits."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from automations.conditions.compiling import compile_condition
from automations.conditions.leaves import Verdict
from automations.conditions.operands import Scope
from automations.conditions.tree import Condition
from automations.interactions.examples import made_from
from automations.interactions.leaves import Answer
from automations.interactions.solving import Goal, TooHard, is_impossible, models
from tests.automations import trees

ADAPTER: TypeAdapter[Any] = TypeAdapter(Condition)
SCOPE = Scope(trees.CATALOGUE)
LENIENT = settings(
    max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
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
