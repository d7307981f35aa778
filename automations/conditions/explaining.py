"""Why a condition is met, not met or unknown: each part in words, with the value seen.

The same inputs give the same explanation. It keeps to what the predicate says: every verdict
comes from the compiled part it explains.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from automations.conditions.compiling import (
    compile_node,
    counted,
    figure_field,
    judge_items,
    nothing,
    summed,
)
from automations.conditions.display import ago, seen, shown
from automations.conditions.fields import Catalogue, Facts, Field, Kind, Lists
from automations.conditions.leaves import Verdict, read_all
from automations.conditions.operands import Beside, Params, Scope, operands
from automations.conditions.operators import MOMENT, ON_THE_CLOCK
from automations.conditions.problems import joined
from automations.conditions.rechecking import Seen, is_frozen, is_on_the_clock
from automations.conditions.tree import (
    AllOf,
    AnyOf,
    Clause,
    Condition,
    Count,
    Leaf,
    Listed,
    Not,
    Sum,
    children,
)
from automations.conditions.values import READ, read
from automations.conditions.words import figure_words, leaf_words, quantifier_words
from backoffice.money import Money

MOST_ITEMS = 20

_ANSWER = {True: "yes", False: "no", None: "unknown"}
_GROUPS = {"all": "all of these", "any": "any of these", "not": "not"}


@dataclass(frozen=True, slots=True)
class Explained:
    """One part: `verdict` is yes, no or unknown, and `why` says what made it unknown.

    `shape` is the part's key in the document, or `item` for one item of a list. `seen` is empty
    for groups. `marks` are start_only, on_the_clock and as_it_was; `more` counts the items that
    are not listed.
    """

    path: str
    shape: str
    words: str
    verdict: str
    seen: str = ""
    why: str = ""
    uid: str | None = None
    marks: tuple[str, ...] = ()
    more: int = 0
    parts: tuple[Explained, ...] = field(default=())

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; what is empty is left out."""
        plain: dict[str, Any] = {
            "path": self.path,
            "shape": self.shape,
            "words": self.words,
            "verdict": self.verdict,
        }
        for name in ("seen", "why", "uid", "more"):
            if value := getattr(self, name):
                plain[name] = value
        if self.marks:
            plain["marks"] = list(self.marks)
        if self.parts:
            plain["parts"] = [part.as_json() for part in self.parts]
        return plain


def why_unknown(known: Field, facts: Facts, others: Iterable[Any] = ()) -> str:
    """What keeps a field from being judged; empty when the field itself is fine."""
    key = known.keys[0]
    if key not in facts:
        return "not stored with this event"
    if facts[key] is None or facts[key] == "":
        return "empty"
    value = read(known, facts)
    if value is None:
        return f"no {known.kind} is stored"
    if isinstance(value, Money):
        for other in others:
            if isinstance(other, Money) and other.currency != value.currency:
                return f"in {value.currency}, not {other.currency}"
    return ""


@dataclass(frozen=True, slots=True)
class _Told:
    """Explains one tree. `then` and `written` are given when a run is judged again."""

    current: Seen
    then: Seen | None = None
    written: tuple[str, ...] = ()

    def node(self, node: Condition, scope: Scope, path: str) -> Explained:
        if isinstance(node, AllOf | AnyOf | Not):
            return self._group(node, scope, path)
        frozen = self.then is not None and is_frozen(node, self.written)
        on = self.then if frozen and self.then is not None else self.current
        told = self._leaf(node, scope, path, on)
        marks = {
            "start_only": node.start_only,
            "on_the_clock": is_on_the_clock(node),
            "as_it_was": frozen,
        }
        return replace(told, marks=tuple(name for name, on in marks.items() if on))

    def _group(self, node: AllOf | AnyOf | Not, scope: Scope, path: str) -> Explained:
        parts = tuple(self.node(part, scope, joined(path, step)) for step, part in children(node))
        verdict = _fold(node, [part.verdict for part in parts])
        return Explained(path, node.shape, _GROUPS[node.shape], verdict, uid=node.uid, parts=parts)

    def _leaf(self, node: Leaf, scope: Scope, path: str, on: Seen) -> Explained:
        verdict = _ANSWER[compile_node(node, scope)(on.facts, on.lists, on.now)]
        told = Explained(path, node.shape, leaf_words(node, scope), verdict, uid=node.uid)
        if isinstance(node, Clause):
            return _clause(told, node, scope, on)
        return _list(told, node, scope, on)


def _fold(node: AllOf | AnyOf | Not, verdicts: list[str]) -> str:
    if isinstance(node, Not):
        return {"yes": "no", "no": "yes", "unknown": "unknown"}[verdicts[0]]
    decides, otherwise = ("no", "yes") if isinstance(node, AllOf) else ("yes", "no")
    if decides in verdicts:
        return decides
    return "unknown" if "unknown" in verdicts else otherwise


def _clause(told: Explained, node: Clause, scope: Scope, on: Seen) -> Explained:
    known = scope.field(node.field)
    parts = operands(known, node.op, node.value, scope)
    expected = read_all(parts, on.facts)
    text = seen(known, on.facts)
    value = None if known.kind is Kind.MONEY else READ[known.kind](on.facts.get(known.key))
    if node.op in ON_THE_CLOCK and known.kind is Kind.DATETIME and value is not None:
        text = f"{text}, {ago(int((on.now - value).total_seconds()))}"
    for part in parts:
        if isinstance(part, Beside):
            text = f"{text}; {seen(part.field, on.facts)}"
    if node.op in MOMENT and known.previous is not None:
        text = f"{seen(scope.field(known.previous), on.facts)} → {text}"
    if told.verdict != "unknown":
        return replace(told, seen=text)
    why = (
        why_unknown(known, on.facts, expected)
        or _beside(parts, on.facts)
        or _before(known, scope, on.facts)
    )
    return replace(told, seen=text, why=why)


def _beside(parts: Iterable[Any], facts: Facts) -> str:
    for part in parts:
        if isinstance(part, Beside) and (why := why_unknown(part.field, facts)):
            return f"{part.field.label}: {why}"
    return ""


def _before(known: Field, scope: Scope, facts: Facts) -> str:
    if known.previous is None:
        return "the two can't be compared"
    return f"before: {why_unknown(scope.field(known.previous), facts)}"


def _list(told: Explained, node: Listed, scope: Scope, on: Seen) -> Explained:
    found = judge_items(node.path, node.where, scope)(on.facts, on.lists, on.now)
    if found is None:
        missing = node.path not in on.lists
        text = "not stored" if missing else "empty"
        why = "not stored with this event" if missing else "empty"
        return replace(told, seen=text, why=why)
    items = tuple(
        _item(node, scope, f"{told.path}.items.{index}", item, verdict, on)
        for index, (item, verdict) in enumerate(found[:MOST_ITEMS])
    )
    told = replace(told, parts=items, more=max(0, len(found) - MOST_ITEMS))
    if isinstance(node, Count | Sum):
        told = replace(
            told, words=str(figure_words(node, scope)), seen=_figure(node, scope, on, found)
        )
    else:
        told = replace(told, words=quantifier_words(node, scope), seen=_share(found))
    if told.verdict != "unknown":
        return told
    return replace(told, why=_why_list(node, scope, found))


def _share(found: list[tuple[Facts, Verdict]]) -> str:
    return f"{sum(1 for _, verdict in found if verdict)} of {len(found)}"


def _figure(node: Count | Sum, scope: Scope, on: Seen, found: list[tuple[Facts, Verdict]]) -> str:
    if isinstance(node, Count):
        possible = counted(node, found)
        first, last = possible[0], possible[-1]
        return str(first) if first == last else f"{first} to {last}"
    known = figure_field(node, scope)
    parts = operands(known, node.op, node.value, scope)
    expected = read_all(parts, on.facts)
    value = summed(known, found, nothing(expected))
    return "not known" if value is None else shown(known, value)


def _why_list(node: Listed, scope: Scope, found: list[tuple[Facts, Verdict]]) -> str:
    unsure = sum(1 for _, verdict in found if verdict is None)
    if unsure:
        return f"{unsure} of {len(found)} can't be judged"
    if isinstance(node, Sum):
        known = figure_field(node, scope)
        reasons = [why_unknown(known, item) for item, verdict in found if verdict]
        return next((reason for reason in reasons if reason), "in more than one currency")
    return "what it is compared with is not known"


def _item(
    node: Listed, scope: Scope, path: str, item: Facts, verdict: Verdict, on: Seen
) -> Explained:
    inside = scope.inside(node.path)
    number = int(path.rsplit(".", 1)[1]) + 1
    told = Explained(path, "item", _item_words(scope, node.path, item, number), _ANSWER[verdict])
    if node.where is None:
        return told
    part = _Told(Seen(item, on.lists, on.now)).node(node.where, inside, joined(path, "where"))
    return replace(told, parts=(part,))


def _item_words(scope: Scope, path: str, item: Facts, number: int) -> str:
    """The item by its first text, else by its place and its first choice (`number 2, postage`)."""
    kind = ""
    for known in scope.list(path).items.values():
        value = item.get(known.key)
        if known.kind is Kind.TEXT and isinstance(value, str) and value:
            return value
        if known.kind is Kind.CHOICE and not kind and value:
            kind = f", {str(dict(known.choices).get(value, value)).lower()}"
    return f"number {number}{kind}"


def explain(
    tree: Condition,
    catalogue: Catalogue,
    facts: Facts,
    lists: Lists,
    now: datetime,
    params: Params | None = None,
    path: str = "when",
) -> Explained:
    """Explain a tree's verdict on an event; raises ConditionInvalid as compiling does."""
    return _Told(Seen(facts, lists, now)).node(tree, Scope(catalogue, params or {}), path)


def explain_again(
    tree: Condition,
    catalogue: Catalogue,
    then: Seen,
    current: Seen,
    params: Params | None = None,
    written: Iterable[str] = (),
    path: str = "when",
) -> Explained:
    """Explain “still true?”: parts taken as they were are marked `as_it_was` and show the start.

    Paths are those of `explain`, so the two stand side by side.
    """
    told = _Told(current, then, tuple(written))
    return told.node(tree, Scope(catalogue, params or {}), path)
