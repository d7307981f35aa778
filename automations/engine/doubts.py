"""What may have happened outside and is not known to have: found, looked up, and decided.

Nothing in doubt is ever sent again before it is known that it did not happen. Each look-up holds a
token of its own: whatever a person says meanwhile wins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from automations.connectors import accounts, health
from automations.connectors.accounts import NotReady
from automations.connectors.kinds import Account, Answer, Found, Trace
from automations.engine import database, effects, flow, outages, resume, settling, work
from automations.engine.batch import fail
from automations.engine.compiled import Compiled, Unusable, compiled, uid_at
from automations.engine.failures import open_run_cases
from automations.engine.gate import Lease, clock
from automations.engine.intents import LEASE
from automations.engine.resume import NotWritten
from automations.engine.sending import WHY_CAUGHT, gate_of, result_of, told
from automations.engine.settling import BELIEVE_ABSENT, LOOKS
from automations.models.connectors import CallLog
from automations.models.failures import Failure, FailureAction
from automations.models.rules import RULE_SPAN
from automations.models.runs import Effect, Run, StepRun
from backoffice.actors import HOUSE

LOST = "The worker was lost while it called. It may have been done."
AT_ONCE = 500

EXPIRED = """
SELECT id, lease_token FROM automations_run
WHERE state = 'calling' AND lease_until < statement_timestamp()
ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
"""
THESE = f"{work.READ} WHERE r.id = ANY(%s::bigint[]) ORDER BY r.id"
# When it was sent is not known: at the latest when the lease ended.
DOUBT = """
UPDATE automations_effect e SET state = 'in_doubt', says = %s, sent_at = r.lease_until,
    look_up_at = CASE WHEN e.lane = ANY(%s) THEN statement_timestamp() + %s END, looks = 0
FROM automations_run r WHERE r.id = ANY(%s::bigint[]) AND e.run_id = r.id
    AND e.state = 'intent' AND e.token = r.lease_token
"""
CLAIM = """
UPDATE automations_effect e SET looks = e.looks + 1, token = nextval('automations_lease'),
    looking_until = statement_timestamp() + %s
FROM (SELECT run_id, uid, target, generation FROM automations_effect
    WHERE lane = %s AND state = 'in_doubt' AND look_up_at <= statement_timestamp()
        AND (looking_until IS NULL OR looking_until < statement_timestamp())
    ORDER BY look_up_at LIMIT %s FOR UPDATE SKIP LOCKED) d
WHERE e.run_id = d.run_id AND e.uid = d.uid AND e.target = d.target
    AND e.generation = d.generation
RETURNING e.run_id, e.uid, e.target, e.token, e.sent_at, e.looks, e.looking_until
"""
TO_LOOK_UP = """
SELECT ARRAY(SELECT DISTINCT lane FROM automations_effect
    WHERE state = 'in_doubt' AND look_up_at <= statement_timestamp())
"""


@dataclass(slots=True)
class Look:
    """One effect to be looked up, and under which token."""

    account: Account
    run_id: int
    uid: str
    target: str
    token: int
    sent_at: datetime
    looks: int
    lease: Lease
    probe: bool = False

    @property
    def effect(self) -> str:
        return effects.key(self.run_id, self.uid, self.target)


@dataclass(slots=True)
class Looked:
    """A look-up that is over."""

    look: Look
    said: object
    trace: Trace


# --- found --------------------------------------------------------------------------------------


@transaction.atomic
def expire() -> int:
    """Calls whose worker is gone: in doubt, and a person is told. Answers how many."""
    tokens: dict[int, int] = {row[0]: row[1] for row in database.fetch(EXPIRED, AT_ONCE)}
    if not tokens:
        return 0
    works = work.in_hand(database.fetch(THESE, database.ids(tokens)))
    documents = compiled(one.document_id for one in works)
    rules = {pk: rule for pk, rule in documents.items() if isinstance(rule, Compiled)}
    lanes = [lane for lane in {one.lane for one in works} if _can_look_up(lane)]
    database.write(DOUBT, LOST, lanes, LOOKS[0], database.ids(tokens))
    cases, started = [], timezone.now().isoformat()
    for one in works:
        one.token = tokens[one.id]
        rule = rules.get(one.document_id)
        action = rule.action_at(one.cursor) if rule else ""
        one.attempted(StepRun.Outcome.IN_DOUBT, LOST, action=action, given=None, started=started)
        cases += fail(one, rules, (Failure.Error.DOUBT, LOST))
    work.write(works)
    open_run_cases(cases)
    return len(works)


def _can_look_up(lane: str) -> bool:
    try:
        account = accounts.account_of(lane)
    except NotReady:
        return False
    return account.connector.can_look_up(account.scope)


def of_run(run: Run) -> Effect | None:
    """The effect in doubt of the step a run stands at; None when nothing is in doubt there."""
    return Effect.objects.filter(
        run_id=run.pk,
        uid=uid_at(run.cursor),
        target=flow.target_of(run.cursor),
        generation=effects.FIRST,
        state=Effect.State.IN_DOUBT,
    ).first()


# --- looked up ----------------------------------------------------------------------------------


def lanes_to_look_up() -> list[str]:
    """The connectors at which something is to be looked up now."""
    return list(database.fetch(TO_LOOK_UP)[0][0])


def take(account: Account, most: int) -> list[Look]:
    """Claim the look-ups that are due, under lock of the account's state."""
    if most <= 0 or not account.connector.can_look_up(account.scope):
        return []
    ends = clock() + LEASE.total_seconds()
    rows = database.fetch(CLAIM, LEASE, account.key, most)
    return [
        Look(account, run_id, uid, target, token, sent, looks, Lease(token, until, ends))
        for run_id, uid, target, token, sent, looks, until in rows
    ]


def look(one: Look) -> Looked:
    """Ask the other side; raises nothing."""
    account, trace = one.account, Trace()
    ask = gate_of(account, one.lease, one.run_id % RULE_SPAN)
    said: object
    try:
        if account.caught:
            says = f"Caught: {account.name} was not asked. {WHY_CAUGHT}"
            said = Found(None, says, caught=True)
        else:
            said = account.connector.look_up(account, one.effect, trace, ask)
    except Exception as error:  # noqa: BLE001 - told by kind
        said = told(error, account, trace, repeats=True)
    trace.end()
    return Looked(one, said, trace)


@transaction.atomic
def settle(looked: Looked) -> None:
    """Write what a look-up found, unless someone has decided meanwhile."""
    one, said = looked.look, looked.said
    account, now = one.account, timezone.now()
    state = health.locked(account.id)
    found = health.record(state, [result_of(said, probe=one.probe)], now)
    outages.noted(account, state, found)
    state.save()
    run = Run.objects.select_for_update(no_key=True).filter(pk=one.run_id).first()
    still = Effect.objects.filter(
        run_id=one.run_id,
        uid=one.uid,
        target=one.target,
        generation=effects.FIRST,
        state=Effect.State.IN_DOUBT,
        token=one.token,
    )
    mine = still.update(looking_until=None, look_up_at=_next(one, now)) == 1
    row = settling.entry(
        account,
        looked.trace,
        said,
        purpose=CallLog.Purpose.LOOK_UP,
        run_id=one.run_id,
        effect=one.effect,
        late=not mine,
    )
    settling.write_log([row])
    effect = still.first()
    if effect is None or run is None or not isinstance(said, Found):
        return
    if said.there:
        _was_there(run, effect, said)
    elif said.there is False and now - one.sent_at >= BELIEVE_ABSENT:
        _was_absent(run, effect, said, retry=account.scope.look_up_absent == "retry")


def _next(one: Look, now: datetime) -> datetime | None:
    """When to look again; None: not by itself."""
    later = (one.sent_at + wait for wait in LOOKS[one.looks :])
    return next((at for at in later if at > now + timedelta(seconds=5)), None)


def _was_there(run: Run, effect: Effect, found: Found) -> None:
    says = f"Looked up: {found.says}"
    confirm(effect, says, found.reference)
    if _stands_at(run, effect):
        fine = go_on(run, effect, Answer(says, found.reference))
        _tell_case(run, says, Failure.Resolution.CHECKED if fine else None, closed=fine)


def _was_absent(run: Run, effect: Effect, found: Found, *, retry: bool) -> None:
    says = f"Looked up 15 minutes after sending: {found.says}"
    if not retry or not _stands_at(run, effect):
        _tell_case(run, says, None, closed=False)
        return
    did_not_happen(effect, says)
    resume.due(run)
    _tell_case(run, f"{says} It is tried again.", Failure.Resolution.CHECKED, closed=False)


def _stands_at(run: Run, effect: Effect) -> bool:
    """Whether a run still waits at the step whose effect was in doubt."""
    where = uid_at(run.cursor), flow.target_of(run.cursor)
    return run.state == Run.State.HELD and where == (effect.uid, effect.target)


def _tell_case(run: Run, says: str, resolution: Failure.Resolution | None, *, closed: bool) -> None:
    """Write what was found into the run's case, and close it when there is nothing left to do."""
    cases = Failure.objects.select_for_update(no_key=True).filter(run_id=run.pk)
    case = cases.exclude(state=Failure.State.RESOLVED).first()
    if case is None:
        return
    last = case.log.order_by("-id").values_list("text", flat=True).first()
    if last != says:
        FailureAction.objects.create(failure=case, verb="looked_up", text=says)
    if resolution is not None:
        Failure.objects.filter(pk=case.pk).update(
            state=Failure.State.RESOLVED if closed else Failure.State.RETRYING,
            resolution=resolution,
            resolved_at=timezone.now() if closed else None,
            snoozed_until=None,
            version=F("version") + 1,
        )


# --- decided ------------------------------------------------------------------------------------


def confirm(effect: Effect, says: str, reference: str) -> None:
    """It happened."""
    effect.state, effect.says, effect.reference = Effect.State.CONFIRMED, says, reference[:200]
    effect.settled_at, effect.look_up_at, effect.looking_until = timezone.now(), None, None
    effect.save(
        update_fields=["state", "says", "reference", "settled_at", "look_up_at", "looking_until"]
    )


def did_not_happen(effect: Effect, says: str) -> None:
    """It certainly did not: it may be sent again, under the same key, and counts for nothing."""
    counted: Sequence[Sequence[str]] = effect.counted or []
    rows = [
        {
            "rule_id": effect.run_id % RULE_SPAN,
            "name": name,
            "bucket": bucket,
            "amount": amount,
        }
        for name, bucket, amount in counted
    ]
    if rows:
        database.write(settling.GIVE_BACK, database.rows(rows))
    effect.state, effect.says, effect.counted = Effect.State.FAILED, says, None
    effect.settled_at, effect.look_up_at, effect.looking_until = timezone.now(), None, None
    effect.save(
        update_fields=["state", "says", "counted", "settled_at", "look_up_at", "looking_until"]
    )


def go_on(run: Run, effect: Effect, answer: Answer) -> bool:
    """Take a run past a step that is known to have happened.

    Answers False when it can't be written down here: then it stays a case.
    """
    try:
        resume.write_down(run, effect.uid, answer, HOUSE)
        resume.leave_done(run, answer.says, None)
    except (NotWritten, Unusable) as error:
        run.state, run.outcome = Run.State.FAILED, str(error)
        run.save(update_fields=["state", "outcome"])
        Failure.objects.filter(run_id=run.pk).update(
            error=Failure.Error.BUG, says=str(error), version=F("version") + 1
        )
        return False
    return True
