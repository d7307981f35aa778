"""A connector that is down: its runs are put aside without burning attempts, and let go on slowly
when it is up again. Someone is told, and can do the work by hand meanwhile.
"""

from __future__ import annotations

from datetime import datetime

from django.db.models import F
from django.utils import timezone

from automations.connectors import health
from automations.connectors.kinds import Account
from automations.engine import database, work
from automations.engine.batch import fail
from automations.engine.compiled import Compiled, compiled
from automations.engine.failures import DUE, fingerprint, open_again, open_run_cases
from automations.engine.truth import Trouble
from automations.engine.work import Work
from automations.models.connectors import ConnectorAccount, ConnectorState
from automations.models.failures import Failure, FailureAction
from automations.models.runs import Run

CONNECTOR = "connector"
AT_ONCE = 500

DUE_IDS = """
SELECT id FROM automations_run WHERE lane = %s AND state = 'due'
    AND run_after <= statement_timestamp() ORDER BY run_after, id LIMIT %s
"""
# Oldest first; they keep their time, so that they also come first when they are claimed, and so
# that what waited too long can be told.
LET_GO = """
UPDATE automations_run SET state = 'due', parked_for = '' WHERE id IN (
    SELECT id FROM automations_run
    WHERE lane = %s AND state = 'parked' AND parked_for = 'connector'
    ORDER BY run_after, id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED)
"""
# One look into the index for each connector, however many runs wait.
WAITING = """
SELECT ARRAY(SELECT a.key FROM automations_connectoraccount a
    JOIN automations_connectorstate s ON s.account_id = a.id
    WHERE (s.breaker = 'closed' OR s.probe_at IS NULL OR s.probe_at <= statement_timestamp())
        AND EXISTS (SELECT 1 FROM automations_run r
            WHERE r.lane = a.key AND r.state = 'parked' AND r.parked_for = 'connector'))
"""


def put_aside(one: Work, rule: Compiled, says: str) -> Trouble | None:
    """Park a run until its connector is up; a rule may want a person at once instead."""
    if rule.document.connector_down == "hold":
        return Failure.Error.DOWN, says
    one.park(Run.Parked.CONNECTOR, says)
    return None


def park_due(key: str, says: str) -> int:
    """Put the runs aside that are due for a connector; answers how many."""
    total = 0
    while (count := _park_some(key, says)) > 0:
        total += count
        if count < AT_ONCE:
            break
    return total


def _park_some(key: str, says: str) -> int:
    ids = [row[0] for row in database.fetch(DUE_IDS, key, AT_ONCE)]
    works = work.load(ids, key) if ids else []
    documents = compiled(one.document_id for one in works)
    rules = {pk: rule for pk, rule in documents.items() if isinstance(rule, Compiled)}
    cases = []
    for one in works:
        rule = rules.get(one.document_id)
        trouble = put_aside(one, rule, says) if rule is not None else None
        if rule is None:
            one.park(Run.Parked.CONNECTOR, says)
        if trouble is not None:
            cases += fail(one, rules, trouble)
    work.write(works)
    open_run_cases(cases)
    return len(works)


def lanes_that_wait() -> list[str]:
    """The connectors for which runs are parked, and which may be called or tried now."""
    return list(database.fetch(WAITING)[0][0])


def drain(account: Account, state: ConnectorState, now: datetime) -> int:
    """Let some of the parked runs go on, at half the rate at most; answers how many."""
    count = health.may_drain(state, account.scope, now)
    if count == 0:
        return 0
    gone = database.write(LET_GO, account.key, count)
    if gone < count:
        state.drained_at = now
    return gone


def let_one_go(key: str) -> int:
    """The run that tries whether the connector is up again: the oldest that waits."""
    return database.write(LET_GO, key, 1)


# --- telling people -----------------------------------------------------------------------------


def noted(account: Account, state: ConnectorState, up: bool | None) -> None:
    """Tell people that a connector went down, or that it is up again; None: nothing changed."""
    if up is None:
        return
    if up:
        _close_case(account.key)
    else:
        _open_case(account, state)


def _open_case(account: Account, state: ConnectorState) -> None:
    now = timezone.now()
    owner = ConnectorAccount.objects.values_list("owner_id", flat=True).get(pk=account.id)
    says = f"{account.name} is down. {state.last_error}".strip()
    case = Failure(
        kind=CONNECTOR,
        key=account.key,
        error=Failure.Error.DOWN,
        cause=fingerprint(CONNECTOR, account.key),
        cause_words=f"{account.name} is down"[:300],
        says=says,
        fallback="What waits is kept and goes on by itself when the connector is up again. What "
        "can't wait is done by hand: the connector's page lists it, and takes the reference.",
        owner_id=owner,
        priority=Failure.Priority.HIGH,
        opened_at=now,
        due_at=now + DUE[Failure.Priority.HIGH],
    )
    open_again([case])


def _close_case(key: str) -> None:
    known = Failure.objects.select_for_update(no_key=True).filter(kind=CONNECTOR, key=key)
    case = known.exclude(state=Failure.State.RESOLVED).first()
    if case is None:
        return
    Failure.objects.filter(pk=case.pk).update(
        state=Failure.State.RESOLVED,
        resolution=Failure.Resolution.SOLVED,
        resolved_at=timezone.now(),
        snoozed_until=None,
        version=F("version") + 1,
    )
    FailureAction.objects.create(failure=case, verb="resolved", text="The connector is up again.")
