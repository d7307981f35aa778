"""Records that a case blocks: what is known of them is old, or two systems disagree about it.

Steps that spend money or reach customers are kept back until the case is closed. The case opens
under the record's lock, and a batch asks under the same lock: no step slips in between.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import NamedTuple

from django.db import transaction

from automations.cases import Tie, cases, ties
from automations.engine import database, wake
from automations.engine.work import Work
from automations.models.runs import Run

Subject = tuple[str, int]
Wanted = Mapping[str, Iterable[int]]
# A run, and the record that it is about.
Kept = tuple[int, str, int]
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
# What these cases keep back, through an index that holds nothing else.
KEPT = """
SELECT id, subject, subject_id FROM automations_run
WHERE state = 'parked' AND parked_for = 'case' AND kept_by = ANY(%s::bigint[]) AND id > %s
ORDER BY id LIMIT %s
"""
# Cases that still keep something back and are closed by now.
CLOSED = """
SELECT DISTINCT r.kept_by FROM automations_run r
WHERE r.state = 'parked' AND r.parked_for = 'case' AND NOT EXISTS (
    SELECT 1 FROM automations_failure f
    WHERE f.id = r.kept_by AND f.blocks AND f.state <> 'resolved')
"""
STILL_OPEN = """
SELECT id FROM automations_failure WHERE id = ANY(%s::bigint[]) AND blocks AND state <> 'resolved'
"""
ONE_BY_ONE = """
SELECT id, subject, subject_id, kept_by FROM automations_run
WHERE state = 'parked' AND parked_for = 'case' AND (kept_by, id) > (%s, %s)
ORDER BY kept_by, id LIMIT %s
"""
HELD = """
SELECT id FROM automations_run
WHERE id = ANY(%s::bigint[]) AND state = 'parked' AND parked_for = 'case'
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
"""
GO_ON = f"""
WITH held AS ({HELD})
UPDATE automations_run r SET state = 'due', outcome = '', parked_for = '', kept_by = NULL,
    run_after = statement_timestamp()
FROM held WHERE r.id = held.id RETURNING r.lane
"""  # noqa: S608
STAY = f"""
WITH held AS ({HELD})
UPDATE automations_run r SET kept_by = v.kept_by, outcome = v.outcome
FROM held JOIN json_to_recordset(%s::json) AS v(id bigint, kept_by bigint, outcome text)
    ON v.id = held.id WHERE r.id = held.id
"""  # noqa: S608
# How often this thread opened a case that blocks: what a batch has asked may be old then.
_mine = threading.local()


class Block(NamedTuple):
    """The case that blocks a record, and what it is about."""

    case_id: int
    says: str

    @property
    def waits(self) -> str:
        """What a run that is kept back says."""
        return f"Waits for case {self.case_id}: {self.says}"


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
        parked: set[int] = set()
        for one in works:
            if (block := self._known.get((one.subject, one.subject_id))) is not None:
                one.park(Run.Parked.CASE, block.waits, block.case_id)
                parked.add(block.case_id)
        if parked:
            _afterwards(_look_again, parked)


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


# --- what closed cases let go -------------------------------------------------------------------


class _Afterwards:
    """Does something about cases, once what is going on is committed."""

    def __init__(self, do: Callable[[Iterable[int]], object], case_ids: Iterable[int]) -> None:
        self.do, self.cases = do, set(case_ids)
        # What Django calls it, should it fail.
        self.__qualname__ = do.__qualname__

    def __call__(self) -> None:
        self.do(self.cases)


def _afterwards(do: Callable[[Iterable[int]], object], case_ids: Iterable[int]) -> None:
    """Do it once for all of a transaction's cases."""
    for entry in transaction.get_connection().run_on_commit:
        known = entry[1]
        if isinstance(known, _Afterwards) and known.do is do:
            known.cases.update(case_ids)
            return
    transaction.on_commit(_Afterwards(do, case_ids), robust=True)


def release_soon(case_ids: Iterable[int]) -> None:
    """Let go on, once this is committed, what these closed cases kept back."""
    _afterwards(release_of, case_ids)


def _look_again(case_ids: Iterable[int]) -> None:
    """Whoever closed one of these meanwhile could not see yet what was parked for it."""
    cases = set(case_ids)
    release_of(cases - {row[0] for row in database.fetch(STILL_OPEN, database.ids(cases))})


def release_of(case_ids: Iterable[int]) -> int:
    """Let go on what these cases kept back and nothing else does; answers how many.

    They are asked "still true?" like any other.
    """
    total, after, cases = 0, 0, sorted(case_ids)
    while cases:
        with transaction.atomic():
            kept = database.fetch(KEPT, cases, after, PAGE)
            total += _go_on(kept)
        if len(kept) < PAGE:
            break
        after = kept[-1][0]
    return total


def release() -> int:
    """Let go on what no open case keeps back any more; answers how many. The sweep calls this.

    Whoever closes a case, and whoever parks for it, look by themselves: this finds what a worker
    left that died in between, and records that hang on another one by now.
    """
    return release_of(row[0] for row in database.fetch(CLOSED)) + _moved()


def _go_on(kept: Sequence[Kept]) -> int:
    if not kept:
        return 0
    still = blocked(by_label((label, pk) for _, label, pk in kept))
    blocks = {run_id: still.get((label, pk)) for run_id, label, pk in kept}
    stay = {run_id: block for run_id, block in blocks.items() if block is not None}
    if stay:
        rows = [
            {"id": run_id, "kept_by": block.case_id, "outcome": block.waits}
            for run_id, block in stay.items()
        ]
        database.write(STAY, database.ids(stay), database.rows(rows))
        _afterwards(_look_again, {block.case_id for block in stay.values()})
    return _let_go(blocks.keys() - stay.keys())


def _let_go(free: Collection[int]) -> int:
    lanes = [row[0] for row in database.fetch(GO_ON, database.ids(free))] if free else []
    for lane in set(lanes):
        if lane:
            wake.soon("call", lane)
        else:
            wake.soon("execute")
    return len(lanes)


# How far this process has come, over and over: the case and the run.
_place = (0, 0)


def _moved() -> int:
    """A page of all that is kept back: a ticket that is of another order by now is not any more."""
    global _place
    kept = database.fetch(ONE_BY_ONE, *_place, PAGE)
    _place = (kept[-1][3], kept[-1][0]) if len(kept) == PAGE else (0, 0)
    if not kept:
        return 0
    with transaction.atomic():
        still = blocked(by_label((label, pk) for _, label, pk, _ in kept))
        return _let_go([run_id for run_id, label, pk, _ in kept if (label, pk) not in still])
