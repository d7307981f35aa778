"""Asking for evidence: a version over the events of the past, and what was found so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone

from automations.actions import actions
from automations.engine import wake
from automations.models.backtests import Backtest
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.rules import Rule
from automations.queries.rules import live_document
from automations.rules.canonical import canonical, content_hash, contracts_of
from automations.rules.parsing import parse_document, read_document
from automations.services import doors
from automations.services.errors import NotPossible
from automations.triggers import triggers
from backoffice.actors import Actor

PERIODS = (30, 60, 90)
# Older figures tell too little of today's events; a verdict wants fresh ones.
FRESH = timedelta(days=7)
# What a trigger has of events in this time is its history.
HISTORY = timedelta(days=90)


def has_history(trigger: str) -> bool:
    """Whether there are events of a trigger to replay; without them a verdict needs none."""
    now = timezone.now()
    found = Event.objects.filter(
        rule_id=None, trigger=trigger, occurred_at__gt=now - HISTORY, occurred_at__lte=now
    )
    return found.exists()


@dataclass(frozen=True, slots=True)
class Ground:
    """What a yes to a version could rest on now: a finished count, or why there is none.

    `job` is the finished count, else the newest that was begun; `missing`: it can't be approved
    before there is one. `says` tells people how it stands.
    """

    job: Backtest | None
    missing: bool
    says: str = ""


def ground_of(document: Document) -> Ground:
    """How it stands with the evidence for a version; PostgreSQL decides the same at a yes."""
    if document.rule is None:
        return Ground(None, missing=False)
    starts_on = read_document(document.text).trigger_key
    if starts_on is None:
        return Ground(None, missing=False, says="No fact starts it, so no events can be replayed.")
    job = evidence_for(document)
    if job is not None:
        return Ground(job, missing=False)
    if not has_history(starts_on):
        words = "Nothing of this kind happened in the last 90 days, so there is nothing to replay."
        return Ground(None, missing=False, says=f"{words} The approval says so.")
    live = beside(document.rule, document.pk)
    known = Backtest.objects.filter(rule=document.rule, sha256=document.sha256, live=live)
    begun = known.filter(state__in=Backtest.OPEN).order_by("-id").first()
    if begun is not None:
        return Ground(begun, missing=True, says=f"It is being counted: {begun.percent} % so far.")
    return Ground(None, missing=True, says="Have it counted on this page, then decide.")


def beside(rule: Rule, document_id: int | None = None) -> Document | None:
    """What a version is compared with: what is live, unless that is the version itself."""
    live = live_document(rule)
    return live if live is not None and live.pk != document_id else None


def ask_for_document(document: Document, *, days: int, actor: Actor) -> Backtest:
    """A backtest of a submitted version; the one that is under way if there is one.

    Raises NotPossible where no fact starts it.
    """
    assert document.rule is not None  # noqa: S101 (a rule's version names its rule)
    live = beside(document.rule, document.pk)
    return _ask(document.rule, document.text, document.pins, live, days, actor)


def ask_for_draft(rule: Rule, body: Any, *, days: int, actor: Actor) -> Backtest:
    """A backtest of a draft as it would be submitted; its figures then count for the version.

    Raises NotPossible where no fact starts it, DocumentInvalid for what is no document.
    """
    text, pins = _as_submitted(body)
    return _ask(rule, text, pins, beside(rule), days, actor)


def of_draft(rule: Rule, body: Any, days: int) -> Backtest | None:
    """The newest backtest of a draft as it stands; None when there is none.

    Raises DocumentInvalid for what is no document.
    """
    text, pins = _as_submitted(body)
    return newest(rule, content_hash(text, pins, {}), beside(rule), days)


def _as_submitted(body: Any) -> tuple[str, list[str]]:
    """A draft's text and pins as they would be signed."""
    document = parse_document(body)
    contracts = contracts_of(document, triggers, actions)
    return canonical(document), [f"{name}={contracts[name]}" for name in sorted(contracts)]


def _ask(
    rule: Rule, text: str, pins: list[str], live: Document | None, days: int, actor: Actor
) -> Backtest:
    trigger = read_document(text).trigger_key
    if trigger is None or trigger not in triggers:
        raise NotPossible("Only a rule that starts on a fact can be replayed on past events.")
    if days not in PERIODS:
        raise NotPossible("Choose 30, 60 or 90 days.")
    until = timezone.now()
    since = until - timedelta(days=days)
    with transaction.atomic():
        job, fresh = Backtest.objects.get_or_create(
            rule=rule,
            sha256=content_hash(text, pins, {}),
            live=live,
            days=days,
            state__in=Backtest.OPEN,
            defaults={
                "text": text,
                "pins": pins,
                "trigger": trigger,
                "since": since,
                "until": until,
                # The cursor itself is counted already.
                "cursor": since - timedelta(microseconds=1),
                "state": Backtest.State.QUEUED,
                "asked_by_id": doors.person_id(actor),
            },
        )
        if fresh:
            wake.soon("backtest")
    return job


def newest(rule: Rule, sha256: str, live: Document | None, days: int) -> Backtest | None:
    """The newest backtest of a content beside what is live, whatever became of it."""
    found = Backtest.objects.filter(rule=rule, sha256=sha256, live=live, days=days)
    return found.order_by("-id").first()


def evidence_for(document: Document, days: int | None = None) -> Backtest | None:
    """The finished backtest that a verdict on a version can rest on; None when there is none.

    `days` None: over whatever period, the longest first.
    """
    if document.rule is None:
        return None
    live = beside(document.rule, document.pk)
    found = Backtest.objects.filter(
        rule=document.rule,
        sha256=document.sha256,
        live=live,
        state=Backtest.State.DONE,
        finished_at__gt=timezone.now() - FRESH,
    )
    if days is not None:
        found = found.filter(days=days)
    return found.order_by("-days", "-id").first()


def cancel(backtest_id: int) -> Backtest:
    """Stop a backtest; a slice under way is thrown away. Raises NotPossible when it has ended."""
    with transaction.atomic():
        job = Backtest.objects.select_for_update(no_key=True).get(pk=backtest_id)
        if not job.is_open:
            raise NotPossible("This has ended already.")
        job.state = Backtest.State.CANCELLED
        job.finished_at = job.touched_at = timezone.now()
        job.save(update_fields=["state", "finished_at", "touched_at"])
    return job
