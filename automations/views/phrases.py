"""A rule in words, and the difference between two versions, as the templates print them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automations.rules.changes import Change
from automations.rules.differences import difference
from automations.rules.document import RuleDocument
from automations.rules.parsing import DocumentInvalid, parse_document
from automations.rules.words import RuleWords, rule_in_words

CHANGE_SIGNS = {
    "added": ("ok", "plus"),
    "removed": ("bad", "x"),
    "changed": ("info", "pencil"),
    "moved": ("info", "arrows-sort"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """One difference with its sign: colour never speaks alone."""

    change: Change
    token: str
    sign: str
    viewed_by: tuple[str, ...] = ()


def read(raw: Any) -> RuleDocument | None:
    """A body as a document; None when it is too unfinished to be read."""
    try:
        return parse_document(raw)
    except DocumentInvalid:
        return None


def told(document: RuleDocument) -> RuleWords:
    """The whole rule in words."""
    return rule_in_words(document)


def differences(before: RuleDocument | None, after: RuleDocument) -> list[Shown]:
    """What a person has to look at; with None before, everything is new."""
    return [Shown(change, *CHANGE_SIGNS[change.kind]) for change in difference(before, after)]
