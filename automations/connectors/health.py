"""Whether an account may be called now, and how much: breaker and token bucket, one row of
PostgreSQL, locked by whoever takes calls.

Written here rather than taken from a library: those that are kept up hold their state in one
process or in Redis. All workers, screens and people have to see the same state, it has to survive
an emptied Redis, and it changes in the transaction that takes or settles calls.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from automations.connectors.scope import Scope
from automations.models.connectors import ConnectorState

OPEN_AFTER = 5
WINDOW = 20
OPEN_SHARE = 0.5
PROBE_EVERY = timedelta(seconds=30)
# Of the rate, what waited may use after a connector came up again.
DRAIN_SHARE = 0.5
# A 429 that names no time: so long at first, doubling, at most this.
PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)

Breaker = ConnectorState.Breaker


@dataclass(frozen=True, slots=True)
class Result:
    """How one call went: `ok` None says nothing about the connector."""

    ok: bool | None
    says: str = ""
    probe: bool = False
    # The other side asked for fewer calls; None: it named no time.
    throttled: bool = False
    after: timedelta | None = None


def seen(account_id: int) -> ConnectorState:
    """An account's state as it stands, for a first look."""
    return ConnectorState.objects.get(account_id=account_id)


def locked(account_id: int) -> ConnectorState:
    """An account's state, locked until the transaction ends."""
    rows = ConnectorState.objects.select_for_update(no_key=True)
    return rows.get(account_id=account_id)


# --- how much -----------------------------------------------------------------------------------


def refill(state: ConnectorState, scope: Scope, now: datetime) -> float:
    """Put into the bucket what has come in since; answers how much is in it."""
    if state.tokens is None or state.tokens_at is None:
        state.tokens = float(scope.burst)
    else:
        seconds = max(0.0, (now - state.tokens_at).total_seconds())
        state.tokens = min(float(scope.burst), state.tokens + seconds * scope.per_second)
    state.tokens_at = now
    return state.tokens


def take(state: ConnectorState, calls: int) -> None:
    """These calls are about to be made; `refill` came before."""
    state.tokens = (state.tokens or 0.0) - calls


def waits(state: ConnectorState, scope: Scope, now: datetime) -> float:
    """Seconds until a call may be made, as far as rate and Retry-After go; 0: now."""
    if state.not_before is not None and state.not_before > now:
        return (state.not_before - now).total_seconds()
    missing = 1.0 - refill(state, scope, now)
    return max(0.0, missing / scope.per_second)


def room(state: ConnectorState, scope: Scope, calling: int, now: datetime) -> int:
    """How many calls may begin now, `calling` being under way; the breaker is not asked."""
    if waits(state, scope, now) > 0:
        return 0
    return max(0, min(scope.cap - calling, int(state.tokens or 0.0)))


# --- whether at all -----------------------------------------------------------------------------


def is_down(state: ConnectorState, now: datetime) -> bool:
    """Whether calls have to wait; False too when the time has come to try one."""
    if state.breaker == Breaker.CLOSED:
        return False
    return state.probe_at is not None and state.probe_at > now


def begin_probe(state: ConnectorState, now: datetime) -> bool:
    """Whether the call about to be made tries if the connector is up again."""
    if state.breaker == Breaker.CLOSED:
        return False
    # Whoever tries may die: then the next one tries after the same time.
    state.breaker, state.probe_at = Breaker.HALF_OPEN, now + PROBE_EVERY
    return True


def record(state: ConnectorState, results: Iterable[Result], now: datetime) -> bool | None:
    """Count how calls went, in their order.

    Answers True when the connector is found up again, False when it is found down, None otherwise.
    """
    changed: bool | None = None
    for result in results:
        _throttle(state, result, now)
        if result.ok is None:
            continue
        if result.ok:
            state.last_ok_at = now
        else:
            state.last_error_at, state.last_error = now, result.says
        found = _count(state, result, now)
        changed = changed if found is None else found
    return changed


def _throttle(state: ConnectorState, result: Result, now: datetime) -> None:
    if result.throttled:
        state.throttled += 1
        pause = result.after or min(PAUSE * 2 ** min(state.throttled - 1, 20), LONGEST_PAUSE)
        state.not_before = max(state.not_before or now, now + pause)
    elif result.ok:
        state.throttled = 0


def _count(state: ConnectorState, result: Result, now: datetime) -> bool | None:
    if state.breaker != Breaker.CLOSED:
        # What was under way when it opened says nothing about now.
        return _settle_probe(state, result, now) if result.probe else None
    state.failures = 0 if result.ok else state.failures + 1
    state.recent = (state.recent + ("1" if result.ok else "0"))[-WINDOW:]
    failed = state.recent.count("0")
    often = len(state.recent) == WINDOW and failed >= WINDOW * OPEN_SHARE
    if result.ok or (state.failures < OPEN_AFTER and not often):
        return None
    _open(state, now)
    return False


def _settle_probe(state: ConnectorState, result: Result, now: datetime) -> bool | None:
    if not result.ok:
        state.breaker, state.probe_at = Breaker.OPEN, now + PROBE_EVERY
        return None
    state.breaker, state.opened_at, state.probe_at = Breaker.CLOSED, None, None
    state.failures, state.recent, state.drained_at = 0, "", now
    return True


def _open(state: ConnectorState, now: datetime) -> None:
    state.breaker, state.opened_at, state.probe_at = Breaker.OPEN, now, now + PROBE_EVERY
    state.recent = ""


def may_drain(state: ConnectorState, scope: Scope, now: datetime) -> int:
    """How many parked runs may go on now: half the rate at most, so that new work comes through."""
    rate = scope.per_second * DRAIN_SHARE
    since = state.drained_at or now
    count = int((now - since).total_seconds() * rate)
    # What was not used up while nobody drained is not made up for.
    most = max(1, int(scope.burst * DRAIN_SHARE))
    if count > most:
        count, state.drained_at = most, now
    else:
        state.drained_at = since + timedelta(seconds=count / rate)
    return count
