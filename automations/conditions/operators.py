"""Which operators each kind of field has, and what value each takes."""

from __future__ import annotations

from enum import StrEnum

from automations.conditions.fields import Kind


class Takes(StrEnum):
    """The shape of an operator's value."""

    NOTHING = "nothing"
    ONE = "one"
    TWO = "two"
    MANY = "many"
    SPAN = "span"


TAKES: dict[str, Takes] = {
    "is": Takes.ONE,
    "is_not": Takes.ONE,
    "gt": Takes.ONE,
    "gte": Takes.ONE,
    "lt": Takes.ONE,
    "lte": Takes.ONE,
    "between": Takes.TWO,
    "in": Takes.MANY,
    "not_in": Takes.MANY,
    "contains": Takes.ONE,
    "not_contains": Takes.ONE,
    "starts_with": Takes.ONE,
    "ends_with": Takes.ONE,
    "before": Takes.ONE,
    "after": Takes.ONE,
    "older_than": Takes.SPAN,
    "newer_than": Takes.SPAN,
    "in_the_last": Takes.SPAN,
    "in_the_next": Takes.SPAN,
    "changed_to": Takes.ONE,
    "changed_from": Takes.ONE,
    "contains_any": Takes.MANY,
    "contains_all": Takes.MANY,
    "contains_none": Takes.MANY,
    "is_set": Takes.NOTHING,
    "is_empty": Takes.NOTHING,
}

_SET = ("is_set", "is_empty")
_MOVED = ("changed_to", "changed_from")
_SAME = ("is", "is_not", "in", "not_in")
_ORDER = ("gt", "gte", "lt", "lte", "between")
_WHEN = ("before", "after", "gte", "lte", "between")
_SPANS = ("older_than", "newer_than", "in_the_last", "in_the_next")

OPERATORS: dict[Kind, tuple[str, ...]] = {
    Kind.TEXT: (
        *_SAME,
        "contains",
        "not_contains",
        "starts_with",
        "ends_with",
        *_MOVED,
        *_SET,
    ),
    Kind.CHOICE: (*_SAME, *_MOVED, *_SET),
    Kind.COUNTRY: (*_SAME, *_MOVED, *_SET),
    Kind.BOOL: ("is", "is_not", *_MOVED, *_SET),
    Kind.WHOLE: (*_ORDER, *_SAME, *_MOVED, *_SET),
    Kind.DECIMAL: (*_ORDER, *_SAME, *_MOVED, *_SET),
    Kind.MONEY: (*_ORDER, "is", "is_not", *_MOVED, *_SET),
    Kind.DURATION: (*_ORDER, "is", "is_not", *_SET),
    Kind.DATE: (*_WHEN, "is", "is_not", *_SPANS, *_MOVED, *_SET),
    Kind.TIME: (*_WHEN, *_SET),
    Kind.DATETIME: (*_WHEN, *_SPANS, *_SET),
    Kind.TAGS: ("contains", "contains_any", "contains_all", "contains_none", *_SET),
}

# What a count or a sum may be compared by.
FIGURE_OPERATORS = ("is", "is_not", "gt", "gte", "lt", "lte", "between")

# Clauses about the moment: they compare the value before the fact with the one after it.
MOMENT = frozenset(_MOVED)
# Clauses whose answer changes while nothing but time passes.
ON_THE_CLOCK = frozenset(_SPANS)
# The kinds a sum can add up, and the kinds that compare with each other beside their own.
SUMMABLE = frozenset({Kind.WHOLE, Kind.DECIMAL, Kind.MONEY, Kind.DURATION})
NUMERIC = frozenset({Kind.WHOLE, Kind.DECIMAL})
TEXTUAL = frozenset({Kind.TEXT, Kind.CHOICE, Kind.COUNTRY})


def comparable(one: Kind, other: Kind) -> bool:
    """Whether a field of one kind can stand beside a field of the other in a clause."""
    return one is other or {one, other} <= NUMERIC or {one, other} <= TEXTUAL
