"""A rule document against the triggers, scans and actions there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import available_timezones

from automations.actions import Action, actions
from automations.catalogue import catalogue_for
from automations.conditions.checking import check_condition
from automations.conditions.fields import Catalogue
from automations.conditions.problems import Problem, joined
from automations.conditions.values import PARSE
from automations.registry import Registry
from automations.rules.document import (
    Ask,
    Do,
    Every,
    ForEach,
    If,
    On,
    Param,
    RuleDocument,
    Wait,
    bodies,
    walk_steps,
)
from automations.rules.fillings import question_problems
from automations.rules.parameters import check_parameters
from automations.rules.parsing import DocumentInvalid, parse_document
from automations.rules.schedules import check_cron
from automations.triggers import Scan, Source, Trigger, scans, triggers
from backoffice.roles import ROLES

MOST_STEPS = 50
DEEPEST_STEPS = 5


@dataclass(frozen=True, slots=True)
class Registries:
    """The triggers, actions and scans a document is held against."""

    triggers: Registry[Trigger] = field(default_factory=lambda: triggers)
    actions: Registry[Action] = field(default_factory=lambda: actions)
    scans: Registry[Scan] = field(default_factory=lambda: scans)

    def source(self, document: RuleDocument) -> Source | None:
        """What the document starts on; None when no app offers it."""
        known = self.triggers if document.trigger_key is not None else self.scans
        return known.get(document.source_key)


@dataclass(frozen=True, slots=True)
class _World:
    """What a document's parts are checked with. `catalogue` None: the trigger is unknown."""

    document: RuleDocument
    registries: Registries
    subject: str | None
    catalogue: Catalogue | None

    @property
    def params(self) -> dict[str, Any]:
        return self.document.param_values


def _check_trigger(world: _World) -> Iterator[Problem]:
    start = world.document.trigger
    if isinstance(start, On):
        if start.on not in world.registries.triggers:
            yield Problem("trigger.on", f"There is no trigger “{start.on}”.")
        return
    key = world.document.source_key
    if key not in world.registries.scans:
        at = "trigger.for" if isinstance(start, Every) else "trigger.manual"
        yield Problem(at, f"Rules can't go over “{key}”. Choose another kind of record.")
    if isinstance(start, Every):
        yield from _check_schedule(start)


def _check_schedule(start: Every) -> Iterator[Problem]:
    try:
        check_cron(start.every)
    except ValueError as error:
        yield Problem("trigger.every", str(error))
    if start.zone not in available_timezones():
        yield Problem("trigger.zone", f"There is no time zone “{start.zone}”.")


def _check_params(params: dict[str, Param]) -> Iterator[Problem]:
    for name, param in params.items():
        path = joined("params", name)
        bounds = [(f"range.{index}", raw) for index, raw in enumerate(param.range or [])]
        choices = [(f"one_of.{index}", raw) for index, raw in enumerate(param.one_of or [])]
        values: dict[str, Any] = {}
        for at, raw in [("value", param.value), *bounds, *choices]:
            try:
                values[at] = PARSE[param.kind](raw)
            except ValueError as error:
                yield Problem(joined(path, at), str(error))
        if len(values) == 1 + len(bounds) + len(choices):
            yield from _outside(param, values, path)


def _outside(param: Param, values: dict[str, Any], path: str) -> Iterator[Problem]:
    value = values["value"]
    if param.range is not None:
        try:
            inside = values["range.0"] <= value <= values["range.1"]
        except (TypeError, ValueError):
            yield Problem(joined(path, "range"), "A range needs values that have an order.")
            return
        if not inside:
            yield Problem(joined(path, "value"), "The value is outside its own range.")
    if param.one_of is not None and value not in [
        values[f"one_of.{index}"] for index in range(len(param.one_of))
    ]:
        yield Problem(joined(path, "value"), "The value is not among its own choices.")


def _check_do(step: Do, world: _World, catalogue: Catalogue | None, path: str) -> Iterator[Problem]:
    action = world.registries.actions.get(step.do)
    if action is None:
        yield Problem(joined(path, "do"), f"There is no action “{step.do}”.")
        return
    if world.subject is not None and action.subject not in ("", world.subject):
        yield Problem(
            joined(path, "do"),
            f"“{action.label}” acts on {action.subject}, and this trigger is about "
            f"{world.subject}.",
        )
    yield from check_parameters(step, action, catalogue, world.document.params, path)


def _check_wait(step: Wait, world: _World, path: str) -> Iterator[Problem]:
    for index, key in enumerate(step.end_run_on):
        trigger = world.registries.triggers.get(key)
        at = joined(path, "end_run_on", index)
        if trigger is None:
            yield Problem(at, f"There is no trigger “{key}”.")
        elif world.subject is not None and trigger.subject != world.subject:
            yield Problem(at, f"“{trigger.label}” is about {trigger.subject}.")


def _check_ask(step: Ask, catalogue: Catalogue | None, path: str) -> Iterator[Problem]:
    if step.ask.role not in ROLES:
        roles = ", ".join(ROLES)
        yield Problem(joined(path, "ask", "role"), f"Choose who is asked: {roles}.")
    for said in question_problems(step.ask.question, catalogue):
        yield Problem(joined(path, "ask", "question"), said)


def _check_step(
    step: Any, world: _World, catalogue: Catalogue | None, path: str
) -> Iterator[Problem]:
    if isinstance(step, Do):
        yield from _check_do(step, world, catalogue, path)
    elif isinstance(step, Wait):
        yield from _check_wait(step, world, path)
    elif isinstance(step, Ask):
        yield from _check_ask(step, catalogue, path)
    elif isinstance(step, If) and catalogue is not None:
        yield from check_condition(step.test, catalogue, world.params, joined(path, "if"))


def _check_steps(
    steps: list[Any], world: _World, catalogue: Catalogue | None, path: str, depth: int = 1
) -> Iterator[Problem]:
    for index, step in enumerate(steps):
        at = joined(path, index)
        yield from _check_step(step, world, catalogue, at)
        inner = catalogue
        if isinstance(step, ForEach) and catalogue is not None:
            if step.for_each not in catalogue.lists:
                yield Problem(joined(at, "for_each"), f"There is no list “{step.for_each}” here.")
                continue
            inner = catalogue.with_item(step.for_each)
        for name, body in bodies(step):
            if body and depth >= DEEPEST_STEPS:
                yield Problem(joined(at, name), f"Steps go at most {DEEPEST_STEPS} deep.")
            else:
                yield from _check_steps(body, world, inner, joined(at, name), depth + 1)


def _check_plan(document: RuleDocument) -> Iterator[Problem]:
    """The steps as a whole: how many, and each uid once."""
    every = list(walk_steps(document.steps))
    if not every:
        yield Problem("steps", "A rule needs at least one step.")
    if len(every) > MOST_STEPS:
        yield Problem("steps", f"A rule has at most {MOST_STEPS} steps.")
    known = Counter(step.uid for _, step in every)
    for path, step in every:
        if known[step.uid] > 1:
            yield Problem(joined(path, "uid"), f"The uid “{step.uid}” stands twice.")


def _check_limits(world: _World) -> Iterator[Problem]:
    if world.document.limits.per_customer is None:
        return
    known = world.registries.source(world.document)
    if known is not None and not known.customer:
        yield Problem("limits.per_customer", "What starts it does not say who the customer is.")


def subject_of(document: RuleDocument, registries: Registries) -> str | None:
    """The label of the records a rule acts on; None when what it starts on is unknown."""
    known = registries.source(document)
    return known.subject if known is not None else None


def catalogue_of_document(document: RuleDocument, registries: Registries) -> Catalogue | None:
    """The fields a document's conditions may name; None when its trigger is unknown."""
    known = registries.source(document)
    return catalogue_for(known) if known is not None else None


def check_document(document: RuleDocument, registries: Registries | None = None) -> list[Problem]:
    """All problems of a parsed document, notes included, in reading order."""
    registries = registries or Registries()
    catalogue = catalogue_of_document(document, registries)
    world = _World(document, registries, subject_of(document, registries), catalogue)
    found = [*_check_trigger(world), *_check_params(document.params)]
    if catalogue is not None:
        found.extend(check_condition(document.when, catalogue, world.params))
    found.extend(_check_plan(document))
    found.extend(_check_steps(document.steps, world, catalogue, "steps"))
    found.extend(_check_limits(world))
    return found


def validate_document(raw: Any, registries: Registries | None = None) -> list[Problem]:
    """All problems of a document as JSON: a document without blocking ones can be submitted."""
    try:
        document = parse_document(raw)
    except DocumentInvalid as error:
        return error.problems
    return check_document(document, registries)
