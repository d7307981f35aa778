"""Records that were there before a version: which of them it would start on, as they stand now.

A record counts where the rule's fact was told of it before: an order that was never paid is none
for a rule on "order paid". What the fact alone tells is taken as it was told last, all else from
now's rows. A record on which the rule has acted already, or is about to, is left out.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from django.db.models import Q, QuerySet

from automations.catalogue import PREVIOUS, catalogue_for, flatten, flatten_now, upcast
from automations.conditions.fields import Facts, Lists
from automations.conditions.leaves import Verdict
from automations.conditions.operands import Scope
from automations.conditions.orm import Columns, to_q
from automations.conditions.rechecking import is_about_the_moment, leaf_paths
from automations.conditions.words import leaf_words
from automations.engine import database
from automations.engine.compiled import Compiled
from automations.rules.document import On, clauses
from automations.triggers import Scan, Source, Trigger, scans
from backoffice import subjects

Told = tuple[Facts, Lists]
NEITHER = (False, False)

# What was told of each record last; the facts only where something is taken from them.
TOLD = """
SELECT DISTINCT ON (e.subject_id) e.subject_id, e.payload_version,
    CASE WHEN %s THEN e.facts END, CASE WHEN %s THEN e.lists END
FROM automations_event e
WHERE e.subject_id = ANY(%s::bigint[]) AND e.subject = %s AND e.trigger = %s AND e.rule_id IS NULL
    AND (%s::timestamptz IS NULL OR e.recorded_at <= %s)
ORDER BY e.subject_id, e.id DESC
"""
# In one statement with what is not matched yet, as that becomes a run in between.
ACTED = """
SELECT r.subject_id, true FROM automations_run r
WHERE r.subject_id = ANY(%s::bigint[]) AND r.subject = %s AND r.rule_id = %s AND NOT r.shadow
    AND (r.state IN ('due', 'waiting', 'calling', 'held', 'parked', 'failed')
        OR EXISTS (SELECT 1 FROM automations_effect f WHERE f.run_id = r.id))
UNION SELECT e.subject_id, false
FROM automations_pendingevent p JOIN automations_event e ON e.id = p.event_id
WHERE e.subject_id = ANY(%s::bigint[]) AND e.subject = %s AND e.trigger = %s AND e.rule_id IS NULL
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """A record that a version would start on, or can't be judged on. `acted`: it did already.

    `told`: a fact of it is still to be matched, on which the version may start by itself.
    """

    subject_id: int
    subject_version: int
    facts: Facts
    lists: Lists
    verdict: Verdict
    acted: bool
    told: bool


def starts_on_fact(rule: Compiled) -> bool:
    """Whether there is anything to ask: schedules and buttons go to the records anyway."""
    return isinstance(rule.document.trigger, On)


def why_not(rule: Compiled) -> str:
    """Why a version on a fact can't be applied to what is there, in a sentence; empty: it can."""
    known = scans.get(rule.source.subject)
    if known is None:
        noun = subjects.get(rule.source.subject).noun
        return f"Nothing goes over every {noun} there is, so it can’t be applied to them."
    scope = Scope(rule.catalogue, rule.document.param_values)
    for _, leaf in clauses(rule.document.when):
        if is_about_the_moment(leaf) or any(PREVIOUS in path for path in leaf_paths(leaf)):
            words = leaf_words(leaf, scope)
            return (
                f"That {words} is about the moment of a change, and records don’t tell what they "
                "were before."
            )
    return ""


def _kept(source: Source) -> bool:
    """Whether an event tells what the records don't."""
    return bool(source.fixed) or any(PREVIOUS in path for path in catalogue_for(source).fields)


def _parts(payload_class: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(payload_class)


def shared_columns(source: Source, scan: Scan) -> Columns:
    """The scan's columns that stand for the same facts in a trigger's payload."""
    mine, theirs = _parts(source.payload_class), _parts(scan.payload_class)
    same = {name for name in mine if mine[name] == theirs.get(name) and name not in source.fixed}
    return {path: at for path, at in scan.columns.items() if path.partition(".")[0] in same}


class Existing:
    """A version and the records that were there, at one moment.

    `until` is when it went live; None: now. `rule` is one for which `why_not` has no reason.
    """

    def __init__(self, rule: Compiled, now: datetime, until: datetime | None = None) -> None:
        self.rule, self.now, self.until = rule, now, until
        self.trigger = cast(Trigger, rule.source)
        self.scan = scans[rule.source.subject]
        self.keeps_unknown = rule.document.missing_data == "hold"
        self._keeps_facts = _kept(rule.source)

    def rows(self) -> QuerySet[Any]:
        """All records of the kind but imported history."""
        return self.scan.rows()

    def filter(self) -> Q:
        """What thins out the records in PostgreSQL, never narrower than the conditions."""
        return to_q(
            self.rule.document.when,
            self.rule.catalogue,
            shared_columns(self.trigger, self.scan),
            now=self.now,
            params=self.rule.document.param_values,
            keep_unknown=True,
        )

    def standing(self, ids: Sequence[int]) -> Iterator[Standing]:
        """Those among some records that match as they stand now, or can't be judged, by id."""
        told = self._told(ids)
        if not told:
            return
        rows = self.rows().filter(self.filter(), pk__in=list(told))
        # Before the payloads: what changes in between is then seen as changed, and judged again.
        versions = dict(rows.order_by("pk").values_list("pk", "version"))
        payloads = self.trigger.current(versions) if versions else {}
        acted = self._acted(list(versions)) if versions else {}
        for pk, version in versions.items():
            if pk not in payloads:
                continue
            facts, lists = self._as_now(payloads[pk], told[pk])
            verdict = self.rule.predicate(facts, lists, self.now)
            if verdict is not False:
                did, told_again = acted.get(pk, NEITHER)
                yield Standing(pk, version, facts, lists, verdict, did, told_again)

    def _told(self, ids: Sequence[int]) -> dict[int, Told]:
        about = (database.ids(ids), self.trigger.subject, self.trigger.key, self.until, self.until)
        keeps = self._keeps_facts
        found: dict[int, Told] = {}
        for pk, version, *raw in database.fetch(TOLD, keeps, keeps, *about):
            facts, lists = (database.loads(part) or {} for part in raw) if keeps else ({}, {})
            if keeps and version < self.trigger.version:
                facts, lists = upcast(self.trigger, version, facts, lists)
            found[pk] = facts, lists
        return found

    def _as_now(self, payload: Any, told: Told) -> Told:
        if not self._keeps_facts:
            return flatten(payload)
        facts, lists = flatten_now(self.trigger, payload, *told)
        return facts | {key: value for key, value in told[0].items() if PREVIOUS in key}, lists

    def _acted(self, ids: Sequence[int]) -> dict[int, tuple[bool, bool]]:
        """Those on which the rule has acted, and those of which a fact is still to be matched."""
        about = (database.ids(ids), self.trigger.subject)
        rows = {tuple(row) for row in database.fetch(
            ACTED, *about, self.rule.rule_id, *about, self.trigger.key
        )}  # fmt: skip
        return {pk: ((pk, True) in rows, (pk, False) in rows) for pk, _ in rows}
