"""An action's parameters as the builder prints them: each one's input, source and sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms

from automations.actions import Action
from automations.conditions.fields import Catalogue, Facts, Field, Lists, item_facts
from automations.conditions.problems import Problem
from automations.conditions.tree import field_of
from automations.forms.steps import can_be_filled, fillers, prefix_of, source_of
from automations.rules.document import text_of
from automations.rules.editing import Json
from automations.rules.fillings import FilledField
from automations.rules.parameters import takes_text
from automations.rules.texts import TextInvalid, namespace, render
from automations.simulation.stored import Stored
from automations.views.inputs import Groups, field_groups
from backoffice.money import Money


@dataclass(slots=True)
class Parameter:
    """One parameter of a step. `name` is the action's, `key` that of its inputs on the page.

    `sample` is its text filled in from a recent event.
    """

    name: str
    key: str
    label: str
    required: bool
    help: str
    widget: Any
    takes_field: bool = False
    from_field: bool = False
    chosen: str = ""
    fields: Groups = field(default_factory=list)
    is_text: bool = False
    sample: str = ""
    sample_fails: bool = False
    problems: list[str] = field(default_factory=list)


class ParameterRows:
    """Makes rows of the parameters of one step. `recent` is what samples are filled in from."""

    def __init__(self, catalogue: Catalogue, recent: Stored | None, item: Facts | None) -> None:
        self.catalogue = catalogue
        self.recent = recent
        self.facts: Facts = recent.facts if recent else {}
        if item is not None:
            self.facts = item_facts(self.facts, item)
        self.names = namespace(catalogue, self.facts, recent.lists) if recent else None

    def rows(
        self, action: Action, step: Json, problems: Sequence[Problem], path: str
    ) -> list[Parameter]:
        """A row for each parameter of the step's action; `path` is the step's in the document."""
        given = step.get("with") or {}
        form = action.form(initial=_initial(given), prefix=prefix_of(step))
        return [
            self._parameter(
                form[name],
                given.get(name),
                [each.message for each in problems if each.path == f"{path}.with.{name}"],
            )
            for name in action.form.base_fields
        ]

    def _parameter(self, bound: Any, value: Any, problems: list[str]) -> Parameter:
        known: forms.Field = bound.field
        _offer_nothing(known, value)
        choices = fillers(known, self.catalogue) if can_be_filled(known) else []
        attrs: dict[str, Any] = {"aria-label": bound.label, "class": "param"}
        if problems:
            attrs["aria-invalid"] = "true"
        made = Parameter(
            name=bound.name,
            key=bound.html_name,
            label=bound.label,
            required=known.required,
            help=str(known.help_text),
            widget=bound.as_widget(attrs={**attrs, "required": False}),
            takes_field=bool(choices),
            from_field=field_of(value) is not None,
            chosen=_chosen(field_of(value), choices),
            fields=field_groups(choices),
            is_text=takes_text(known),
            problems=problems,
        )
        source = text_of(value)
        if source is not None and self.names is not None:
            self._sample(made, source)
        if isinstance(known, FilledField) and isinstance(value, str) and self.recent is not None:
            self._filled(made, known, value, self.recent.lists)
        return made

    def _filled(self, parameter: Parameter, known: FilledField, value: str, lists: Lists) -> None:
        try:
            fill = known.filling(value, self.catalogue)
            parameter.sample = fill(self.facts, lists)
        except ValueError as error:
            parameter.sample, parameter.sample_fails = str(error), True

    def _sample(self, parameter: Parameter, source: str) -> None:
        try:
            parameter.sample = render(source, self.names or {})
        except TextInvalid as error:
            parameter.sample, parameter.sample_fails = str(error), True


def _chosen(path: str | None, choices: Sequence[Field]) -> str:
    """The field it is filled from; empty when there is no such field, so that one is chosen."""
    return path if path is not None and any(path == each.path for each in choices) else ""


def _offer_nothing(field: forms.Field, value: Any) -> None:
    """A select shows its first option while it has no value: then let it say so, so that the first
    one can be chosen."""
    if not isinstance(field, forms.ChoiceField) or isinstance(field, forms.ModelChoiceField):
        return
    if not isinstance(field.widget, forms.SelectMultiple | forms.CheckboxSelectMultiple):
        shown = "" if value is None or isinstance(value, dict) else str(value)
        if not field.valid_value(shown):
            field.choices = [("", "Choose…"), *field.widget.choices]


def _initial(given: Json) -> dict[str, Any]:
    return {name: _shown(source_of(value)) for name, value in given.items() if not field_of(value)}


def _shown(value: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"amount", "currency"}:
        try:
            return Money.from_json(value)
        except (TypeError, ValueError, ArithmeticError):
            return None
    return value
