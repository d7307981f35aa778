"""Records that a case blocks: what is known of them is old, or two systems disagree about it.

Steps that spend money or reach customers are kept back until the case is closed. The case opens
under the record's lock, and a batch asks under the same lock: no step slips in between.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from django.db import transaction

from automations.cases import Tie, cases, ties
from automations.engine import database, wake
from automations.engine.work import Work
from automations.models.runs import Run

Subject = tuple[str, int]
Wanted = Mapping[str, Iterable[int]]
PAGE = 1_000

# One look into an index that holds the open cases alone; whatever else it may hang on is asked
# only where something of that kind is blocked at all.
OPEN = """
SELECT subject, subject_id, id, cause_words FROM automations_failure
WHERE blocks AND state <> 'resolved' AND subject = ANY(%s) AND subject_id = ANY(%s::bigint[])
"""
ANY_ABOVE = """
UNION ALL (SELECT subject, NULL, NULL, NULL FROM automations_failure
    WHERE blocks AND state <> 'resolved' AND subject = ANY(%s) LIMIT 1)
"""
KEPT = """
SELECT id, subject, subject_id FROM automations_run
WHERE state = 'parked' AND parked_for = 'case' AND id > %s
ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
GO_ON = """
UPDATE automations_run SET state = 'due', outcome = '', parked_for = '',
    run_after = statement_timestamp()
WHERE id = ANY(%s::bigint[]) RETURNING lane
"""
# How often this thread opened a case that blocks: what a batch has asked may be old then.
_mine = threading.local()


class Block(NamedTuple):
    """The case that blocks a record, and what it is about."""

    case_id: int
    says: str


def came_up() -> None:
    """A case that blocks was opened in this thread: batches in hand look again."""
    _mine.count = _so_far() + 1


def _so_far() -> int:
    return int(getattr(_mine, "count", 0))


class Blocks:
    """What is blocked of a batch's records: asked once, and only when a step has to know.

    What hangs on another record is asked anew each time, as nobody here holds that one's lock.
    """

    def __init__(self, works: Sequence[Work]) -> None:
        self._works = works
        self._known: dict[Subject, Block] = {}
        self._as_of = -1

    def keep_back(self, works: Iterable[Work]) -> None:
        """Park those whose record is blocked, but shadows: they take no effect."""
        works = [one for one in works if not one.shadow]
        if not works:
            return
        if self._as_of != _so_far() or any(one.subject in _ties() for one in works):
            self._as_of = _so_far()
            self._known = blocked(by_label((one.subject, one.subject_id) for one in self._works))
        for one in works:
            if (block := self._known.get((one.subject, one.subject_id))) is not None:
                one.park(Run.Parked.CASE, f"Waits for case {block.case_id}: {block.says}")


def by_label(found: Iterable[Subject]) -> dict[str, set[int]]:
    """Records by their label."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for label, pk in found:
        wanted[label].add(pk)
    return wanted


@cache
def _blockable() -> frozenset[str]:
    return frozenset(kind.subject for kind in cases if kind.blocks)


@cache
def _ties() -> Mapping[str, Sequence[Tie]]:
    found: dict[str, list[Tie]] = defaultdict(list)
    for tie in ties:
        if tie.to in _blockable():
            found[tie.subject].append(tie)
    return found


def blocked(wanted: Wanted) -> dict[Subject, Block]:
    """Those of these records that an open case blocks, by themselves or by what they hang on."""
    labels = [label for label in wanted if label in _blockable()]
    tied = [(tie, set(wanted[label])) for label in wanted for tie in _ties().get(label, ())]
    if not labels and not tied:
        return {}
    ids = database.ids({pk for label in labels for pk in wanted[label]})
    above = sorted({tie.to for tie, _ in tied})
    rows = database.fetch(OPEN + ANY_ABOVE if above else OPEN, labels, ids, *[above] * bool(above))
    found = {
        (label, pk): Block(case_id, says)
        for label, pk, case_id, says in rows
        if pk is not None and pk in wanted[label]
    }
    if any(row[1] is None for row in rows):
        _add_tied(found, tied)
    return found


def _add_tied(found: dict[Subject, Block], tied: Sequence[tuple[Tie, set[int]]]) -> None:
    hanging = [(tie, tie.of(ids)) for tie, ids in tied]
    owners = by_label((tie.to, pk) for tie, on in hanging for pk in on.values())
    above = blocked(owners)
    for tie, on in hanging:
        for pk, owner in on.items():
            if (block := above.get((tie.to, owner))) is not None:
                found.setdefault((tie.subject, pk), block)


def release_soon() -> None:
    """Let go on, once this is committed, what closed cases kept back."""
    waiting = transaction.get_connection().run_on_commit
    if not any(entry[1] is release for entry in waiting):
        transaction.on_commit(release, robust=True)


def release() -> int:
    """Let the runs go on whose record nothing blocks any more; answers how many.

    They are asked "still true?" like any other. The sweep calls this too: a run that was parked
    while its case was being closed is found then.
    """
    total, after = 0, 0
    while True:
        with transaction.atomic():
            kept = database.fetch(KEPT, after, PAGE)
            total += _go_on(kept)
        if len(kept) < PAGE:
            return total
        after = kept[-1][0]


def _go_on(kept: Sequence[tuple[int, str, int]]) -> int:
    if not kept:
        return 0
    still = blocked(by_label((label, pk) for _, label, pk in kept))
    free = [run_id for run_id, label, pk in kept if (label, pk) not in still]
    lanes = {row[0] for row in database.fetch(GO_ON, database.ids(free))} if free else set()
    for lane in lanes:
        if lane:
            wake.soon("call", lane)
        else:
            wake.soon("execute")
    return len(free)
