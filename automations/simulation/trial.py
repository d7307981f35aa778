"""A draft on one event or one record: every effect it would take is listed, none is taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.explaining import Explained, explain
from automations.conditions.fields import Catalogue, Facts, Lists, item_facts
from automations.conditions.operands import Scope
from automations.engine.in_force import business_zone, moment
from automations.engine.inputs import as_json
from automations.models.events import Event
from automations.rules.document import Do, ForEach, If, RuleDocument
from automations.rules.parameters import ParametersInvalid, StepParameters, clean
from automations.rules.parsing import parse_document
from automations.rules.validating import Registries
from automations.rules.words import Teller
from automations.simulation import stored
from automations.simulation.preview_now import scan_of
from automations.simulation.records import as_it_stands
from automations.triggers import triggers

# How many items of a loop are listed.
MOST_ITEMS = 5


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One step as it would be done; `problem` is empty when the action takes its input.

    `depth` is 0 for the outermost. A branch tells the way it would take, a loop how many items it
    would go through; both have no action.
    """

    uid: str
    action: str
    words: str
    given: dict[str, Any]
    problem: str = ""
    depth: int = 0


@dataclass(frozen=True, slots=True)
class Trial:
    """`verdict` is yes, no or unknown; steps are listed even when the event would not match."""

    verdict: str
    explanation: Explained
    steps: list[TrialStep] = field(default_factory=list)


def try_on(body: Any, event: Event) -> Trial:
    """What this draft would do with this event, at the event's own time.

    Raises DocumentInvalid, ConditionInvalid, and KeyError when the draft is of another trigger.
    """
    document = parse_document(body)
    if document.trigger_key != event.trigger:
        raise KeyError(f"The draft starts on {document.trigger_key}, the event is {event.trigger}.")
    seen = stored.of_event(event)
    at = event.occurred_at.astimezone(business_zone())
    return tried(document, catalogue_for(triggers[event.trigger]), seen.facts, seen.lists, at)


def try_on_record(body: Any, subject_id: int) -> Trial | None:
    """What this draft would do with a record as it stands now; None when no rule goes over it.

    Raises DocumentInvalid, ConditionInvalid, and KeyError when the draft starts on a fact.
    """
    document = parse_document(body)
    scan = scan_of(document)
    standing = as_it_stands(scan, subject_id)
    if standing is None:
        return None
    return tried(document, catalogue_for(scan), standing.facts, standing.lists, moment().now)


def tried(
    document: RuleDocument, catalogue: Catalogue, facts: Facts, lists: Lists, at: datetime
) -> Trial:
    """What a document would do on these facts at a moment, its steps in words of their values."""
    params = document.param_values
    told = explain(document.when, catalogue, facts, lists, at, params)
    walk = _Walk(Teller(document, Registries()), facts, lists, at)
    steps = walk.steps(document.steps, catalogue, None, 0)
    return Trial(told.verdict, told, list(steps))


@dataclass(frozen=True, slots=True)
class _Walk:
    """Goes through steps as a run would if every wait passed and everyone said yes."""

    teller: Teller
    facts: Facts
    lists: Lists
    at: datetime

    def steps(
        self, steps: Sequence[Any], catalogue: Catalogue, item: Facts | None, depth: int
    ) -> Iterator[TrialStep]:
        params = self.teller.document.param_values
        for step in steps:
            if isinstance(step, Do):
                if step.do in actions:
                    known = StepParameters(step, actions[step.do], catalogue, params)
                    yield _step(step, known, self.facts, self.lists, item, depth)
            elif isinstance(step, If):
                yield from self._branch(step, catalogue, item, depth)
            elif isinstance(step, ForEach):
                yield from self._loop(step, catalogue, item, depth)
            else:
                yield TrialStep(step.uid, "", self._words(step, catalogue), {}, "", depth)

    def _words(self, step: Any, catalogue: Catalogue) -> str:
        scope = Scope(catalogue, self.teller.document.param_values)
        words = self.teller.step(step, scope)
        return words[:1].upper() + words[1:]

    def _branch(
        self, step: If, catalogue: Catalogue, item: Facts | None, depth: int
    ) -> Iterator[TrialStep]:
        facts = item_facts(self.facts, item) if item is not None else self.facts
        params = self.teller.document.param_values
        verdict = explain(step.test, catalogue, facts, self.lists, self.at, params).verdict
        words = f"{self._words(step, catalogue)}: {verdict}"
        yield TrialStep(step.uid, "", words, {}, "", depth)
        taken = step.then if verdict == "yes" else step.otherwise
        yield from self.steps(taken, catalogue, item, depth + 1)

    def _loop(
        self, step: ForEach, catalogue: Catalogue, item: Facts | None, depth: int
    ) -> Iterator[TrialStep]:
        items, words = self.lists.get(step.for_each), self._words(step, catalogue)
        if items is None:
            problem = "This list is not known here, so the run would become a case."
            yield TrialStep(step.uid, "", words, {}, problem, depth)
            return
        yield TrialStep(step.uid, "", f"{words}: {len(items)}", {}, "", depth)
        inside = catalogue.with_item(step.for_each)
        for each in items[:MOST_ITEMS]:
            yield from self.steps(step.steps, inside, each, depth + 1)
        if len(items) > MOST_ITEMS:
            more = f"… and for {len(items) - MOST_ITEMS} more"
            yield TrialStep(step.uid, "", more, {}, "", depth + 1)


def _step(
    step: Do,
    parameters: StepParameters,
    facts: Facts,
    lists: Lists,
    item: Facts | None,
    depth: int,
) -> TrialStep:
    action = actions[step.do]
    try:
        values = parameters.values(facts, lists, item)
    except ParametersInvalid as error:
        words = action.in_words(step.params)
        return TrialStep(step.uid, action.label, words, {}, str(error), depth)
    given, problem = as_json(values), ""
    try:
        clean(action, values)
    except ParametersInvalid as error:
        problem = str(error)
    return TrialStep(step.uid, action.label, action.in_words(given), given, problem, depth)
