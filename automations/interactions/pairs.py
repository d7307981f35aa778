"""Two rules that start on the same: what they do twice, against each other, or before the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from automations.actions import Change, How
from automations.conditions.fields import Catalogue
from automations.conditions.fields import Kind as Holds
from automations.conditions.values import parse
from automations.interactions.examples import Made, exactly, first_that, made_from
from automations.interactions.findings import Acting, Finding, Kind
from automations.interactions.leaves import Alternative, Answer
from automations.interactions.parties import Doing, Party, steps_of
from automations.interactions.sets import Region, Tagged
from automations.interactions.solving import Goal, State, is_impossible
from automations.rules.document import Do, Every, Manual, On


def same_start(one: Party, two: Party) -> bool:
    """Whether both start on the same fact, go over the same records, or stand on the same page."""
    same_kind = type(one.document.trigger) is type(two.document.trigger)
    return same_kind and one.source.key == two.source.key


# --- the same rule ------------------------------------------------------------------------------


def _is_plain(party: Party) -> bool:
    return all(isinstance(step, Do) for step in party.document.steps)


def _covers(wide: Party, narrow: Party) -> bool:
    """Whether the one is sure to start on all that the other starts on."""
    return is_impossible([narrow.starts(), wide.starts(Answer.NOT_YES)])


def _same_effects(one: Party, two: Party) -> str:
    """`all` where both do exactly the same, `texts` where only texts differ, else empty."""
    steps, others = steps_of(one.document), steps_of(two.document)
    if steps == others or (_is_plain(one) and _is_plain(two) and sorted(steps) == sorted(others)):
        return "all"
    if not _is_plain(one) or not _is_plain(two) or not one.doings:
        return ""
    effects = sorted(each.effect for each in one.doings)
    return "texts" if effects == sorted(each.effect for each in two.doings) else ""


def _within(narrow: Party, wide: Party) -> bool:
    """Whether one does a part of what the other does."""
    if not _is_plain(narrow) or not _is_plain(wide) or not narrow.doings:
        return False
    effects = {each.identity for each in narrow.doings}
    return effects < {each.identity for each in wide.doings}


def _same_policies(one: Party, two: Party) -> bool:
    return all(
        getattr(one.document, name) == getattr(two.document, name)
        for name in ("trigger", "missing_data", "limits", "connector_down", "latency")
    )


def duplicates(mine: Party, other: Party) -> Finding | None:
    """That one of them could go; None where neither could."""
    same = _same_effects(mine, other)
    if (same or _within(mine, other) or _within(other, mine)) and is_impossible([other.starts()]):
        return None
    if same:
        covered, covers = _covers(other, mine), _covers(mine, other)
        if covered and covers:
            return _equal(mine, other, same)
        if covered:
            return _near(mine, other, f"Whatever starts this rule starts “{other.name}” as well")
        if covers:
            return _near(mine, other, f"Whatever starts “{other.name}” starts this rule as well")
        return None
    says = ""
    if _within(mine, other) and _covers(other, mine):
        says = f"“{other.name}” does all that this rule does, and more"
    elif _within(other, mine) and _covers(mine, other):
        says = f"This rule does all that “{other.name}” does, and more"
    return _near(mine, other, says, same=False) if says else None


def _know_alike(one: Party, two: Party) -> bool:
    """Whether what the one can't judge the other can't either."""
    return is_impossible([one.starts(Answer.NO), two.starts(Answer.NOT_NO)]) and is_impossible(
        [two.starts(Answer.NO), one.starts(Answer.NOT_NO)]
    )


def _equal(mine: Party, other: Party, same: str) -> Finding:
    if same == "all" and _same_policies(mine, other):
        if not _know_alike(mine, other):
            says = (
                f"“{other.name}” starts on the same events and does the same. Only what it makes "
            )
            return _about(Kind.NEAR, f"{says}of missing values differs.", mine, other)
        says = f"“{other.name}” starts on the same events and does the same. One of them is enough."
        return _about(Kind.DUPLICATE, says, mine, other)
    differ = "Only their texts differ." if same == "texts" else ""
    if same == "all":
        differ = "Only their limits, their schedule or what they do in trouble differ."
    says = f"“{other.name}” asks the same and does the same. {differ}"
    return _about(Kind.NEAR, says, mine, other)


def _near(mine: Party, other: Party, says: str, *, same: bool = True) -> Finding:
    end = ", and both do the same." if same else " on the same events."
    return _about(Kind.NEAR, says + end, mine, other)


def _about(kind: Kind, says: str, mine: Party, other: Party) -> Finding:
    both: tuple[Acting, ...] = ((mine, None), (other, None))
    goals = [mine.starts(), other.starts()]
    return Finding(kind, says, (other,), both=both, example=shared(both, goals), proven=True)


def shared(
    both: Sequence[Acting], goals: Sequence[Goal], start: Alternative | None = None
) -> Made | None:
    """An event on which all of these act, held against their conditions; None: none was found."""
    now, catalogue = datetime.now().astimezone(), both[0][0].catalogue

    def fits(state: State) -> Made | None:
        made = made_from(state, catalogue, now)
        if made is None or not _all_act(both, made, now):
            return None
        return made

    return first_that(goals, fits, start)


def _all_act(both: Sequence[Acting], made: Made, now: datetime) -> bool:
    return all(party.does(doing, made.facts, made.lists, now) for party, doing in both)


# --- what they do to the same thing ---------------------------------------------------------------


def clash(one: Change, two: Change, *, alike: bool) -> Kind | None:
    """What it comes to when both happen to one subject; `alike`: their parameters are the same."""
    if one.what != two.what or one.follows or two.follows:
        return None
    known = one.value is not None and two.value is not None
    if {one.how, two.how} == {How.ADDS, How.TAKES}:
        every = one.every or two.every
        return Kind.OPPOSITE if every or (known and one.value == two.value) else None
    if one.how is not two.how or one.how is How.MAKES:
        return Kind.TWICE if one.how is two.how else None
    if alike or (known and one.value == two.value) or (one.every and two.every):
        return Kind.SAME
    if one.how is not How.SETS:
        return None
    return Kind.OPPOSITE if known and isinstance(one.value, bool) else Kind.SAME_FIELD


def conflicts(mine: Party, other: Party) -> Iterator[Finding]:
    """What both do to the same thing of one subject, at about the same time."""
    if isinstance(mine.document.trigger, Manual):
        return
    told: set[tuple[Kind, str]] = set()
    for first in mine.doings:
        for second in other.doings:
            if first.stage != second.stage:
                continue
            for kind, change in _clashes(first, second):
                if (kind, change.what) in told or (kind is Kind.SAME and _is_repeated(mine)):
                    continue
                found = _conflict(kind, change, (mine, first), (other, second))
                if found is not None:
                    told.add((kind, change.what))
                    yield found


def _is_repeated(party: Party) -> bool:
    """A schedule finds what was done before at its next slot anyway."""
    return isinstance(party.document.trigger, Every)


def _clashes(first: Doing, second: Doing) -> Iterator[tuple[Kind, Change]]:
    alike = first.identity == second.identity
    for one in first.changes:
        for two in second.changes:
            if (kind := clash(one, two, alike=alike)) is not None:
                yield kind, one


def _conflict(
    kind: Kind, change: Change, mine: tuple[Party, Doing], other: tuple[Party, Doing]
) -> Finding | None:
    goals = [*mine[0].acts(mine[1]), *other[0].acts(other[1])]
    both = (mine, other)
    example = shared(both, goals)
    if example is None and is_impossible(goals):
        return None
    says = _conflict_words(kind, change, mine, other)
    return Finding(kind, says, (other[0],), (mine[1].uid,), both, example)


def _conflict_words(
    kind: Kind, change: Change, mine: tuple[Party, Doing], other: tuple[Party, Doing]
) -> str:
    does, also, name = mine[1].words, other[1].words, other[0].name
    on = "On one record" if _is_repeated(mine[0]) else "On one event"
    if kind is Kind.TWICE:
        return f"{on} both make {change.words}: “{name}” too will {also}."
    if kind is Kind.SAME:
        says = f"{on} this rule and “{name}” both {does}."
        return f"{says} Whichever is later has nothing left to do."
    if kind is Kind.OPPOSITE:
        return f"{on} this rule will {does}, and “{name}” will {also}."
    says = f"{on} this rule will {does}, and “{name}” will {also}."
    last = max(mine[0], other[0], key=lambda party: party.place)
    # What the first has set may keep the second from acting at all.
    if _is_repeated(last) or change.what in last.reads:
        return says
    called = "This rule" if last is mine[0] else f"“{name}”"
    return f"{says} {called} acts last, so its value stays."


# --- what one takes away from the other -----------------------------------------------------------


def after(doing: Doing, catalogue: Catalogue) -> dict[str, Region]:
    """What fields are sure to be once a step is done, by path."""
    found: dict[str, Region] = {}
    for change in doing.changes:
        known = catalogue.fields.get(change.what)
        if known is None or change.value is None:
            continue
        if known.kind is Holds.TAGS:
            tag = frozenset({change.value})
            added = change.how is How.ADDS
            found[change.what] = Region(Tagged(must=tag) if added else Tagged(without=tag))
        elif change.how is How.SETS:
            try:
                found[change.what] = exactly(known, parse(known, change.value))
            except ValueError:
                continue
    return found


def starts_on_facts(*parties: Party) -> bool:
    return all(isinstance(party.document.trigger, On) for party in parties)
