"""The builder's inputs of named values, read into a draft's body."""

from __future__ import annotations

from django.http import QueryDict

from automations.conditions.fields import Kind
from automations.forms.conditions import read_one
from automations.rules.editing import Json
from automations.rules.naming import ORDERED, params_of

PARTS = ("value", "low", "high")


def input_name(name: str, part: str) -> str:
    """The name of an input: `value`, `low`, `high` or `label` of a named value."""
    return f"param-{name}-{part}"


def read_params(body: Json, data: QueryDict) -> None:
    """Take what the inputs of named values hold into a body, in place."""
    for name, param in params_of(body).items():
        if not isinstance(param, dict) or input_name(name, "label") not in data:
            continue
        kind = next((each for each in ORDERED if each.value == param.get("type")), None)
        param["label"] = data.get(input_name(name, "label"), "").strip()[:120]
        if kind is None:
            continue
        value, low, high = (_read(kind, data, name, part) for part in PARTS)
        param["value"] = value
        if isinstance(param.get("range"), list):
            param["range"] = [low, high]


def _read(kind: Kind, data: QueryDict, name: str, part: str) -> object:
    return read_one(kind, data, input_name(name, part))
