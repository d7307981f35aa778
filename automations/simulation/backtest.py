"""A version and what is live over stored events, slice by slice, oldest first.

PostgreSQL counts a slice and leaves out the events that surely match neither version; the
predicates decide on the rest. So what is counted is what matching would have said, event by event.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db import connection, transaction

from automations.catalogue import catalogue_for
from automations.conditions.certain import surely_false
from automations.conditions.compiling import compile_condition, leaf_predicate
from automations.conditions.explaining import why_unknown
from automations.conditions.fields import Catalogue, Facts, Lists
from automations.conditions.leaves import Predicate
from automations.conditions.operands import Scope
from automations.conditions.rechecking import leaf_paths, paths_read
from automations.conditions.sql import to_sql
from automations.conditions.tree import Leaf, Listed
from automations.engine import database
from automations.engine.in_force import business_zone
from automations.rules.document import ForEach, RuleDocument, clauses, walk_steps
from automations.simulation import stored
from automations.simulation.foreseeing import Foreseer
from automations.simulation.sums import CASE_MINUTES, Side, Sums, Unjudged
from automations.triggers import Trigger

AT_ONCE = 2_000
MISSING = "Cases: data is missing"

# Both bounds on the index of a trigger's events alone.
EDGE = """
SELECT min(occurred_at), max(occurred_at), count(*) FROM (
    SELECT occurred_at FROM automations_event
    WHERE rule_id IS NULL AND trigger = %s AND occurred_at > %s AND occurred_at <= %s
    ORDER BY occurred_at LIMIT %s
) slice
"""
COUNT = """
SELECT count(*) FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at > %s AND occurred_at <= %s
"""
EVENTS = """
SELECT id, subject_id, occurred_at::text, payload_version, {}, CASE WHEN %s THEN lists END
FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at > %s AND occurred_at <= %s
    AND (payload_version <> %s OR {})
ORDER BY occurred_at, id
"""


class Row(NamedTuple):
    """One stored event that has to be judged, its facts as `stored.column` tells them."""

    id: int
    subject_id: int
    occurred_at: str
    payload_version: int
    facts: str
    lists: str | None


@dataclass(frozen=True, slots=True)
class Slice:
    """A stretch of a trigger's events: after `start`, up to and with `end`; `first` of them."""

    start: datetime
    end: datetime
    events: int
    first: datetime | None = None


class _Why:
    """Why an event can't be judged: by clause, the fields that it reads."""

    def __init__(self, document: RuleDocument, catalogue: Catalogue) -> None:
        scope = Scope(catalogue, document.param_values)
        self.leaves: list[tuple[Leaf, Predicate, list[str]]] = [
            (leaf, leaf_predicate(leaf, scope), sorted(leaf_paths(leaf)))
            for path, leaf in clauses(document.when)
            if ".where" not in path
        ]
        self.catalogue = catalogue

    def count(self, sums: Sums, facts: Facts, lists: Lists, at: datetime) -> None:
        found: dict[str, tuple[str, str]] = {}
        for leaf, predicate, paths in self.leaves:
            if predicate(facts, lists, at) is None:
                found |= self._reasons(leaf, paths, facts, lists)
        for path, (label, reason) in found.items():
            known = sums.unjudged.setdefault(path, Unjudged(label=label))
            known.reasons[reason] = known.reasons.get(reason, 0) + 1

    def _reasons(
        self, leaf: Leaf, paths: Sequence[str], facts: Facts, lists: Lists
    ) -> dict[str, tuple[str, str]]:
        if isinstance(leaf, Listed):
            known = self.catalogue.lists[leaf.path]
            stored = leaf.path in lists
            why = "not stored with this event" if not stored else "an item is not known"
            return {leaf.path: (known.label, why)}
        fields = [self.catalogue.fields[path] for path in paths if path in self.catalogue.fields]
        told = [(each, why_unknown(each, facts)) for each in fields]
        named = {each.path: (each.label, why) for each, why in told if why}
        return named or {each.path: (each.label, "in another currency") for each in fields[:1]}


class Backtest:
    """A document and what is live, compiled for one trigger's events.

    Raises ConditionInvalid when the document does not fit, KeyError when a schedule or a button
    starts it. A live version that starts on something else is left out of the comparison.
    """

    def __init__(self, document: RuleDocument, live: RuleDocument | None, trigger: Trigger) -> None:
        if document.trigger_key != trigger.key:
            raise KeyError(f"It starts on {document.source_key}, not on {trigger.key}.")
        if live is not None and live.trigger_key != trigger.key:
            live = None
        self.document, self.live, self.trigger = document, live, trigger
        self.catalogue = catalogue_for(trigger)
        self.zone = business_zone()
        self.predicate = self._compiled(document)
        self.before = self._compiled(live) if live is not None else None
        self.same_test = live is not None and _alike(live, document)
        self.foreseer = Foreseer(document, trigger)
        self.live_foreseer = Foreseer(live, trigger) if live is not None else None
        self.why = _Why(document, self.catalogue)
        known = [each for each in (document, live) if each is not None]
        self.keys = self._keys()
        self.with_lists = any(_reads_lists(each) for each in known)

    def _compiled(self, document: RuleDocument) -> Predicate:
        return compile_condition(document.when, self.catalogue, document.param_values)

    def _keys(self) -> list[str] | None:
        """The facts that are read; None: all of them, as a text or a branch may name any."""
        both = [(self.document, self.foreseer)]
        if self.live is not None and self.live_foreseer is not None:
            both.append((self.live, self.live_foreseer))
        paths: set[str] = set()
        for document, foreseer in both:
            if foreseer.paths is None:
                return None
            paths |= foreseer.paths | paths_read(document.when)
        return stored.keys_of(self.catalogue, paths)

    def _let_through(self) -> tuple[str, list[Any]]:
        """Events that may match either version, or that can't be judged."""
        sql, params = surely_false(self.document.when, self.catalogue, self.document.param_values)
        parts, given = [f"({sql}) IS NOT TRUE"], list(params)
        if self.live is not None and not self.same_test:
            sql, params = to_sql(self.live.when, self.catalogue, self.live.param_values)
            parts.append(f"({sql})")
            given += params
        return f"({' OR '.join(parts)})", given

    def fresh(self) -> Sums:
        """Sums with nothing counted yet."""
        return Sums(live=Side() if self.live is not None else None)

    def next_slice(self, start: datetime, until: datetime, most: int) -> Slice:
        """The next stretch of at most about so many events; events of one moment stay together."""
        first, end, count = database.fetch(EDGE, self.trigger.key, start, until, most)[0]
        if count < most:
            return Slice(start, until, count, first)
        (count,) = database.fetch(COUNT, self.trigger.key, start, end)[0]
        return Slice(start, end, count, first)

    def add(self, sums: Sums, part: Slice) -> int:
        """Add a slice to the sums; answers how many events had to be judged by the predicates."""
        sums.events += part.events
        sums.first = sums.first or part.first
        judged = 0
        for row in self._rows(part):
            judged += 1
            self._judge(sums, row)
        return judged

    def _rows(self, part: Slice) -> Iterator[Row]:
        sql, params = self._let_through()
        version = self.trigger.version
        wanted, keys = stored.column(version, self.keys)
        bounds: list[Any] = [self.with_lists, self.trigger.key, part.start, part.end, version]
        with transaction.atomic(), connection.chunked_cursor() as cursor:
            cursor.execute(EVENTS.format(wanted, sql), [*keys, *bounds, *params])
            while rows := cursor.fetchmany(AT_ONCE):
                yield from map(Row._make, rows)

    def _judge(self, sums: Sums, row: Row) -> None:
        facts, lists = stored.read(self.trigger, self.keys, row)
        at = datetime.fromisoformat(row.occurred_at).astimezone(self.zone)
        verdict = self.predicate(facts, lists, at)
        if verdict is None:
            self._unknown(sums, row.id, facts, lists, at)
        matched = verdict is True
        before = self._matched_before(facts, lists, at, matched)
        if not matched and not before:
            return
        day = sums.day(at.date().isoformat())
        if matched:
            day.matched += 1
            self.foreseer.go(sums.draft, row.subject_id, facts, lists, at)
        if before and self.live_foreseer is not None and sums.live is not None:
            self.live_foreseer.go(sums.live, row.subject_id, facts, lists, at)
        if matched is before or sums.live is None:
            sums.keep("matched", row.id)
        elif matched:
            sums.gained += 1
            day.gained += 1
            sums.keep("gained", row.id)
        else:
            sums.lost += 1
            day.lost += 1
            sums.keep("lost", row.id)

    def _matched_before(self, facts: Facts, lists: Lists, at: datetime, matched: bool) -> bool:
        if self.before is None:
            return False
        return matched if self.same_test else self.before(facts, lists, at) is True

    def _unknown(self, sums: Sums, event_id: int, facts: Facts, lists: Lists, at: datetime) -> None:
        sums.draft.unknown += 1
        self.why.count(sums, facts, lists, at)
        sums.keep("unknown", event_id)
        if self.document.missing_data == "hold":
            sums.draft.hand(MISSING, CASE_MINUTES)


def _reads_lists(document: RuleDocument) -> bool:
    """Whether any clause or step looks into a list."""
    if any(isinstance(leaf, Listed) for _, leaf in clauses(document.when)):
        return True
    return any(
        isinstance(step, ForEach) or step.shape == "if" or _has_text(step)
        for _, step in walk_steps(document.steps)
    )


def _has_text(step: Any) -> bool:
    return any(isinstance(value, dict) for value in getattr(step, "params", {}).values())


def _alike(one: RuleDocument, other: RuleDocument) -> bool:
    """Whether two documents ask the same of an event."""
    return one.when == other.when and one.params == other.params
