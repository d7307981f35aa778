"""A draft's named values as the builder prints them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from automations.conditions.problems import Problem
from automations.forms.params import input_name
from automations.rules.editing import Json
from automations.rules.naming import ORDERED, params_of
from automations.views.inputs import Input, input_of


@dataclass(slots=True)
class ParamRow:
    """One named value: its label, what it is now, and from where to where its owner may go."""

    name: str
    label: Input
    inputs: list[tuple[str, Input]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def param_rows(body: Json, problems: Sequence[Problem]) -> list[ParamRow]:
    """The named values that have a range, with what is wrong with each."""
    rows = []
    for name, param in params_of(body).items():
        kind = next((each for each in ORDERED if each.value == param.get("type")), None)
        bounds = param.get("range")
        if kind is None or not isinstance(bounds, list) or len(bounds) != 2:
            continue
        words = str(param.get("label", name))
        given = (("now", param.get("value"), "value"), ("from", bounds[0], "low"),
                 ("to", bounds[1], "high"))  # fmt: skip
        inputs = [
            (word, input_of(None, kind, raw, input_name(name, part), f"{words}, {word}"))
            for word, raw, part in given
        ]
        label = Input("text", input_name(name, "label"), "What it is called", words)
        at = f"params.{name}."
        wrong = [each.message for each in problems if f"{each.path}.".startswith(at)]
        rows.append(ParamRow(name, label, inputs, wrong))
    return rows
