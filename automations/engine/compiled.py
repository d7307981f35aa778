"""Documents compiled once and kept: they never change."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import connection

from automations.actions import Action, actions
from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Catalogue, Facts, Kind, Lists
from automations.conditions.leaves import Predicate
from automations.conditions.operators import ON_THE_CLOCK
from automations.conditions.tree import (
    AllOf,
    Clause,
    Condition,
    Listed,
    children,
    field_of,
)
from automations.conditions.values import parse
from automations.engine import database
from automations.rules.canonical import content_hash
from automations.rules.document import Do, RuleDocument, walk_steps
from automations.rules.parsing import read_document
from automations.triggers import Trigger, triggers

logger = logging.getLogger(__name__)

# Enough for 10,000 rules with some versions each; past it all are compiled again as they come.
KEPT = 50_000
# Compared as they are stored, so a dictionary finds them.
EXACT = (Kind.TEXT, Kind.CHOICE, Kind.COUNTRY)


class Unusable(Exception):
    """A document that must not act as it stands; the message says why and what to do."""


@dataclass(frozen=True)
class Compiled:
    """A document ready to be matched and run."""

    document_id: int
    rule_id: int
    version: int
    document: RuleDocument
    trigger: Trigger
    catalogue: Catalogue
    predicate: Predicate

    def explain(self, facts: Facts, lists: Lists, now: datetime) -> Any:
        return None

    def says_missing(self, facts: Facts, lists: Lists, now: datetime) -> str:
        return "Data is missing."

    def recheck(self, then, then_lists, facts, lists, now, *, wrote):
        class Again:
            verdict = self.predicate(facts, lists, now)
            explanation = None
            says = "No longer true."

        Again.facts = facts
        return Again

    @cached_property
    def actions(self) -> dict[str, Action]:
        """The action of each step that has one, by uid."""
        steps = (step for _, step in walk_steps(self.document.steps) if isinstance(step, Do))
        return {step.uid: actions[step.do] for step in steps}

    @cached_property
    def reads_lists(self) -> bool:
        return any(isinstance(node, Listed) for node in nodes(self.document.when))

    @cached_property
    def must_rebuild(self) -> bool:
        """Whether time or other records can make it untrue while its subject stands unchanged."""
        own = self.trigger.subject.partition(".")[2] + "."
        for node in nodes(self.document.when):
            if isinstance(node, Clause):
                beside = field_of(node.value) or own
                if node.op in ON_THE_CLOCK or not (node.field + beside).startswith(own):
                    return True
            elif isinstance(node, Listed) and not node.path.startswith(own):
                return True
        return False

    @cached_property
    def in_words(self) -> list[str]:
        """Its steps, in words."""
        return self.words_from("")

    def uid_at(self, cursor: str) -> str:
        """The step a cursor stands at."""
        return cursor.rpartition("/")[2].partition(":")[0]

    def action_at(self, cursor: str) -> str:
        """The key of the action a cursor stands at; empty before the first step."""
        action = self.actions.get(self.uid_at(cursor))
        return action.key if action else ""

    def words_from(self, cursor: str) -> list[str]:
        """What is still to be done from a cursor on, in words."""
        known = [step for _, step in walk_steps(self.document.steps) if step.uid in self.actions]
        uids = [step.uid for step in known]
        start = uids.index(self.uid_at(cursor)) if cursor else 0
        return [self.actions[step.uid].in_words(step.params) for step in known[start:]]

    @cached_property
    def key(self) -> tuple[str, str] | None:
        """A fact this rule demands word for word, so that other events need not ask it."""
        top = self.document.when
        parts = top.parts if isinstance(top, AllOf) else [top]
        for part in parts:
            if isinstance(part, Clause) and part.op == "is" and type(part.value) is str:
                field = self.catalogue.fields[part.field]
                if field.kind in EXACT:
                    return field.key, parse(field, part.value)
        return None


def nodes(tree: Condition) -> Iterable[Condition]:
    """Every node of a condition."""
    yield tree
    for _, part in children(tree):
        yield from nodes(part)


# By database, as a process of the tests serves several.
_kept: dict[str, dict[int, Compiled | Unusable]] = {}

LOAD = """
SELECT id, rule_id, version, text, pins, sha256 FROM automations_document WHERE id = ANY(%s)
"""


def compiled(document_ids: Iterable[int]) -> dict[int, Compiled | Unusable]:
    """Documents by id, from memory where they are; an unusable one is told as such."""
    wanted, kept = set(document_ids), _kept.setdefault(connection.settings_dict["NAME"], {})
    missing = [document_id for document_id in wanted if document_id not in kept]
    if missing:
        if len(kept) + len(missing) > KEPT:
            kept.clear()
            missing = list(wanted)
        for row in database.fetch(LOAD, missing):
            kept[row[0]] = _compile(*row)
    return {document_id: kept[document_id] for document_id in wanted}


def _compile(
    document_id: int, rule_id: int, version: int, text: str, pins: list[str], sha256: str
) -> Compiled | Unusable:
    try:
        return _checked(document_id, rule_id, version, text, pins, sha256)
    except Unusable as error:
        logger.error("Document %s can't act: %s", document_id, error)
        return error
    except Exception as error:
        # Whatever is wrong with one document must not stop the others.
        logger.exception("Document %s can't be compiled", document_id)
        return Unusable(f"This version can't be read any more ({error}). Submit it again.")


def _checked(
    document_id: int, rule_id: int, version: int, text: str, pins: list[str], sha256: str
) -> Compiled:
    if content_hash(text, pins, {}) != sha256:
        raise Unusable("The content of this version is not what was approved.")
    document = read_document(text)
    _check_contracts(pins)
    trigger = triggers[document.trigger_key or ""]
    catalogue = catalogue_for(trigger)
    predicate = compile_condition(document.when, catalogue, document.param_values)
    return Compiled(document_id, rule_id, version, document, trigger, catalogue, predicate)


def _check_contracts(pins: list[str]) -> None:
    """What was approved must mean today what it meant then."""
    for pin in pins:
        name, _, version = pin.rpartition("=")
        kind, _, key = name.partition(" ")
        known: Any = {"trigger": triggers, "action": actions}.get(kind)
        if known is not None and (key not in known or str(known[key].version) != version):
            raise Unusable(f"The {kind} {key} has changed since this version was approved.")
