"""The second transaction of a step outside: what came of a set of calls, fenced by their tokens.

An effect ends CONFIRMED, FAILED (certainly not done) or IN DOUBT. An answer that comes after its
lease has ended changes nothing: by then a person may have decided. It is logged, and the case
shows it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from automations.actions import ConnectorDown, InDoubt, TooMany
from automations.connectors import health
from automations.connectors.kinds import Account, Answer, Trace
from automations.engine import calls, database, outages, steps, wake, work
from automations.engine.batch import fail
from automations.engine.failures import RunCase, open_run_cases, resolve_run_cases
from automations.engine.gate import NotSent
from automations.engine.sending import Sent, outcome_of
from automations.engine.truth import Trouble
from automations.engine.work import Work
from automations.models.connectors import CallLog
from automations.models.runs import Effect, Run, StepRun

HELD = """
SELECT r.id FROM automations_run r
JOIN json_to_recordset(%s::json) AS v(id bigint, token bigint) ON r.id = v.id
WHERE r.state = 'calling' AND r.lease_token = v.token ORDER BY r.id FOR NO KEY UPDATE OF r
"""
SETTLE = """
UPDATE automations_effect e SET state = v.state, says = v.says, reference = v.reference,
    sent_at = v.sent_at, look_up_at = v.look_up_at, looks = 0,
    counted = CASE WHEN v.state = 'failed' THEN NULL ELSE e.counted END,
    settled_at = CASE WHEN v.state = 'in_doubt' THEN NULL ELSE statement_timestamp() END
FROM json_to_recordset(%s::json) AS v(run_id bigint, uid text, target text, token bigint,
    state text, says text, reference text, sent_at timestamptz, look_up_at timestamptz)
WHERE e.run_id = v.run_id AND e.uid = v.uid AND e.target = v.target AND e.generation = %s
    AND e.state = 'intent' AND e.token = v.token
"""
GIVE_BACK = """
UPDATE automations_limituse u SET used = u.used - r.amount
FROM (SELECT v.rule_id, v.name, v.bucket, sum(v.amount) AS amount
    FROM json_to_recordset(%s::json) AS v(rule_id bigint, name text, bucket text, amount numeric)
    GROUP BY 1, 2, 3) r
WHERE u.rule_id = r.rule_id AND u.name = r.name AND u.bucket = r.bucket
"""
LOG = """
INSERT INTO automations_calllog (account_id, purpose, run_id, effect, method, host, path, status,
    took_ms, sent, outcome, late, says, request, response, secret_id)
SELECT v.account_id, v.purpose, v.run_id, v.effect, v.method, v.host, v.path, v.status, v.took_ms,
    v.sent, v.outcome, v.late, v.says, v.request, v.response, v.secret_id
FROM json_to_recordset(%s::json) AS v(account_id bigint, purpose text, run_id bigint, effect text,
    method text, host text, path text, status smallint, took_ms int, sent boolean, outcome text,
    late boolean, says text, request jsonb, response jsonb, secret_id bigint)
"""
# Wait, and look again: the first looks find what was only slow.
LOOKS = tuple(timedelta(seconds=s) for s in (30, 120, 600, 960, 3_600, 7_200, 21_600, 43_200))
# Sooner, a request may still be on its way over there.
BELIEVE_ABSENT = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one effect."""

    sent: Sent
    state: Effect.State
    says: str
    reference: str = ""


def settle(account: Account, over: Sequence[Sent]) -> None:
    """Write what came of these calls, all or nothing.

    The account's state comes last: whoever begins calls meanwhile waits for that alone.
    """
    with transaction.atomic():
        mine = _still_ours(over)
        held = [_fresh(sent) for sent in over if sent.sending.work.id in mine]
        settled, troubles = [], {}
        for sent in held:
            one, trouble = _one(account, sent)
            settled.append(one)
            if trouble is not None:
                troubles[sent.sending.work.id] = trouble
        cases = _fail([sent.sending for sent in held], troubles)
        _write_effects(settled, account)
        give_back(settled)
        works = [sent.sending.work for sent in held]
        work.write(works)
        open_run_cases(cases)
        resolve_run_cases([one.id for one in works if one.has_case and one.state in work.FINISHED])
        log(account, [(sent, sent.sending.work.id not in mine) for sent in over])
        results = [sent.result for sent in over]
        state = health.locked(account.id)
        outages.noted(account, state, health.record(state, results, timezone.now()))
        state.save()
        _wake(account, works)


def _fresh(sent: Sent) -> Sent:
    """A copy to write on: when the transaction fails, it is tried again from the same start."""
    one = sent.sending.work.twin()
    doing = replace(sent.sending.doing, work=one)
    return replace(sent, sending=replace(sent.sending, doing=doing))


def _still_ours(over: Sequence[Sent]) -> set[int]:
    """The runs whose lease still stands, locked."""
    rows = database.rows(
        {"id": sent.sending.work.id, "token": sent.sending.lease.token} for sent in over
    )
    return {row[0] for row in database.fetch(HELD, rows)}


def _one(account: Account, sent: Sent) -> tuple[Settled, Trouble | None]:
    """One call: what its effect is, where its run stands, and why a person is needed if one is."""
    sending, said = sent.sending, sent.said
    doing, action, one = sending.doing, sending.action, sending.work
    started = (timezone.now() - timedelta(milliseconds=sent.trace.took_ms)).isoformat()
    if isinstance(said, Answer):
        done = calls.confirm(action, doing.call(), said)
        trouble = steps.settle(doing, action, done, started)
        if trouble is None:
            one.lane = ""
        return Settled(sent, Effect.State.CONFIRMED, said.says, said.reference), trouble
    if isinstance(said, InDoubt):
        trouble = steps.settle(doing, action, said, started)
        return Settled(sent, Effect.State.IN_DOUBT, str(said)), trouble
    trouble = None
    if isinstance(said, NotSent):
        _kept_back(one, said)
    elif isinstance(said, TooMany):
        steps.note(doing, action, StepRun.Outcome.RETRY, str(said), started)
        one.outcome, one.delay = str(said), _pause(said)
    elif isinstance(said, ConnectorDown):
        steps.note(doing, action, StepRun.Outcome.DOWN, str(said), started)
        trouble = outages.put_aside(one, doing.rule, str(said))
    else:
        trouble = steps.settle(doing, action, said, started)
    return Settled(sent, Effect.State.FAILED, str(said)), trouble


def _kept_back(one: Work, said: NotSent) -> None:
    if said.stopped:
        one.park(Run.Parked.STOP, "Stopped before it was sent.")
    else:
        one.outcome, one.delay = str(said), 1.0


def _pause(said: TooMany) -> float:
    after = said.after if said.after is not None else health.PAUSE
    return max(1.0, after.total_seconds())


def _fail(sendings: Iterable[Any], troubles: dict[int, Trouble]) -> list[RunCase]:
    cases: list[RunCase] = []
    for sending in sendings:
        one = sending.work
        if one.id in troubles:
            cases += fail(one, {one.document_id: sending.doing.rule}, troubles[one.id])
    return cases


def _write_effects(settled: Sequence[Settled], account: Account) -> None:
    now = timezone.now()
    looks = account.connector.can_look_up(account.scope)
    rows = [
        {
            "run_id": each.sent.sending.work.id,
            "uid": each.sent.sending.doing.uid,
            "target": each.sent.sending.doing.target[2],
            "token": each.sent.sending.lease.token,
            "state": each.state.value,
            "says": each.says,
            "reference": each.reference[:200],
            "sent_at": sent_at(each.sent.trace, now),
            "look_up_at": now + LOOKS[0] if looks and each.state == Effect.State.IN_DOUBT else None,
        }
        for each in settled
    ]
    if rows and database.write(SETTLE, database.rows(rows), 0) != len(rows):
        raise work.Fenced("An effect was settled by someone else.")


def sent_at(trace: Trace, now: datetime) -> datetime | None:
    """When a call began; None when nothing left the house."""
    return now - timedelta(milliseconds=trace.took_ms) if trace.sent else None


def give_back(settled: Sequence[Settled]) -> None:
    """What certainly did not happen counts against no limit."""
    rows = [
        {
            "rule_id": each.sent.sending.work.rule_id,
            "name": name,
            "bucket": bucket,
            "amount": amount,
        }
        for each in settled
        if each.state == Effect.State.FAILED
        for name, bucket, amount in each.sent.sending.counted
    ]
    if rows:
        database.write(GIVE_BACK, database.rows(rows))


def log(account: Account, over: Iterable[tuple[Sent, bool]]) -> None:
    """One row a call; the second of each pair says whether its answer came too late."""
    write_log(
        [
            entry(
                account,
                sent.trace,
                sent.said,
                purpose=CallLog.Purpose.CALL,
                run_id=sent.sending.work.id,
                effect=sent.sending.effect,
                late=late,
            )
            for sent, late in over
        ]
    )


def write_log(entries: Sequence[dict[str, Any]]) -> None:
    """Add to the log of calls."""
    if entries:
        database.write(LOG, database.rows(entries))


def entry(
    account: Account,
    trace: Trace,
    said: object,
    *,
    purpose: CallLog.Purpose,
    run_id: int | None = None,
    effect: str = "",
    late: bool = False,
) -> dict[str, Any]:
    """One call as the log keeps it; `said` None: all is well."""
    return {
        "account_id": account.id,
        "purpose": purpose.value,
        "run_id": run_id,
        "effect": effect,
        "method": trace.method,
        "host": trace.host,
        "path": trace.path[:2000],
        "status": trace.status,
        "took_ms": trace.took_ms,
        "sent": trace.sent,
        "outcome": outcome_of(said).value,
        "late": late,
        "says": "" if said is None else str(getattr(said, "says", said))[:1000],
        "request": trace.request,
        "response": trace.response,
        "secret_id": trace.secret_id,
    }


def _wake(account: Account, works: Sequence[Work]) -> None:
    if any(one.state == Run.State.DUE and one.lane == "" for one in works):
        wake.soon("execute")
