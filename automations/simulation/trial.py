"""A draft on one event: every effect it would take is listed, none is taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.explaining import Explained, explain
from automations.engine.in_force import business_zone
from automations.engine.inputs import as_json
from automations.models.events import Event
from automations.rules.document import Do
from automations.rules.parameters import ParametersInvalid, StepParameters, clean
from automations.rules.parsing import parse_document
from automations.simulation import stored
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
    catalogue = catalogue_for(triggers[event.trigger])
    seen = stored.of_event(event)
    at = event.occurred_at.astimezone(business_zone())
    params = document.param_values
    told = explain(document.when, catalogue, seen.facts, seen.lists, at, params)
    steps = [
        _step(step, StepParameters(step, actions[step.do], catalogue, params), seen)
        for step in document.steps
        if isinstance(step, Do) and step.do in actions
    ]
    return Trial(told.verdict, told, steps)


def _step(step: Do, parameters: StepParameters, seen: stored.Stored) -> TrialStep:
    action = actions[step.do]
    try:
        values = parameters.values(seen.facts, seen.lists)
    except ParametersInvalid as error:
        return TrialStep(step.uid, action.label, action.in_words(step.params), {}, str(error))
    given, problem = as_json(values), ""
    try:
        clean(action, values)
    except ParametersInvalid as error:
        problem = str(error)
    return TrialStep(step.uid, action.label, action.in_words(given), given, problem)
