"""The builder's inputs of conditions, read into a draft's body."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from django.http import QueryDict
from django.utils import timezone

from automations.conditions.compiling import figure_field
from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operands import ConditionInvalid, Scope
from automations.conditions.operators import FIGURE_OPERATORS, OPERATORS, TAKES, Takes
from automations.conditions.tree import Count, Sum, field_of, param_of
from automations.rules.editing import (
    LIST_SHAPES,
    MODES,
    Json,
    Place,
    default_operator,
    inner,
    is_group,
    is_list,
    list_path,
    list_shape,
    mode_of,
    set_clause,
    uid_of,
)
from automations.rules.step_editing import places
from backoffice.amounts import read_amount, read_number

UNITS = {"M": "minutes", "H": "hours", "D": "days", "W": "weeks"}


def duration_json(number: str, unit: str) -> str:
    """`48` and `H` as ISO 8601; what is no whole number comes back as it was typed."""
    number = number.strip()
    if not number.isdecimal() or unit not in UNITS:
        return number
    return f"P{number}{unit}" if unit in "DW" else f"PT{number}{unit}"


def _money(text: str, currency: str) -> Any:
    try:
        return {"amount": format(read_amount(text, currency), "f"), "currency": currency}
    except ValueError:
        # An amount not yet typed keeps its currency apart; one in doubt stays in doubt.
        return f"{text} {currency}" if text else {"amount": "", "currency": currency}


def _decimal(text: str) -> str:
    try:
        return format(read_number(text), "f")
    except ValueError:
        return text


_THOUSANDS = re.compile(r"-?(?:\d{1,15}|[1-9]\d{0,2}(?:,\d{3}){1,4})", re.ASCII)


def _whole(text: str) -> int | str:
    text = text.strip()
    return int(text.replace(",", "")) if _THOUSANDS.fullmatch(text) else text


def _moment(text: str) -> str:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        return text
    return (timezone.make_aware(value) if timezone.is_naive(value) else value).isoformat()


_READ: dict[Kind, Callable[[str], Any]] = {
    Kind.WHOLE: _whole,
    Kind.DECIMAL: _decimal,
    Kind.BOOL: lambda text: text == "true",
    Kind.DATETIME: _moment,
}


def read_one(kind: Kind, data: QueryDict, name: str) -> Any:
    """One typed value as documents write it; what can't be read stays as it was typed."""
    text = data.get(name, "").strip()
    if kind is Kind.MONEY:
        return _money(text, data.get(f"{name}-currency", "GBP"))
    if kind is Kind.DURATION:
        return duration_json(text, data.get(f"{name}-unit", "H"))
    return _READ.get(kind, str)(text)


def read_values(field: Field, op: str, value: Any, data: QueryDict, name: str) -> list[Any]:
    """The operands that the inputs of a clause hold; `value` is what they were made from."""
    takes = TAKES[op]
    if takes is Takes.NOTHING:
        return []
    if field_of(value) is not None:
        path = data.get(f"{name}-value-beside", "")
        return [{"field": path}] if path else [value]
    if param_of(value) is not None:
        return [value]
    kind = Kind.DURATION if takes is Takes.SPAN else field.kind
    if takes is Takes.MANY:
        kept = list(value) if isinstance(value, list) else []
        added = read_one(kind, data, f"{name}-add") if data.get(f"{name}-add") else None
        return kept if added is None or added in kept else [*kept, added]
    names = [f"{name}-value", f"{name}-value2"] if takes is Takes.TWO else [f"{name}-value"]
    return [read_one(kind, data, each) for each in names]


def figure_of(node: Json, catalogue: Catalogue) -> Field | None:
    """What a count or sum is compared as; None while the list or the field is not chosen."""
    path, of = list_path(node), str(node.get("of", ""))
    made: Count | Sum = Sum.model_construct(path=path, of=of, op="gte", value=1)
    if list_shape(node) == "count":
        made = Count.model_construct(path=path, op="gte", value=1)
    scope = Scope(catalogue)
    try:
        return figure_field(made, scope)
    except (ConditionInvalid, KeyError):
        return None


def _next(node: Json, old: Field | None, new: Field | None, op: str, data: QueryDict) -> None:
    """Operator and operands as posted; another kind of field starts afresh."""
    was = node.get("op", "is")
    name = f"c-{uid_of(node)}"
    if new is None:
        set_clause(node, None, was, [])
    elif old is None or old.kind is not new.kind:
        set_clause(node, new, default_operator(new), [])
    else:
        values = read_values(old, was, node.get("value"), data, name)
        spans = Takes.SPAN in (TAKES[was], TAKES[op]) and TAKES[was] is not TAKES[op]
        set_clause(node, new, op, [] if spans else values)


def _read_clause(place: Place, data: QueryDict) -> None:
    node, name = place.node, f"c-{uid_of(place.node)}"
    if f"{name}-field" not in data:
        return
    fields = place.catalogue.fields
    path = str(data[f"{name}-field"])
    old, new = fields.get(node.get("field", "")), fields.get(path)
    node["field"] = path
    op = data.get(f"{name}-op", "")
    known = OPERATORS[new.kind] if new is not None else ()
    _next(node, old, new, op if op in known else node.get("op", "is"), data)


def _read_list(place: Place, data: QueryDict) -> None:
    node, name = place.node, f"c-{uid_of(place.node)}"
    shape, path = data.get(f"{name}-shape", ""), data.get(f"{name}-list", "")
    if shape not in LIST_SHAPES or path not in place.catalogue.lists:
        return
    was = list_shape(node)
    old = figure_of(node, place.catalogue) if was in ("count", "sum") else None
    if "of" in node or f"{name}-of" in data:
        node["of"] = data.get(f"{name}-of", node.get("of", ""))
    node.pop(was)
    node[shape] = path
    if shape not in ("count", "sum"):
        for key in ("op", "value", "of"):
            node.pop(key, None)
        return
    if shape == "count":
        node.pop("of", None)
    node.setdefault("op", "gte")
    op = data.get(f"{name}-op", node["op"])
    new = figure_of(node, place.catalogue)
    _next(node, old, new, op if op in FIGURE_OPERATORS else "gte", data)


def _read_group(place: Place, data: QueryDict) -> None:
    mode = data.get(f"c-{uid_of(place.node)}-mode", "")
    if mode not in MODES or mode == mode_of(place.node):
        return
    held = inner(place.node)
    parts = held.pop("all", None) or held.pop("any", None) or []
    negated, shape = MODES[mode]
    made = {shape: parts, "uid": held["uid"]}
    place.node.clear()
    place.node.update({"not": made} if negated else made)


def read_conditions(body: Json, catalogue: Catalogue, data: QueryDict) -> None:
    """Take what the condition's inputs hold into a normal body, in place."""
    for place in places(body, catalogue).values():
        if is_list(place.node):
            _read_list(place, data)
        elif is_group(place.node):
            _read_group(place, data)
        else:
            _read_clause(place, data)
