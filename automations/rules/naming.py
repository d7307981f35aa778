"""Named values of a draft, as the builder makes them: what of a clause its owner may change.

What the range allows is approved with the rule, and inside it the owner changes the value alone.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

from automations.conditions.fields import Field, Kind
from automations.conditions.operators import TAKES, Takes
from automations.conditions.tree import param_of
from automations.rules.editing import Json, NoSuchPart, Place, uid_of

# Values that have an order, and so a range.
ORDERED = (Kind.MONEY, Kind.WHOLE, Kind.DECIMAL, Kind.DURATION, Kind.DATE)
LONGEST = 40


def params_of(body: Json) -> Json:
    """The named values of a draft, whatever it holds."""
    known = body.get("params")
    return known if isinstance(known, dict) else {}


def named_kind(field: Field, op: str) -> Kind | None:
    """What the single value of an operator on a field is; None without one that has an order."""
    takes = TAKES.get(op)
    if takes not in (Takes.ONE, Takes.SPAN):
        return None
    kind = Kind.DURATION if takes is Takes.SPAN else field.kind
    return kind if kind in ORDERED else None


def kind_of_value(place: Place) -> Kind | None:
    """What a clause's single value is; None where it has none, or one without an order."""
    node = place.node
    field = place.catalogue.fields.get(str(node.get("field", "")))
    return named_kind(field, str(node.get("op", ""))) if field is not None else None


def name_value(body: Json, place: Place) -> str:
    """Give a clause's value a name, a label and a range that only it lies in; answers the uid.

    Raises NoSuchPart where there is no value to name.
    """
    node, kind = place.node, kind_of_value(place)
    value = node.get("value")
    is_literal = value not in ("", None) and not (
        isinstance(value, dict) and set(value) != {"amount", "currency"}
    )
    if kind is None or not is_literal:
        raise NoSuchPart("Fill in the value first: an amount, a number, a duration or a date.")
    label = place.catalogue.fields[node["field"]].label
    params = body.setdefault("params", {})
    name = _fresh(node["field"], params)
    params[name] = {
        "type": kind.value,
        "label": label,
        "value": value,
        "range": [copy.deepcopy(value), copy.deepcopy(value)],
    }
    node["value"] = {"param": name}
    return uid_of(node)


def _fresh(path: str, params: Json) -> str:
    base = re.sub(r"[^a-z0-9_]", "_", path.lower())[: LONGEST - 4].strip("_") or "value"
    base = base if base[0].isalpha() else f"v_{base}"
    return next(
        name
        for name in (base, *(f"{base}_{number}" for number in range(2, len(params) + 3)))
        if name not in params
    )


def fix_value(body: Json, place: Place) -> str:
    """Put a named value back into its clause; the name goes once nothing uses it."""
    node, params = place.node, params_of(body)
    name = param_of(node.get("value"))
    if name is None or name not in params:
        raise NoSuchPart("This value has no name.")
    node["value"] = copy.deepcopy(params[name].get("value"))
    drop_unused(body)
    return uid_of(node)


def drop_unused(body: Json) -> None:
    """Forget names that no part of a draft uses any more, in place."""
    params = params_of(body)
    if not params:
        return
    used = set(_used({**body, "params": {}}))
    kept = {name: param for name, param in params.items() if name in used}
    if kept:
        body["params"] = kept
    else:
        del body["params"]


def _used(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        name = param_of(part)
        if name is not None:
            yield name
        for inside in part.values():
            yield from _used(inside)
    elif isinstance(part, list):
        for inside in part:
            yield from _used(inside)
