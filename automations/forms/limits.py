"""The builder's inputs of limits and policies, read into a draft's body."""

from __future__ import annotations

from typing import Any

from django.http import QueryDict

from automations.conditions.fields import Kind
from automations.forms.conditions import duration_json, read_one
from automations.rules.editing import Json
from automations.rules.limits import PERIODS

COUNTED = ("runs", "money", "units", "messages")
ONES = ("per_subject", "per_customer")
# What a rule does in trouble, with the choices there are: the first is what a new rule has.
POLICIES = {
    "missing_data": ("hold", "skip"),
    "connector_down": ("wait", "hold"),
    "latency": ("real_time", "batch"),
}


def limits_of(body: Json) -> Json:
    """The limits of a draft, whatever it holds."""
    known = body.get("limits")
    return known if isinstance(known, dict) else {}


def _counted(what: str, data: QueryDict) -> Json:
    """What may be in an hour and in a day; empty inputs are no limit."""
    found: Json = {}
    for period in PERIODS:
        name = f"limits-{what}-{period}"
        if data.get(name, "").strip():
            found[period] = read_one(Kind.MONEY if what == "money" else Kind.WHOLE, data, name)
    return found


def _one(which: str, data: QueryDict) -> Json:
    name = f"limits-{which}"
    if not data.get(f"{name}-runs", "").strip():
        return {}
    unit = data.get(f"{name}-within-unit", "H")
    within = duration_json(data.get(f"{name}-within", ""), unit) or "P1D"
    return {"runs": read_one(Kind.WHOLE, data, f"{name}-runs"), "within": within}


def read_limits(body: Json, data: QueryDict) -> None:
    """Take what the inputs of limits and policies hold into a body, in place."""
    for name, choices in POLICIES.items():
        if data.get(name) in choices:
            body[name] = data[name]
    if "limits-shown" not in data:
        return
    found: dict[str, Any] = {what: _counted(what, data) for what in COUNTED}
    found |= {which: _one(which, data) for which in ONES}
    made = {name: value for name, value in found.items() if value}
    if made or "limits" in body:
        body["limits"] = made
