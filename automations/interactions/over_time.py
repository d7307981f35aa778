"""Rules that start on different things, and come to one record at different times.

Each acts on an event of its own. That a condition of one rules out the other is certain only where
both ask of what the record keeps for life; whatever else may have changed in between. Only what a
step is for counts: that a cancellation ends holds is no second opinion on them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from automations.actions import Change, Risk
from automations.cases import ties
from automations.catalogue import catalogue_of
from automations.conditions.operands import ConditionInvalid
from automations.interactions.examples import Made, first_that, made_from
from automations.interactions.findings import Finding, Kind
from automations.interactions.pairs import clash, same_start
from automations.interactions.parties import Doing, Party
from automations.interactions.solving import Goal, Space, State, is_impossible
from automations.rules.document import Every, Manual

# So many others are named in a sentence; all of them are linked below it.
MOST_NAMED = 3
# So many of a group are tried for an example before there is none.
MOST_TRIED = 5
_RISKS = (Risk.MONEY, Risk.CUSTOMER, Risk.NONE)
_GRAVER = (Kind.OPPOSITE, Kind.TWICE, Kind.SAME_FIELD, Kind.SAME)
TITLES = {
    Kind.OPPOSITE: "Opposite actions at different times",
    Kind.TWICE: "Done again at another time",
    Kind.SAME_FIELD: "Two values for one field, at different times",
    Kind.SAME: "The same again, at another time",
}


# --- one record -----------------------------------------------------------------------------------


@cache
def _owners(subject: str) -> tuple[str, ...]:
    return (subject, *sorted({tie.to for tie in ties if tie.subject == subject}))


def one_record(one: Party, two: Party) -> str:
    """What kind of record both come to: their own, or what one or both hang on; empty: none."""
    owners = _owners(two.source.subject)
    return next((each for each in _owners(one.source.subject) if each in owners), "")


@cache
def _lasting(one: type, two: type) -> frozenset[str]:
    """The paths that both kinds of event tell of the record, whenever they come."""
    fields, others = catalogue_of(one).fields, catalogue_of(two).fields
    return frozenset(
        path
        for path, known in fields.items()
        if known.lasting and path in others and others[path].lasting
        if known.kind is others[path].kind
    )


@dataclass(frozen=True, eq=False)
class _Met:
    """A step of this rule and one of another, which may both come to one record."""

    kind: Kind
    change: Change
    mine: Party
    doing: Doing
    other: Party
    also: Doing

    @cached_property
    def _spaces(self) -> tuple[Space, Space]:
        same = _lasting(self.mine.source.payload_class, self.other.source.payload_class)
        return Space("one", same, apart=True), Space("two", same, apart=True)

    def _goals(self) -> list[Goal]:
        one, two = self._spaces
        return [*self.mine.acts(self.doing, one), *self.other.acts(self.also, two)]

    def is_impossible(self) -> bool:
        return is_impossible(self._goals())

    def example(self) -> Made | None:
        """What starts this rule on a record that the other comes to as well; None: none is found.

        Both events were held against the conditions, and tell the same of what a record keeps.
        """
        now, (one, two) = datetime.now().astimezone(), self._spaces

        def fits(state: State) -> Made | None:
            first = made_from(state, self.mine.catalogue, now, one)
            second = made_from(state, self.other.catalogue, now, two)
            if first is None or second is None or not self._agree(state, first.facts, second.facts):
                return None
            acts = self.mine.does(self.doing, first.facts, first.lists, now)
            both = acts and self.other.does(self.also, second.facts, second.lists, now)
            return first if both else None

        return first_that(self._goals(), fits)

    def _agree(self, state: State, one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
        keys: set[str] = set()
        for path in self._spaces[0].same or ():
            # How old it is differs, as they come at different times.
            if not any(space.var(("age", path)) in state.regions for space in self._spaces):
                keys.update(self.mine.catalogue.fields[path].keys)
        return all(one[key] == two[key] for key in keys & one.keys() & two.keys())


# --- what is found --------------------------------------------------------------------------------


def over_time(mine: Party, others: Sequence[Party], told: Collection[int]) -> Iterator[Finding]:
    """What others do to the records that this rule comes to, at another time: one finding a thing.

    `told` are the rules of which it is known already that one undoes the other.
    """
    if isinstance(mine.document.trigger, Manual):
        return
    groups: dict[tuple[Kind, str], dict[int, _Met]] = {}
    for other in others:
        if not _is_apart(mine, other):
            continue
        try:
            for met in _of_a_pair(mine, other):
                if met.kind is Kind.OPPOSITE and other.rule_id in told:
                    continue
                groups.setdefault((met.kind, met.change.what), {}).setdefault(other.rule_id, met)
        except ConditionInvalid:
            # A rule that does not fit what there is now starts on nothing.
            continue
    yield from (_finding(list(group.values())) for group in groups.values())


def _is_apart(mine: Party, other: Party) -> bool:
    """Whether they start on different things, by themselves, and may come to one record."""
    by_itself = not isinstance(other.document.trigger, Manual)
    return by_itself and not same_start(mine, other) and one_record(mine, other) != ""


def _of_a_pair(mine: Party, other: Party) -> Iterator[_Met]:
    """Each thing to which both do something, once."""
    found: set[tuple[Kind, str]] = set()
    for doing, also, one, kind in _clashes(mine, other):
        if (kind, one.what) in found:
            continue
        met = _Met(kind, one, mine, doing, other, also)
        if not met.is_impossible():
            found.add((kind, one.what))
            yield met


def _clashes(mine: Party, other: Party) -> Iterator[tuple[Doing, Doing, Change, Kind]]:
    # A schedule finds what was done before at its next slot anyway.
    repeats = any(isinstance(each.document.trigger, Every) for each in (mine, other))
    for what in mine.purposes.keys() & other.purposes.keys():
        for doing, one in mine.purposes[what]:
            for also, two in other.purposes[what]:
                kind = clash(one, two, alike=doing.identity == also.identity)
                if kind is not None and not (repeats and kind is Kind.SAME):
                    yield doing, also, one, kind


def _finding(group: Sequence[_Met]) -> Finding:
    first = group[0]
    tried = (met.example() for met in group[:MOST_TRIED])
    risks = [_RISKS.index(each.action.risk) for met in group for each in (met.doing, met.also)]
    return Finding(
        Kind.OVER_TIME,
        _words(group),
        tuple(met.other for met in group),
        tuple(dict.fromkeys(met.doing.uid for met in group)),
        tuple(acting for met in group for acting in ((met.mine, met.doing), (met.other, met.also))),
        next((made for made in tried if made is not None), None),
        title=TITLES[first.kind],
        apart=True,
        rank=min(risks) * len(_GRAVER) + _GRAVER.index(first.kind),
    )


# --- in words -------------------------------------------------------------------------------------


def _words(group: Sequence[_Met]) -> str:
    first, does = group[0], group[0].doing.words
    if len(group) == 1:
        says = f"This rule will {does}. {_starts(first.other)} and will {first.also.words}. "
        return f"{says}Over time both may come to one record."
    names, thing = _named([met.other for met in group]), first.change.words
    others = f"{len(group)} others that start on something else ({names})"
    if first.kind is Kind.OPPOSITE:
        return f"This rule will {does}. Over time, {others} may do the opposite to one record."
    if first.kind is Kind.TWICE:
        return f"This rule and {others} each make {thing}: over time all of them for one record."
    if first.kind is Kind.SAME:
        return f"This rule and {others} all {does}. Whichever is later has nothing left to do."
    return f"This rule will {does}. Over time, {others} may set {thing} otherwise for one record."


def _starts(other: Party) -> str:
    if isinstance(other.document.trigger, Every):
        return f"“{other.name}” comes round on a schedule"
    return f"“{other.name}” starts on “{other.source.label}”"


def _named(others: Sequence[Party]) -> str:
    named = ", ".join(f"“{other.name}”" for other in others[:MOST_NAMED])
    more = len(others) - MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named
