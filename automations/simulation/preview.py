"""A draft over the events of the past: what it would have matched, clause by clause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.utils import timezone

from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_node
from automations.conditions.explaining import Explained, explain
from automations.conditions.fields import Facts
from automations.conditions.leaves import Predicate, Verdict
from automations.conditions.operands import Scope
from automations.conditions.problems import joined
from automations.conditions.rechecking import is_on_the_clock, paths_read
from automations.conditions.tree import Condition, Leaf, Listed, children
from automations.conditions.values import read
from automations.conditions.words import leaf_words
from automations.engine.in_force import business_zone
from automations.engine.stake import stake_field
from automations.models.events import Event
from automations.rules.document import RuleDocument, clauses
from automations.rules.parsing import parse_document
from automations.simulation import stored
from automations.triggers import Trigger, triggers
from backoffice.money import Money

DAYS = 30
MOST_EVENTS = 200_000
EXAMPLES = 5
# What each clause of both versions says of an event, in the order in which they are asked.
Answers = tuple[Verdict, ...]


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


class _Judge:
    """A draft, beside the version in force if there is one, over what is stored.

    Each clause is asked once of an event, also where both versions have it; what their trees make
    of the answers is worked out once for all events that answer alike.
    """

    def __init__(self, document: RuleDocument, live: RuleDocument | None, trigger: Trigger) -> None:
        self.document, self.live, self.trigger = document, live, trigger
        self.catalogue = catalogue_for(trigger)
        self.zone = business_zone()
        self.tests: list[Predicate] = []
        self.places: dict[str, int] = {}
        self.tree = self._over_answers(document)
        self.tree_before = self._over_answers(live) if live is not None else None
        scope = Scope(self.catalogue, document.param_values)
        self.leaves = list(_own_leaves(document.when))
        self.words = [leaf_words(leaf, scope) for _, leaf in self.leaves]
        self.asked = [self.places[self._name(document, leaf)] for _, leaf in self.leaves]
        trees = [known.when for known in (document, live) if known is not None]
        self.with_lists = any(isinstance(leaf, Listed) for tree in trees for leaf in _leaves(tree))
        self.on_the_clock = any(is_on_the_clock(leaf) for tree in trees for leaf in _leaves(tree))
        self.stake = stake_field(self.catalogue)
        paths = {path for tree in trees for path in paths_read(tree)}
        if self.stake is not None:
            paths.add(self.stake.path)
        self.keys = stored.keys_of(self.catalogue, paths)

    def _name(self, document: RuleDocument, leaf: Leaf) -> str:
        """What tells one clause from another: what it asks, and the tunables it asks by."""
        asks = leaf.model_dump_json(by_alias=True, exclude={"uid", "start_only"})
        return f"{asks} {document.param_values}"

    def _over_answers(self, document: RuleDocument) -> Predicate:
        """A document's tree over the clauses' answers, which stand in the place of the facts."""

        def wrap(leaf: Leaf, scope: Scope, check: Predicate) -> Predicate:
            place = self.places.setdefault(self._name(document, leaf), len(self.tests))
            if place == len(self.tests):
                self.tests.append(check)

            def answered(answers: Any, lists: Any, now: Any) -> Verdict:
                verdict: Verdict = answers[place]
                return verdict

            return answered

        return compile_node(document.when, Scope(self.catalogue, document.param_values), wrap)

    def alike(self, answers: Answers) -> _Alike:
        """What events with these answers come to."""
        given: Any = answers
        now = timezone.now()  # the answers are given already
        before = self.tree_before is not None and self.tree_before(given, {}, now) is True
        return _Alike(self.tree(given, {}, now), before)

    def money(self, facts: Facts) -> Money | None:
        """What an event is about."""
        known = read(self.stake, facts) if self.stake is not None else None
        return known if isinstance(known, Money) else None

    def example(self, event: Event) -> Example:
        known, at = stored.of_event(event), event.occurred_at.astimezone(self.zone)
        params = self.document.param_values
        told = explain(self.document.when, self.catalogue, known.facts, known.lists, at, params)
        return Example(event.pk, event.subject, event.subject_id, event.occurred_at, told)


@dataclass(slots=True)
class _Alike:
    """Events that answer each clause alike."""

    verdict: Verdict
    before: bool
    count: int = 0


def _own_leaves(tree: Condition, path: str = "when") -> Iterator[tuple[str, Leaf]]:
    """Clauses and lists with their paths. What is asked of a list's items is judged item by item,
    inside the list, and has no count of its own."""
    if isinstance(tree, Leaf):
        yield path, tree
        return
    for step, part in children(tree):
        yield from _own_leaves(part, joined(path, step))


def _leaves(tree: Condition) -> list[Leaf]:
    return [leaf for _, leaf in clauses(tree)]


class _Counting:
    """The sums over a period."""

    def __init__(self, judge: _Judge, days: int) -> None:
        self.judge = judge
        self.found = Preview(days)
        self.alike: dict[Answers, _Alike] = {}
        self.days: Counter[str] = Counter()
        self.kept: dict[str, list[int]] = {"matched": [], "gained": [], "lost": []}

    def read(self, rows: Iterable[stored.Row]) -> None:
        judge, tests, zone = self.judge, self.judge.tests, self.judge.zone
        now = timezone.now()
        for row in rows:
            facts, lists = stored.read(judge.trigger, judge.keys, row)
            if judge.on_the_clock:
                now = datetime.fromisoformat(row.occurred_at).astimezone(zone)
            answers = tuple([test(facts, lists, now) for test in tests])
            known = self.alike.get(answers)
            if known is None:
                known = self.alike[answers] = judge.alike(answers)
            known.count += 1
            if known.verdict is True or known.before:
                at = datetime.fromisoformat(row.occurred_at).astimezone(zone)
                self._notable(row, known, facts, at)

    def _notable(self, row: stored.Row, known: _Alike, facts: Facts, at: datetime) -> None:
        if known.verdict is True:
            self.days[at.date().isoformat()] += 1
            self._keep("matched", row)
            if (money := self.judge.money(facts)) is not None:
                sums, currency = self.found.at_stake, money.currency
                sums[currency] = sums.get(currency, Decimal(0)) + money.amount
        if self.judge.live is not None and (known.verdict is True) != known.before:
            self._keep("lost" if known.before else "gained", row)

    def _keep(self, which: str, row: stored.Row) -> None:
        if len(self.kept[which]) < EXAMPLES:
            self.kept[which].append(row.id)

    def summed(self) -> Preview:
        found = self.found
        judge, groups = self.judge, self.alike.values()
        found.events = sum(alike.count for alike in groups)
        matched = [alike for alike in groups if alike.verdict is True]
        found.matched = sum(alike.count for alike in matched)
        found.unknown = sum(alike.count for alike in groups if alike.verdict is None)
        if judge.live is not None:
            found.gained = sum(alike.count for alike in matched if not alike.before)
            lost = [alike for alike in groups if alike.before and alike.verdict is not True]
            found.lost = sum(alike.count for alike in lost)
        found.clauses = [self._clause(place) for place in range(len(judge.leaves))]
        found.by_day = dict(sorted(self.days.items()))
        self._examples()
        return found

    def _clause(self, place: int) -> ClauseCount:
        counted: Counter[Verdict] = Counter()
        asked = self.judge.asked[place]
        for answers, alike in self.alike.items():
            counted[answers[asked]] += alike.count
        path, _ = self.judge.leaves[place]
        words = self.judge.words[place]
        return ClauseCount(path, words, counted[True], counted[False], counted[None])

    def _examples(self) -> None:
        wanted = {event_id for ids in self.kept.values() for event_id in ids}
        events = Event.objects.in_bulk(wanted)

        def told(which: str) -> list[Example]:
            return [self.judge.example(events[key]) for key in self.kept[which]]

        self.found.examples = told("matched")
        self.found.gained_examples, self.found.lost_examples = told("gained"), told("lost")


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
    judge, until = _Judge(document, before, trigger), until or timezone.now()
    counting = _Counting(judge, days)
    since = until - timedelta(days=days)
    counting.read(
        stored.of_a_period(
            trigger, judge.keys, since, until, with_lists=judge.with_lists, most=most + 1
        )
    )
    found = counting.summed()
    found.truncated = found.events > most
    return found
