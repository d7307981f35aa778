"""Whether conditions can hold together, and how: a search through their alternatives.

That nothing is found is certain. What is found may still be none: it is shown by an example.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from automations.conditions.operands import Scope
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Condition,
    Every,
    NoneOf,
    Not,
    Quantifier,
)
from automations.interactions.leaves import Alternative, Answer, Var, answers_of
from automations.interactions.sets import Codes, Purses, Region, Spans

# So many alternatives are looked at before the search gives up.
MOST_BRANCHES = 400
DEEPEST_LISTS = 2


class TooHard(Exception):
    """The search gave up: nothing is known."""


@dataclass(frozen=True, slots=True)
class Space:
    """Whose event a condition is about. Paths in `same` are the same for all, others its own.

    `apart`: it happens at a time of its own, so that what is as old at one is not at another.
    """

    name: str = ""
    same: frozenset[str] | None = None
    apart: bool = False

    def path(self, path: str) -> str:
        return path if self.same is None or path in self.same else f"{self.name}:{path}"

    def var(self, var: Var) -> Var:
        if self.same is None:
            return var
        if var[0] == "age" and self.apart:
            return ("age", f"{self.name}:{var[1]}")
        if var[0] in ("field", "age", "rel"):
            return (var[0], *map(self.path, var[1:]))
        return (*var[:-1], f"{self.name}:{var[-1]}")


HERE = Space()


@dataclass(frozen=True, slots=True)
class Goal:
    """A condition that has to answer so."""

    node: Condition
    answer: Answer
    scope: Scope
    space: Space = HERE


@dataclass(frozen=True, slots=True)
class ItemGoal:
    """Whether some item of a list meets `where`."""

    path: str
    answer: Answer
    where: Condition
    scope: Scope


@dataclass(frozen=True, slots=True)
class Option:
    """One way to meet a goal: what fields have to be, what else has to hold, what of items."""

    put: Alternative = field(default_factory=dict)
    goals: tuple[Goal, ...] = ()
    items: tuple[ItemGoal, ...] = ()


@dataclass(frozen=True, slots=True)
class State:
    """What is known so far. `loose` are figures that are not sure to lie within a region."""

    regions: Mapping[Var, Region] = field(default_factory=dict)
    loose: tuple[tuple[Var, Region], ...] = ()
    items: tuple[ItemGoal, ...] = ()

    def put(self, alternative: Alternative) -> State | None:
        """With one more alternative; None where that can't be."""
        found, loose = dict(self.regions), list(self.loose)
        for var, region in alternative.items():
            if var[0] == "loose":
                loose.append((var[1:], region))
                continue
            known = found.get(var)
            met = region if known is None else known.meet(region)
            if met.is_empty():
                return None
            found[var] = met
        return State(found, tuple(loose), self.items)


# --- goals into options -------------------------------------------------------------------------


def _options(goal: Goal) -> list[Option]:
    node, answer = goal.node, goal.answer
    if isinstance(node, Not):
        return [Option(goals=(Goal(node.part, answer.turned, goal.scope, goal.space),))]
    if isinstance(node, AllOf | AnyOf):
        parts = tuple(Goal(part, answer, goal.scope, goal.space) for part in node.parts)
        together = isinstance(node, AllOf) is (answer in (Answer.YES, Answer.NOT_NO))
        return [Option(goals=parts)] if together else [Option(goals=(part,)) for part in parts]
    if isinstance(node, Quantifier):
        return [Option(items=(_some(node, goal),))]
    found = answers_of(node, goal.scope)[answer]
    if goal.space.same is None:
        return [Option(each) for each in found]
    var = goal.space.var
    return [Option({var(known): region for known, region in each.items()}) for each in found]


def _some(node: Quantifier, goal: Goal) -> ItemGoal:
    """`every` is that no item fails, `none` that not some meets."""
    where, answer = node.where, goal.answer
    if isinstance(node, Every):
        where = Not.model_validate({"not": where})
    if isinstance(node, Every | NoneOf):
        answer = answer.turned
    return ItemGoal(goal.space.path(node.path), answer, where, goal.scope.inside(node.path))


# --- the search ---------------------------------------------------------------------------------


class _Search:
    def __init__(self, depth: int) -> None:
        self.depth = depth
        self.left = MOST_BRANCHES

    def models(self, goals: Sequence[Goal], state: State) -> Iterator[State]:
        found = self._settled(goals, state)
        if found is None:
            return
        state, choices = found
        if not choices:
            if _is_possible(state, self.depth):
                yield state
            return
        choices.sort(key=len)
        yield from self._branch(choices, state)

    def _settled(
        self, goals: Sequence[Goal], state: State
    ) -> tuple[State, list[list[Option]]] | None:
        """All that has to be so, and what there is to choose; None where that can't be."""
        waiting = list(goals)
        choices: list[list[Option]] = []
        while waiting or choices:
            if waiting:
                options = _options(waiting.pop())
            else:
                # What an earlier choice leaves of the others may be no choice any more.
                kept = [self._live(options, state) for options in choices]
                single = next((n for n, options in enumerate(kept) if len(options) < 2), None)
                if single is None:
                    return state, kept
                options = kept.pop(single)
                choices = kept
            if len(options) > 1:
                choices.append(options)
                continue
            after = self._take(options[0], state) if options else None
            if after is None:
                return None
            state = after
            waiting += options[0].goals
        return state, choices

    def _live(self, options: Iterable[Option], state: State) -> list[Option]:
        return [option for option in options if not option.put or state.put(option.put)]

    def _take(self, option: Option, state: State) -> State | None:
        after = state.put(option.put) if option.put else state
        if after is not None and option.items:
            after = replace(after, items=(*after.items, *option.items))
        return after

    def _branch(self, choices: list[list[Option]], state: State) -> Iterator[State]:
        first, rest = choices[0], choices[1:]
        for option in first:
            self.left -= 1
            if self.left < 0:
                raise TooHard
            after = self._take(option, state)
            if after is not None:
                yield from self._go_on(option.goals, rest, after)

    def _go_on(
        self, goals: Sequence[Goal], choices: list[list[Option]], state: State
    ) -> Iterator[State]:
        found = self._settled(goals, state)
        if found is None:
            return
        state, more = found
        left = sorted([*choices, *more], key=len)
        if left:
            yield from self._branch(left, state)
        elif _is_possible(state, self.depth):
            yield state


def models(
    goals: Sequence[Goal], start: Alternative | None = None, depth: int = 0
) -> Iterator[State]:
    """Ways in which all goals are met, as far as can be seen; raises TooHard."""
    state = State().put(start) if start else State()
    if state is not None:
        yield from _Search(depth).models(goals, state)


def is_impossible(goals: Sequence[Goal], start: Alternative | None = None, depth: int = 0) -> bool:
    """Whether it is certain that the goals can't be met together."""
    try:
        return next(models(goals, start, depth), None) is None
    except TooHard:
        return False


# --- what only shows when all is together -------------------------------------------------------


def _is_possible(state: State, depth: int) -> bool:
    return (
        all(_may_stand(state, var) for var in state.regions if var[0] == "rel")
        and all(_may_straddle(state, var, region) for var, region in state.loose)
        and _items_possible(state.items, depth)
    )


def _may_straddle(state: State, var: Var, region: Region) -> bool:
    """A figure that is sure to lie within cannot be unsure."""
    known = state.regions.get(var)
    if known is None:
        return True
    outside = known.values.meet(region.values.complement())
    return not outside.is_empty()


def _may_stand(state: State, var: Var) -> bool:
    """Whether two fields can stand to each other as they must, going by what each can be."""
    region = state.regions[var]
    if region.other or region.null or region.values is None:
        return True
    one, two = (state.regions.get(("field", path)) for path in var[1:])
    if one is None or two is None or one.values is None or two.values is None:
        return True
    return any(_side_possible(side, one.values, two.values) for side in region.values.listed)


def _side_possible(side: str, one: Any, two: Any) -> bool:
    if isinstance(one, Purses) and isinstance(two, Purses):
        if one.rest or two.rest:
            return True
        return any(
            _side_possible(side, one.of(currency), two.of(currency))
            for currency in {*one.amounts, *two.amounts}
        )
    if isinstance(one, Spans) and isinstance(two, Spans):
        return _spans_possible(side, one, two)
    if side == "eq" and isinstance(one, Codes) and isinstance(two, Codes):
        return not one.meet(two).is_empty()
    return True


def _spans_possible(side: str, one: Spans, two: Spans) -> bool:
    if one.is_empty() or two.is_empty():
        return False
    if side == "eq":
        return not one.meet(two).is_empty()
    low, high = (one, two) if side == "lt" else (two, one)
    least, most = low.parts[0].low, high.parts[-1].high
    return least is None or most is None or bool(least < most)


def _items_possible(goals: Sequence[ItemGoal], depth: int) -> bool:
    return all(
        _list_possible([goal for goal in goals if goal.path == path], depth)
        for path in {goal.path for goal in goals}
    )


def item_goals(goals: Sequence[ItemGoal]) -> list[list[Goal]]:
    """The items a list needs, each as what it has to meet; what holds of all is in each."""
    each = [
        Goal(goal.where, goal.answer, goal.scope)
        for goal in goals
        if goal.answer in (Answer.NO, Answer.NOT_YES)
    ]
    needed = [goal for goal in goals if goal.answer in (Answer.YES, Answer.NOT_NO)]
    return [[Goal(goal.where, goal.answer, goal.scope), *each] for goal in needed]


def is_known(goals: Sequence[ItemGoal]) -> bool:
    """Whether the list must be there: of one that is not stored nothing is yes or no."""
    return any(goal.answer in (Answer.YES, Answer.NO) for goal in goals)


def _list_possible(goals: Sequence[ItemGoal], depth: int) -> bool:
    if not is_known(goals) or depth >= DEEPEST_LISTS:
        return True
    return not any(is_impossible(needed, depth=depth + 1) for needed in item_goals(goals))
