"""The builder's inputs of steps: each parameter a value, a field of the event, or a text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.db.models import Model
from django.http import QueryDict

from automations.actions import Action, actions
from automations.conditions.fields import Catalogue, Field
from automations.conditions.tree import field_of
from automations.forms.flow import read_flow
from automations.rules.document import text_of
from automations.rules.editing import Json, fresh_uid
from automations.rules.fillings import is_literal
from automations.rules.parameters import takes, takes_text
from automations.rules.step_editing import StepPlace, step_places
from backoffice.money import Money


def prefix_of(step: Json) -> str:
    return f"s-{step['uid']}"


def fillers(field: forms.Field, catalogue: Catalogue) -> list[Field]:
    """The fields of the event that a parameter can be filled from."""
    return [known for known in catalogue if takes(field, known.kind)]


def can_be_filled(field: forms.Field) -> bool:
    """Free text names fields inside itself; a yes or no and what is literal are the author's."""
    own = isinstance(field, forms.BooleanField) or is_literal(field)
    return not takes_text(field) and not own


def _initial(field: forms.Field) -> Any:
    return field.initial() if callable(field.initial) else field.initial


def new_step(action: Action) -> Json:
    """A step with what the action's form begins with."""
    given = {name: _initial(field) for name, field in action.form.base_fields.items()}
    kept = {name: as_document(value) for name, value in given.items() if value is not None}
    return {"uid": fresh_uid("a"), "do": action.key, "with": kept}


def as_document(value: Any) -> Any:
    """A cleaned value as documents write it."""
    written: Any = str(value)
    match value:
        case Money():
            written = value.as_json()
        case bool() | int() | str():
            written = value
        case Decimal():
            written = format(value, "f")
        case datetime() | date() | time():
            written = value.isoformat()
        case timedelta():
            written = f"PT{int(value.total_seconds())}S"
        case list() | tuple() | set():
            written = [as_document(part) for part in value]
    return written


def _as_typed(field: forms.Field, raw: Any) -> Any:
    """What was typed and can't be read, kept so that it shows with its error."""
    if isinstance(raw, list) and isinstance(field, forms.MultiValueField):
        amount, currency = (str(part or "") for part in [*raw, "", ""][:2])
        return {"amount": amount, "currency": currency} if amount or currency else ""
    return [str(part) for part in raw] if isinstance(raw, list) else str(raw or "")


def _literal(field: forms.Field, data: QueryDict, name: str) -> Any:
    raw = field.widget.value_from_datadict(data, {}, name)
    try:
        cleaned = field.clean(raw)
    except ValidationError:
        return _as_typed(field, raw)
    if cleaned is None or isinstance(cleaned, Model):
        return str(raw or "")
    return as_document(cleaned)


def _text(source: str) -> Any:
    source = source.replace("\r\n", "\n")
    return {"text": source} if "{{" in source or "{%" in source else source


def _parameter(
    name: str, field: forms.Field, was: Any, catalogue: Catalogue, data: QueryDict
) -> Any:
    if data.get(f"{name}-from") == "field" and can_be_filled(field):
        known = [each.path for each in fillers(field, catalogue)]
        path = data.get(f"{name}-field") or field_of(was) or next(iter(known), "")
        return {"field": path} if path else ""
    if field_of(was) is not None and f"{name}-from" in data:
        return as_document(_initial(field) or "")
    if takes_text(field):
        return _text(data.get(name, "")) if name in data else was
    present = name in data or f"{name}_0" in data or isinstance(field, forms.BooleanField)
    return _literal(field, data, name) if present else was


def _read_action(place: StepPlace, action: Action, data: QueryDict) -> None:
    step, name = place.step, prefix_of(place.step)
    before = step.get("with") or {}
    found = {
        key: _parameter(f"{name}-{key}", field, before.get(key), place.catalogue, data)
        for key, field in action.form.base_fields.items()
    }
    step["with"] = {key: value for key, value in found.items() if value not in ("", None, [])}


def read_steps(body: Json, catalogue: Catalogue, data: QueryDict) -> None:
    """Take what the steps' inputs hold into a normal body, in place."""
    for place in step_places(body, catalogue).values():
        if f"{prefix_of(place.step)}-shown" not in data:
            continue
        action = actions.get(str(place.step.get("do", "")))
        if action is not None:
            _read_action(place, action, data)
        else:
            read_flow(place, prefix_of(place.step), data)


def source_of(value: Any) -> Any:
    """A parameter's text as its author wrote it."""
    return text_of(value) if text_of(value) is not None else value
