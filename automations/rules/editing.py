"""Editing a draft's conditions as the builder does: one operation, a new tree.

A draft may be unfinished. For editing, every part has a `uid`, groups hold lists, and `not` always
stands around a group, so that a group has one of four modes. Steps: `step_editing`.
"""

from __future__ import annotations

import copy
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha1
from typing import Any

from automations.conditions.fields import Catalogue, Field, Kind
from automations.conditions.operators import TAKES, Takes
from automations.conditions.tree import field_of

Json = dict[str, Any]

# A group's mode: whether it stands inside `not`, and how it joins its parts.
MODES: dict[str, tuple[bool, str]] = {
    "all": (False, "all"),
    "any": (False, "any"),
    "not_all": (True, "all"),
    "none": (True, "any"),
}
QUANTIFIERS = ("some", "every", "none")
LIST_SHAPES = (*QUANTIFIERS, "count", "sum")
DEFAULT_OPERATOR: dict[Kind, str] = {
    Kind.MONEY: "gte",
    Kind.WHOLE: "gte",
    Kind.DECIMAL: "gte",
    Kind.DURATION: "gte",
    Kind.DATE: "in_the_last",
    Kind.DATETIME: "in_the_last",
    Kind.TIME: "after",
    Kind.TAGS: "contains",
}


def fresh_uid(letter: str) -> str:
    """A uid that was never used."""
    return f"{letter}{secrets.token_hex(4)}"


def uid_of_place(place: str) -> str:
    """A part without a uid gets the same one each time it is shown, until it is saved."""
    return f"p{sha1(place.encode(), usedforsecurity=False).hexdigest()[:8]}"


# --- shape --------------------------------------------------------------------------------------


def is_list(node: Json) -> bool:
    return any(shape in node for shape in LIST_SHAPES)


def is_group(node: Json) -> bool:
    return "all" in node or "any" in node or "not" in node


def inner(group: Json) -> Json:
    """The `all` or `any` of a group, inside its `not` if it has one."""
    found: Json = group.get("not", group)
    return found


def parts_of(group: Json) -> list[Json]:
    """The parts of a group in its normal form."""
    held = inner(group)
    found: list[Json] = held["all"] if "all" in held else held["any"]
    return found


def mode_of(group: Json) -> str:
    """all, any, not_all or none."""
    shape = "all" if "all" in inner(group) else "any"
    return next(mode for mode, made in MODES.items() if made == ("not" in group, shape))


def uid_of(node: Json) -> str:
    found: str = (inner(node) if is_group(node) else node)["uid"]
    return found


def make_group(mode: str, parts: list[Json], uid: str = "") -> Json:
    negated, shape = MODES[mode]
    held: Json = {shape: parts, "uid": uid or fresh_uid("g")}
    return {"not": held} if negated else held


def grouped(raw: Any, place: str) -> Json:
    """Any condition as a group."""
    node = raw if isinstance(raw, dict) else {"all": []}
    negated = "not" in node
    held = node["not"] if negated else node
    if not isinstance(held, dict) or not (
        isinstance(held.get("all"), list) or isinstance(held.get("any"), list)
    ):
        held = {"all": [held] if isinstance(held, dict) and held else []}
    shape = "all" if "all" in held else "any"
    parts = [
        _normal(part, f"{place}.{index}")
        for index, part in enumerate(held[shape])
        if isinstance(part, dict)
    ]
    made: Json = {shape: parts, "uid": held.get("uid") or uid_of_place(place)}
    return {"not": made} if negated else made


def _normal(node: Json, place: str) -> Json:
    if is_list(node):
        where = grouped(node.get("where"), f"{place}.where")
        return {**node, "uid": node.get("uid") or uid_of_place(place), "where": where}
    if is_group(node):
        return grouped(node, place)
    return {**node, "uid": node.get("uid") or uid_of_place(place)}


def walk(node: Json) -> Iterator[Json]:
    """A part and all inside it."""
    yield node
    inside = [node["where"]] if is_list(node) else parts_of(node) if is_group(node) else []
    for part in inside:
        yield from walk(part)


# --- places -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Place:
    """Where a part stands. `siblings` None: it is the whole condition, or all of a list's."""

    node: Json
    siblings: list[Json] | None
    index: int
    above: Place | None
    catalogue: Catalogue


def _places(
    node: Json, siblings: list[Json] | None, index: int, above: Place | None, catalogue: Catalogue
) -> Iterator[Place]:
    here = Place(node, siblings, index, above, catalogue)
    yield here
    if is_list(node):
        path = list_path(node)
        within = catalogue.inside(path) if path in catalogue.lists else Catalogue({})
        yield from _places(node["where"], None, 0, here, within)
    elif is_group(node):
        parts = parts_of(node)
        for at, part in enumerate(parts):
            yield from _places(part, parts, at, here, catalogue)


def places_in(condition: Json, catalogue: Catalogue) -> dict[str, Place]:
    """Every part of a condition in its normal form by its uid."""
    return {uid_of(at.node): at for at in _places(condition, None, 0, None, catalogue)}


def list_shape(node: Json) -> str:
    return next(shape for shape in LIST_SHAPES if shape in node)


def list_path(node: Json) -> str:
    return str(node[list_shape(node)])


# --- new parts ----------------------------------------------------------------------------------


def blank(field: Field | None, op: str) -> Any:
    """A value that is still to be filled in, of the shape its input has."""
    if field is None or TAKES[op] is Takes.SPAN:
        return ""
    if field.kind is Kind.MONEY:
        return {"amount": "", "currency": "GBP"}
    return True if field.kind is Kind.BOOL else ""


def shaped(field: Field | None, op: str, values: list[Any]) -> Any:
    """Operands as the value that an operator takes; None where it takes none."""
    takes = TAKES[op]
    if takes is Takes.NOTHING:
        return None
    if takes is Takes.MANY:
        return [value for value in values if value not in ("", None)]
    wanted = 2 if takes is Takes.TWO else 1
    filled = [*values, *(blank(field, op) for _ in range(wanted))][:wanted]
    return filled if takes is Takes.TWO else filled[0]


def set_clause(node: Json, field: Field | None, op: str, values: list[Any]) -> None:
    """Write operator and operands into a clause, count or sum."""
    value = shaped(field, op, values)
    node["op"] = op
    if value is None:
        node.pop("value", None)
    else:
        node["value"] = value


def default_operator(field: Field) -> str:
    return DEFAULT_OPERATOR.get(field.kind, "is")


def new_clause(catalogue: Catalogue) -> Json:
    """A condition on no field yet: the author chooses."""
    return {"field": "", "op": "is", "value": "", "uid": fresh_uid("c")}


def new_list(catalogue: Catalogue) -> Json:
    path = next(iter(catalogue.lists), "")
    where = make_group("all", [new_clause(catalogue)])
    return {"some": path, "where": where, "uid": fresh_uid("l")}


# --- operations ---------------------------------------------------------------------------------


class NoSuchPart(LookupError):
    """The part is not there any more, or the operation does not fit it."""


def _group_at(place: Place) -> list[Json]:
    node = place.node["where"] if is_list(place.node) else place.node
    if not is_group(node):
        raise NoSuchPart("Conditions are added to a group.")
    return parts_of(node)


def _added(place: Place, part: Json) -> str:
    _group_at(place).append(part)
    return uid_of(part)


def _add_clause(place: Place, argument: str) -> str:
    return _added(place, new_clause(place.catalogue))


def _add_group(place: Place, argument: str) -> str:
    clause = new_clause(place.catalogue)
    _group_at(place).append(make_group("any", [clause]))
    return uid_of(clause)


def _add_list(place: Place, argument: str) -> str:
    return _added(place, new_list(place.catalogue))


def _row(place: Place) -> list[Json]:
    if place.siblings is None:
        raise NoSuchPart("The whole condition stays where it is.")
    return place.siblings


def _wrap(place: Place, argument: str) -> str:
    _row(place)[place.index] = make_group(argument if argument in MODES else "any", [place.node])
    return uid_of(place.node)


def _unwrap(place: Place, argument: str) -> str:
    if not is_group(place.node):
        raise NoSuchPart("Only a group can be unwrapped.")
    row, parts = _row(place), parts_of(place.node)
    row[place.index : place.index + 1] = parts
    return uid_of(parts[0]) if parts else _neighbour(place)


def _neighbour(place: Place) -> str:
    """What the focus goes to when a part is gone."""
    row = place.siblings or []
    if row:
        return uid_of(row[min(place.index, len(row) - 1)])
    return uid_of(place.above.node) if place.above else ""


def _delete(place: Place, argument: str) -> str:
    del _row(place)[place.index]
    return _neighbour(place)


def copied(node: Json) -> Json:
    made = copy.deepcopy(node)
    for part in walk(made):
        held = inner(part) if is_group(part) else part
        held["uid"] = fresh_uid("c")
    return made


def _duplicate(place: Place, argument: str) -> str:
    made = copied(place.node)
    _row(place).insert(place.index + 1, made)
    return uid_of(made)


def _move(place: Place, argument: str) -> str:
    """One place up or down; from the end of a group, out of it."""
    row, step = _row(place), -1 if argument == "up" else 1
    target = place.index + step
    if 0 <= target < len(row):
        row[place.index], row[target] = row[target], row[place.index]
    elif (
        place.above is not None and place.above.siblings is not None and is_group(place.above.node)
    ):
        del row[place.index]
        place.above.siblings.insert(place.above.index + (1 if step > 0 else 0), place.node)
    return uid_of(place.node)


def _beside(place: Place, argument: str) -> str:
    """Between a value and another field of the event."""
    node = place.node
    field = place.catalogue.fields.get(node.get("field", ""))
    if field is None or TAKES.get(node.get("op", "")) is not Takes.ONE:
        raise NoSuchPart("This condition takes no single value.")
    if field_of(node.get("value")) is not None:
        node["value"] = blank(field, node["op"])
    else:
        others = [other for other in place.catalogue if other.kind is field.kind]
        node["value"] = {"field": next((o.path for o in others if o is not field), field.path)}
    return uid_of(node)


def _start_only(place: Place, argument: str) -> str:
    if place.node.pop("start_only", False) is False:
        place.node["start_only"] = True
    return uid_of(place.node)


def _drop(place: Place, argument: str) -> str:
    """Take one value from a list of them."""
    values = place.node.get("value")
    if not isinstance(values, list) or not argument.isdecimal() or int(argument) >= len(values):
        raise NoSuchPart("This value is not there any more.")
    del values[int(argument)]
    return uid_of(place.node)


_CONDITION_OPS: dict[str, Callable[[Place, str], str]] = {
    "add_clause": _add_clause,
    "add_group": _add_group,
    "add_list": _add_list,
    "wrap": _wrap,
    "unwrap": _unwrap,
    "delete": _delete,
    "duplicate": _duplicate,
    "move": _move,
    "beside": _beside,
    "start_only": _start_only,
    "drop": _drop,
}


def edit_condition(name: str, place: Place, argument: str) -> str:
    """Do one operation on a part; answers the uid of the part to go on with. Raises NoSuchPart."""
    if name not in _CONDITION_OPS:
        raise NoSuchPart("This can't be done with a condition.")
    return _CONDITION_OPS[name](place, argument)
