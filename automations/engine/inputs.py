"""What a step is given: from the document and the facts, or as a person edited it."""

from __future__ import annotations

from typing import Any

from automations.actions import Action
from automations.conditions.fields import Catalogue
from automations.engine.work import Work
from automations.rules.document import Do
from automations.rules.parameters import StepParameters, clean
from backoffice.money import Money

Given = tuple[dict[str, Any], dict[str, Any]]


def as_json(values: dict[str, Any]) -> dict[str, Any]:
    """Typed values as a step's record keeps them."""
    return {
        name: value.as_json() if isinstance(value, Money) else value
        for name, value in values.items()
    }


class Inputs:
    """One step's inputs for a batch: equal values are cleaned once."""

    def __init__(self, step: Do, action: Action, catalogue: Catalogue) -> None:
        self._step, self._action, self._catalogue = step, action, catalogue
        self._parameters: dict[str, StepParameters] = {}
        self._cleaned: dict[str, Given] = {}

    def of(self, work: Work) -> Given:
        """The values, and the form's cleaned data; raises ParametersInvalid."""
        edited = work.overrides.get(self._step.uid)
        if edited is not None:
            return edited, clean(self._action, edited)
        values = self._resolver(work.params).values(work.facts, work.lists)
        key = repr(values)
        if key not in self._cleaned:
            self._cleaned[key] = as_json(values), clean(self._action, values)
        return self._cleaned[key]

    def _resolver(self, params: dict[str, Any]) -> StepParameters:
        key = repr(params)
        if key not in self._parameters:
            self._parameters[key] = StepParameters(
                self._step, self._action, self._catalogue, params
            )
        return self._parameters[key]
