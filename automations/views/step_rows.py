"""A draft's steps as the builder prints them, with those inside branches and loops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from automations.actions import Action, Risk, actions
from automations.conditions.fields import Catalogue, Facts
from automations.conditions.problems import Problem, joined
from automations.conditions.words import field_words
from automations.forms.flow import TIMEOUTS, ending_events, role_choices
from automations.rules.editing import Json
from automations.rules.step_editing import bodies_of, kind_of
from automations.rules.validating import DEEPEST_STEPS
from automations.simulation.stored import Stored
from automations.triggers import triggers
from automations.views.inputs import Groups, Input, Option, duration_input, field_groups
from automations.views.parameter_rows import Parameter, ParameterRows
from automations.views.rows import Row, Rows

RISK_WORDS = {Risk.MONEY: "moves money", Risk.CUSTOMER: "reaches customers", Risk.NONE: ""}
SIGNS = {
    "do": "player-play",
    "wait": "hourglass",
    "if": "git-branch",
    "for_each": "repeat",
    "ask": "user-question",
}
LABELS = {"wait": "Wait", "if": "If", "for_each": "For each of the", "ask": "Ask"}


# What is no action: kind, name, what it is for.
_KINDS = (
    ("wait", "Wait", "some time; events can end the run"),
    ("if", "Branch", "one way or the other"),
    ("for_each", "For each", "steps for each item of a list"),
    ("ask", "Ask a person", "go on once they agree"),
)


def kinds_of_step(catalogue: Catalogue, depth: int = 1) -> list[tuple[str, str, str, str]]:
    """The kinds of step, but for actions, that can stand so deep: kind, name, what for, sign."""
    inner = depth < DEEPEST_STEPS
    offered = {"if": inner, "for_each": inner and bool(catalogue.lists)}
    return [
        (kind, word, says, SIGNS[kind]) for kind, word, says in _KINDS if offered.get(kind, True)
    ]


@dataclass(slots=True)
class Body:
    """A list of steps inside a step. `into` names it to whoever adds one, `can_add` False: the
    document goes no deeper."""

    into: str
    label: str
    nothing: str
    rows: list[StepRow]
    can_add: bool


@dataclass(slots=True)
class StepRow:
    """One step. `known` False: no app offers its action any more.

    Of `test`, `lists`, `input`, `events` and what follows, only what its kind has is filled.
    """

    uid: str
    kind: str
    number: str
    label: str
    known: bool
    risk: str
    words: str
    parameters: list[Parameter]
    problems: list[str]
    first: bool
    last: bool
    can_in: bool
    can_out: bool
    at: dict[str, str] = field(default_factory=dict)
    bodies: list[Body] = field(default_factory=list)
    test: Row | None = None
    variables: str = "variables"
    item_fields: Groups = field(default_factory=list)
    lists: Sequence[Option] = ()
    chosen: str = ""
    input: Input | None = None
    events: Sequence[str] = ()
    more_events: Sequence[Option] = ()
    roles: Sequence[Option] = ()
    question: str = ""
    timeout: str = ""
    timeouts: Sequence[Option] = tuple(TIMEOUTS.items())

    @property
    def name(self) -> str:
        return f"s-{self.uid}"

    @property
    def sign(self) -> str:
        return SIGNS[self.kind]


def in_words(action: Action, step: Json) -> str:
    """A step in words; just the action's label while a parameter is missing."""
    try:
        return action.in_words(step.get("with") or {})
    except (KeyError, TypeError, ValueError, AttributeError):
        return action.label


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the steps of one list see. `item` is a recent one, for samples."""

    catalogue: Catalogue
    depth: int = 1
    number: str = ""
    variables: str = "variables"
    item: Facts | None = None
    inside: bool = False


class StepRows:
    """Makes rows of a normal body's steps. `subject` is the records the rule is about."""

    def __init__(
        self,
        catalogue: Catalogue,
        problems: Sequence[Problem],
        recent: Stored | None,
        subject: str = "",
    ) -> None:
        self.catalogue = catalogue
        self.problems = [known for known in problems if known.blocks]
        self.recent = recent
        self.subject = subject

    def rows(self, body: Json) -> list[StepRow]:
        return self._rows(body["steps"], "steps", _Scope(self.catalogue), 1)

    def _rows(self, steps: list[Json], path: str, scope: _Scope, first: int) -> list[StepRow]:
        return [
            self._row(steps, index, joined(path, index), scope, first + index)
            for index in range(len(steps))
        ]

    def _row(self, steps: list[Json], index: int, path: str, scope: _Scope, number: int) -> StepRow:
        step = steps[index]
        kind, mine = kind_of(step), self._about(path)
        action = actions.get(str(step.get("do", ""))) if kind == "do" else None
        rows = ParameterRows(scope.catalogue, self.recent, scope.item)
        beside = [*steps[max(0, index - 1) : index], *steps[index + 1 : index + 2]]
        row = StepRow(
            uid=str(step["uid"]),
            kind=kind,
            number=f"{scope.number}{number}",
            label=action.label if action else LABELS.get(kind, str(step.get("do", ""))),
            known=action is not None or kind != "do",
            risk=RISK_WORDS[action.risk] if action else "",
            words=in_words(action, step) if action else "",
            parameters=rows.rows(action, step, mine, path) if action else [],
            problems=[],
            first=index == 0 and not scope.inside,
            last=index == len(steps) - 1 and not scope.inside,
            can_in=any(bodies_of(each) for each in beside) and scope.depth < DEEPEST_STEPS,
            can_out=scope.inside,
            variables=scope.variables,
        )
        self._fill(row, step, path, scope)
        self._place_problems(row, mine, path)
        return row

    def _about(self, path: str) -> list[Problem]:
        """The problems of a step and not of what stands inside it."""
        inner = tuple(f"{path}.{name}." for name in ("then", "else", "steps", "if"))
        return [
            each
            for each in self.problems
            if (each.path == path or each.path.startswith(f"{path}."))
            and not each.path.startswith(inner)
        ]

    def _place_problems(self, row: StepRow, mine: Sequence[Problem], path: str) -> None:
        """Each problem at its input where it has one, the rest at the step."""
        fields = {f"{path}.with.{each.name}" for each in row.parameters}
        for each in mine:
            part = each.path.removeprefix(f"{path}.")
            if each.path in fields or part == "if":  # the condition says it itself
                continue
            if part in FRIENDLY and row.kind in part.split("."):
                said = each.message if _is_about_text(row, part) else FRIENDLY[part]
                row.at.setdefault(part.replace(".", "_"), said)
            else:
                row.problems.append(each.message)

    def _fill(self, row: StepRow, step: Json, path: str, scope: _Scope) -> None:
        if row.kind == "wait":
            self._wait(row, step)
        elif row.kind == "ask":
            _ask(row, step["ask"])
        elif row.kind == "if":
            row.test = Rows(scope.catalogue, self.problems).tree(step["if"], joined(path, "if"))
            self._branch(row, step, path, scope)
        elif row.kind == "for_each":
            self._loop(row, step, path, scope)

    def _wait(self, row: StepRow, step: Json) -> None:
        row.input = duration_input(step["wait"], f"{row.name}-wait", "Wait")
        keys = [str(key) for key in step.get("end_run_on") or []]
        row.events = [known.label if (known := triggers.get(key)) else key for key in keys]
        row.more_events = ending_events(self.subject, keys)

    def _branch(self, row: StepRow, step: Json, path: str, scope: _Scope) -> None:
        inner = _Scope(
            scope.catalogue,
            scope.depth + 1,
            f"{row.number}.",
            scope.variables,
            scope.item,
            inside=True,
        )
        then, otherwise = step["then"], step["else"]
        yes = self._rows(then, joined(path, "then"), inner, 1)
        no = self._rows(otherwise, joined(path, "else"), inner, 1 + len(then))
        deeper = scope.depth < DEEPEST_STEPS
        row.bodies = [
            Body(f"{row.uid}.then", "yes", "Nothing: it goes on below.", yes, deeper),
            Body(f"{row.uid}.else", "no", "Nothing: it goes on below.", no, deeper),
        ]

    def _loop(self, row: StepRow, step: Json, path: str, scope: _Scope) -> None:
        row.lists = [
            (key, field_words(known.labels)) for key, known in scope.catalogue.lists.items()
        ]
        chosen = step["for_each"] if isinstance(step["for_each"], str) else ""
        known = scope.catalogue.lists.get(chosen)
        row.chosen = chosen if known is not None else ""
        seen = scope.catalogue.with_item(chosen) if known is not None else scope.catalogue
        items = self.recent.lists.get(chosen) if self.recent else None
        row.item_fields = field_groups(seen) if known is not None else []
        inner = _Scope(
            seen,
            scope.depth + 1,
            f"{row.number}.",
            f"variables-{row.uid}" if known is not None else scope.variables,
            items[0] if items else scope.item,
            inside=True,
        )
        rows = self._rows(step["steps"], joined(path, "steps"), inner, 1)
        deeper = scope.depth < DEEPEST_STEPS
        row.bodies = [Body(f"{row.uid}.steps", "each", "No step for them yet.", rows, deeper)]


LONGEST_QUESTION = 500
# The parts of steps with an input of their own; a sentence where the problem's own is no help.
FRIENDLY = {
    "wait": "Write how long, as a whole number.",
    "for_each": "Choose a list.",
    "ask.role": "Choose who is asked.",
    "ask.question": "Write the question, in at most 500 characters.",
    "ask.due": "Write how long they have, as a whole number.",
    "ask.on_timeout": "Choose what happens without an answer.",
}


def _is_about_text(row: StepRow, part: str) -> bool:
    """Whether a problem is about what a question says, and not that it is missing or too long."""
    return part == "ask.question" and 0 < len(row.question) <= LONGEST_QUESTION


def _ask(row: StepRow, asked: dict[str, Any]) -> None:
    row.input = duration_input(asked.get("due"), f"{row.name}-due", "Time to answer")
    row.roles, row.chosen = role_choices(), str(asked.get("role", ""))
    row.question, row.timeout = str(asked.get("question", "")), str(asked.get("on_timeout", ""))


def loops(rows: Sequence[StepRow]) -> list[StepRow]:
    """The loops among these steps and inside them, each with the fields of its items."""
    found = []
    for row in rows:
        if row.item_fields:
            found.append(row)
        for body in row.bodies:
            found.extend(loops(body.rows))
    return found
