"""What a version would do with a matching event: its steps gone through, their effects added up.

Nothing is done. Waits are taken to pass and questions to be answered with yes, as in a trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from automations.actions import Action, Counts, Foreseen, actions
from automations.catalogue import catalogue_for
from automations.conditions.compiling import compile_condition
from automations.conditions.fields import Catalogue, Facts, Lists, item_facts
from automations.conditions.leaves import Predicate
from automations.conditions.operands import Scope
from automations.conditions.tree import field_of
from automations.conditions.values import read
from automations.engine.stake import stake_field
from automations.rules.document import (
    Ask,
    Do,
    ForEach,
    If,
    RuleDocument,
    Wait,
    text_of,
    walk_steps,
)
from automations.rules.fillings import fills_any
from automations.rules.limits import Line, One, lines_of, ones_of
from automations.rules.parameters import ParametersInvalid, StepParameters
from automations.rules.validating import Registries
from automations.rules.words import Teller
from automations.simulation.sums import (
    CASE_MINUTES,
    QUESTION_MINUTES,
    Does,
    Held,
    Side,
    add_amount,
)
from automations.triggers import Source
from backoffice.money import Money

# Inputs that only say whether the action takes them are looked at for so many runs.
MOST_FILLED_IN = 2_000
# Subjects or customers that one limit is counted for at once.
MOST_MARKS = 50_000
REFUSED = "Cases: an action would not take its input"
UNKNOWN_LIST = "Cases: a list is not known"


@dataclass(frozen=True, slots=True)
class Effect:
    """One effect of a step, or its refusal (`why`), with what it counts for and brings about."""

    uid: str
    counts: Counts = field(default_factory=Counts)
    foreseen: Foreseen = field(default_factory=Foreseen)
    makes: str = ""
    hand: tuple[str, int] | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class _On:
    """What the steps are gone through on; `fill` looks at inputs that only could be refused."""

    facts: Facts
    lists: Lists
    at: datetime
    stake: Money | None
    fill: bool


class _Act:
    """One step that acts: from facts to its effect, worked out once where no fact is read."""

    def __init__(self, step: Do, action: Action, catalogue: Catalogue, params: Any) -> None:
        self.uid, self.action = step.uid, action
        self.parameters = StepParameters(step, action, catalogue, params)
        values = step.params.values()
        fields = action.form.base_fields
        self.reads = any(text_of(value) or field_of(value) for value in values)
        self.reads |= fills_any(step.params, fields)
        kind = type(action)
        # Whether its figures depend on what it is given; else its input only has to be acceptable.
        self.by_stake = kind.foresee is not Action.foresee
        self.weighs = kind.counts is not Action.counts or self.by_stake
        self.plain = Effect(self.uid, makes=action.makes, hand=self._hand)
        self.kept: dict[Money | None, Effect] = {}

    @property
    def _hand(self) -> tuple[str, int] | None:
        minutes = self.action.minutes_by_hand
        return (f"{self.action.makes.capitalize()}s", minutes) if minutes else None

    def effect(
        self, facts: Facts, lists: Lists, item: Facts | None, stake: Money | None, fill: bool
    ) -> Effect:
        """`fill`: look at the input even where nothing but a refusal could come of it."""
        if not self.reads:
            wanted = stake if self.by_stake else None
            known = self.kept.get(wanted)
            if known is None:
                if len(self.kept) > 1_000:
                    self.kept.clear()
                known = self.kept[wanted] = self._made(facts, lists, item, wanted)
            return known
        if not self.weighs and not fill:
            return self.plain
        return self._made(facts, lists, item, stake)

    def _made(self, facts: Facts, lists: Lists, item: Facts | None, stake: Money | None) -> Effect:
        try:
            params = self.parameters.resolve(facts, lists, item)
        except ParametersInvalid as error:
            return Effect(self.uid, why=str(error))
        counts = self.action.counts(params, stake)
        foreseen = self.action.foresee(params, stake)
        return Effect(self.uid, counts, foreseen, self.action.makes, self._hand)


class Foreseer:
    """One version's steps and limits, ready to be gone through event by event, oldest first."""

    def __init__(self, document: RuleDocument, source: Source) -> None:
        self.document, self.source = document, source
        self.catalogue = catalogue_for(source)
        self.stake = stake_field(self.catalogue)
        self.teller = Teller(document, Registries())
        self.words: dict[str, str] = {}
        self.acts: dict[str, _Act] = {}
        self.tests: dict[str, Predicate] = {}
        self.hour: tuple[date, int, int] | None = None
        self.buckets: dict[str, str] = {}
        self.lines, self.ones = lines_of(document), ones_of(document)
        self._prepare(document.steps, self.catalogue)
        # The facts that are read besides those of the conditions; None: whatever there is.
        self.paths = self._paths()
        self.is_plain = all(isinstance(step, Do) for _, step in walk_steps(document.steps))

    def _prepare(self, steps: Sequence[Any], catalogue: Catalogue) -> None:
        params = self.document.param_values
        for step in steps:
            if isinstance(step, Do) and step.do in actions:
                action = actions[step.do]
                self.acts[step.uid] = _Act(step, action, catalogue, params)
                self.words[step.uid] = action.in_words(step.params)
            elif isinstance(step, If):
                self.tests[step.uid] = compile_condition(step.test, catalogue, params)
                self._prepare(step.then, catalogue)
                self._prepare(step.otherwise, catalogue)
            elif isinstance(step, ForEach):
                self._prepare(step.steps, catalogue.with_item(step.for_each))
            elif isinstance(step, Ask):
                said = self.teller.step(step, Scope(catalogue, params))
                self.words[step.uid] = said[:1].upper() + said[1:]

    def _paths(self) -> set[str] | None:
        found = {self.stake.path} if self.stake is not None else set()
        if self.source.customer and self.ones:
            found.add(self.source.customer)
        for _, step in walk_steps(self.document.steps):
            if not isinstance(step, Do | Wait | Ask):
                return None
            if isinstance(step, Do) and step.do in actions:
                fields = actions[step.do].form.base_fields
                values = step.params.values()
                if any(text_of(each) for each in values) or fills_any(step.params, fields):
                    return None
                found |= {path for each in values if (path := field_of(each)) is not None}
        return found

    def go(self, side: Side, subject_id: int, facts: Facts, lists: Lists, at: datetime) -> None:
        """Add one matching event to a version's sums; `at` is in the company's zone."""
        side.matched += 1
        known = read(self.stake, facts) if self.stake is not None else None
        stake = known if isinstance(known, Money) else None
        if stake is not None:
            add_amount(side.stake, stake.currency, stake.amount)
        fill = side.filled_in < MOST_FILLED_IN
        side.filled_in += fill
        if self.is_plain:
            found = [act.effect(facts, lists, None, stake, fill) for act in self.acts.values()]
        else:
            on = _On(facts, lists, at, stake, fill)
            found = list(self._walk(self.document.steps, on, None))
        for effect in found:
            self._add(side, effect)
        if self.lines or self.ones:
            self._limit(side, found, subject_id, facts, at)

    def _walk(self, steps: Sequence[Any], on: _On, item: Facts | None) -> Iterator[Effect]:
        for step in steps:
            if isinstance(step, Do):
                if step.uid in self.acts:
                    act = self.acts[step.uid]
                    yield act.effect(on.facts, on.lists, item, on.stake, on.fill)
            elif isinstance(step, If):
                yield from self._walk(self._taken(step, on, item), on, item)
            elif isinstance(step, ForEach):
                yield from self._loop(step, on)
            elif isinstance(step, Ask):
                hand = (f"Questions to {step.ask.role}", QUESTION_MINUTES)
                yield Effect(step.uid, hand=hand)

    def _taken(self, step: If, on: _On, item: Facts | None) -> Sequence[Any]:
        seen = item_facts(on.facts, item) if item is not None else on.facts
        holds = self.tests[step.uid](seen, on.lists, on.at) is True
        return step.then if holds else step.otherwise

    def _loop(self, step: ForEach, on: _On) -> Iterator[Effect]:
        items = on.lists.get(step.for_each)
        if items is None:
            yield Effect(step.uid, hand=(UNKNOWN_LIST, CASE_MINUTES))
        for each in items or ():
            yield from self._walk(step.steps, on, each)

    def _add(self, side: Side, effect: Effect) -> None:
        does = side.steps.get(effect.uid)
        if does is None:
            does = side.steps[effect.uid] = Does(words=self.words.get(effect.uid, ""))
        if effect.why:
            does.refused += 1
            does.why = effect.why
            side.hand(REFUSED, CASE_MINUTES)
            return
        does.times += 1
        foreseen, counts = effect.foreseen, effect.counts
        if foreseen.money is not None:
            add_amount(side.money, foreseen.money.currency, foreseen.money.amount)
        side.units += counts.units
        side.messages += counts.messages
        if effect.makes:
            side.makes[effect.makes] = side.makes.get(effect.makes, 0) + 1
        for account, amount in foreseen.books:
            add_amount(side.books.setdefault(account, {}), amount.currency, amount.amount)
        if effect.hand is not None:
            side.hand(*effect.hand)

    # --- limits ---------------------------------------------------------------------------------

    def _limit(
        self, side: Side, found: list[Effect], subject_id: int, facts: Facts, at: datetime
    ) -> None:
        """Count the run against each limit, as if each held it back by itself."""
        for line in self.lines:
            amount = _weight(line, found)
            held = side.limits.get(line.name)
            if held is None:
                held = side.limits[line.name] = Held(words=str(line))
            bucket = self._bucket(line, at)
            if held.bucket != bucket:
                held.bucket, held.used = bucket, Decimal(0)
            if held.used + amount > line.most:
                _keep_back(held, at)
            else:
                held.used += amount
        for one in self.ones:
            if (who := self._who(one, subject_id, facts)) is not None:
                held = side.limits.get(one.name)
                if held is None:
                    held = side.limits[one.name] = Held(words=str(one))
                _mark(held, one, who, at)

    def _bucket(self, line: Line, at: datetime) -> str:
        """The line's period, worked out once an hour."""
        hour = (at.date(), at.hour, at.fold)
        if hour != self.hour:
            self.hour, self.buckets = hour, {}
        known = self.buckets.get(line.name)
        if known is None:
            known = self.buckets[line.name] = line.bucket(at)
        return known

    def _who(self, one: One, subject_id: int, facts: Facts) -> str | None:
        if one.name == "per_subject":
            return str(subject_id)
        path = self.source.customer
        customer = facts.get(path) if path else None
        return str(customer) if customer else None


def _weight(line: Line, found: Sequence[Effect]) -> Decimal:
    """What a run counts for against one limit."""
    if line.what == "runs":
        return Decimal(1)
    if line.what == "money":
        amounts = (effect.counts.money for effect in found)
        return sum(
            (each.amount for each in amounts if each and each.currency == line.currency), Decimal(0)
        )
    return Decimal(sum(getattr(effect.counts, line.what) for effect in found))


def _keep_back(held: Held, at: datetime) -> None:
    held.runs += 1
    if held.first is None:
        held.first = at


def _mark(held: Held, one: One, who: str, at: datetime) -> None:
    if held.given_up:
        return
    now = at.timestamp()
    since = now - one.within.total_seconds()
    marks = [each for each in held.marks.get(who, ()) if each > since]
    if len(marks) >= one.runs:
        _keep_back(held, at)
    else:
        marks.append(now)
    held.marks[who] = marks
    if len(held.marks) > MOST_MARKS:
        _forget(held, since)


def _forget(held: Held, since: float) -> None:
    """Leave out those whose time is over; with too many left the limit is counted no longer."""
    held.marks = {who: marks for who, marks in held.marks.items() if marks and marks[-1] > since}
    if len(held.marks) > MOST_MARKS // 2:
        held.marks, held.given_up = {}, True
