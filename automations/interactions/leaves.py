"""A clause as what it asks of fields: for each answer, the alternatives that give it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from automations.conditions.compiling import figure_field
from automations.conditions.fields import Field, Kind
from automations.conditions.operands import Beside, Constant, Scope, operands
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
from automations.conditions.tree import Clause, Count, Leaf, Sum
from automations.interactions.sets import (
    STEPS,
    Codes,
    Purses,
    Region,
    Span,
    Spans,
    Tagged,
    everything,
    points,
)
from backoffice.money import Money


class Answer(StrEnum):
    """What a condition says of an event, or what it doesn't: unknown is neither yes nor no."""

    YES = "yes"
    NO = "no"
    NOT_YES = "not_yes"
    NOT_NO = "not_no"

    @property
    def turned(self) -> Answer:
        """Of what stands below a `not`."""
        return _TURNED[self]


_TURNED = {
    Answer.YES: Answer.NO,
    Answer.NO: Answer.YES,
    Answer.NOT_YES: Answer.NOT_NO,
    Answer.NOT_NO: Answer.NOT_YES,
}
# What is asked: a field, how long ago it is, how two fields stand to each other, a figure of a
# list, or a whole clause that nothing more is known of.
Var = tuple[str, ...]
Alternative = Mapping[Var, Region]
Answers = Mapping[Answer, Sequence[Alternative]]


def of_field(path: str) -> Var:
    return ("field", path)


# --- constants ----------------------------------------------------------------------------------

_SPAN: dict[str, Callable[[Any], Span]] = {
    "gt": lambda value: Span(value, None, True),
    "after": lambda value: Span(value, None, True),
    "gte": lambda value: Span(value),
    "lt": lambda value: Span(None, value, False, True),
    "before": lambda value: Span(None, value, False, True),
    "lte": lambda value: Span(None, value),
}


def spans(kind: Kind, op: str, values: Sequence[Any]) -> Spans:
    """The ordered values an operator is met by."""
    step = STEPS.get(kind)
    if op in _SPAN:
        return Spans((_SPAN[op](values[0]),), step)
    if op == "between":
        low, high = values[0], values[1]
        if kind is Kind.TIME and low > high:
            return Spans((Span(None, high), Span(low)), step)
        return Spans((Span(low, high),), step)
    found = points(values, step)
    return found.complement() if op in ("is_not", "not_in") else found


def _money(op: str, values: Sequence[Money]) -> tuple[Purses, Purses] | None:
    """The amounts an operator is met by, and those it is not; None for two currencies."""
    currencies = {value.currency for value in values}
    if len(currencies) > 1:
        return None
    (currency,) = currencies
    met = spans(Kind.MONEY, op, [value.amount for value in values])
    return Purses({currency: met}), Purses({currency: met.complement()})


def _texts(op: str, needle: str) -> tuple[Codes, Codes]:
    if op == "not_contains":
        met, other = _texts("contains", needle)
        return other, met
    return Codes(has=frozenset({(op, needle)})), Codes(lacks=frozenset({(op, needle)}))


def _codes(kind: Kind, op: str, values: Sequence[Any]) -> tuple[Codes, Codes]:
    if op in ("contains", "not_contains", "starts_with", "ends_with"):
        return _texts(op, values[0])
    met = Codes(frozenset(values), False)
    other = everything(kind).meet(met.complement())
    return (other, met) if op in ("is_not", "not_in") else (met, other)


def _tags(op: str, values: Sequence[str]) -> tuple[list[Tagged], list[Tagged]]:
    each = [Tagged(must=frozenset({tag})) for tag in values]
    lacks = [Tagged(without=frozenset({tag})) for tag in values]
    if op == "contains_all":
        return [Tagged(must=frozenset(values))], lacks
    without = [Tagged(without=frozenset(values))]
    return (without, each) if op == "contains_none" else (each, without)


def met_and_not(field: Field, op: str, values: Sequence[Any]) -> tuple[list[Any], list[Any]] | None:
    """The values a comparison is met by and those it is not, as alternatives; None: can't be told.

    A value in neither is unknown to it, like money of another currency.
    """
    if field.kind is Kind.MONEY:
        found = _money(op, values)
        return ([found[0]], [found[1]]) if found is not None else None
    if field.kind is Kind.TAGS:
        return _tags(op, values)
    if field.kind in (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY, Kind.BOOL):
        met, other = _codes(field.kind, op, values)
        return [met], [other]
    known = spans(field.kind, op, values)
    return [known], [known.complement()]


def _compared(field: Field, op: str, values: Sequence[Any]) -> Answers | None:
    found = met_and_not(field, op, values)
    if found is None:
        return None
    var, (met, failed) = of_field(field.path), found
    not_met, not_failed = failed, met
    if field.kind is Kind.MONEY:
        not_met, not_failed = [met[0].complement()], [failed[0].complement()]
    return {
        Answer.YES: [{var: Region(each)} for each in met],
        Answer.NO: [{var: Region(each)} for each in failed],
        Answer.NOT_YES: [{var: Region(each).loosened()} for each in not_met],
        Answer.NOT_NO: [{var: Region(each).loosened()} for each in not_failed],
    }


# --- other clauses ------------------------------------------------------------------------------


def _presence(field: Field, op: str) -> Answers:
    var, kind = of_field(field.path), field.kind
    holds: Any = everything(kind)
    holds_none: Any = None
    if kind is Kind.TEXT:
        holds, holds_none = Codes(frozenset({""})), Codes(frozenset({""}), False)
    elif kind is Kind.TAGS:
        holds, holds_none = Tagged(filled=True), Tagged(only=frozenset())
    found = {
        Answer.YES: [{var: Region(holds)}],
        Answer.NO: [{var: Region(holds_none, null=True)}],
        Answer.NOT_YES: [{var: Region(holds_none, other=True, null=True)}],
        Answer.NOT_NO: [{var: Region(holds, other=True)}],
    }
    return found if op == "is_set" else {answer.turned: each for answer, each in found.items()}


def _moved(field: Field, op: str, value: Any, scope: Scope) -> Answers | None:
    previous = scope.field(field.previous or field.path)
    reached, left = (field, previous) if op == "changed_to" else (previous, field)
    known = met_and_not(field, "is", [value])
    if known is None or value == "":
        return None
    (there,), (elsewhere,) = known
    # In another currency neither is known.
    not_elsewhere = elsewhere.complement() if field.kind is Kind.MONEY else there
    not_there = there.complement() if field.kind is Kind.MONEY else elsewhere
    at, was = of_field(reached.path), of_field(left.path)
    return {
        Answer.YES: [{at: Region(there), was: Region(elsewhere, null=True)}],
        Answer.NO: [{at: Region(elsewhere, null=True)}, {was: Region(there)}],
        Answer.NOT_YES: [
            {at: Region(not_there).loosened()},
            {was: Region(not_elsewhere, other=True)},
        ],
        Answer.NOT_NO: [{at: Region(not_elsewhere, other=True), was: Region(not_there).loosened()}],
    }


_SIDES = {
    "is": {"eq"},
    "is_not": {"lt", "gt"},
    "gt": {"gt"},
    "after": {"gt"},
    "gte": {"gt", "eq"},
    "lt": {"lt"},
    "before": {"lt"},
    "lte": {"lt", "eq"},
}
_MIRROR = {"lt": "gt", "gt": "lt", "eq": "eq"}
SIDES = frozenset(_MIRROR)


def _beside(field: Field, op: str, other: Field) -> Answers | None:
    """How two fields stand to each other, in one order of the two; None: it can't be told."""
    sides = _SIDES.get(op)
    if sides is None or field.path == other.path or field.kind is Kind.TAGS:
        return None
    first, second = field, other
    if second.path < first.path:
        first, second, sides = second, first, {_MIRROR[side] for side in sides}
    both = {
        of_field(first.path): Region(everything(first.kind)),
        of_field(second.path): Region(everything(second.kind)),
    }
    return _both_ways(("rel", first.path, second.path), frozenset(sides), SIDES, both)


def _both_ways(var: Var, met: frozenset[str], every: frozenset[str], needs: Alternative) -> Answers:
    """The answers of what is one of a few cases, when the fields that it `needs` are readable."""
    yes, no = Codes(met, False), Codes(every - met, False)
    return {
        Answer.YES: [{**needs, var: Region(yes)}],
        Answer.NO: [{**needs, var: Region(no)}],
        Answer.NOT_YES: [{var: Region(no).loosened()}],
        Answer.NOT_NO: [{var: Region(yes).loosened()}],
    }


def _clock(field: Field, op: str, seconds: int) -> Answers:
    """How long ago it is, in seconds; the future is below zero."""
    met = {
        "older_than": Span(seconds, None, True),
        "newer_than": Span(None, seconds),
        "in_the_last": Span(0, seconds),
        "in_the_next": Span(-seconds, 0),
    }[op]
    var, known = ("age", field.path), Spans((met,))
    other, readable = known.complement(), {of_field(field.path): Region(everything(field.kind))}
    return {
        Answer.YES: [{**readable, var: Region(known)}],
        Answer.NO: [{**readable, var: Region(other)}],
        Answer.NOT_YES: [{var: Region(other).loosened()}],
        Answer.NOT_NO: [{var: Region(known).loosened()}],
    }


def _opaque(node: Leaf, scope: Scope) -> Answers:
    """A clause of which only its answer is known."""
    return _both_ways(
        ("leaf", written(node, scope)), frozenset({"yes"}), frozenset({"yes", "no"}), {}
    )


def written(node: Any, scope: Scope) -> str:
    """A condition as text that tells it from any other."""
    asks: str = node.model_dump_json(by_alias=True, exclude={"uid", "start_only"})
    used = json.dumps(dict(scope.params), sort_keys=True, default=str) if '"param"' in asks else ""
    return asks + used


def figure_answers(node: Count | Sum, scope: Scope) -> Answers | None:
    """A count or sum as the figure that is compared; None when it can't be told."""
    field = figure_field(node, scope)
    parts = operands(field, node.op, node.value, scope)
    values = [part.value for part in parts if isinstance(part, Constant)]
    if len(values) < len(parts):
        return None
    where = written(node.where, scope) if node.where is not None else ""
    of = node.of if isinstance(node, Sum) else ""
    if field.kind is Kind.MONEY:
        if len({value.currency for value in values}) > 1:
            return None
        # The sum of nothing is zero in any currency, so each currency is a figure of its own.
        of, values = f"{of} {values[0].currency}", [value.amount for value in values]
    known = spans(field.kind, node.op, values)
    var = (node.shape, node.path, of, where)
    natural = Spans((Span(0),), 1) if isinstance(node, Count) else Spans(step=known.step)
    other = known.complement().meet(natural)
    return {
        Answer.YES: [{var: Region(known.meet(natural))}],
        Answer.NO: [{var: Region(other)}],
        Answer.NOT_YES: [{("loose", *var): Region(known)}],
        Answer.NOT_NO: [{("loose", *var): Region(known.complement())}],
    }


def _clause(node: Clause, scope: Scope) -> Answers | None:
    field = scope.field(node.field)
    parts = operands(field, node.op, node.value, scope)
    if not parts:
        return _presence(field, node.op)
    values = [part.value for part in parts if isinstance(part, Constant)]
    if len(values) < len(parts):
        beside = parts[0]
        plain = len(parts) == 1 and node.op not in MOMENT | ON_THE_CLOCK
        return (
            _beside(field, node.op, beside.field) if plain and isinstance(beside, Beside) else None
        )
    if node.op in ON_THE_CLOCK:
        return _clock(field, node.op, values[0])
    if node.op in MOMENT:
        return _moved(field, node.op, values[0], scope)
    return _compared(field, node.op, values)


@dataclass(frozen=True, slots=True)
class Remembering(Scope):
    """A scope that keeps what it was asked, for a rule that is held against many."""

    known: dict[int, tuple[Leaf, Answers]] = field(default_factory=dict)


def answers_of(node: Leaf, scope: Scope) -> Answers:
    """What each answer of a clause, a count or a sum takes; raises ConditionInvalid."""
    if not isinstance(scope, Remembering):
        return _answers(node, scope)
    # The clause is kept with its answers, so no other can come by its id.
    if id(node) not in scope.known:
        scope.known[id(node)] = (node, _answers(node, scope))
    return scope.known[id(node)][1]


def _answers(node: Leaf, scope: Scope) -> Answers:
    found = _clause(node, scope) if isinstance(node, Clause) else None
    if isinstance(node, Count | Sum):
        found = figure_answers(node, scope)
    return found if found is not None else _opaque(node, scope)
