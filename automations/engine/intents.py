"""The first transaction of a step outside: everything is checked, and the intent is committed.

What leaves this module has an effect row that says INTENT, a lease, and a token that every later
write about it must name.
"""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from automations.actions import ExternalAction, Outcome, Risk
from automations.connectors.kinds import Account, Answer
from automations.engine import calls, database, effects, steps, truth, wake, work
from automations.engine.batch import fail
from automations.engine.blocks import Blocks
from automations.engine.calls import Bug
from automations.engine.compiled import Compiled, compiled, uid_at
from automations.engine.failures import RunCase, open_run_cases, resolve_run_cases
from automations.engine.gate import Lease, clock
from automations.engine.in_force import Moment, moment
from automations.engine.inputs import inputs_of
from automations.engine.limits import Limits
from automations.engine.steps import Doing, Hand
from automations.engine.subjects import Versions
from automations.engine.truth import Trouble
from automations.engine.work import Work
from automations.models.failures import Failure
from automations.models.runs import Effect, Run

logger = logging.getLogger(__name__)

# Longer than any call may take, so that a lease is never renewed.
LEASE = timedelta(seconds=60)
STOPPED = "Stopped before it was sent."
BEFORE = "It was done before."
DOUBT = "It may have been done before, and nobody has said yet whether it was."

INTEND = """
WITH lease AS (SELECT nextval('automations_lease') AS token)
INSERT INTO automations_effect (run_id, uid, target, generation, action, state, request_hash, lane,
    token, counted, says, reference)
SELECT r.run_id, r.uid, r.target, %s, r.action, 'intent', r.request_hash, %s, lease.token,
    r.counted, '', ''
FROM lease, json_to_recordset(%s::json) AS r(run_id bigint, uid text, target text, action text,
    request_hash text, counted jsonb)
ON CONFLICT (run_id, uid, target, generation) DO UPDATE SET state = 'intent',
    action = EXCLUDED.action, request_hash = EXCLUDED.request_hash, lane = EXCLUDED.lane,
    token = EXCLUDED.token, counted = EXCLUDED.counted, says = '', sent_at = NULL,
    settled_at = NULL, look_up_at = NULL, looks = 0, looking_until = NULL,
    at = statement_timestamp()
WHERE automations_effect.state = 'failed'
RETURNING run_id, uid, target, token
"""
KNOWN = """
SELECT e.run_id, e.uid, e.target, e.state, e.says, e.reference
FROM automations_effect e JOIN json_to_recordset(%s::json) AS r(run_id bigint, uid text,
    target text) ON e.run_id = r.run_id AND e.uid = r.uid AND e.target = r.target
WHERE e.generation = %s
"""
CALL = """
UPDATE automations_run r SET state = 'calling', parked_for = '', outcome = v.outcome,
    subject_version = v.subject_version, lease_token = %s,
    lease_until = statement_timestamp() + %s
FROM json_to_recordset(%s::json) AS v(id bigint, outcome text, subject_version int)
WHERE r.id = v.id RETURNING r.lease_until
"""


@dataclass(slots=True)
class Sending:
    """One call about to be made: committed as an intent."""

    doing: Doing
    action: ExternalAction
    account: Account
    asked: dict[str, Any]
    lease: Lease
    counted: list[tuple[str, str, str]] = field(default_factory=list)
    probe: bool = False

    @property
    def work(self) -> Work:
        return self.doing.work

    @property
    def effect(self) -> str:
        return effects.key(*self.doing.target)


def request_hash(asked: dict[str, Any]) -> str:
    """What was asked, as a hash: whether two attempts asked for the same can be told by it."""
    text = json.dumps(asked, sort_keys=True, cls=DjangoJSONEncoder)
    return sha256(text.encode()).hexdigest()


class Intents:
    """Runs of one lane in hand, under lock. `take` answers those that may be sent."""

    def __init__(self, account: Account, works: list[Work]) -> None:
        self.account = account
        wanted: dict[str, set[int]] = defaultdict(set)
        for one in works:
            wanted[one.subject].add(one.subject_id)
        versions = Versions(wanted)
        works = [one for one in works if not versions.busy(one.subject, one.subject_id)]
        self.at: Moment = moment()
        documents = compiled(one.document_id for one in works)
        self.rules = {key: rule for key, rule in documents.items() if isinstance(rule, Compiled)}
        self.unusable = {key: str(rule) for key, rule in documents.items() if key not in self.rules}
        self.hand = Hand(self.rules, versions, Limits(works, self.rules, self.at))
        self.works = [one for one in works if not self.hand.limits.busy(one)]
        self.started = timezone.now()
        self.cases: list[RunCase] = []

    def take(self, room: int) -> list[Sending]:
        """Check, count and intend; what may not be sent is written as what it became.

        No more than `room` are sent: what could be sent beyond them stays due.
        """
        self._fail({one.id: t for one in self.works if (t := self._unusable(one)) is not None})
        self._fail(truth.confirm(self._acting(), self.rules, self.hand.versions, self.at.now))
        self._fail({one.id: t for one in self._acting() if (t := self._stale(one)) is not None})
        self._not_stopped()
        self._not_blocked()
        ready: list[Sending] = []
        for several in self._by_action().values():
            ready += self._ready(several, room - len(ready))
        sending = self._intend(ready)
        self._write([each.work for each in sending])
        return sending

    def _acting(self) -> list[Work]:
        return [one for one in self.works if one.state == Run.State.DUE]

    def _unusable(self, one: Work) -> Trouble | None:
        if one.document_id in self.unusable:
            return Failure.Error.BUG, self.unusable[one.document_id]
        rule = self.rules[one.document_id]
        if rule.lanes.get(uid_at(one.cursor)) != one.lane:
            return Failure.Error.BUG, "This run stands at a step that calls something else."
        return None

    def _action(self, one: Work) -> ExternalAction:
        action = self.rules[one.document_id].actions[uid_at(one.cursor)]
        if not isinstance(action, ExternalAction):
            raise TypeError(f"{action.key} says it is external and is no ExternalAction.")
        return action

    def _stale(self, one: Work) -> Trouble | None:
        action = self._action(one)
        due = datetime.fromisoformat(one.raw_run_after)
        if self.at.now - due <= action.keeps:
            return None
        hours = round(action.keeps.total_seconds() / 3600)
        says = (
            f"{action.label} waited for more than {hours} hours. Look whether it still makes sense."
        )
        return Failure.Error.STALE, says

    def _not_stopped(self) -> None:
        """As the transaction found it; the gate asks again right before the first byte."""
        for one in self._acting():
            if self.at.stopped.holds(one.rule_id, one.lane, one.document_id):
                one.park(Run.Parked.STOP, STOPPED)

    def _not_blocked(self) -> None:
        """Nothing is spent or told over what a case says can't be relied on."""
        risky = [one for one in self._acting() if self._action(one).risk != Risk.NONE]
        Blocks(risky).keep_back(risky)

    def _by_action(self) -> dict[str, list[Doing]]:
        found: dict[str, list[Doing]] = defaultdict(list)
        for one in self._acting():
            rule, uid = self.rules[one.document_id], uid_at(one.cursor)
            known = inputs_of(rule, rule.steps[uid])
            doing = Doing(one, rule, uid, known)
            found[rule.actions[uid].key].append(doing)
        return found

    def _ready(self, several: Sequence[Doing], room: int) -> list[Sending]:
        """Their inputs filled in, their requests made, their limits counted."""
        action = self._action(several[0].work)
        started = self.started.isoformat()
        ready, troubles = steps.prepare(action, several, self.hand, started)
        self._fail(troubles)
        made = [(doing, self._request(action, doing)) for doing in ready]
        requests = {doing.work.id: asked for doing, asked in made if asked is not None}
        wanted = [doing for doing in ready if doing.work.id in requests]
        admitted: list[Doing] = []
        # Those over a limit take no room; who comes after the last that fits is not counted yet.
        while wanted and len(admitted) < room:
            piece = wanted[: room - len(admitted)]
            wanted = wanted[len(piece) :]
            admitted += steps.admit(action, piece, self.hand.limits)
        lease = Lease(0, self.at.now, 0.0)
        return [
            Sending(
                doing, action, self.account, requests[doing.work.id], lease, self._counted(doing)
            )
            for doing in admitted
        ]

    def _counted(self, doing: Doing) -> list[tuple[str, str, str]]:
        if doing.counts is None:
            return []
        return self.hand.limits.counted(doing.work, doing.counts)

    def _request(self, action: ExternalAction, doing: Doing) -> dict[str, Any] | None:
        answer: Outcome | Bug
        try:
            return action.request(doing.call())
        except Outcome as outcome:
            answer = outcome
        except Exception as error:
            logger.exception("%s broke on %s", action.key, doing.work.id)
            answer = Bug(f"{action.label} broke: {type(error).__name__}: {error}"[:500])
        trouble = steps.settle(doing, action, answer, self.started.isoformat())
        if trouble is not None:
            self._fail({doing.work.id: trouble})
        return None

    def _intend(self, ready: list[Sending]) -> list[Sending]:
        """Claim the effects; one that is known already is never sent again."""
        if not ready:
            return []
        rows = [
            {
                "run_id": each.work.id,
                "uid": each.doing.uid,
                "target": each.doing.target[2],
                "action": each.action.key,
                "request_hash": request_hash(each.asked),
                "counted": each.counted or None,
            }
            for each in ready
        ]
        given = effects.FIRST, self.account.key, database.rows(rows)
        answered = database.fetch(INTEND, *given)
        mine = {(row[0], row[1], row[2]) for row in answered}
        self._known([each for each in ready if each.doing.target not in mine])
        sending = [each for each in ready if each.doing.target in mine]
        return self._lease(sending, answered[0][3]) if sending else []

    def _known(self, others: list[Sending]) -> None:
        if not others:
            return
        rows = [
            {"run_id": run_id, "uid": uid, "target": target}
            for run_id, uid, target in (each.doing.target for each in others)
        ]
        found = database.fetch(KNOWN, database.rows(rows), effects.FIRST)
        known = {(row[0], row[1], row[2]): row[3:] for row in found}
        for each in others:
            steps.give_back(each.doing, self.hand.limits)
            state, says, reference = known.get(each.doing.target, ("", "", ""))
            trouble: Trouble | None = (Failure.Error.DOUBT, DOUBT)
            if state == Effect.State.CONFIRMED:
                trouble = self._done_before(each, Answer(says or BEFORE, reference))
            if trouble is not None:
                self._fail({each.work.id: trouble})

    def _done_before(self, each: Sending, answer: Answer) -> Trouble | None:
        """It happened outside, and something broke here before the run could go on."""
        done = calls.confirm(each.action, each.doing.call(), answer)
        trouble = steps.settle(each.doing, each.action, done, self.started.isoformat())
        if trouble is None:
            each.work.lane = ""
        return trouble

    def _lease(self, sending: list[Sending], token: int) -> list[Sending]:
        """The runs are under way from now on. Our clock is read first, so that it ends first."""
        ends = clock() + LEASE.total_seconds()
        rows = database.rows(
            {
                "id": each.work.id,
                "outcome": f"{self.account.name} is being called.",
                "subject_version": each.work.subject_version,
            }
            for each in sending
        )
        until = database.fetch(CALL, token, LEASE, rows)[0][0]
        for each in sending:
            each.lease, each.work.token = Lease(token, until, ends), token
        return sending

    def _fail(self, troubles: truth.Troubles) -> None:
        for one in self.works if troubles else ():
            if one.id in troubles:
                self.cases += fail(one, self.rules, troubles[one.id])

    def _write(self, sending: Iterable[Work]) -> None:
        away = {one.id for one in sending}
        self.hand.limits.write()
        others = [one for one in self.works if one.id not in away and _changed(one)]
        for one in others:
            if one.state in work.FINISHED:
                one.lane = ""
        work.write(others)
        if others:
            wake.soon("execute")
        open_run_cases(self.cases)
        resolve_run_cases([one.id for one in others if one.has_case and one.state in work.FINISHED])


def _changed(one: Work) -> bool:
    return one.state != Run.State.DUE or bool(one.trace) or one.delay is not None
