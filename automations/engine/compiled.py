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
from automations.conditions.bounds import Bound, bounds
from automations.conditions.compiling import compile_condition
from automations.conditions.explaining import Explained, explain, explain_again
from automations.conditions.fields import Catalogue
from automations.conditions.indexing import EqualityKey, equality_keys
from automations.conditions.leaves import Predicate
from automations.conditions.operands import Scope
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
from automations.rules.document import Do, ForEach, If, RuleDocument, bodies, walk_steps
from automations.rules.limits import Line, One, lines_of, ones_of
from automations.rules.parsing import read_document
from automations.rules.validating import Registries
from automations.rules.words import Teller
from automations.triggers import Source, scans, source, triggers

logger = logging.getLogger(__name__)

# Enough for 10,000 rules with some versions each; past it all are compiled again as they come.
KEPT = 50_000


class Unusable(Exception):
    """A document that must not act as it stands; the message says why and what to do."""


def uid_at(cursor: str) -> str:
    """The step a cursor stands at; empty before the first."""
    return cursor.rpartition("/")[2].partition(":")[0]


@dataclass(frozen=True)
class Compiled:
    """A document ready to be matched and run."""

    document_id: int
    rule_id: int
    version: int
    document: RuleDocument
    source: Source
    catalogue: Catalogue
    predicate: Predicate

    @cached_property
    def steps(self) -> dict[str, Any]:
        """Every step by uid, those in branches and loops too, in reading order."""
        return {step.uid: step for _, step in walk_steps(self.document.steps)}

    @cached_property
    def actions(self) -> dict[str, Action]:
        """The action of each step that acts, by uid, in reading order."""
        return {uid: actions[step.do] for uid, step in self.steps.items() if isinstance(step, Do)}

    @cached_property
    def lanes(self) -> dict[str, str]:
        """The connector of each step that acts outside, by uid."""
        return {
            uid: action.lane(self.steps[uid].params)
            for uid, action in self.actions.items()
            if action.external
        }

    @cached_property
    def limit_lines(self) -> tuple[Line, ...]:
        """The limits on what all its runs do together."""
        return lines_of(self.document)

    @cached_property
    def limit_ones(self) -> tuple[One, ...]:
        """The limits for one subject and one customer."""
        return ones_of(self.document)

    @cached_property
    def is_plain(self) -> bool:
        """Whether its steps are done one after the other, whatever the facts are."""
        return not any(isinstance(step, If | ForEach) for step in self.steps.values())

    @cached_property
    def must_rebuild(self) -> bool:
        """Whether time or other records can make it untrue while its subject stands unchanged."""
        read = paths_read(self.document.when)
        on_the_clock = bool(flags_for_recheck(self.document.when).on_the_clock)
        return self._reads_others(read) or on_the_clock

    @cached_property
    def looks_around(self) -> bool:
        """Whether a branch reads other records, which change while its subject stands unchanged."""
        read: set[str] = set()
        for step in self.steps.values():
            if isinstance(step, If):
                read |= paths_read(step.test)
        return self._reads_others(read)

    def _reads_others(self, read: Iterable[str]) -> bool:
        still = {self.source.subject.partition(".")[2], *self.source.fixed}
        tops = {path.partition(".")[0] for path in (*self.catalogue.fields, *self.catalogue.lists)}
        return bool(({path.partition(".")[0] for path in read} - still) & tops)

    def written_before(self, cursor: str) -> tuple[str, ...]:
        """The payload paths that the steps before a cursor write; for plain documents."""
        uids = list(self.steps)
        done = uids[: uids.index(uid_at(cursor))] if cursor else []
        return self.written_by(done)

    def written_by(self, uids: Iterable[str]) -> tuple[str, ...]:
        """The payload paths that these steps write."""
        known = [self.actions[uid] for uid in uids if uid in self.actions]
        return tuple(sorted({path for action in known for path in action.writes}))

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

    def plain_next(self, cursor: str) -> str | None:
        """The step after a cursor, the first for an empty one, None at the end; plain documents."""
        if cursor not in self._following:
            found = next_step(self.document, cursor or None)
            self._following[cursor] = found.cursor if found else None
        return self._following[cursor]

    @cached_property
    def _following(self) -> dict[str, str | None]:
        return {}

    @cached_property
    def catalogues(self) -> dict[str, Catalogue]:
        """What each step sees, by uid: inside a loop its item too."""
        found: dict[str, Catalogue] = {}
        self._see(self.document.steps, self.catalogue, found)
        return found

    def _see(self, steps: list[Any], catalogue: Catalogue, found: dict[str, Catalogue]) -> None:
        for step in steps:
            found[step.uid] = catalogue
            inner = catalogue.with_item(step.for_each) if isinstance(step, ForEach) else catalogue
            for _, body in bodies(step):
                self._see(body, inner, found)

    @cached_property
    def tests(self) -> dict[str, Predicate]:
        """The question of each branch, by uid."""
        params = self.document.param_values
        return {
            uid: compile_condition(step.test, self.catalogues[uid], params)
            for uid, step in self.steps.items()
            if isinstance(step, If)
        }

    def action_at(self, cursor: str) -> str:
        """The key of the action a cursor stands at; empty where no action is done."""
        action = self.actions.get(uid_at(cursor))
        return action.key if action else ""

    def words_from(self, cursor: str) -> list[str]:
        """What is still to be done from a cursor on, in words."""
        uids = list(self.steps)
        start = uids.index(uid_at(cursor)) if cursor else 0
        return [self.step_words(uid) for uid in uids[start:]]

    def step_words(self, uid: str) -> str:
        """One step in words."""
        step = self.steps[uid]
        try:
            if isinstance(step, Do):
                return self.actions[uid].in_words(step.params)
            scope = Scope(self.catalogues[uid], self.document.param_values)
            said = self._teller.step(step, scope)
            return said[:1].upper() + said[1:]
        except Exception:
            # Words for people must not stop the work that they describe.
            logger.exception("Step %s of document %s has no words", uid, self.document_id)
            return self.actions[uid].label if uid in self.actions else step.shape

    @cached_property
    def _teller(self) -> Teller:
        return Teller(self.document, Registries())

    @cached_property
    def keys(self) -> list[EqualityKey | Bound]:
        """The facts this rule demands, so that other events need not ask it."""
        given = self.document.when, self.catalogue, self.document.param_values
        return [*equality_keys(*given), *bounds(*given)]


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
    known = source(document.source_key)
    if known is None:
        raise Unusable(f"Nothing offers {document.source_key} any more.")
    catalogue = catalogue_for(known)
    predicate = compile_condition(document.when, catalogue, document.param_values)
    return Compiled(document_id, rule_id, version, document, known, catalogue, predicate)


def _check_contracts(pins: list[str]) -> None:
    """What was approved must mean today what it meant then."""
    for pin in pins:
        name, _, version = pin.rpartition("=")
        kind, _, key = name.partition(" ")
        registries: dict[str, Any] = {"trigger": triggers, "scan": scans, "action": actions}
        known = registries.get(kind)
        if known is not None and (key not in known or str(known[key].version) != version):
            raise Unusable(f"The {kind} {key} has changed since this version was approved.")
