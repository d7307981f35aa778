"""A draft of a schedule or a button over the records there are: what it would find now."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db.models import Q, QuerySet

from automations.catalogue import catalogue_for, flatten
from automations.conditions.compiling import compile_condition, leaf_predicate
from automations.conditions.explaining import Explained, explain
from automations.conditions.fields import Facts, Lists
from automations.conditions.leaves import Verdict
from automations.conditions.operands import Scope
from automations.conditions.orm import to_q
from automations.conditions.words import leaf_words
from automations.engine.in_force import moment
from automations.engine.stake import stake_of
from automations.rules.document import RuleDocument, clauses
from automations.rules.parsing import parse_document
from automations.simulation.preview import EXAMPLES, ClauseCount
from automations.triggers import Scan, scans

# As far as a page waits for exact figures; beyond it they are told as lower bounds.
MOST_RECORDS = 20_000
SECONDS = 3.0
PAGE = 500
# Each clause by itself is counted on the newest records alone.
SAMPLE = 500

Told = tuple[int, Facts, Lists]


@dataclass(frozen=True, slots=True)
class Found:
    """One record, and why the draft matches it or not."""

    subject: str
    subject_id: int
    explanation: Explained


@dataclass(slots=True)
class NowPreview:
    """What a draft would find now.

    `records` are all of the kind. `exact` False: not all that could match were judged, so
    `matched`, `unknown`, `gained`, `lost` and `at_stake` are lower bounds, of `judged` among
    `candidates`. `gained` and `lost` are against the version in force, 0 without one. `clauses`
    count on the newest `sampled` records.
    """

    records: int = 0
    candidates: int = 0
    judged: int = 0
    matched: int = 0
    unknown: int = 0
    gained: int = 0
    lost: int = 0
    exact: bool = True
    sampled: int = 0
    at_stake: dict[str, Decimal] = field(default_factory=dict)
    clauses: list[ClauseCount] = field(default_factory=list)
    examples: list[Found] = field(default_factory=list)
    gained_examples: list[Found] = field(default_factory=list)
    lost_examples: list[Found] = field(default_factory=list)

    def as_evidence(self) -> dict[str, Any]:
        """What an approval keeps of it."""
        return {
            "records": self.records,
            "matched": self.matched,
            "unknown": self.unknown,
            "gained": self.gained,
            "lost": self.lost,
            "exact": self.exact,
            "at_stake": {currency: str(sum_) for currency, sum_ in self.at_stake.items()},
            "examples": [example.subject_id for example in self.examples],
        }


def scan_of(document: RuleDocument) -> Scan:
    """The records a schedule or a button goes to; raises KeyError for any other start."""
    if document.trigger_key is not None:
        raise KeyError(f"{document.trigger_key} is a fact, not a kind of record.")
    return scans[document.source_key]


class _Now:
    """A draft, beside the version in force if there is one, at one moment."""

    def __init__(self, document: RuleDocument, live: RuleDocument | None, scan: Scan) -> None:
        self.document, self.scan = document, scan
        self.catalogue = catalogue_for(scan)
        self.now: datetime = moment().now
        self.predicate = self._compiled(document)
        self.before = self._compiled(live) if live is not None else None
        both = [known for known in (document, live) if known is not None]
        self.filters = [self._filter(known) for known in both]
        self.found = NowPreview()

    def _compiled(self, document: RuleDocument) -> Any:
        return compile_condition(document.when, self.catalogue, document.param_values)

    def _filter(self, document: RuleDocument) -> Q:
        return to_q(
            document.when,
            self.catalogue,
            self.scan.columns,
            now=self.now,
            params=document.param_values,
            keep_unknown=True,
        )

    def read(self, most: int, seconds: float) -> NowPreview:
        found, rows = self.found, self.scan.rows()
        found.records = rows.count()
        wanted = rows.filter(self._either())
        found.candidates = wanted.count()
        until = time.monotonic() + seconds
        for pk, facts, lists in self._told(wanted):
            if found.judged >= most or time.monotonic() > until:
                found.exact = False
                break
            found.judged += 1
            self._judge(pk, facts, lists)
        self._sample(rows)
        return found

    def _either(self) -> Q:
        # An empty condition would vanish in an OR, where it means every record.
        if not all(self.filters):
            return Q()
        whole = self.filters[0]
        for other in self.filters[1:]:
            whole = whole | other
        return whole

    def _told(self, rows: QuerySet[Any]) -> Iterator[Told]:
        """Records newest first, page by page."""
        before: int | None = None
        while True:
            page = rows if before is None else rows.filter(pk__lt=before)
            ids = list(page.order_by("-pk").values_list("pk", flat=True)[:PAGE])
            if not ids:
                return
            payloads = self.scan.current(ids)
            for pk in ids:
                if pk in payloads:
                    yield (pk, *flatten(payloads[pk]))
            before = ids[-1]

    def _judge(self, pk: int, facts: Facts, lists: Lists) -> None:
        found, verdict = self.found, self.predicate(facts, lists, self.now)
        before = self.before is not None and self.before(facts, lists, self.now) is True
        found.unknown += verdict is None
        if verdict is True:
            found.matched += 1
            self._keep(found.examples, pk, facts, lists)
            if (money := stake_of(self.catalogue, facts)) is not None:
                summed = found.at_stake.get(money.currency, Decimal(0))
                found.at_stake[money.currency] = summed + money.amount
        if self.before is None or before is (verdict is True):
            return
        found.gained += not before
        found.lost += before
        kept = found.lost_examples if before else found.gained_examples
        self._keep(kept, pk, facts, lists)

    def _keep(self, kept: list[Found], pk: int, facts: Facts, lists: Lists) -> None:
        if len(kept) < EXAMPLES:
            params = self.document.param_values
            told = explain(self.document.when, self.catalogue, facts, lists, self.now, params)
            kept.append(Found(self.scan.subject, pk, told))

    def _sample(self, rows: QuerySet[Any]) -> None:
        """How the newest records stand to each clause by itself."""
        scope = Scope(self.catalogue, self.document.param_values)
        leaves = list(clauses(self.document.when))
        if not leaves:
            self.found.sampled = min(SAMPLE, self.found.records)
            return
        tests = [leaf_predicate(leaf, scope) for _, leaf in leaves]
        counts: list[Counter[Verdict]] = [Counter() for _ in leaves]
        newest = rows.order_by("-pk").values_list("pk", flat=True)[:SAMPLE]
        payloads = self.scan.current(list(newest))
        for payload in payloads.values():
            told = flatten(payload)
            for counted, test in zip(counts, tests, strict=True):
                counted[test(*told, self.now)] += 1
        self.found.sampled = len(payloads)
        self.found.clauses = [
            ClauseCount(path, leaf_words(leaf, scope), c[True], c[False], c[None])
            for (path, leaf), c in zip(leaves, counts, strict=True)
        ]


def preview_now(
    body: Any, *, live: Any | None = None, most: int = MOST_RECORDS, seconds: float = SECONDS
) -> NowPreview:
    """Judge a draft's body on the records there are, beside the body in force if given.

    Raises DocumentInvalid for what is no document, ConditionInvalid for what does not fit, KeyError
    when it starts on a fact or goes to no known kind of record.
    """
    document = parse_document(body)
    scan = scan_of(document)
    before = parse_document(live) if live is not None else None
    if before is not None and (before.trigger_key or before.source_key != document.source_key):
        before = None
    return _Now(document, before, scan).read(most, seconds)
