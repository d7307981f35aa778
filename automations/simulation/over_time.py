"""How many records rules that start on different facts have both come to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from automations.cases import ties
from automations.interactions.findings import Finding
from automations.interactions.over_time import one_record
from automations.interactions.parties import Doing, Party
from automations.rules.document import On
from automations.simulation.recent import Newest

# Of more records than this all events of the other trigger are read.
MOST_SUBJECTS = 5_000


class _Pair(NamedTuple):
    """A step of the rule and one of another, of the finding at this place."""

    place: int
    doing: Doing
    other: Party
    also: Doing


class Records(NamedTuple):
    """The records both came to, by id, each with what started the rule there; those of each rule.

    `at_least`: not all could be looked at.
    """

    both: Mapping[int, int]
    of_rules: Mapping[int, int]
    at_least: bool


def on_record(findings: Sequence[Finding], mine: Party, ends: float) -> list[Records | None]:
    """What the last days hold of each finding; None of those that no stored event tells of."""
    pairs = [pair for place, each in enumerate(findings) for pair in _pairs(place, each, mine)]
    if not pairs:
        return [None] * len(findings)
    started, complete = _mine(mine, pairs, ends)
    both: dict[int, dict[int, int]] = defaultdict(dict)
    of_rules: dict[int, dict[int, set[int]]] = defaultdict(lambda: defaultdict(set))
    by_trigger: dict[str, list[_Pair]] = defaultdict(list)
    for pair in pairs:
        by_trigger[pair.other.source.key].append(pair)
    for several in by_trigger.values():
        complete &= _others(mine, several, started, ends, both, of_rules)
    return [
        Records(
            both[place],
            {rule_id: len(known) for rule_id, known in of_rules[place].items()},
            not complete or len(each.both) > 2 * sum(pair.place == place for pair in pairs),
        )
        if any(pair.place == place for pair in pairs)
        else None
        for place, each in enumerate(findings)
    ]


def _pairs(place: int, finding: Finding, mine: Party) -> Iterator[_Pair]:
    """Those that start on facts; what schedules go over was written down nowhere."""
    for (_, doing), (other, also) in zip(finding.both[::2], finding.both[1::2], strict=True):
        if doing is None or also is None:
            continue
        if all(isinstance(each.document.trigger, On) for each in (mine, other)):
            yield _Pair(place, doing, other, also)


def _mine(
    mine: Party, pairs: Sequence[_Pair], ends: float
) -> tuple[dict[str, dict[int, int]], bool]:
    """By step, the records that the rule would have come to, each with the newest such event."""
    doings = {pair.doing.uid: pair.doing for pair in pairs}
    started: dict[str, dict[int, int]] = {uid: {} for uid in doings}
    events = Newest([(mine, doing) for doing in doings.values()], ends)
    for told in events:
        for uid, doing in doings.items():
            if mine.does(doing, told.facts, told.lists, told.at):
                started[uid].setdefault(told.subject_id, told.id)
    return started, events.complete


def _others(
    mine: Party,
    pairs: Sequence[_Pair],
    started: Mapping[str, Mapping[int, int]],
    ends: float,
    both: Mapping[int, dict[int, int]],
    of_rules: Mapping[int, Mapping[int, set[int]]],
) -> bool:
    """Note the records that rules of one trigger came to as well; answers whether all were read."""
    label, root = pairs[0].other.source.subject, one_record(mine, pairs[0].other)
    owned = {uid: _by_owner(mine.source.subject, root, known) for uid, known in started.items()}
    subjects = {pk for pair in pairs for pk in owned[pair.doing.uid]}
    if not subjects:
        return True
    few = label == root and len(subjects) <= MOST_SUBJECTS
    actings = [(pair.other, pair.also) for pair in pairs]
    events = Newest(actings, ends, only=len(pairs) == 1, subjects=subjects if few else None)
    came: dict[int, set[int]] = defaultdict(set)
    for told in events:
        for number, pair in enumerate(pairs):
            if told.subject_id in came[number]:
                continue
            if pair.other.does(pair.also, told.facts, told.lists, told.at):
                came[number].add(told.subject_id)
    owners = _owners(label, root, {pk for known in came.values() for pk in known})
    for number, pair in enumerate(pairs):
        mine_there = owned[pair.doing.uid]
        for pk in {owners[each] for each in came[number] if each in owners} & mine_there.keys():
            both[pair.place][pk] = mine_there[pk]
            of_rules[pair.place][pair.other.rule_id].add(pk)
    return events.complete


def _owners(label: str, root: str, ids: Iterable[int]) -> Mapping[int, int]:
    """What each of these records hangs on; itself where it is of the kind that is asked for."""
    if label == root:
        return {pk: pk for pk in ids}
    tie = next(each for each in ties if (each.subject, each.to) == (label, root))
    return tie.of(ids)


def _by_owner(label: str, root: str, events: Mapping[int, int]) -> dict[int, int]:
    owners, found = _owners(label, root, events), dict[int, int]()
    for pk, event_id in events.items():
        if pk in owners:
            found[owners[pk]] = max(event_id, found.get(owners[pk], 0))
    return found
