"""Another value for a named one, as its type wants it."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django import forms

from automations.conditions.display import span
from automations.conditions.values import parse_duration
from automations.rules.document import Param
from backoffice.forms import AmountField, NumberField
from backoffice.money import Money


def shown(param: Param, raw: Any) -> str:
    """A value of a param in words."""
    if param.type == "money":
        return str(Money(Decimal(raw["amount"]), raw["currency"]))
    if param.type == "duration":
        return span(int(parse_duration(raw).total_seconds()))
    return str(raw)


def allowed(param: Param) -> str:
    """What was approved: `£50.00 to £300.00`, or the choices."""
    if param.one_of is not None:
        return ", ".join(shown(param, each) for each in param.one_of)
    lowest, highest = param.range or (None, None)
    return f"{shown(param, lowest)} to {shown(param, highest)}"


def _minutes(raw: Any) -> int:
    return int(parse_duration(raw) / timedelta(minutes=1))


def _field(param: Param) -> tuple[forms.Field, Any]:
    """The input for a type, and what it shows at first."""
    given: dict[str, Any] = {"label": param.label, "help_text": f"Approved: {allowed(param)}"}
    now: Any = param.value
    field: forms.Field
    if param.one_of is not None:
        choices = [(json.dumps(each), shown(param, each)) for each in param.one_of]
        field, now = forms.ChoiceField(choices=choices, **given), json.dumps(now)
    elif param.type == "money":
        field, now = AmountField(currency=now["currency"], decimal_places=2, **given), now["amount"]
    elif param.type == "whole":
        field = forms.IntegerField(**given)
    elif param.type == "decimal":
        field = NumberField(**given)
    elif param.type == "duration":
        given["label"] = f"{param.label}, in minutes"
        field, now = forms.IntegerField(min_value=1, **given), _minutes(now)
    elif param.type == "date":
        field = forms.DateField(widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"), **given)
    else:
        field = forms.CharField(max_length=200, **given)
    return field, now


class TuneForm(forms.Form):
    value = forms.CharField()
    why = forms.CharField(label="Why", max_length=300)
    live = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, param: Param, live_id: int, **options: Any) -> None:
        field, now = _field(param)
        super().__init__(*args, **options)
        self.initial = {"value": now, "live": live_id}
        self.fields["value"] = field
        self.param = param

    def as_document(self) -> Any:
        """The value as the document has it."""
        value = self.cleaned_data["value"]
        if self.param.one_of is not None:
            return json.loads(value)
        match self.param.type:
            case "money":
                return {"amount": str(value), "currency": self.param.value["currency"]}
            case "whole":
                return value
            case "duration":
                return f"PT{value}M"
            case "date":
                return value.isoformat()
        return str(value)
