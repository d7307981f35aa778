"""What the engine's services raise: each message is a sentence that a person can act on."""

from __future__ import annotations

from collections.abc import Sequence

from automations.conditions.problems import Problem


class AutomationError(Exception):
    """Something a person asked for can't be done like this."""


class Refused(AutomationError):
    """The rules of approval don't allow it."""


class Stale(AutomationError):
    """Someone else changed it meanwhile: show both, answer 409."""


class NotPossible(AutomationError):
    """It does not fit the state the record is in."""


class Invalid(AutomationError):
    """A document with problems; `problems` say what is wrong, each at its place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = list(problems)
