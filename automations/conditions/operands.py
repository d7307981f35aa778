"""What stands on the right of an operator: constants, and fields read beside the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from automations.conditions.fields import Catalogue, Facts, Field, Kind, ListField
from automations.conditions.operators import OPERATORS, TAKES, Takes, comparable
from automations.conditions.tree import field_of, param_of
from automations.conditions.values import PARSE, READ, parse, read

# The values in use of a document's params, as JSON.
Params = Mapping[str, Any]


class ConditionInvalid(ValueError):
    """A condition that can't be judged as written; `where` is the part's path from the clause."""

    def __init__(self, message: str, where: str = "") -> None:
        super().__init__(message)
        self.where = where


@dataclass(frozen=True, slots=True)
class Scope:
    """What a tree is compiled against."""

    catalogue: Catalogue
    params: Params = field(default_factory=dict)

    def field(self, path: str) -> Field:
        """The field of a path; raises ConditionInvalid when the payload has none."""
        found = self.catalogue.fields.get(path)
        if found is not None:
            return found
        if path in self.catalogue.lists:
            raise ConditionInvalid(
                f"“{path}” is a list: ask for some, every, none, count or sum of it.", "field"
            )
        raise ConditionInvalid(f"There is no field “{path}” in this trigger.", "field")

    def list(self, path: str) -> ListField:
        """The list of a path; raises ConditionInvalid when the payload has none."""
        found = self.catalogue.lists.get(path)
        if found is None:
            raise ConditionInvalid(f"There is no list “{path}” here.")
        return found

    def inside(self, path: str) -> Scope:
        self.list(path)
        return Scope(self.catalogue.inside(path), self.params)


@dataclass(frozen=True, slots=True)
class Constant:
    """A typed value of the document, or of a param in use."""

    value: Any


@dataclass(frozen=True, slots=True)
class Beside:
    """Another field's value, read with the first."""

    field: Field

    def read(self, facts: Facts) -> Any:
        return read(self.field, facts)


Operand = Constant | Beside


def _one(field: Field, raw: Any, scope: Scope, kind: Kind | None = None) -> Operand:
    """One operand for `field`; `kind` is another kind to read it as (a span's duration)."""
    if (path := field_of(raw)) is not None:
        other = scope.field(path)
        if not comparable(kind or field.kind, other.kind):
            raise ConditionInvalid(
                f"“{field.label}” and “{other.label}” can't be compared: "
                f"{field.kind} and {other.kind}.",
                "value",
            )
        return Beside(other)
    if (name := param_of(raw)) is not None:
        if name not in scope.params:
            raise ConditionInvalid(f"There is no param “{name}” in this rule.", "value")
        raw = scope.params[name]
    try:
        return Constant(PARSE[kind](raw) if kind else parse(field, raw))
    except ValueError as error:
        raise ConditionInvalid(f"{field.label}: {error}", "value") from error


def operands(field: Field, op: str, value: Any, scope: Scope) -> list[Operand]:
    """The typed operands of a clause; raises ConditionInvalid when they don't fit."""
    if op not in OPERATORS[field.kind]:
        raise ConditionInvalid(f"“{field.label}” has no operator {op}.", "op")
    takes = TAKES[op]
    if takes is Takes.NOTHING:
        if value is not None:
            raise ConditionInvalid(f"{op} takes no value.", "value")
        return []
    if takes in (Takes.ONE, Takes.SPAN):
        if value is None or isinstance(value, list):
            raise ConditionInvalid(f"{op} takes one value.", "value")
        return [_one(field, value, scope, Kind.DURATION if takes is Takes.SPAN else None)]
    if not isinstance(value, list) or not value:
        raise ConditionInvalid(f"{op} takes a list of values.", "value")
    if takes is Takes.TWO and len(value) != 2:
        raise ConditionInvalid(f"{op} takes two values: from and to.", "value")
    return [_one(field, part, scope) for part in value]


def reader(field: Field) -> Callable[[Facts], Any]:
    """Read a field's typed value from facts."""
    if field.kind is Kind.MONEY:
        return partial(read, field)
    typed, key = READ[field.kind], field.key

    def seen(facts: Facts) -> Any:
        return typed(facts.get(key))

    return seen
