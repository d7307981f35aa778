"""A rule in words: one paragraph, and the same in parts for screens that lay it out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django import forms

from automations.actions import Action
from automations.conditions.display import listed, quoted, span
from automations.conditions.fields import Catalogue
from automations.conditions.operands import Scope
from automations.conditions.tree import AllOf, AnyOf, field_of, param_of
from automations.conditions.values import parse_duration
from automations.conditions.words import field_words, lowered, tree_words
from automations.registry import Registry
from automations.rules.document import (
    Ask,
    Counted,
    Do,
    Every,
    ForEach,
    If,
    Limits,
    Manual,
    On,
    PerOne,
    RuleDocument,
    Spent,
    Wait,
    text_of,
)
from automations.rules.rhythms import schedule_words
from automations.rules.step_texts import StepText, texts_of
from automations.rules.validating import Registries, catalogue_of_document
from automations.triggers import Trigger
from backoffice import subjects
from backoffice.money import Money

MISSING = {
    "skip": "If a value it needs is missing, the event is skipped.",
    "hold": "If a value it needs is missing, the event becomes a case.",
}
CONNECTOR = {
    "wait": "While a connector is down, its runs wait.",
    "hold": "While a connector is down, its runs become cases.",
}
LATENCY = {"real_time": "It acts at once.", "batch": "It may act later, in batches."}
TIMEOUT = {"fail": "a case", "end": "the run ends", "go_on": "the run goes on"}
COUNTED = {"runs": "runs", "units": "units", "messages": "messages", "money": ""}
PERIODS = {"per_hour": "an hour", "per_day": "a day"}


@dataclass(frozen=True, slots=True)
class StepWords:
    """One step, without what stands inside it; `depth` 0 is the outermost.

    `number` is the builder's (`3.1`), empty for the line that says “otherwise”. `texts` are what
    it sends, whole, where its words leave that out.
    """

    path: str
    uid: str
    words: str
    depth: int = 0
    number: str = ""
    texts: tuple[StepText, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleWords:
    """A rule told. `conditions` are the parts of the outer group, joined by `joining`.

    `lead` is the word before `start`, empty where a schedule says when by itself. `policies` are
    what it does in trouble, where that is not what rules do otherwise.
    """

    paragraph: str
    lead: str
    start: str
    joining: str
    conditions: tuple[str, ...]
    steps: tuple[StepWords, ...]
    limits: tuple[str, ...]
    missing: str
    policies: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.paragraph

    @property
    def whole(self) -> str:
        """The paragraph, and under it every text that a step sends, by the step's number."""
        lines = [f"{step.number} {text}" for step in self.steps for text in step.texts]
        return "\n".join([self.paragraph, *lines])


@dataclass(frozen=True, slots=True)
class _Outline:
    """Where a list of steps stands: how deep, and the number its steps' begin with."""

    depth: int = 0
    number: str = ""
    first: int = 1


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells the parts of one document. `catalogue` None: the trigger is unknown."""

    document: RuleDocument
    registries: Registries

    @property
    def catalogue(self) -> Catalogue:
        return catalogue_of_document(self.document, self.registries) or Catalogue({})

    @property
    def scope(self) -> Scope:
        return Scope(self.catalogue, self.document.param_values)

    def start(self) -> str:
        """What starts the rule, as a phrase."""
        return start_words(self.document.trigger, self.registries.triggers)

    def step(self, step: Any, scope: Scope | None = None) -> str:
        """One step as a phrase, what stands inside it left out."""
        scope = scope or self.scope
        if isinstance(step, Do):
            return lowered(action_words(step, self.registries.actions, scope.catalogue))
        if isinstance(step, Wait):
            return self._wait(step)
        if isinstance(step, If):
            return f"if {tree_words(step.test, scope)}"
        if isinstance(step, ForEach):
            known = scope.catalogue.lists.get(step.for_each)
            name = field_words(known.labels) if known is not None else step.for_each
            return f"for each of the {name}"
        return ask_words(step)

    def _wait(self, step: Wait) -> str:
        words = f"wait {duration(step.wait)}"
        if not step.end_run_on:
            return words
        names = [
            quoted(known.label) if (known := self.registries.triggers.get(key)) else key
            for key in step.end_run_on
        ]
        return f"{words}, and end at {listed(names, 'or')}"

    def steps(self) -> list[StepWords]:
        """Every step in reading order, those inside branches and loops deeper."""
        return self._steps(self.document.steps, "steps", self.scope, _Outline())

    def _steps(
        self, steps: Sequence[Any], path: str, scope: Scope, at: _Outline
    ) -> list[StepWords]:
        found = []
        for index, step in enumerate(steps):
            here, number = f"{path}.{index}", f"{at.number}{at.first + index}"
            words = self.step(step, scope)
            texts = self.own_texts(step, words, scope)
            found.append(StepWords(here, step.uid, words, at.depth, number, texts))
            inner = _Outline(at.depth + 1, f"{number}.")
            if isinstance(step, If):
                found.extend(self._branch(step, here, scope, inner))
            elif isinstance(step, ForEach):
                item = self.inside(scope, step)
                found.extend(self._steps(step.steps, f"{here}.steps", item, inner))
        return found

    def _branch(self, step: If, path: str, scope: Scope, at: _Outline) -> list[StepWords]:
        found = self._steps(step.then, f"{path}.then", scope, at)
        if step.otherwise:
            found.append(StepWords(f"{path}.else", step.uid, "otherwise", at.depth - 1))
            later = replace(at, first=1 + len(step.then))
            found.extend(self._steps(step.otherwise, f"{path}.else", scope, later))
        return found

    def own_texts(self, step: Any, words: str, scope: Scope) -> tuple[StepText, ...]:
        """What a step sends, whole, where its words leave that out."""
        if not isinstance(step, Do):
            return ()
        action = self.registries.actions.get(step.do)
        return tuple(texts_of(step, action, words, scope))

    def texts(self, step: Any, scope: Scope | None = None) -> tuple[StepText, ...]:
        """The same of a step and all that stands inside it, the inner ones with whose they are."""
        own, *inner = self._steps([step], "", scope or self.scope, _Outline())
        more = [replace(text, step=each.words) for each in inner for text in each.texts]
        return (*own.texts, *more)

    def inside(self, scope: Scope, step: Any) -> Scope:
        """What the steps inside a step see, given what it sees itself."""
        if not isinstance(step, ForEach) or step.for_each not in scope.catalogue.lists:
            return scope
        return Scope(scope.catalogue.with_item(step.for_each), scope.params)

    def plan(self, steps: Sequence[Any], scope: Scope | None = None) -> str:
        """Steps as one phrase, with what stands inside them."""
        scope, said = scope or self.scope, []
        for step in steps:
            words = self.step(step, scope)
            if isinstance(step, If):
                words = f"{words}, {self.plan(step.then, scope) or 'go on'}"
                if step.otherwise:
                    words = f"{words}, otherwise {self.plan(step.otherwise, scope)}"
            elif isinstance(step, ForEach):
                inner = self.plan(step.steps, self.inside(scope, step))
                words = f"{words}, {inner or 'do nothing'}"
            said.append(
                f"({words})" if isinstance(step, If | ForEach) and len(steps) > 1 else words
            )
        return ", then ".join(said)


def duration(raw: str) -> str:
    return span(int(parse_duration(raw).total_seconds()))


def noun_of(label: str) -> str:
    """What one record of a subject is called; its label where no app knows it."""
    try:
        return subjects.get(label).noun
    except KeyError:
        return label


def start_words(start: On | Every | Manual, triggers: Registry[Trigger]) -> str:
    """What starts a rule: `“Order paid” happens`, `every day at 08:00 London time, …`."""
    if isinstance(start, Manual):
        noun = noun_of(start.manual)
        return f"a person presses its button on {_a(noun)} {noun}"
    if isinstance(start, Every):
        days = f", on open days of {quoted(start.calendar)}" if start.calendar else ""
        when = schedule_words(start.every, start.zone)
        return f"{when}{days}, for each {noun_of(start.subject)}"
    known = triggers.get(start.on)
    return f"{quoted(known.label if known is not None else start.on)} happens"


def _a(noun: str) -> str:
    return "an" if noun[:1].lower() in "aeiou" or noun in ("SKU",) else "a"


def ask_words(step: Ask) -> str:
    asked = step.ask
    return (
        f"ask {asked.role} {quoted(asked.question)}, due in {duration(asked.due)} "
        f"(no: the run ends, no answer: {TIMEOUT[asked.on_timeout]})"
    )


def action_words(step: Do, actions: Registry[Action], catalogue: Catalogue | None = None) -> str:
    """An action's step in the action's own words; its label where parameters are still missing.

    With a catalogue, fields are called as people know them.
    """
    action = actions.get(step.do)
    if action is None:
        return step.do
    params = {name: _called(value, catalogue) for name, value in step.params.items()}
    try:
        return action.in_words(params)
    except (KeyError, TypeError, ValueError, AttributeError):
        return action.label


def _called(value: Any, catalogue: Catalogue | None) -> Any:
    """A parameter's value, with a field's label in its path's place."""
    path = field_of(value)
    known = catalogue.fields.get(path) if catalogue is not None and path is not None else None
    return {"field": field_words(known.labels)} if known is not None else value


def parameter_words(value: Any, field: forms.Field | None, scope: Scope) -> str:
    """One parameter's value as people read it."""
    if (text := text_of(value)) is not None:
        return quoted(text)
    if (path := field_of(value)) is not None:
        known = scope.catalogue.fields.get(path)
        return field_words(known.labels) if known is not None else path
    if (name := param_of(value)) is not None:
        return parameter_words(scope.params.get(name, name), field, scope)
    if isinstance(value, list):
        return listed([parameter_words(part, field, scope) for part in value])
    return _literal_words(value, field)


def _literal_words(value: Any, field: forms.Field | None) -> str:
    if isinstance(value, dict):
        return str(Money.from_json(value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(field, forms.ChoiceField):
        choices: Any = field.choices
        for stored, words in choices:
            if str(stored) == str(value):
                return str(words)
    return quoted(value) if isinstance(value, str) else str(value)


def limit_words(name: str, limit: Any) -> list[str]:
    """One limit as phrases: `at most 200 runs an hour`."""
    if isinstance(limit, PerOne):
        of = "subject" if name == "per_subject" else "customer"
        runs = "1 run" if limit.runs == 1 else f"{limit.runs:,} runs"
        return [f"at most {runs} for one {of} within {duration(limit.within)}"]
    said = []
    for period, words in PERIODS.items():
        value = getattr(limit, period)
        if value is not None and isinstance(limit, Spent):
            said.append(f"at most {Money.from_json(value)} {words}")
        elif value is not None and isinstance(limit, Counted):
            noun = COUNTED[name] if value != 1 else COUNTED[name][:-1]
            said.append(f"at most {value:,} {noun} {words}")
    return said


def limits_words(limits: Limits) -> list[str]:
    return [
        words
        for name in type(limits).model_fields
        if (limit := getattr(limits, name)) is not None
        for words in limit_words(name, limit)
    ]


def policies_words(document: RuleDocument) -> list[str]:
    """What a rule does in trouble, where that is not what rules do otherwise."""
    found = []
    if document.connector_down != "wait":
        found.append(CONNECTOR[document.connector_down])
    if document.latency != "real_time":
        found.append(LATENCY[document.latency])
    return found


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def rule_in_words(document: RuleDocument, registries: Registries | None = None) -> RuleWords:
    """Tell a rule; parts that don't fit the catalogue are told as they are written."""
    teller = Teller(document, registries or Registries())
    scope, tree = teller.scope, document.when
    parts = tree.parts if isinstance(tree, AllOf | AnyOf) else [tree]
    start, limits = teller.start(), limits_words(document.limits)
    test = f", if {tree_words(tree, scope)}" if parts else ""
    plan = teller.plan(document.steps, scope) or "do nothing yet"
    lead = "" if isinstance(document.trigger, Every) else "When "
    said = [_sentence(f"{lead}{start}{test}: {plan}"), MISSING[document.missing_data]]
    policies = policies_words(document)
    said.extend(policies)
    if limits:
        said.append(_sentence(listed(limits)))
    return RuleWords(
        paragraph=" ".join(said),
        lead=lead.strip(),
        start=start,
        joining="or" if isinstance(tree, AnyOf) else "and",
        conditions=tuple(tree_words(part, scope) for part in parts),
        steps=tuple(teller.steps()),
        limits=tuple(limits),
        missing=MISSING[document.missing_data],
        policies=tuple(policies),
    )
