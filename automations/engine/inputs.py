"""What a step is given: from the document and the facts, or as a person edited it."""

from __future__ import annotations

import time
from typing import Any

from automations.actions import Action
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.conditions.tree import field_of
from automations.engine import flow
from automations.engine.compiled import Compiled
from automations.engine.work import Work
from automations.rules.document import Do, text_of
from automations.rules.fillings import fills_any
from automations.rules.parameters import StepParameters, clean
from backoffice.money import Money

Given = tuple[dict[str, Any], dict[str, Any]]


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Typed values as a step's record keeps them."""
    return {
        name: value.as_json() if isinstance(value, Money) else value
        for name, value in values.items()
    }


# Cleaning builds a form, which costs more than all else about a simple step. What a form looks up
# may change, so nothing is kept for long; the action's service has the last word anyway.
KEPT_SECONDS = 5.0
KEPT = 10_000


class Inputs:
    """One step's inputs for some seconds at most: equal values are cleaned once."""

    def __init__(self, step: Do, action: Action, catalogue: Catalogue) -> None:
        self._step, self._action, self._catalogue = step, action, catalogue
        values = step.params.values()
        # Whether what is given depends on the subject, and not on the document alone.
        self.reads_facts = any(text_of(value) or field_of(value) for value in values)
        self.reads_facts |= fills_any(step.params, action.form.base_fields)
        self._parameters: dict[str | None, StepParameters] = {}
        self._cleaned: dict[str, Given] = {}
        # Where no facts are read, by the tunables in use.
        self._same: dict[str | None, Given] = {}

    def of(self, work: Work, rule: Compiled) -> Given:
        """The values, and the form's cleaned data; raises ParametersInvalid."""
        edited = work.overrides.get(work.cursor)
        if edited is not None:
            return edited, clean(self._action, edited)
        if self.reads_facts:
            return self._resolved(work, rule)
        if work.raw_params not in self._same:
            self._same[work.raw_params] = self._resolved(work, rule)
        return self._same[work.raw_params]

    def _resolved(self, work: Work, rule: Compiled) -> Given:
        values = self._resolver(work).values(*self._seen(work, rule))
        key = repr(values)
        if key not in self._cleaned:
            if len(self._cleaned) > KEPT:
                self._cleaned.clear()
            self._cleaned[key] = as_json(values), clean(self._action, values)
        return self._cleaned[key]

    def _seen(self, work: Work, rule: Compiled) -> tuple[Facts, Lists]:
        if not self.reads_facts:
            return {}, {}
        return flow.facts_at(work, rule, work.cursor), work.seen[1]

    def _resolver(self, work: Work) -> StepParameters:
        key = work.raw_params
        if key not in self._parameters:
            self._parameters[key] = StepParameters(
                self._step, self._action, self._catalogue, work.params
            )
        return self._parameters[key]


_recent: dict[tuple[int, str], tuple[float, Compiled, Inputs]] = {}


def inputs_of(rule: Compiled, step: Do) -> Inputs:
    """The step's inputs, kept as long as what they have looked up may be."""
    key, now = (id(rule), step.uid), time.monotonic()
    until, known, inputs = _recent.get(key, (0.0, None, None))
    if inputs is not None and known is rule and until > now:
        return inputs
    if len(_recent) > KEPT:
        _recent.clear()
    made = Inputs(step, rule.actions[step.uid], rule.catalogues[step.uid])
    _recent[key] = now + KEPT_SECONDS, rule, made
    return made
