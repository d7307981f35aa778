"""A rule as the check sees it: what it matches, and what it does to its subject, when and if."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from automations.actions import Action, Change, How
from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.conditions.leaves import Predicate
from automations.conditions.operands import Scope
from automations.conditions.rechecking import paths_read
from automations.conditions.tree import Condition, Count, field_of, param_of
from automations.interactions.leaves import Answer, Remembering
from automations.interactions.solving import HERE, Goal, Space
from automations.rules.document import Ask, Do, ForEach, If, RuleDocument, Wait, text_of
from automations.rules.validating import Registries
from automations.triggers import Source

Guard = tuple[Condition, Answer]


@dataclass(frozen=True, eq=False)
class Doing:
    """One step that acts, where its `guards` answer as they must.

    `number` is the builder's; `stage` is what its run waits for before, so that steps of one stage
    act on an event at about the same time. `given` are its parameters, None where an event fills
    them in.
    """

    uid: str
    number: str
    action: Action
    params: Mapping[str, Any]
    given: Mapping[str, Any]
    guards: tuple[Guard, ...] = ()
    stage: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """What it does, in words."""
        try:
            said = self.action.in_words(self.params)
        except (KeyError, ValueError, TypeError):  # a draft that is not finished
            return self.action.label
        return said[:1].lower() + said[1:]

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """What it makes of its subject; what it writes and says no more of may become anything."""
        told = self.action.changes(self.given)
        known = {change.what for change in told}
        rest = [path for path in self.action.writes if path not in known]
        return (*told, *[Change(path, How.SETS, path, follows=True) for path in rest])

    @cached_property
    def identity(self) -> str:
        """What tells one effect from another."""
        return json.dumps([self.action.key, self.params], sort_keys=True, default=str)

    @cached_property
    def effect(self) -> str:
        """The same without its texts, where what it changes says it all."""
        made = [(each.what, each.how, each.value, each.every) for each in self.changes]
        sure = all(each.value is not None or each.every or each.follows for each in self.changes)
        return repr((self.action.key, made)) if made and sure else self.identity


def literal(value: Any, params: Mapping[str, Any]) -> Any:
    """A parameter as its author wrote it, a tunable as it is now; None where an event fills it."""
    if (name := param_of(value)) is not None:
        return params.get(name)
    text = text_of(value)
    if text is not None:
        return None if "{{" in text or "{%" in text else text
    return None if field_of(value) is not None else value


class _Walk:
    """Collects what a document does, step by step."""

    def __init__(self, document: RuleDocument, registries: Registries) -> None:
        self.params, self.actions = document.param_values, registries.actions
        self.found: list[Doing] = []
        self._steps(document.steps, "", (), (), loops=False)

    def _steps(
        self,
        steps: list[Any],
        under: str,
        guards: tuple[Guard, ...],
        stage: tuple[str, ...],
        *,
        loops: bool,
    ) -> tuple[str, ...]:
        """Go through steps from a stage; answers the stage after them."""
        for index, step in enumerate(steps, 1):
            number = f"{under}{index}"
            if isinstance(step, Do):
                self._do(step, number, guards, stage)
            elif isinstance(step, Wait):
                stage = (*stage, step.wait)
            elif isinstance(step, Ask):
                stage = (*stage, f"ask {step.ask.role}")
            elif isinstance(step, ForEach):
                some = Count.model_validate({"count": step.for_each, "op": "gte", "value": 1})
                inner = (*guards, (some, Answer.YES))
                stage = self._steps(step.steps, f"{number}.", inner, stage, loops=True)
            # What is asked of an item is not told apart, so such steps are left out.
            elif isinstance(step, If) and not loops:
                stage = self._branches(step, number, guards, stage)
        return stage

    def _branches(
        self, step: If, number: str, guards: tuple[Guard, ...], stage: tuple[str, ...]
    ) -> tuple[str, ...]:
        ends = set()
        for steps, answer in ((step.then, Answer.YES), (step.otherwise, Answer.NOT_YES)):
            inner = (*guards, (step.test, answer))
            ends.add(self._steps(steps, f"{number}.", inner, stage, loops=False))
        return ends.pop() if len(ends) == 1 else (*stage, step.uid)

    def _do(self, step: Do, number: str, guards: tuple[Guard, ...], stage: tuple[str, ...]) -> None:
        action = self.actions.get(step.do)
        if action is not None:
            given = {name: literal(value, self.params) for name, value in step.params.items()}
            self.found.append(Doing(step.uid, number, action, step.params, given, guards, stage))


@dataclass(frozen=True, eq=False)
class Party:
    """One rule that meets others. Raises ConditionInvalid for conditions that don't fit its start.

    `state` is live, submitted or draft; `document_id` is that of the version, 0 for a draft.
    """

    rule_id: int
    name: str
    document: RuleDocument
    source: Source
    position: int = 100
    state: str = "draft"
    document_id: int = 0

    @cached_property
    def catalogue(self) -> Catalogue:
        return catalogue_for(self.source)

    @cached_property
    def scope(self) -> Scope:
        return Remembering(self.catalogue, self.document.param_values)

    @cached_property
    def doings(self) -> tuple[Doing, ...]:
        """Its steps that act, in reading order."""
        return tuple(_Walk(self.document, Registries()).found)

    @cached_property
    def purposes(self) -> Mapping[str, Sequence[tuple[Doing, Change]]]:
        """The things that its steps are for, each with the steps and what they make of it."""
        found: dict[str, list[tuple[Doing, Change]]] = {}
        for doing in self.doings:
            for change in doing.changes[:1]:
                found.setdefault(change.what, []).append((doing, change))
        return found

    @cached_property
    def reads(self) -> frozenset[str]:
        """The payload paths its condition looks at."""
        return frozenset(paths_read(self.document.when))

    @cached_property
    def predicate(self) -> Predicate:
        return self._compiled(self.document.when)

    def _compiled(self, node: Condition) -> Predicate:
        return compile_condition(node, self.catalogue, self.document.param_values)

    @cached_property
    def _guards(self) -> Mapping[str, list[tuple[Predicate, Answer]]]:
        return {
            doing.uid: [(self._compiled(node), answer) for node, answer in doing.guards]
            for doing in self.doings
        }

    def goal(self, node: Condition, answer: Answer, space: Space = HERE) -> Goal:
        """A condition on what this rule starts on that has to answer so."""
        return Goal(node, answer, self.scope, space)

    def starts(self, answer: Answer = Answer.YES, space: Space = HERE) -> Goal:
        """That it starts, or does not."""
        return self.goal(self.document.when, answer, space)

    def acts(self, doing: Doing, space: Space = HERE) -> list[Goal]:
        """That it starts and comes to this step."""
        return [
            self.starts(space=space),
            *[self.goal(node, answer, space) for node, answer in doing.guards],
        ]

    def does(self, doing: Doing | None, facts: Facts, lists: Lists, now: datetime) -> bool:
        """Whether it starts on an event and comes to this step; None: whether it starts."""
        if self.predicate(facts, lists, now) is not True:
            return False
        guards = self._guards[doing.uid] if doing is not None else []
        return all(
            (guard(facts, lists, now) is True) is (answer is Answer.YES) for guard, answer in guards
        )

    @property
    def place(self) -> tuple[int, int]:
        """Where it stands among the rules of its trigger, which act in this order."""
        return self.position, self.rule_id


def steps_of(document: RuleDocument) -> list[str]:
    """Its steps without what only names them, each as text."""
    return [
        json.dumps(_unnamed(step, document.param_values), sort_keys=True)
        for step in document.model_dump(by_alias=True, mode="json")["steps"]
    ]


def _unnamed(part: Any, params: Mapping[str, Any]) -> Any:
    if isinstance(part, list):
        return [_unnamed(each, params) for each in part]
    if not isinstance(part, dict):
        return part
    if (name := param_of(part)) is not None:
        return params.get(name)
    return {name: _unnamed(each, params) for name, each in part.items() if name != "uid"}
