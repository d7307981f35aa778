"""Where a run stands: which step comes next, through branches and loops too.

A cursor is a text: the uids that lead to a step, joined by `/`; a branch names the way taken
(`b1:then`), a loop the item's position (`l1:3`). `l1:3/b1:then/a7` is step a7, in the branch b1
taken yes, for the fourth item of loop l1. A stored cursor stays valid as long as its uids do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from automations.rules.document import ForEach, If, RuleDocument


@dataclass(frozen=True, slots=True)
class Position:
    """A step to run. `loop` is the loop and position of the item it is for, None outside loops."""

    cursor: str
    step: Any
    loop: tuple[str, int] | None = None


class CursorLost(LookupError):
    """A cursor that leads to no step of this document."""


# Decide a branch and count a loop's items; both are asked when the cursor reaches the step.
Branch = Callable[[If, "tuple[str, int] | None"], bool]
Length = Callable[[ForEach], int]


def _no_branch(step: If, loop: tuple[str, int] | None) -> bool:
    raise CursorLost(f"Step {step.uid} branches, and nobody decides.")


def _no_length(step: ForEach) -> int:
    raise CursorLost(f"Step {step.uid} loops, and nobody counts.")


@dataclass(frozen=True, slots=True)
class _Frame:
    """One list of steps on the way: how it was entered, and what loops around it."""

    steps: list[Any]
    prefix: str
    loop: tuple[str, int] | None
    owner: Any = None
    index: int = 0


class _Walker:
    def __init__(self, branch: Branch, length: Length) -> None:
        self.branch = branch
        self.length = length

    def enter(self, frame: _Frame, start: int) -> Position | None:
        """The first step to run from `start` on in a frame, None when there is none."""
        for step in frame.steps[start:]:
            found = self._inside(frame, step)
            if found is not None:
                return found
        return None

    def _inside(self, frame: _Frame, step: Any) -> Position | None:
        if isinstance(step, If):
            return self.enter(self._taken(frame, step, self.branch(step, frame.loop)), 0)
        if isinstance(step, ForEach):
            return self.items(frame, step, 0, self.length(step))
        return Position(frame.prefix + step.uid, step, frame.loop)

    def _taken(self, frame: _Frame, step: If, yes: bool) -> _Frame:
        way = "then" if yes else "else"
        steps = step.then if yes else step.otherwise
        return _Frame(steps, f"{frame.prefix}{step.uid}:{way}/", frame.loop, step)

    def _item(self, frame: _Frame, step: ForEach, index: int) -> _Frame:
        prefix = f"{frame.prefix}{step.uid}:{index}/"
        return _Frame(step.steps, prefix, (step.uid, index), step, index)

    def items(self, frame: _Frame, step: ForEach, first: int, count: int) -> Position | None:
        for index in range(first, count):
            found = self.enter(self._item(frame, step, index), 0)
            if found is not None:
                return found
        return None

    def frames(self, steps: list[Any], cursor: str) -> list[tuple[_Frame, int]]:
        """The way to a cursor: each frame with the position of the step in it."""
        frame, way = _Frame(steps, "", None), []
        for part in cursor.split("/"):
            uid, _, mark = part.partition(":")
            at = next((at for at, step in enumerate(frame.steps) if step.uid == uid), None)
            if at is None:
                raise CursorLost(f"There is no step {part} on the way to {cursor}.")
            way.append((frame, at))
            step = frame.steps[at]
            if isinstance(step, If) and mark in ("then", "else"):
                frame = self._taken(frame, step, mark == "then")
            elif isinstance(step, ForEach) and mark.isdecimal():
                frame = self._item(frame, step, int(mark))
            elif mark:
                raise CursorLost(f"Step {uid} has no part {mark}.")
        return way


def next_step(
    document: RuleDocument,
    cursor: str | None,
    *,
    branch: Branch = _no_branch,
    length: Length = _no_length,
) -> Position | None:
    """The step after the one at `cursor` (None: the first); None when the run is at its end.

    `branch` decides an `if`, given the step and the loop around it; `length` counts a loop's
    items. Raises CursorLost when the cursor does not fit the document.
    """
    walker = _Walker(branch, length)
    if cursor is None:
        return walker.enter(_Frame(document.steps, "", None), 0)
    way = walker.frames(document.steps, cursor)
    for depth in range(len(way) - 1, -1, -1):
        frame, at = way[depth]
        found = walker.enter(frame, at + 1)
        if found is None and isinstance(frame.owner, ForEach) and depth:
            outer = way[depth - 1][0]
            count = walker.length(frame.owner)
            found = walker.items(outer, frame.owner, frame.index + 1, count)
        if found is not None:
            return found
    return None


def step_at(document: RuleDocument, cursor: str) -> Position:
    """The step a cursor stands at; raises CursorLost."""
    frame, at = _Walker(_no_branch, _no_length).frames(document.steps, cursor)[-1]
    return Position(cursor, frame.steps[at], frame.loop)
