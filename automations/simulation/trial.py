"""A draft on one event or one record: every effect it would take is listed, none is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.explaining import Explained, explain
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.engine.in_force import business_zone, moment
from automations.engine.inputs import as_json
from automations.models.events import Event
from automations.rules.document import Do, RuleDocument
from automations.rules.parameters import ParametersInvalid, StepParameters, clean
from automations.rules.parsing import parse_document
from automations.simulation import stored
from automations.simulation.preview_now import scan_of
from automations.simulation.records import as_it_stands
from automations.triggers import triggers


@dataclass(frozen=True, slots=True)
class TrialStep:
    """One step as it would be done; `problem` is empty when the action takes its input."""

    uid: str
    action: str
    words: str
    given: dict[str, Any]
    problem: str = ""


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
    steps = [
        _step(step, StepParameters(step, actions[step.do], catalogue, params), facts, lists)
        for step in document.steps
        if isinstance(step, Do) and step.do in actions
    ]
    return Trial(told.verdict, told, steps)


def _step(step: Do, parameters: StepParameters, facts: Facts, lists: Lists) -> TrialStep:
    action = actions[step.do]
    try:
        values = parameters.values(facts, lists)
    except ParametersInvalid as error:
        return TrialStep(step.uid, action.label, action.in_words(step.params), {}, str(error))
    given, problem = as_json(values), ""
    try:
        clean(action, values)
    except ParametersInvalid as error:
        problem = str(error)
    return TrialStep(step.uid, action.label, action.in_words(given), given, problem)
