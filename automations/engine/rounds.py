"""What a lane may begin now: breaker, rate, cap, order, under the lock of the account's state."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from django.db import InterfaceError, OperationalError, transaction
from django.utils import timezone

from automations.connectors import health
from automations.connectors.kinds import Account, Trace
from automations.engine import database, doubts, outages, progress, settling, work
from automations.engine.doubts import Look
from automations.engine.execute import count_crash, let_go, worker
from automations.engine.gate import Lease, clock
from automations.engine.intents import LEASE, Intents, Sending
from automations.engine.sending import gate_of, result_of, told
from automations.models.connectors import CallLog, ConnectorState
from automations.models.runs import Run

Breaker = ConnectorState.Breaker
logger = logging.getLogger(__name__)

# No rule asks whether a connector is up again.
NO_RULE = 0
# As many are looked at when all of the last ones were kept back: parking takes no call's room.
PARKING = 500
KEPT_BACK = (Run.Parked.LIMIT, Run.Parked.CASE)
# The lanes of this process in which that was so.
_parking: set[str] = set()
# While a lane waits for a slot that another process uses, or for more to drain.
BUSY_SECONDS = 0.25

GLANCE = """
SELECT now(), (SELECT count(*) FROM automations_run
        WHERE lane = %s AND state = 'calling' AND lease_until > statement_timestamp())
    + (SELECT count(*) FROM automations_effect
        WHERE lane = %s AND state = 'in_doubt' AND looking_until > statement_timestamp()),
    EXISTS (SELECT 1 FROM automations_run
        WHERE lane = %s AND state = 'parked' AND parked_for = 'connector'),
    EXISTS (SELECT 1 FROM automations_effect
        WHERE lane = %s AND state = 'in_doubt' AND look_up_at <= statement_timestamp())
"""
ANY_DUE = """
SELECT EXISTS (SELECT 1 FROM automations_run WHERE lane = %s AND state IN ('due', 'waiting')
    AND run_after <= statement_timestamp())
"""


class Glance(NamedTuple):
    """How a lane stands: PostgreSQL's clock, calls under way in whatever process, and whether runs
    are parked for the connector or something is to be looked up."""

    now: datetime
    under_way: int
    parked: bool
    to_look_up: bool


def glance(key: str) -> Glance:
    return Glance(*database.fetch(GLANCE, key, key, key, key)[0])


@dataclass(slots=True)
class Begun:
    """What a round begins. `pause`: seconds until more may be begun; None: nothing waits."""

    sendings: list[Sending] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    pause: float | None = None
    # As many were found as were asked for: there may be more.
    more: bool = False


@dataclass(slots=True)
class _Plan:
    """What was decided under lock: which runs are noted, what is looked up, who tries."""

    note: int = 0
    ids: list[int] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    pause: float | None = None
    probe: bool = False
    ask_health: bool = False
    more: bool = False

    @property
    def moves(self) -> bool:
        """Whether something is begun, or waits for no more than its rate, its cap or a probe."""
        return bool(self.ids or self.looks or self.ask_health) or self.pause is not None


def any_due(key: str) -> bool:
    """Whether runs of a lane could be sent now, as far as their own time goes."""
    return bool(database.fetch(ANY_DUE, key)[0][0])


def begin(account: Account) -> Begun:
    """Decide what may begin now, and commit its intent."""
    with transaction.atomic():
        plan = _plan(account)
        if plan.moves:
            progress.claimed("call")
    if plan.ask_health:
        _ask_health(account)
        return Begun(pause=0.0)
    sendings = _intend(account, plan) if plan.ids else []
    if plan.probe and plan.ids and not sendings:
        plan.pause = BUSY_SECONDS
    return Begun(sendings, plan.looks, plan.pause, plan.more)


def _plan(account: Account) -> _Plan:
    seen, state = glance(account.key), health.seen(account.id)
    if state.breaker == Breaker.CLOSED and not seen.parked and not seen.to_look_up:
        return _usual(account, state, seen)
    state = health.locked(account.id)
    if account.caught:
        # It may have been down where this database comes from: nothing is asked of it here.
        plan = _usual(account, state, seen)
        state.save()
        return plan
    if health.is_down(state, seen.now):
        outages.park_due(account.key, f"{account.name} is down. {state.last_error}".strip())
        return _Plan()
    if state.breaker != Breaker.CLOSED:
        return _probe(account, state, seen.now)
    plan = _usual(account, state, seen)
    state.save()
    return plan


def _usual(account: Account, state: ConnectorState, seen: Glance) -> _Plan:
    if seen.parked:
        outages.drain(account, state, seen.now)
    room = health.room(state, account.scope, seen.under_way, seen.now)
    plan = _Plan(looks=doubts.take(account, room) if seen.to_look_up else [])
    health.take(state, len(plan.looks))
    wanted = min(room - len(plan.looks), (account.scope.cap + 1) // 2)
    if wanted > 0:
        wanted = PARKING if account.key in _parking else wanted
        plan.note, plan.ids = work.claim(worker(), wanted, account.key)
        plan.more = len(plan.ids) == wanted
    if not plan.ids and (seen.parked or any_due(account.key)):
        plan.pause = max(health.waits(state, account.scope, seen.now), BUSY_SECONDS)
    return plan


def _probe(account: Account, state: ConnectorState, now: datetime) -> _Plan:
    """One call that tries whether it is up again: a question, a look-up, or the oldest run."""
    plan = _Plan(probe=True)
    if account.connector.can_probe(account.scope):
        plan.ask_health = True
    else:
        plan.looks = doubts.take(account, 1)
        for one in plan.looks:
            one.probe = True
        if not plan.looks:
            outages.let_one_go(account.key)
            plan.note, plan.ids = work.claim(worker(), 1, account.key)
    if plan.ask_health or plan.looks or plan.ids:
        health.begin_probe(state, now)
        health.refill(state, account.scope, now)
        health.take(state, 0 if plan.ids else 1)
        state.save()
    return plan


def _intend(account: Account, plan: _Plan) -> list[Sending]:
    try:
        with transaction.atomic():
            return _in_hand(account, plan)
    except (OperationalError, InterfaceError):
        logger.exception("The database refused %s calls of %s", len(plan.ids), account.key)
        let_go(plan.note)
    except Exception:
        logger.exception("%s calls of %s broke before they began", len(plan.ids), account.key)
        count_crash(plan.note)
    return []


def _in_hand(account: Account, plan: _Plan) -> list[Sending]:
    """Counted again under lock, as another process may have begun calls meanwhile."""
    state, seen = health.locked(account.id), glance(account.key)
    if not work.hold(plan.note):
        return []
    room = health.room(state, account.scope, seen.under_way, seen.now)
    most = 1 if plan.probe else room
    works = work.load(plan.ids, account.key)
    if plan.probe or not room or account.key not in _parking:
        works = works[:most]
    sendings = Intents(account, works).take(most) if works else []
    _note_parking(account.key, works)
    for each in sendings:
        each.probe = plan.probe
    if plan.probe and not sendings:
        # The run was not to be sent any more: another one may try.
        state.probe_at = seen.now
    health.take(state, len(sendings))
    state.save()
    work.drop(plan.note)
    return sendings


def _note_parking(key: str, works: Sequence[work.Work]) -> None:
    if works and all(one.parked_for in KEPT_BACK for one in works):
        _parking.add(key)
    else:
        _parking.discard(key)


def _ask_health(account: Account) -> None:
    """Ask how it is, and count the answer."""
    trace = Trace()
    lease = Lease(0, timezone.now() + LEASE, clock() + LEASE.total_seconds())
    said: object = None
    try:
        account.connector.probe(account, trace, gate_of(account, lease, NO_RULE))
    except Exception as error:  # noqa: BLE001 - told by kind
        said = told(error, account, trace, repeats=True)
    trace.end()
    with transaction.atomic():
        state = health.locked(account.id)
        result = result_of(said, probe=True) if said is not None else health.Result(True, "", True)
        outages.noted(account, state, health.record(state, [result], timezone.now()))
        state.save()
        row = settling.entry(account, trace, said, purpose=CallLog.Purpose.PROBE)
        settling.write_log([row])
