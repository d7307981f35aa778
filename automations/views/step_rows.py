"""A draft's steps as the builder prints them: each parameter's input, source and sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from django import forms

from automations.actions import Action, Risk, actions
from automations.conditions.fields import Catalogue
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


@dataclass(slots=True)
class StepRow:
    """One step. `known` False: no app offers its action any more."""

    uid: str
    number: int
    label: str
    known: bool
    risk: str
    words: str
    parameters: list[Parameter]
    problems: list[str]
    first: bool
    last: bool

    @property
    def name(self) -> str:
        return f"s-{self.uid}"


RISK_WORDS = {Risk.MONEY: "moves money", Risk.CUSTOMER: "reaches customers", Risk.NONE: ""}


def in_words(action: Action, step: Json) -> str:
    """A step in words; just the action's label while a parameter is missing."""
    try:
        return action.in_words(step.get("with") or {})
    except (KeyError, TypeError, ValueError, AttributeError):
        return action.label


class StepRows:
    """Makes rows of a normal body's steps."""

    def __init__(
        self, catalogue: Catalogue, problems: Sequence[Problem], recent: Stored | None
    ) -> None:
        self.catalogue = catalogue
        self.problems = [known for known in problems if known.blocks]
        self.names = namespace(catalogue, recent.facts, recent.lists) if recent else None
        self.recent = recent

    def rows(self, body: Json) -> list[StepRow]:
        steps = body["steps"]
        return [self._row(step, index, len(steps)) for index, step in enumerate(steps)]

    def _row(self, step: Json, index: int, count: int) -> StepRow:
        action, path = actions.get(str(step.get("do", ""))), f"steps.{index}"
        mine = [each for each in self.problems if each.path.startswith(f"{path}.")]
        mine += [each for each in self.problems if each.path == path]
        parameters = self._parameters(action, step, mine, f"{path}.with") if action else []
        named = {f"{path}.with.{each.name}" for each in parameters}
        rest = [each.message for each in mine if each.path not in named]
        return StepRow(
            uid=str(step["uid"]),
            number=index + 1,
            label=action.label if action else str(step.get("do", "A step of another kind")),
            known=action is not None,
            risk=RISK_WORDS[action.risk] if action else "",
            words=in_words(action, step) if action else "",
            parameters=parameters,
            problems=rest,
            first=index == 0,
            last=index == count - 1,
        )

    def _parameters(
        self, action: Action, step: Json, problems: Sequence[Problem], path: str
    ) -> list[Parameter]:
        given = step.get("with") or {}
        form = action.form(initial=_initial(given), prefix=prefix_of(step))
        return [
            self._parameter(
                form[name],
                given.get(name),
                [each.message for each in problems if each.path == f"{path}.{name}"],
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
            chosen=field_of(value) or "",
            fields=field_groups(choices),
            is_text=takes_text(known),
            problems=problems,
        )
        source = text_of(value)
        if source is not None and self.names is not None:
            self._sample(made, source)
        if isinstance(known, FilledField) and isinstance(value, str) and self.recent is not None:
            self._filled(made, known, value, self.recent)
        return made

    def _filled(self, parameter: Parameter, known: FilledField, value: str, recent: Stored) -> None:
        try:
            fill = known.filling(value, self.catalogue)
            parameter.sample = fill(recent.facts, recent.lists)
        except ValueError as error:
            parameter.sample, parameter.sample_fails = str(error), True

    def _sample(self, parameter: Parameter, source: str) -> None:
        try:
            parameter.sample = render(source, self.names or {})
        except TextInvalid as error:
            parameter.sample, parameter.sample_fails = str(error), True


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
