"""A draft over the events of the past: what it would have matched, clause by clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition, leaf_predicate
from automations.conditions.explaining import Explained, explain
from automations.conditions.leaves import Predicate, Verdict
from automations.conditions.operands import Scope
from automations.conditions.tree import Listed
from automations.conditions.words import leaf_words
from automations.engine.in_force import business_zone
from automations.engine.stake import stake_of
from automations.rules.document import RuleDocument, clauses
from automations.rules.parsing import parse_document
from automations.simulation import stored
from automations.simulation.stored import Stored
from automations.triggers import Trigger, triggers

DAYS = 30
MOST_EVENTS = 200_000
EXAMPLES = 5


@dataclass(slots=True)
class ClauseCount:
    """How the events of the period stand to one clause on its own."""

    path: str
    words: str
    passed: int = 0
    failed: int = 0
    unknown: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """One event, why the draft matches it or not, and whether the version in force does."""

    event_id: int
    subject: str
    subject_id: int
    occurred_at: datetime
    explanation: Explained


@dataclass(slots=True)
class Preview:
    """What a draft would have done over a period.

    `unknown` could not be judged; `gained` and `lost` are against the version in force (0 without
    one); `at_stake` sums the matching events' money by currency; `by_day` counts matches;
    `truncated`: there were more events than were read, the newest were.
    """

    days: int
    events: int = 0
    matched: int = 0
    unknown: int = 0
    gained: int = 0
    lost: int = 0
    at_stake: dict[str, Decimal] = field(default_factory=dict)
    by_day: dict[str, int] = field(default_factory=dict)
    clauses: list[ClauseCount] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)
    gained_examples: list[Example] = field(default_factory=list)
    lost_examples: list[Example] = field(default_factory=list)
    truncated: bool = False

    def as_evidence(self) -> dict[str, Any]:
        """What an approval keeps of it."""
        return {
            "days": self.days,
            "events": self.events,
            "matched": self.matched,
            "unknown": self.unknown,
            "gained": self.gained,
            "lost": self.lost,
            "at_stake": {currency: str(sum_) for currency, sum_ in self.at_stake.items()},
            "examples": [example.event_id for example in self.examples],
        }


def _has_lists(*documents: RuleDocument | None) -> bool:
    return any(
        isinstance(leaf, Listed)
        for document in documents
        if document is not None
        for _, leaf in clauses(document.when)
    )


class _Counting:
    """Judges events one by one and keeps the sums."""

    def __init__(
        self, document: RuleDocument, live: RuleDocument | None, trigger: Trigger, days: int
    ) -> None:
        self.document, self.live, self.trigger = document, live, trigger
        self.catalogue = catalogue_for(trigger)
        self.zone = business_zone()
        self.predicate = self._compiled(document)
        self.before = self._compiled(live) if live is not None else None
        scope = Scope(self.catalogue, document.param_values)
        leaves = list(clauses(document.when))
        self.found = Preview(
            days, clauses=[ClauseCount(path, leaf_words(leaf, scope)) for path, leaf in leaves]
        )
        self.leaves = [leaf_predicate(leaf, scope) for _, leaf in leaves]
        self.days: Counter[str] = Counter()

    def _compiled(self, document: RuleDocument) -> Predicate:
        return compile_condition(document.when, self.catalogue, document.param_values)

    def judge(self, events: Iterable[Stored]) -> None:
        verdicts = [Counter[Verdict]() for _ in self.leaves]
        counted = list(zip(self.leaves, verdicts, strict=True))
        for event in events:
            self.found.events += 1
            facts, lists, at = event.facts, event.lists, event.occurred_at.astimezone(self.zone)
            for leaf, count in counted:
                count[leaf(facts, lists, at)] += 1
            self._one(event, self.predicate(facts, lists, at), at)
        for clause, count in zip(self.found.clauses, verdicts, strict=True):
            clause.passed, clause.failed = count[True], count[False]
            clause.unknown = count[None]

    def _one(self, event: Stored, verdict: Verdict, at: datetime) -> None:
        if verdict is True:
            self._matched(event, at)
        elif verdict is None:
            self.found.unknown += 1
        if self.before is None:
            return
        before = self.before(event.facts, event.lists, at) is True
        if verdict is True and not before:
            self.found.gained += 1
            self._keep(self.found.gained_examples, event, at)
        elif before and verdict is not True:
            self.found.lost += 1
            self._keep(self.found.lost_examples, event, at)

    def _matched(self, event: Stored, at: datetime) -> None:
        self.found.matched += 1
        self.days[at.date().isoformat()] += 1
        self._keep(self.found.examples, event, at)
        money = stake_of(self.catalogue, event.facts)
        if money is not None:
            sums = self.found.at_stake
            sums[money.currency] = sums.get(money.currency, Decimal(0)) + money.amount

    def _keep(self, examples: list[Example], event: Stored, at: datetime) -> None:
        if len(examples) < EXAMPLES:
            told = explain(
                self.document.when,
                self.catalogue,
                event.facts,
                event.lists,
                at,
                self.document.param_values,
            )
            subject = self.trigger.subject
            examples.append(Example(event.id, subject, event.subject_id, event.occurred_at, told))


def preview(
    body: Any,
    *,
    days: int = DAYS,
    live: Any | None = None,
    until: datetime | None = None,
    most: int = MOST_EVENTS,
) -> Preview:
    """Judge a draft's body on the events of the last days, beside the body in force if given.

    Clauses on the clock are judged at each event's own time. Raises DocumentInvalid for what is no
    document, ConditionInvalid for what does not fit the trigger, KeyError for an unknown trigger.
    """
    document = parse_document(body)
    trigger = triggers[document.trigger_key or ""]
    before = parse_document(live) if live is not None else None
    if before is not None and before.trigger_key != document.trigger_key:
        before = None
    counting = _Counting(document, before, trigger, days)
    until = until or timezone.now()
    events = stored.of_a_period(
        trigger,
        until - timedelta(days=days),
        until,
        with_lists=_has_lists(document, before),
        most=most + 1,
    )
    counting.judge(events)
    found = counting.found
    found.truncated = found.events > most
    found.by_day = dict(sorted(counting.days.items()))
    return found
