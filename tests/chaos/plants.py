"""Bugs planted on purpose: a harness that finds none of these proves nothing.

Each is loaded into the processes by an environment variable, or is a key dropped in the one
database, or both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import connection, transaction

from automations import tasks
from automations.actions import InDoubt, RetryLater
from automations.engine import (
    calls,
    crashes,
    doubts,
    effects,
    gate,
    in_force,
    match,
    outside,
    settling,
    sweep,
    wake,
    work,
)
from automations.engine.in_force import Stopped
from tests.chaos.swapping import cut, swap

VARIABLE = "CHAOS_PLANTED"
# So long a window stands open that is closed in the product.
OPEN_SECONDS = 2.0
LEASE_KEPT = " AND r.lease_token IS NOT DISTINCT FROM v.token"
INTENT_KEPT = "AND e.state = 'intent' AND e.token = v.token"


@dataclass(frozen=True, slots=True)
class Plant:
    """One bug: the trial that shows it, words of what has to be found, the keys it drops.

    `moment`: a query that finds something as soon as a kill does the most harm.
    """

    trial: str
    finds: str
    spoil: Callable[[], None]
    drops: tuple[str, ...] = ()
    moment: str = ""


def _nothing() -> None:
    """Only a key is dropped."""


# --- events and runs ----------------------------------------------------------------------------


def _acknowledge_before_commit() -> None:
    """Events are off the list before their runs are there."""

    def matched(limit: int) -> int:
        with transaction.atomic():
            at = in_force.moment()
            taken = match.claim(limit, at.rules.triggers)
        if taken:
            time.sleep(OPEN_SECONDS)
        with transaction.atomic():
            if match.insert(match.judge(match.told(taken), in_force.moment())):
                wake.soon("execute")
        return len(taken)

    swap(match, "_match", matched)


def _match_by_watermark() -> None:
    """What is newer than the newest seen is matched, instead of what waits."""
    seen = 0

    def told(rows: Sequence[Any]) -> Any:
        nonlocal seen
        newer = [event for event in tell(rows) if event.id > seen]
        seen = max([seen, *(row[0] for row in rows)])
        return newer

    tell = swap(match, "told", told)


def _no_run_key() -> None:
    cut(match, "INSERT", "ON CONFLICT (id) DO NOTHING ")


def _ignore_wakes() -> None:
    """Messages are taken, and nobody looks for work."""
    swap(tasks, "drain", lambda *given, **named: 0)


def _no_sweep() -> None:
    swap(sweep, "sweep", lambda: None)


def _wait_for_ever() -> None:
    cut(work, "DUE", ", 'waiting'")


# --- inside -------------------------------------------------------------------------------------


def _record_before_change() -> None:
    """The record of an effect is committed before the change that it tells of."""

    @cache
    def apart() -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1)

    def claimed(*given: Any) -> Any:
        # Connected before anybody can see that work has begun: the kill comes soon after.
        apart().submit(connection.ensure_connection).result()
        return claim(*given)

    def committed(targets: Any, action: str) -> Any:
        return apart().submit(take, targets, action).result()

    def slowly(action: Any, several: Any) -> Any:
        time.sleep(OPEN_SECONDS)
        return call(action, several)

    claim = swap(work, "claim", claimed)
    take = swap(effects, "take", committed)
    call = swap(calls, "call", slowly)


def _forget_dead_workers() -> None:
    swap(crashes, "find", list)


def _ignore_stops() -> None:
    swap(in_force, "_stopped", lambda *found: Stopped(frozenset(), frozenset(), False))


# --- outside ------------------------------------------------------------------------------------


def _send_again_in_doubt() -> None:
    """What is in doubt is simply sent again."""

    def sent(one: Any) -> Any:
        over = send(one)
        if isinstance(over.said, InDoubt):
            over.said = RetryLater(str(over.said))
        return over

    send = swap(outside, "send", sent)


def _open_no_case() -> None:
    """What is in doubt is written down and shown to nobody."""
    for module in (settling, doubts):
        swap(module, "open_run_cases", lambda cases: None)


def _unfenced() -> None:
    swap(settling, "_still_ours", lambda over: {sent.sending.work.id for sent in over})
    cut(work, "WRITE", LEASE_KEPT)
    cut(settling, "SETTLE", INTENT_KEPT)


def _no_lease_check() -> None:
    """Nobody asks at the gate whether the lease still stands."""

    def passed(*given: Any) -> None:
        if gate.watch().look().stopped is None:
            raise gate.NotSent("It could not be asked.")

    swap(gate, "pass_through", passed)


def _settle_twice() -> None:
    """What came of a call is written again, as if it had not been."""

    def settle(account: Any, over: Any) -> None:
        once(account, over)
        once(account, over)

    _unfenced()
    once = swap(settling, "settle", settle)


def _never_expire() -> None:
    """Calls whose worker is gone stay under way."""
    swap(doubts, "expire", lambda: 0)


LOST = "have no run under a rule they match"
STUCK = "Runs are stuck"
WAIT = "Events wait to be matched"
PLANTS: dict[str, Plant] = {
    "acknowledge_before_commit": Plant("killed", LOST, _acknowledge_before_commit),
    "record_before_change": Plant(
        "killed",
        "An effect is recorded and was not taken",
        _record_before_change,
        moment="SELECT 1 FROM automations_effect",
    ),
    "forget_dead_workers": Plant("killed", "Notes of dead workers remain", _forget_dead_workers),
    "match_by_watermark": Plant("overlapping", LOST, _match_by_watermark),
    "no_run_key": Plant("again", "has two runs under one rule", _no_run_key, ("automations_run",)),
    "no_effect_key": Plant(
        "again", "An internal effect was taken twice", _nothing, ("automations_effect",)
    ),
    "ignore_wakes": Plant("waiting", WAIT, _ignore_wakes),
    "no_sweep": Plant("waiting", STUCK, _no_sweep),
    "wait_for_ever": Plant("waiting", STUCK, _wait_for_ever),
    "ignore_stops": Plant("stopped", "A stopped rule went on acting", _ignore_stops),
    "send_again_in_doubt": Plant("doubtful", "acted twice for one effect", _send_again_in_doubt),
    "open_no_case": Plant("doubtful", "in doubt and no case shows it", _open_no_case),
    "settle_twice": Plant(
        "doubtful", "recorded as done twice", _settle_twice, ("automations_steprun",)
    ),
    "unfenced": Plant(
        "late_answer", "a stale write was taken", _unfenced, ("automations_steprun",)
    ),
    "no_lease_check": Plant("late_start", "sent after its lease had ended", _no_lease_check),
    "never_expire": Plant("lost_call", STUCK, _never_expire),
}
