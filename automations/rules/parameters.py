"""A step's parameters: checked as far as the document goes, and filled in from an event's facts.

Literals, fields and params keep their types; only plain text takes Liquid, so that no id, amount
or address is ever the product of a template. The action's form has the last word each time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from automations.actions import Action
from automations.conditions.fields import Catalogue, Facts, Field, Kind, Lists, item_facts
from automations.conditions.leaves import presence
from automations.conditions.operands import Params
from automations.conditions.problems import Problem, joined
from automations.conditions.tree import field_of, param_of
from automations.conditions.values import read
from automations.rules.document import Do, Param, text_of
from automations.rules.fillings import Fill, FilledField, is_literal
from automations.rules.texts import TextInvalid, namespace, paths_in, render, unknown_paths
from backoffice.money import Money

_TEXTUAL = frozenset({Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.WHOLE, Kind.DECIMAL})
# Which kinds of payload field a form field takes, the most special class first.
_TAKES: tuple[tuple[type[forms.Field], frozenset[Kind]], ...] = (
    (forms.DecimalField, frozenset({Kind.WHOLE, Kind.DECIMAL})),
    (forms.IntegerField, frozenset({Kind.WHOLE})),
    (forms.BooleanField, frozenset({Kind.BOOL})),
    (forms.DateTimeField, frozenset({Kind.DATETIME})),
    (forms.DateField, frozenset({Kind.DATE})),
    (forms.TimeField, frozenset({Kind.TIME})),
    (forms.DurationField, frozenset({Kind.DURATION})),
    (forms.MultipleChoiceField, frozenset({Kind.TAGS})),
    (forms.ChoiceField, _TEXTUAL),
    (forms.CharField, _TEXTUAL),
)


class ParametersInvalid(ValueError):
    """Parameters the action does not take as they came out; `errors` are sentences by name."""

    def __init__(self, errors: dict[str, list[str]]) -> None:
        super().__init__(" ".join(said for known in errors.values() for said in known))
        self.errors = errors


def takes_text(field: forms.Field) -> bool:
    """Whether a form field may be written in Liquid: plain text, no address, code or choice."""
    return type(field) is forms.CharField


def takes(field: forms.Field, kind: Kind) -> bool:
    """Whether a form field may be filled from a payload field of this kind."""
    if is_literal(field):
        return False
    for known, kinds in _TAKES:
        if isinstance(field, known):
            return kind in kinds
    return True


def _form_data(fields: Mapping[str, forms.Field], values: Mapping[str, Any]) -> dict[str, Any]:
    """Typed values as what the form's widgets read."""
    data: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            value = Money.from_json(value)
        widget = fields[name].widget
        if isinstance(widget, forms.MultiWidget):
            parts = [value.amount, value.currency] if isinstance(value, Money) else value
            for index, part in enumerate(parts):
                data[f"{name}_{index}"] = part
        else:
            data[name] = value
    return data


def _errors(form: forms.Form) -> dict[str, list[str]]:
    return {name: [str(message) for message in messages] for name, messages in form.errors.items()}


# --- as far as the document goes ----------------------------------------------------------------


def _check_one(
    name: str, value: Any, field: forms.Field, catalogue: Catalogue | None, path: str
) -> Iterator[Problem]:
    """One value that is filled in later: can it be, as far as its kind goes?"""
    label = str(field.label or name)
    if (source := text_of(value)) is not None:
        if not takes_text(field):
            yield Problem(path, f"{label} is no free text: choose a value or a field.")
            return
        try:
            unknown = unknown_paths(source, catalogue) if catalogue is not None else []
        except TextInvalid as error:
            yield Problem(path, str(error))
            return
        for wrong in unknown:
            yield Problem(path, f"There is no field “{wrong}” in this trigger.")
    elif (wanted := field_of(value)) is not None and catalogue is not None:
        known = catalogue.fields.get(wanted)
        if known is None:
            yield Problem(path, f"There is no field “{wanted}” in this trigger.")
        elif not takes(field, known.kind):
            yield Problem(path, f"{label} can't be filled from “{known.label}” ({known.kind}).")


def _is_later(value: Any) -> bool:
    return text_of(value) is not None or field_of(value) is not None


def check_parameters(
    step: Do,
    action: Action,
    catalogue: Catalogue | None,
    params: Mapping[str, Param],
    path: str,
) -> Iterator[Problem]:
    """What is wrong with a step's parameters; what events fill in is checked by its kind."""
    fields = action.form.base_fields
    literals: dict[str, Any] = {}
    later: set[str] = set()
    for name, value in step.params.items():
        at = joined(path, "with", name)
        if name not in fields:
            yield Problem(at, f"“{action.label}” has no parameter “{name}”.")
            continue
        found, literal = _check_value(name, value, fields[name], (catalogue, params), at)
        yield from found
        if literal is not _LATER and not found:
            literals[name] = literal
        if literal is _LATER or found or isinstance(fields[name], FilledField):
            later.add(name)
    yield from _check_literals(action, literals, later, joined(path, "with"))


_LATER = object()


def _check_value(
    name: str,
    value: Any,
    field: forms.Field,
    world: tuple[Catalogue | None, Mapping[str, Param]],
    path: str,
) -> tuple[list[Problem], Any]:
    """What is wrong with one value, and the literal it stands for; _LATER: an event says."""
    catalogue, params = world
    if is_literal(field):
        return list(_check_literal(value, field, catalogue, path)), value
    if (wanted := param_of(value)) is not None:
        if wanted not in params:
            return [Problem(path, f"There is no param “{wanted}” in this rule.")], _LATER
        return [], params[wanted].value
    if _is_later(value):
        return list(_check_one(name, value, field, catalogue, path)), _LATER
    return [], value


def _check_literal(
    value: Any, field: forms.Field, catalogue: Catalogue | None, path: str
) -> Iterator[Problem]:
    """What its author alone writes: no value of an event or a tunable in its place."""
    if not isinstance(value, str):
        yield Problem(path, f"{field.label} is written here, and not filled in later.")
    elif isinstance(field, FilledField):
        yield from (Problem(path, said) for said in field.problems(value, catalogue))


def _check_literals(
    action: Action, literals: dict[str, Any], later: set[str], path: str
) -> Iterator[Problem]:
    try:
        form = action.form(_form_data(action.form.base_fields, literals))
        errors = _errors(form)
    except (TypeError, ValueError, AttributeError):
        yield Problem(path, f"“{action.label}” does not take values of these kinds.")
        return
    for name, messages in errors.items():
        if name == NON_FIELD_ERRORS:
            if not later:
                yield Problem(path, " ".join(messages))
        elif name not in later:
            yield Problem(joined(path, name), " ".join(messages))


# --- from an event ------------------------------------------------------------------------------


def _named(step: Do, catalogue: Catalogue) -> Catalogue:
    """The part of a catalogue that a step's texts name."""
    used: set[str] = set()
    for value in step.params.values():
        if (source := text_of(value)) is not None:
            with suppress(TextInvalid):  # said when the text is filled in
                used.update(paths_in(source))

    def named(path: str) -> bool:
        return any(
            f"{path}.".startswith(f"{name}.") or name.startswith(f"{path}.") for name in used
        )

    return Catalogue(
        {path: known for path, known in catalogue.fields.items() if named(path)},
        {path: known for path, known in catalogue.lists.items() if named(path)},
    )


class StepParameters:
    """One step's parameters for a batch of events: equal values are cleaned once.

    `catalogue` is what the step sees (`Catalogue.with_item` inside a loop); `params` are the
    values in use. Make a new one for each batch: forms may look things up that change.
    """

    def __init__(self, step: Do, action: Action, catalogue: Catalogue, params: Params) -> None:
        self.step = step
        self.action = action
        self.catalogue = catalogue
        self.params = params
        self._cleaned: dict[str, dict[str, Any]] = {}
        self._named = _named(step, catalogue)
        self._fillings: dict[str, Fill] = {}

    def values(self, facts: Facts, lists: Lists, item: Facts | None = None) -> dict[str, Any]:
        """The typed values before the form; raises ParametersInvalid."""
        seen = item_facts(facts, item) if item is not None else facts
        names = namespace(self._named, seen, lists)
        found: dict[str, Any] = {}
        errors: dict[str, list[str]] = {}
        for name, value in self.step.params.items():
            try:
                if isinstance(self.action.form.base_fields.get(name), FilledField):
                    found[name] = self._filling(name, value)(seen, lists)
                else:
                    found[name] = self._one(name, value, seen, names)
            except ValueError as error:
                errors[name] = [str(error)]
        if errors:
            raise ParametersInvalid(errors)
        return found

    def _filling(self, name: str, value: Any) -> Fill:
        known = self.action.form.base_fields[name]
        if name not in self._fillings and isinstance(known, FilledField):
            self._fillings[name] = known.filling(str(value), self.catalogue)
        return self._fillings[name]

    def _one(self, name: str, value: Any, facts: Facts, names: Mapping[str, Any]) -> Any:
        if (source := text_of(value)) is not None:
            return render(source, names)
        if (path := field_of(value)) is not None:
            return self._from_field(name, path, facts)
        if (wanted := param_of(value)) is not None:
            if wanted not in self.params:
                raise ValueError(f"There is no param “{wanted}” in this rule.")
            return self.params[wanted]
        return value

    def _from_field(self, name: str, path: str, facts: Facts) -> Any:
        field = self.catalogue.fields.get(path)
        if field is None:
            raise ValueError(f"There is no field “{path}” in this trigger.")
        value = read(field, facts)
        if value is None:
            if presence(field, facts) is False and not self._required(name):
                return ""
            raise ValueError(_unknown(field, facts))
        return timedelta(seconds=value) if field.kind is Kind.DURATION else value

    def _required(self, name: str) -> bool:
        field = self.action.form.base_fields.get(name)
        return field is not None and field.required

    def resolve(self, facts: Facts, lists: Lists, item: Facts | None = None) -> dict[str, Any]:
        """The form's cleaned data for one event; raises ParametersInvalid with its messages."""
        values = self.values(facts, lists, item)
        key = repr(values)
        if key not in self._cleaned:
            self._cleaned[key] = clean(self.action, values)
        return self._cleaned[key]


def _unknown(field: Field, facts: Facts) -> str:
    if presence(field, facts) is False:
        return f"{field.label} is empty."
    return f"{field.label} is not known for this event."


class _Forms(threading.local):
    """Forms of this thread that may be filled in again."""

    def __init__(self) -> None:
        self.by_class: dict[type[forms.Form], forms.Form] = {}


_forms = _Forms()


def _bound(form_class: type[forms.Form], data: dict[str, Any]) -> forms.Form:
    """A form with this data. One that says `reusable` is made once: making it costs more than it
    takes to clean what differs from call to call."""
    if not getattr(form_class, "reusable", False):
        return form_class(data)
    known = _forms.by_class.get(form_class)
    if known is None:
        known = _forms.by_class[form_class] = form_class(data)
    known.data = data
    known.full_clean()
    return known


def clean(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values through the action's form (also those a person edited in a case).

    Raises ParametersInvalid with the form's messages by parameter.
    """
    fields = action.form.base_fields
    if strange := sorted(set(values) - set(fields)):
        raise ParametersInvalid({name: [f"There is no parameter “{name}”."] for name in strange})
    try:
        form = _bound(action.form, _form_data(fields, values))
        valid = form.is_valid()
    except (TypeError, ValueError, AttributeError) as error:
        raise ParametersInvalid({"": ["The values are of the wrong kind."]}) from error
    if not valid:
        raise ParametersInvalid(_errors(form))
    return form.cleaned_data


def resolve_params(
    step: Do,
    action: Action,
    catalogue: Catalogue,
    facts: Facts,
    lists: Lists,
    item: Facts | None = None,
    params: Params | None = None,
) -> dict[str, Any]:
    """One step's cleaned data for one event; raises ParametersInvalid. Batches: StepParameters."""
    return StepParameters(step, action, catalogue, params or {}).resolve(facts, lists, item)
