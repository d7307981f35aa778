"""Cases: opened by runs that can't go on and by domains, closed when what they tell of is done."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone

from automations.cases import CaseKind, Decided, NewCase
from automations.engine import blocks
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.failures import Failure, FailureAction
from automations.models.rules import Rule
from backoffice import timeline
from backoffice.actors import Actor, ActorKind
from backoffice.money import Money
from backoffice.sets import save_many

RUN = "run"
EVENT = "event"
# What timelines call a case (backoffice.links).
CASE = "automations.failure"
DUE = {
    Failure.Priority.URGENT: timedelta(hours=1),
    Failure.Priority.HIGH: timedelta(hours=4),
    Failure.Priority.NORMAL: timedelta(hours=24),
    Failure.Priority.LOW: timedelta(hours=72),
}
# What our own side got wrong, or what is worth this much, comes first.
HIGH_STAKE = 500
OURS = (Failure.Error.BUG, Failure.Error.CRASH, Failure.Error.LOOP)
_PARTICULAR = re.compile(r"[\w#./-]*\d[\w./-]*")


@dataclass(frozen=True, slots=True)
class RunCase:
    """What a run that can't go on tells people. `at_stake` None: no money is involved."""

    run_id: int
    rule_id: int
    document_id: int
    error: Failure.Error
    says: str
    subject: str
    subject_id: int
    subject_version: int
    cursor: str = ""
    action: str = ""
    done: Sequence[str] = ()
    not_done: Sequence[str] = ()
    at_stake: Money | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    # What it says to every record alike, where `says` was filled in from this one's fields.
    general: str = ""
    # Of a question: who may answer, and until when.
    role: str = ""
    due_at: datetime | None = None


def in_general(says: str) -> str:
    """A sentence without the numbers of the one record it speaks of, so that like ones meet."""
    return _PARTICULAR.sub("…", says)[:300]


def fingerprint(*parts: str) -> str:
    return sha256("\0".join(parts).encode()).hexdigest()[:32]


def _priority(error: Failure.Error, at_stake: Money | None) -> Failure.Priority:
    if error in OURS or (at_stake is not None and abs(at_stake.amount) >= HIGH_STAKE):
        return Failure.Priority.HIGH
    return Failure.Priority.NORMAL


def _from_run(case: RunCase, rule: Rule, now: datetime) -> Failure:
    priority = _priority(case.error, case.at_stake)
    general = in_general(case.general or case.says)
    return Failure(
        kind=RUN,
        key=str(case.run_id),
        error=case.error,
        cause=fingerprint(case.action, case.error, general),
        cause_words=general,
        says=case.says,
        rule_id=case.rule_id,
        document_id=case.document_id,
        run_id=case.run_id,
        cursor=case.cursor,
        action=case.action,
        subject=case.subject,
        subject_id=case.subject_id,
        subject_version=case.subject_version,
        done=list(case.done),
        not_done=list(case.not_done),
        detail=dict(case.detail),
        at_stake=case.at_stake.amount if case.at_stake else None,
        at_stake_currency=case.at_stake.currency if case.at_stake else "",
        fallback=rule.fallback,
        owner=None,
        role=case.role,
        priority=priority,
        opened_at=now,
        due_at=case.due_at or now + DUE[priority],
    )


_TOLD_AGAIN = (
    "error",
    "cause",
    "cause_words",
    "says",
    "cursor",
    "action",
    "subject_version",
    "done",
    "not_done",
    "detail",
    "role",
    "due_at",
    "at_stake",
    "at_stake_currency",
)


def open_run_cases(cases: Sequence[RunCase]) -> None:
    """Open a case a run, or open the run's case again: the same work failed once more."""
    if not cases:
        return
    now = timezone.now()
    rules = Rule.objects.in_bulk({case.rule_id for case in cases})
    known = _locked(RUN, [str(case.run_id) for case in cases])
    fresh: list[Failure] = []
    again: list[Failure] = []
    for case in cases:
        failure = _from_run(case, rules[case.rule_id], now)
        (again if failure.key in known else fresh).append(failure)
    Failure.objects.bulk_create(fresh, ignore_conflicts=True, batch_size=500)
    _tell_subjects(fresh, rules)
    for failure in again:
        told = {name: getattr(failure, name) for name in _TOLD_AGAIN}
        _reopen(known[failure.key], told)


def open_again(cases: Sequence[Failure]) -> None:
    """Open cases about what goes on; one that is closed opens again, an open one stays as it is."""
    Failure.objects.bulk_create(cases, ignore_conflicts=True, batch_size=500)
    if any(case.blocks for case in cases):
        blocks.came_up()
    for kind in {case.kind for case in cases}:
        by_key = {case.key: case for case in cases if case.kind == kind}
        for key, known in _locked(kind, by_key).items():
            if known.state == Failure.State.RESOLVED:
                _reopen(known, {name: getattr(by_key[key], name) for name in _REPORTED_AGAIN})


_REPORTED_AGAIN = ("says", "due_at", "detail", "at_stake", "at_stake_currency", "blocks")


def open_event_cases(event_ids: Sequence[int]) -> None:
    """Open a case for events that could not be matched at all: no rule has seen them."""
    now = timezone.now()
    says = "This event broke the matching, so no rule has seen it. The worker's log says why."
    events = Event.objects.filter(pk__in=event_ids)
    Failure.objects.bulk_create(
        [
            Failure(
                kind=EVENT,
                key=str(event.pk),
                error=Failure.Error.BUG,
                cause=fingerprint(EVENT, event.trigger),
                cause_words=f"Events of {event.trigger} can't be matched",
                says=says,
                subject=event.subject,
                subject_id=event.subject_id,
                priority=Failure.Priority.HIGH,
                opened_at=now,
                due_at=now + DUE[Failure.Priority.HIGH],
            )
            for event in events
        ],
        ignore_conflicts=True,
    )


def _tell_subjects(fresh: Sequence[Failure], rules: Mapping[int, Rule]) -> None:
    """A record's own story says that a rule stopped at it, and where the case is."""
    keys = [failure.key for failure in fresh]
    cases = dict(Failure.objects.filter(kind=RUN, key__in=keys).values_list("key", "pk"))
    versions = dict(
        Document.objects.filter(pk__in={failure.document_id for failure in fresh}).values_list(
            "pk", "version"
        )
    )
    timeline.record(
        timeline.Happened(
            failure.subject,
            failure.subject_id,
            f"Stopped: {failure.says}"[:500],
            Actor(
                ActorKind.RULE,
                rules[failure.rule_id].name,
                rule_id=failure.rule_id,
                rule_version=versions.get(failure.document_id or 0),
                run_id=failure.run_id,
            ),
            link=(CASE, cases[failure.key]),
        )
        for failure in fresh
        if failure.rule_id is not None and failure.subject_id is not None
    )


def _locked(kind: str, keys: Iterable[str]) -> dict[str, Failure]:
    found = Failure.objects.select_for_update(no_key=True).filter(kind=kind, key__in=list(keys))
    return {failure.key: failure for failure in found.order_by("pk")}


def _reopen(failure: Failure, told: Mapping[str, Any]) -> None:
    """Failing again is rare enough for a statement each."""
    Failure.objects.filter(pk=failure.pk).update(
        **told,
        state=Failure.State.OPEN,
        times=F("times") + 1,
        resolution="",
        resolved_by=None,
        resolved_at=None,
        snoozed_until=None,
        snoozed_while=None,
        escalated=0,
        version=F("version") + 1,
    )
    FailureAction.objects.create(failure=failure, verb="failed_again", text=told["says"])


def resolve_run_cases(run_ids: Iterable[int]) -> None:
    """Close the cases of runs that came to their end after all."""
    run_ids = list(run_ids)
    if run_ids:
        found = Failure.objects.filter(run_id__in=run_ids)
        _resolve(found, Failure.Resolution.RETRIED, "The run is done.")


@transaction.atomic
def close_domain_cases(kind: CaseKind, over: Sequence[str | Decided]) -> None:
    """Close what a domain says is over; a key without an open case changes nothing."""
    keys = [each for each in over if isinstance(each, str)]
    if keys:
        found = Failure.objects.filter(kind=kind.key, key__in=keys)
        _resolve(found, Failure.Resolution.MENDED, kind.closed_says)
    for each in over:
        if isinstance(each, Decided):
            found = Failure.objects.filter(kind=kind.key, key=each.key)
            _resolve(found, Failure.Resolution.SOLVED, each.says, each.user_id)


def _resolve(
    cases: QuerySet[Failure],
    resolution: Failure.Resolution,
    says: str,
    user_id: int | None = None,
) -> int:
    open_cases = cases.select_for_update(no_key=True).exclude(state=Failure.State.RESOLVED)
    found = list(open_cases.order_by("pk"))
    now = timezone.now()
    for failure in found:
        failure.state, failure.snoozed_until = Failure.State.RESOLVED, None
        failure.resolution = failure.resolution or resolution
        failure.resolved_by_id = failure.resolved_by_id or user_id
        failure.resolved_at = now
        failure.version += 1
    fields = ["state", "snoozed_until", "resolution", "resolved_by", "resolved_at", "version"]
    save_many(found, fields)
    FailureAction.objects.bulk_create(
        FailureAction(failure=failure, user_id=user_id, verb="resolved", text=says)
        for failure in found
    )
    if closed := [failure.pk for failure in found if failure.blocks]:
        blocks.release_soon(closed)
    return len(found)


def _from_domain(kind: CaseKind, case: NewCase, now: datetime) -> Failure:
    priority = _priority(Failure.Error.DOMAIN, case.at_stake)
    if case.urgent:
        priority = Failure.Priority.URGENT
    return Failure(
        kind=kind.key,
        key=case.key,
        error=Failure.Error.DOMAIN,
        cause=fingerprint(kind.key, case.cause),
        cause_words=case.cause[:300],
        says=case.says,
        subject=kind.subject if case.subject_id is not None else "",
        subject_id=case.subject_id,
        detail=dict(case.detail),
        at_stake=case.at_stake.amount if case.at_stake else None,
        at_stake_currency=case.at_stake.currency if case.at_stake else "",
        fallback=case.fallback,
        blocks=kind.blocks,
        priority=priority,
        opened_at=now,
        due_at=now + DUE[priority],
    )


@transaction.atomic
def open_domain_cases(kind: CaseKind, new: Sequence[NewCase]) -> None:
    """Open what a domain reports; a known key changes nothing unless its case was closed."""
    now = timezone.now()
    open_again([_from_domain(kind, case, now) for case in new])


@transaction.atomic
def close_cases(kind: str, keys: Sequence[str], says: str) -> int:
    """Close these cases of a kind, as what they ask for is done; how many there were."""
    found = Failure.objects.filter(kind=kind, key__in=list(keys))
    return _resolve(found, Failure.Resolution.SOLVED, says)


@transaction.atomic
def close_every_case(kind: CaseKind, says: str) -> int:
    """Close every open case of a kind because what it tells of is over; how many there were."""
    return _resolve(Failure.objects.filter(kind=kind.key), Failure.Resolution.MENDED, says)
