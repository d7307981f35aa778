"""Rules that set each other off: circles, and what is undone as soon as it is done."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any

from automations.actions import How
from automations.catalogue import catalogue_of
from automations.conditions.fields import Kind as Holds
from automations.conditions.operands import ConditionInvalid
from automations.conditions.values import parse
from automations.interactions.examples import Made, exactly, first_that, made_from
from automations.interactions.findings import Finding, Kind
from automations.interactions.pairs import after, clash
from automations.interactions.parties import Doing, Party
from automations.interactions.sets import Region, Tagged
from automations.interactions.solving import Goal, Space, State, is_impossible
from automations.rules.document import On

LONGEST = 5
# So many ways from rule to rule are followed before the search ends.
MOST_LINKS = 400
MOST_CIRCLES = 3


@dataclass(frozen=True)
class Link:
    """A step that announces what the next rule starts on."""

    party: Party
    doing: Doing
    next: Party


def _by_trigger(parties: Sequence[Party]) -> dict[str, list[Party]]:
    found: dict[str, list[Party]] = {}
    for party in parties:
        if isinstance(party.document.trigger, On):
            found.setdefault(party.document.trigger.on, []).append(party)
    return found


def _links(party: Party, others: Mapping[str, Sequence[Party]]) -> Iterator[Link]:
    for doing in party.doings:
        for trigger in doing.action.announces:
            for other in others.get(trigger, ()):
                yield Link(party, doing, other)


@cache
def _alike(payload_classes: frozenset[type]) -> frozenset[str]:
    """The paths that are of one kind wherever they are told."""
    kinds: dict[str, set[Any]] = {}
    for each in payload_classes:
        for path, known in catalogue_of(each).fields.items():
            kinds.setdefault(path, set()).add(known.kind)
    return frozenset(path for path, known in kinds.items() if len(known) == 1)


# --- a chain as one question --------------------------------------------------------------------


@dataclass(frozen=True)
class _Chain:
    """Links one after the other, each on an event of its own about the same record."""

    links: tuple[Link, ...]

    @property
    def parties(self) -> tuple[Party, ...]:
        """The rules in turn; of a circle the first stands at the end as well."""
        return (*[link.party for link in self.links], self.links[-1].next)

    def space(self, place: int) -> Space:
        return Space(f"event{place}", self._same)

    @cached_property
    def _same(self) -> frozenset[str]:
        """Paths that all events tell alike: of the records themselves, and written by no step."""
        if any(link.doing.stage for link in self.links):
            return frozenset()
        tops: set[str] = set()
        for party in self.parties:
            tops.add(party.source.subject.partition(".")[2])
            tops.add(party.source.customer.partition(".")[0])
        written = {change.what for link in self.links for change in link.doing.changes}
        alike = _alike(frozenset(party.source.payload_class for party in self.parties))
        return frozenset(
            path for path in alike if path.partition(".")[0] in tops and path not in written
        )

    def start(self) -> dict[tuple[str, ...], Region] | None:
        """What the announcements are sure to say; None where that can't be."""
        found: dict[tuple[str, ...], Region] = {}
        for place, link in enumerate(self.links):
            own, other = self.space(place), self.space(place + 1)
            told = [
                *[(own.var(("field", path)), each) for path, each in _before(link).items()],
                *[(other.var(("field", path)), each) for path, each in _told(link).items()],
            ]
            for var, region in told:
                met = found[var].meet(region) if var in found else region
                if met.is_empty():
                    return None
                found[var] = met
        return found

    def goals(self) -> list[Goal]:
        goals: list[Goal] = []
        for place, link in enumerate(self.links):
            goals += link.party.acts(link.doing, self.space(place))
        return [*goals, self.parties[-1].starts(space=self.space(len(self.links)))]

    def is_impossible(self) -> bool:
        start = self.start()
        return start is None or is_impossible(self.goals(), start)

    def example(self) -> Made | None:
        """An event that sets it off; each rule's own event was held against its conditions."""
        now = datetime.now().astimezone()

        def fits(state: State) -> Made | None:
            made = [
                made_from(state, party.catalogue, now, self.space(place))
                for place, party in enumerate(self.parties)
            ]
            doings = [*[link.doing for link in self.links], None]
            for party, doing, event in zip(self.parties, doings, made, strict=True):
                if event is None or not party.does(doing, event.facts, event.lists, now):
                    return None
            return made[0]

        return first_that(self.goals(), fits, self.start())


def _before(link: Link) -> dict[str, Region]:
    """What has to be so for the step to change anything: what is there already is not announced."""
    found: dict[str, Region] = {}
    for change in link.doing.changes:
        known = link.party.catalogue.fields.get(change.what)
        is_tag = known is not None and known.kind is Holds.TAGS and change.value is not None
        if is_tag and change.how is How.ADDS:
            without = Tagged(without=frozenset({change.value}))
            found[change.what] = Region(without, other=True, null=True)
    return found


def _told(link: Link) -> dict[str, Region]:
    """What the next rule's event is sure to say."""
    catalogue = link.next.catalogue
    found = after(link.doing, catalogue)
    for path, value in link.doing.action.tells(link.doing.given).items():
        known = catalogue.fields.get(path)
        if known is None:
            continue
        try:
            if known.kind is Holds.TAGS:
                found[path] = exactly(known, [parse(known, each) for each in value])
            else:
                found[path] = exactly(known, parse(known, value))
        except ValueError:
            continue
    return found


# --- circles ------------------------------------------------------------------------------------


def _is_possible(link: Link) -> bool:
    try:
        return not _Chain((link,)).is_impossible()
    except ConditionInvalid:
        return False


class _Circles:
    """Ways that lead from a rule back to itself, the shortest first."""

    def __init__(self, mine: Party, others: Sequence[Party]) -> None:
        self.mine = mine
        self.every = _by_trigger([mine, *others])
        self.left = MOST_LINKS
        self.kept: dict[int, list[Link]] = {}

    def links(self, party: Party) -> list[Link]:
        if id(party) not in self.kept:
            links = _links(party, self.every)
            self.kept[id(party)] = [link for link in links if _is_possible(link)]
        return self.kept[id(party)]

    def found(self) -> Iterator[_Chain]:
        ways: list[tuple[Link, ...]] = [()]
        while ways:
            longer: list[tuple[Link, ...]] = []
            for way in ways:
                here = way[-1].next if way else self.mine
                for link in self.links(here):
                    self.left -= 1
                    if self.left < 0:
                        return
                    if link.next is self.mine:
                        yield _Chain((*way, link))
                    elif len(way) + 1 < LONGEST and all(
                        link.next is not each.party for each in way
                    ):
                        longer.append((*way, link))
            ways = longer


def circles(mine: Party, others: Sequence[Party]) -> Iterator[Finding]:
    """Circles that go through this rule; the engine would stop each as a case."""
    told = 0
    seen: set[tuple[int, ...]] = set()
    for chain in _Circles(mine, others).found():
        rules = tuple(party.rule_id for party in chain.parties)
        if rules in seen or chain.is_impossible():
            continue
        seen.add(rules)
        yield _circle(chain)
        told += 1
        if told == MOST_CIRCLES:
            return


def _circle(chain: _Chain) -> Finding:
    steps = []
    for link in chain.links:
        own = link.party is chain.parties[0]
        name = "This rule" if own else f"“{link.party.name}”"
        steps.append(f"{name} will {link.doing.words}")
    way = ", which starts the next: ".join(steps)
    if len(steps) == 1:
        says = f"{way}, and that starts it again. The engine stops it there, as a case."
    else:
        says = f"{way}, which starts this rule again. The engine stops it there, as a case."
    first = chain.links[0]
    title = "It sets itself off" if len(steps) == 1 else ""
    return Finding(
        Kind.CYCLE,
        says,
        chain.parties[1:-1],
        (first.doing.uid,),
        ((first.party, first.doing),),
        chain.example(),
        title=title,
    )


# --- undone at once -------------------------------------------------------------------------------


def undone(mine: Party, other: Party) -> Iterator[Finding]:
    """What one of the two does starts the other, which takes it back."""
    for one, two in ((mine, other), (other, mine)):
        for link in _links(one, _by_trigger([two])):
            for back in two.doings:
                if back.stage or not _takes_back(link.doing, back):
                    continue
                chain = _Chain((link,))
                goals = [*chain.goals(), *two.acts(back, chain.space(1))]
                start = chain.start()
                if start is None or is_impossible(goals, start):
                    continue
                yield _undone(chain, link, back, mine)
                return


def _takes_back(one: Doing, back: Doing) -> bool:
    return any(
        clash(first, second, alike=False) is Kind.OPPOSITE
        for first in one.changes
        for second in back.changes
    )


def _undone(chain: _Chain, link: Link, back: Doing, mine: Party) -> Finding:
    one = "This rule" if link.party is mine else f"“{link.party.name}”"
    two = "this rule" if link.next is mine else f"“{link.next.name}”"
    says = f"{one} will {link.doing.words}. That starts {two}, which will {back.words}."
    other = link.next if link.party is mine else link.party
    uids = (link.doing.uid,) if link.party is mine else (back.uid,)
    both = ((link.party, link.doing),)
    return Finding(Kind.UNDOES, says, (other,), uids, both, chain.example())
