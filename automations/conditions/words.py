"""Conditions in words: `order total is at least £500.00`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from automations.conditions.compiling import figure_field
from automations.conditions.display import listed, shown, span
from automations.conditions.fields import Field, Kind
from automations.conditions.operands import Beside, ConditionInvalid, Operand, Scope, operands
from automations.conditions.operators import ON_THE_CLOCK
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Every,
    Listed,
    NoneOf,
    Not,
    Sum,
    field_of,
    param_of,
)

_VERBS = {
    "is": "is",
    "is_not": "is not",
    "gt": "is more than",
    "gte": "is at least",
    "lt": "is less than",
    "lte": "is at most",
    "between": "is between",
    "in": "is one of",
    "not_in": "is none of",
    "contains": "contains",
    "not_contains": "does not contain",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "before": "is before",
    "after": "is after",
    "older_than": "is older than",
    "newer_than": "is newer than",
    "in_the_last": "is in the last",
    "in_the_next": "is in the next",
    "changed_to": "changed to",
    "changed_from": "changed from",
    "contains_any": "contain any of",
    "contains_all": "contain all of",
    "contains_none": "contain none of",
    "is_set": "is filled in",
    "is_empty": "is empty",
}
_OF_TIME = {"gte": "is on or after", "lte": "is on or before"}
_TIMES = frozenset({Kind.DATE, Kind.TIME, Kind.DATETIME})


@dataclass(frozen=True, slots=True)
class ClauseWords:
    """One clause in three parts; `value` is empty where the operator takes none."""

    subject: str
    verb: str
    value: str

    def __str__(self) -> str:
        return " ".join(part for part in (self.subject, self.verb, self.value) if part)


def lowered(label: str) -> str:
    """A label inside a sentence: `Total` becomes `total`, `SKU` stays."""
    return label if label[1:2].isupper() else label[:1].lower() + label[1:]


def field_words(labels: Sequence[str]) -> str:
    return " ".join(lowered(label) for label in labels)


def verb(kind: Kind, op: str) -> str:
    """The words of an operator for fields of a kind, as the builder and sentences show them."""
    if kind in _TIMES and op in _OF_TIME:
        return _OF_TIME[op]
    if kind is Kind.TAGS and op == "contains":
        return "contain"
    return _VERBS[op]


def _operand(field: Field, op: str, part: Operand) -> str:
    if isinstance(part, Beside):
        return field_words(part.field.labels)
    return span(part.value) if op in ON_THE_CLOCK else shown(field, part.value)


def _value(field: Field, op: str, parts: Sequence[Operand]) -> str:
    last = "and" if op in ("between", "contains_all") else "or"
    return listed([_operand(field, op, part) for part in parts], last)


def clause_words(node: Clause, scope: Scope) -> ClauseWords:
    """A clause in words; one that does not fit the catalogue is told as it is written."""
    try:
        field = scope.field(node.field)
        parts = operands(field, node.op, node.value, scope)
    except ConditionInvalid:
        return ClauseWords(node.field, _VERBS[node.op], raw_value(node.value))
    return ClauseWords(
        field_words(field.labels), verb(field.kind, node.op), _value(field, node.op, parts)
    )


def raw_value(value: Any) -> str:
    """A document's value without a catalogue."""
    if isinstance(value, list):
        return listed([raw_value(part) for part in value])
    if isinstance(value, dict):
        named = field_of(value) or param_of(value)
        return named or " ".join(str(part) for part in value.values())
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def list_words(path: str, scope: Scope) -> str:
    known = scope.catalogue.lists.get(path)
    return field_words(known.labels) if known is not None else path


def _inside(node: Listed, scope: Scope) -> Scope:
    return scope.inside(node.path) if node.path in scope.catalogue.lists else scope


def figure_words(node: Count | Sum, scope: Scope) -> ClauseWords:
    """What a count or sum is compared with."""
    where = f" where {tree_words(node.where, _inside(node, scope))}" if node.where else ""
    subject = f"the number of {list_words(node.path, scope)}{where}"
    try:
        field = figure_field(node, scope)
        if isinstance(node, Sum):
            known = scope.list(node.path).items[node.of]
            added = field_words(known.labels)
            subject = f"the sum of {added} over {list_words(node.path, scope)}{where}"
        parts = operands(field, node.op, node.value, scope)
    except ConditionInvalid:
        return ClauseWords(subject, _VERBS[node.op], raw_value(node.value))
    return ClauseWords(subject, verb(field.kind, node.op), _value(field, node.op, parts))


def quantifier_words(node: Listed, scope: Scope) -> str:
    """`some of the order lines`, without what they meet."""
    of = f"of the {list_words(node.path, scope)}"
    if isinstance(node, Every):
        return f"every one {of}"
    return f"none {of}" if isinstance(node, NoneOf) else f"some {of}"


def leaf_words(node: Clause | Listed, scope: Scope) -> str:
    if isinstance(node, Clause):
        return str(clause_words(node, scope))
    if isinstance(node, Count | Sum):
        return str(figure_words(node, scope))
    met = tree_words(node.where, _inside(node, scope))
    return f"for {quantifier_words(node, scope)}, {met}"


def _part(node: Condition, scope: Scope) -> str:
    """A part inside a group: a group within it stands in brackets."""
    words = tree_words(node, scope)
    grouped = isinstance(node, AllOf | AnyOf) and len(node.parts) > 1
    return f"({words})" if grouped or isinstance(node, Listed) else words


def tree_words(node: Condition, scope: Scope) -> str:
    """A whole tree as one phrase, without capital letter and full stop."""
    if isinstance(node, AllOf | AnyOf):
        if not node.parts:
            return "always" if isinstance(node, AllOf) else "never"
        if len(node.parts) == 1:
            return tree_words(node.parts[0], scope)
        joining = "and" if isinstance(node, AllOf) else "or"
        return listed([_part(part, scope) for part in node.parts], joining)
    if isinstance(node, Not):
        return f"it is not so that {_part(node.part, scope)}"
    return leaf_words(node, scope)
