"""Editing a draft's steps as the builder does: placed in branches and loops, moved, copied.

A body is the JSON of a rule document and may be unfinished. Conditions, those of branches too, are
edited by `editing`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from automations.conditions.fields import Catalogue
from automations.conditions.problems import joined
from automations.rules.editing import (
    Json,
    NoSuchPart,
    Place,
    copied,
    edit_condition,
    fresh_uid,
    grouped,
    make_group,
    new_clause,
    places_in,
    uid_of_place,
)
from automations.rules.validating import DEEPEST_STEPS

KINDS = ("do", "wait", "if", "for_each", "ask")
_INSIDE: dict[str, tuple[str, ...]] = {"if": ("then", "else"), "for_each": ("steps",)}


def kind_of(step: Json) -> str:
    """do, wait, if, for_each or ask."""
    return next((kind for kind in KINDS if kind in step), "do")


def bodies_of(step: Json) -> list[tuple[str, list[Json]]]:
    """The lists of steps inside a normal step, each with its key."""
    return [(name, step[name]) for name in _INSIDE.get(kind_of(step), ())]


# --- shape --------------------------------------------------------------------------------------


def _steps(raw: Any, place: str) -> list[Json]:
    given = [step for step in raw if isinstance(step, dict)] if isinstance(raw, list) else []
    for index, step in enumerate(given):
        at = f"{place}.{index}"
        step.setdefault("uid", uid_of_place(at))
        kind = kind_of(step)
        if kind == "if":
            step["if"] = grouped(step["if"], f"{at}.if")
        if kind == "ask" and not isinstance(step["ask"], dict):
            step["ask"] = {}
        for name in _INSIDE.get(kind, ()):
            step[name] = _steps(step.get(name), f"{at}.{name}")
    return given


def normal(body: Any) -> Json:
    """A draft's body in the form that is edited; what it means stays."""
    given: Json = copy.deepcopy(body) if isinstance(body, dict) else {}
    given["when"] = grouped(given.get("when"), "when")
    given["steps"] = _steps(given.get("steps"), "steps")
    given.setdefault("schema", 1)
    return given


# --- places -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StepPlace:
    """Where a step stands: in the list `body` of the step `above`, None for the outermost.

    `path` leads to it in the document; `catalogue` is what it sees, a loop's item too.
    """

    step: Json
    siblings: list[Json]
    index: int
    path: str
    catalogue: Catalogue
    above: StepPlace | None = None
    body: str = ""

    @property
    def depth(self) -> int:
        """1 for the outermost."""
        return 1 if self.above is None else self.above.depth + 1

    @property
    def inside(self) -> Catalogue:
        """What the steps inside it see."""
        path = self.step.get("for_each")
        if isinstance(path, str) and path in self.catalogue.lists:
            return self.catalogue.with_item(path)
        return self.catalogue


def _placed(
    steps: list[Json], path: str, catalogue: Catalogue, above: StepPlace | None, body: str
) -> Iterator[StepPlace]:
    for index, step in enumerate(steps):
        here = StepPlace(step, steps, index, joined(path, index), catalogue, above, body)
        yield here
        for name, inner in bodies_of(step):
            yield from _placed(inner, joined(here.path, name), here.inside, here, name)


def step_places(body: Json, catalogue: Catalogue) -> dict[str, StepPlace]:
    """Every step of a normal body by its uid, in reading order."""
    return {str(at.step["uid"]): at for at in _placed(body["steps"], "steps", catalogue, None, "")}


def places(body: Json, catalogue: Catalogue) -> dict[str, Place]:
    """Every part of a normal body's conditions by its uid, those of branches too."""
    found = places_in(body["when"], catalogue)
    for at in step_places(body, catalogue).values():
        if kind_of(at.step) == "if":
            found.update(places_in(at.step["if"], at.catalogue))
    return found


# --- new steps ----------------------------------------------------------------------------------


def _new_branch(catalogue: Catalogue) -> Json:
    return {"if": make_group("all", [new_clause(catalogue)]), "then": [], "else": []}


def _new_question(catalogue: Catalogue) -> Json:
    return {"ask": {"role": "", "question": "", "due": "P1D", "on_timeout": "fail"}}


NEW: dict[str, Callable[[Catalogue], Json]] = {
    "wait": lambda catalogue: {"wait": "PT1H"},
    "if": _new_branch,
    "for_each": lambda catalogue: {"for_each": next(iter(catalogue.lists), ""), "steps": []},
    "ask": _new_question,
}


def _height(step: Json) -> int:
    """How many levels of steps it takes, itself included."""
    inner = [_height(part) for _, steps in bodies_of(step) for part in steps]
    return 1 + max(inner, default=0)


def _target(body: Json, into: str, catalogue: Catalogue) -> tuple[list[Json], int, int, Catalogue]:
    """The list, position, depth and catalogue that `into` names (see `add_step`)."""
    if not into:
        return body["steps"], len(body["steps"]), 1, catalogue
    uid, _, name = into.partition(".")
    at = step_places(body, catalogue).get(uid)
    if at is None:
        raise NoSuchPart("The step that this would go to is not there any more.")
    if not name:
        return at.siblings, at.index + 1, at.depth, at.catalogue
    steps = dict(bodies_of(at.step)).get(name)
    if steps is None:
        raise NoSuchPart("No step can go in there.")
    return steps, len(steps), at.depth + 1, at.inside


def sees(body: Json, into: str, catalogue: Catalogue) -> tuple[int, Catalogue]:
    """How deep a step at `into` would stand, 1 outermost, and what it would see.

    Raises NoSuchPart.
    """
    return _target(body, into, catalogue)[2:]


def add_step(
    body: Json, into: str, catalogue: Catalogue, make: Callable[[Catalogue], Json]
) -> Json:
    """Put a new step into a normal body, in place, and answer it.

    `into` is empty for the end, `a1` for right after step a1, `b1.then` for the end of a list
    inside step b1. Raises NoSuchPart.
    """
    row, index, depth, seen = _target(body, into, catalogue)
    step = make(seen)
    step.setdefault("uid", fresh_uid({"do": "a", "wait": "w", "if": "b"}.get(kind_of(step), "s")))
    # A new branch or loop is for steps inside it.
    _fits(step, depth + bool(bodies_of(step)))
    row.insert(index, step)
    return step


def _fits(step: Json, depth: int) -> None:
    if depth + _height(step) - 1 > DEEPEST_STEPS:
        raise NoSuchPart(f"Steps go at most {DEEPEST_STEPS} deep.")


# --- operations ---------------------------------------------------------------------------------


def _put(place: StepPlace, row: list[Json], index: int) -> str:
    del place.siblings[place.index]
    row.insert(index, place.step)
    return str(place.step["uid"])


def _move(place: StepPlace, argument: str) -> str:
    """One place up or down; from the end of a list on into the other way, or out."""
    up, above = argument == "up", place.above
    target = place.index + (-1 if up else 1)
    if 0 <= target < len(place.siblings):
        return _put(place, place.siblings, target)
    if above is None:
        return str(place.step["uid"])
    if "if" in above.step and place.body == ("else" if up else "then"):
        other = above.step["then" if up else "else"]
        return _put(place, other, len(other) if up else 0)
    return _put(place, above.siblings, above.index + (0 if up else 1))


def _in(place: StepPlace, argument: str) -> str:
    """Into the branch or loop right above, or else right below."""
    row = place.siblings
    before = bodies_of(row[place.index - 1]) if place.index else []
    after = bodies_of(row[place.index + 1]) if place.index + 1 < len(row) else []
    if not before and not after:
        raise NoSuchPart("There is no branch or loop right above or below this step.")
    _fits(place.step, place.depth + 1)
    into = before[0][1] if before else after[0][1]
    return _put(place, into, len(into) if before else 0)


def _out(place: StepPlace, argument: str) -> str:
    """Out of its branch or loop, to right after it."""
    if place.above is None:
        raise NoSuchPart("This step stands in no branch and no loop.")
    return _put(place, place.above.siblings, place.above.index + 1)


def _fresh(step: Json) -> Json:
    made = {**step, "uid": fresh_uid("a")}
    if kind_of(step) == "if":
        made["if"] = copied(step["if"])
    for name, steps in bodies_of(step):
        made[name] = [_fresh(part) for part in steps]
    return made


def _duplicate(place: StepPlace, argument: str) -> str:
    made = _fresh(copy.deepcopy(place.step))
    place.siblings.insert(place.index + 1, made)
    return str(made["uid"])


def _delete(place: StepPlace, argument: str) -> str:
    row = place.siblings
    del row[place.index]
    if row:
        return str(row[min(place.index, len(row) - 1)]["uid"])
    return str(place.above.step["uid"]) if place.above else ""


def _drop(place: StepPlace, argument: str) -> str:
    """Take away one of the events that end a run while it waits."""
    events = place.step.get("end_run_on")
    if not isinstance(events, list) or not argument.isdecimal() or int(argument) >= len(events):
        raise NoSuchPart("This event is not there any more.")
    del events[int(argument)]
    return str(place.step["uid"])


_STEP_OPS: dict[str, Callable[[StepPlace, str], str]] = {
    "step_move": _move,
    "step_in": _in,
    "step_out": _out,
    "step_duplicate": _duplicate,
    "step_delete": _delete,
    "step_drop": _drop,
}


def edit(body: Json, operation: str, catalogue: Catalogue) -> str:
    """Do one operation (`move:c12ab:up`) on a normal body, in place.

    Returns the uid of the part that the author goes on with. Raises NoSuchPart.
    """
    name, _, rest = operation.partition(":")
    uid, _, argument = rest.partition(":")
    if name in _STEP_OPS:
        step = step_places(body, catalogue).get(uid)
        if step is None:
            raise NoSuchPart("This step is not there any more.")
        return _STEP_OPS[name](step, argument)
    place = places(body, catalogue).get(uid)
    if place is None:
        raise NoSuchPart("This part is not there any more.")
    return edit_condition(name, place, argument)
