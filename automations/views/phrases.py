"""A rule in words, and the difference between two versions in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from automations.actions import actions
from automations.catalogue import catalogue_for
from automations.conditions.fields import Catalogue
from automations.conditions.operands import Scope
from automations.conditions.tree import AllOf, AnyOf
from automations.conditions.words import leaf_words, tree_words
from automations.rules.document import Do, RuleDocument, clauses
from automations.rules.parsing import DocumentInvalid, parse_document
from automations.triggers import triggers

_MISSING = {
    "skip": "If something it needs to know is missing, it leaves the event alone.",
    "hold": "If something it needs to know is missing, it becomes a case for a person.",
}


@dataclass(frozen=True, slots=True)
class Told:
    """A rule in words: what starts it, what must be true (each part a line), what it does."""

    when: str
    conditions: list[str]
    joining: str
    steps: list[str]
    missing: str


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `kind` is added, removed or changed; what does not apply is empty."""

    kind: str
    title: str
    before: str = ""
    after: str = ""

    @property
    def sign(self) -> str:
        return {"added": "plus", "removed": "x", "changed": "pencil"}[self.kind]

    @property
    def token(self) -> str:
        return {"added": "ok", "removed": "bad", "changed": "info"}[self.kind]


def read(raw: Any) -> RuleDocument | None:
    """A body as a document; None when it is too unfinished to be read."""
    try:
        return parse_document(raw)
    except DocumentInvalid:
        return None


def _scope(document: RuleDocument) -> Scope:
    trigger = triggers.get(document.trigger_key or "")
    catalogue = catalogue_for(trigger) if trigger else Catalogue({})
    return Scope(catalogue, document.param_values)


def _step(step: Any) -> str:
    action = actions.get(step.do) if isinstance(step, Do) else None
    if action is None:
        return str(getattr(step, "do", step.shape))
    try:
        return str(action.in_words(step.params))
    except (KeyError, TypeError, ValueError, AttributeError):
        return action.label


def _trigger(document: RuleDocument) -> str:
    trigger = triggers.get(document.trigger_key or "")
    return trigger.label if trigger else document.trigger_key or "by schedule or button"


def told(document: RuleDocument) -> Told:
    """The whole rule in words."""
    scope, tree = _scope(document), document.when
    parts = list(tree.parts) if isinstance(tree, AllOf | AnyOf) else [tree]
    return Told(
        when=_trigger(document),
        conditions=[tree_words(part, scope) for part in parts],
        joining="or" if isinstance(tree, AnyOf) else "and",
        steps=[_step(step) for step in document.steps],
        missing=_MISSING[document.missing_data],
    )


def _leaves(document: RuleDocument) -> dict[str, str]:
    scope = _scope(document)
    found: dict[str, str] = {}
    for path, leaf in clauses(document.when):
        if "where" not in path.split("."):
            words = leaf_words(leaf, scope)
            found[leaf.uid or words] = words
    return found


def _matched(before: dict[str, str], after: dict[str, str], what: str) -> Iterator[Change]:
    """Parts by uid, and by their words where the uid is another."""
    gone = {uid: words for uid, words in before.items() if uid not in after}
    new = {uid: words for uid, words in after.items() if uid not in before}
    for uid, words in after.items():
        if uid in before and before[uid] != words:
            yield Change("changed", what, before[uid], words)
    for words in gone.values():
        if words not in new.values():
            yield Change("removed", f"{what} removed", words)
    for words in new.values():
        if words not in gone.values():
            yield Change("added", f"New {what[:1].lower()}{what[1:]}", "", words)


def _grouping(before: RuleDocument, after: RuleDocument) -> Iterator[Change]:
    one, two = (tree_words(each.when, _scope(each)) for each in (before, after))
    if one != two:
        yield Change("changed", "How the conditions join", one, two)


def differences(before: RuleDocument | None, after: RuleDocument) -> list[Change]:
    """What a person has to look at; with None before, everything is new."""
    if before is None:
        return list(_first(after))
    found: list[Change] = []
    if _trigger(before) != _trigger(after):
        found.append(Change("changed", "What starts it", _trigger(before), _trigger(after)))
    conditions = list(_matched(_leaves(before), _leaves(after), "Condition"))
    found.extend(conditions or _grouping(before, after))
    old, new = ({s.uid: _step(s) for s in each.steps} for each in (before, after))
    found.extend(_matched(old, new, "Step"))
    common = [[uid for uid in one if uid in two] for one, two in ((old, new), (new, old))]
    if common[0] != common[1]:
        found.append(Change("changed", "The order of the steps"))
    if before.missing_data != after.missing_data:
        words = [_MISSING[each.missing_data] for each in (before, after)]
        found.append(Change("changed", "When data is missing", *words))
    return found


def _first(document: RuleDocument) -> Iterator[Change]:
    yield Change("added", "What starts it", "", _trigger(document))
    for words in _leaves(document).values():
        yield Change("added", "Condition", "", words)
    for step in document.steps:
        yield Change("added", "Step", "", _step(step))
