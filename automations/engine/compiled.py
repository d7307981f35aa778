"""Documents compiled once and kept: they never change."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.db import connection

from automations.actions import Action, actions
from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition
from automations.conditions.explaining import Explained, explain, explain_again
from automations.conditions.fields import Catalogue
from automations.conditions.indexing import EqualityKey, equality_keys
from automations.conditions.leaves import Predicate
from automations.conditions.rechecking import (
    Recheck,
    Seen,
    compile_recheck,
    flags_for_recheck,
    paths_read,
)
from automations.engine import database
from automations.rules.canonical import content_hash
from automations.rules.cursor import next_step
from automations.rules.document import Do, RuleDocument, walk_steps
from automations.rules.parsing import read_document
from automations.triggers import Trigger, triggers

logger = logging.getLogger(__name__)

# Enough for 10,000 rules with some versions each; past it all are compiled again as they come.
KEPT = 50_000


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

    @cached_property
    def steps(self) -> dict[str, Do]:
        """The steps that act, by uid, in reading order."""
        found = (step for _, step in walk_steps(self.document.steps) if isinstance(step, Do))
        return {step.uid: step for step in found}

    @cached_property
    def actions(self) -> dict[str, Action]:
        """The action of each of these steps, by uid."""
        return {uid: actions[step.do] for uid, step in self.steps.items()}

    @cached_property
    def must_rebuild(self) -> bool:
        """Whether time or other records can make it untrue while its subject stands unchanged."""
        own = self.trigger.subject.partition(".")[2]
        tops = {path.partition(".")[0] for path in (*self.catalogue.fields, *self.catalogue.lists)}
        others = {path.partition(".")[0] for path in paths_read(self.document.when)} - {own}
        return bool(others & tops or flags_for_recheck(self.document.when).on_the_clock)

    def written_before(self, cursor: str) -> tuple[str, ...]:
        """The payload paths that the steps before a cursor have written."""
        uids = list(self.actions)
        done = uids[: uids.index(self.uid_at(cursor))] if cursor else []
        return tuple(sorted({path for uid in done for path in self.actions[uid].writes}))

    def recheck(self, written: tuple[str, ...]) -> Recheck:
        """The predicate of "still true?" for a run that has written these paths."""
        if written not in self._rechecks:
            self._rechecks[written] = compile_recheck(
                self.document.when, self.catalogue, self.document.param_values, written
            )
        return self._rechecks[written]

    @cached_property
    def _rechecks(self) -> dict[tuple[str, ...], Recheck]:
        return {}

    def explain(self, seen: Seen) -> Explained:
        """Each clause, the value seen and its verdict."""
        return explain(self.document.when, self.catalogue, *seen, self.document.param_values)

    def explain_again(self, then: Seen, current: Seen, written: tuple[str, ...]) -> Explained:
        """The same, of what stands there now."""
        return explain_again(
            self.document.when, self.catalogue, then, current, self.document.param_values, written
        )

    @cached_property
    def in_words(self) -> list[str]:
        """Its steps, in words."""
        return self.words_from("")

    def next_cursor(self, cursor: str) -> str | None:
        """The step after a cursor, the first for an empty one; None at the end."""
        if cursor not in self._following:
            found = next_step(self.document, cursor or None)
            self._following[cursor] = found.cursor if found else None
        return self._following[cursor]

    @cached_property
    def _following(self) -> dict[str, str | None]:
        """Of a document without branches and loops the way is always the same."""
        return {}

    def uid_at(self, cursor: str) -> str:
        """The step a cursor stands at."""
        return cursor.rpartition("/")[2].partition(":")[0]

    def action_at(self, cursor: str) -> str:
        """The key of the action a cursor stands at; empty before the first step."""
        action = self.actions.get(self.uid_at(cursor))
        return action.key if action else ""

    def words_from(self, cursor: str) -> list[str]:
        """What is still to be done from a cursor on, in words."""
        uids = list(self.steps)
        start = uids.index(self.uid_at(cursor)) if cursor else 0
        return [self._in_words(uid) for uid in uids[start:]]

    def _in_words(self, uid: str) -> str:
        action = self.actions[uid]
        try:
            return action.in_words(self.steps[uid].params)
        except Exception:
            # Words for people must not stop the work that they describe.
            logger.exception("%s has no words for %s", action.key, self.steps[uid].params)
            return action.label

    @cached_property
    def keys(self) -> list[EqualityKey]:
        """The facts this rule demands, so that other events need not ask it."""
        return equality_keys(self.document.when, self.catalogue, self.document.param_values)


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
