"""What a version makes of the rules in force and of those that wait, confirmed on stored events.

The documents decide; history tells how often it would have come to it, and gives the example. It
is read for a moment only: what is not counted by then is told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any

from django.db import OperationalError, connection, transaction
from django.utils import timezone

from automations.conditions.operands import ConditionInvalid
from automations.conditions.rechecking import paths_read
from automations.conditions.sql import to_sql
from automations.conditions.tree import Listed
from automations.engine.in_force import business_zone, moment
from automations.interactions.checking import check
from automations.interactions.findings import Finding, Kind
from automations.interactions.parties import Party
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.rules import Rule
from automations.rules.document import On, RuleDocument, clauses
from automations.rules.parsing import DocumentInvalid, read_document
from automations.rules.validating import Registries
from automations.simulation import stored
from automations.triggers import Trigger

DAYS = 30
# So many events that the first rule may match are looked at, the newest first.
MOST_EVENTS = 20_000
AT_ONCE = 1_000
SECONDS = 1.5

CANDIDATES = """
SELECT id, occurred_at::text, payload_version, {}, CASE WHEN %s THEN lists END
FROM automations_event
WHERE rule_id IS NULL AND trigger = %s AND occurred_at >= %s AND occurred_at < %s
    AND (payload_version <> %s OR {})
ORDER BY occurred_at DESC, id DESC LIMIT %s
"""
LIMIT_TIME = "SELECT set_config('statement_timeout', %s, true)"


@dataclass(slots=True)
class Meeting:
    """One finding. `times`: on how many events all acted, None where that can't be counted.

    `event` is the newest of them, None where there is none; `at_least`: not all could be read.
    """

    finding: Finding
    times: int | None = None
    at_least: bool = False
    event_id: int | None = None
    event: Event | None = None


@dataclass(slots=True)
class Meetings:
    """What is found, the graver first, of so many other rules; counted over so many days."""

    found: list[Meeting] = field(default_factory=list)
    rules: int = 0
    days: int = DAYS

    def as_evidence(self) -> dict[str, Any]:
        """What an approval keeps of it."""
        return {
            "rules": self.rules,
            "days": self.days,
            "found": [
                {
                    "kind": str(each.finding.kind),
                    "says": each.finding.says,
                    "with": [
                        {"rule": party.rule_id, "document": party.document_id, "is": party.state}
                        for party in each.finding.rules
                    ],
                    "times": each.times,
                    "at_least": each.at_least,
                    "event": each.event_id,
                    "example": dict(each.finding.shown()) if each.event_id is None else {},
                }
                for each in self.found
            ],
        }


# --- the rules that are met -----------------------------------------------------------------------


def others(rule_id: int) -> list[Party]:
    """Every other rule as it is in force, and as it waits for approval."""
    live = [
        (active.rule_id, active.document_id, active.compiled.document, "live")
        for actives in moment().rules.by_rule.values()
        for active in actives
        if not active.shadow
    ]
    waiting = Document.objects.filter(kind="rule", state=Document.State.SUBMITTED)
    found = [*live, *_waiting(waiting.exclude(rule_id=rule_id).order_by("pk"))]
    names = Rule.objects.in_bulk({each[0] for each in found} - {rule_id})
    parties = []
    for other_id, document_id, document, state in found:
        source, rule = Registries().source(document), names.get(other_id)
        if rule is not None and source is not None:
            parties.append(
                Party(rule.pk, rule.name, document, source, rule.position, state, document_id)
            )
    return parties


def _waiting(documents: Any) -> Iterator[tuple[int, int, RuleDocument, str]]:
    for document in documents:
        try:
            yield document.rule_id, document.pk, read_document(document.text), "submitted"
        except DocumentInvalid:
            continue


# --- all together ---------------------------------------------------------------------------------


def meetings(rule: Rule, document: RuleDocument, document_id: int = 0) -> Meetings:
    """What this version of a rule makes of all others; nothing of one that can't be judged."""
    source = Registries().source(document)
    if source is None:
        return Meetings()
    mine = Party(rule.pk, rule.name, document, source, rule.position, "draft", document_id)
    known = others(rule.pk)
    found = [Meeting(each) for each in _once(check(mine, known))]
    _count(found, mine)
    kept = [each for each in found if each.finding.is_certain or each.times]
    kept.sort(key=lambda each: (list(Kind).index(each.finding.kind), -(each.times or 0)))
    _with_events(kept)
    return Meetings(kept, len({party.rule_id for party in known}))


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """A version that waits and the one in force are often met alike: the first is told."""
    kept: dict[tuple[Any, ...], Finding] = {}
    for each in findings:
        rules = tuple(party.rule_id for party in each.rules)
        kept.setdefault((each.kind, rules, each.says), each)
    return list(kept.values())


def _with_events(found: Sequence[Meeting]) -> None:
    events = Event.objects.in_bulk({each.event_id for each in found if each.event_id is not None})
    for each in found:
        each.event = events.get(each.event_id or 0)


# --- on history -----------------------------------------------------------------------------------


def _count(found: Sequence[Meeting], mine: Party) -> None:
    """Count the events on which all of a finding's rules acted, one reading for each first rule."""
    groups: dict[int, tuple[Party, list[Meeting]]] = {}
    for each in found:
        parties = [party for party, _ in each.finding.both]
        if not parties or not all(isinstance(party.document.trigger, On) for party in parties):
            continue
        first = next((party for party in parties if party is mine), parties[0])
        groups.setdefault(id(first), (first, []))[1].append(each)
    ends = perf_counter() + SECONDS
    for first, several in groups.values():
        try:
            with transaction.atomic():
                _read(first, several, ends)
        except (OperationalError, ConditionInvalid):
            for each in several:
                each.times = None


def _read(first: Party, several: Sequence[Meeting], ends: float) -> None:
    left = max(1, int(1_000 * (ends - perf_counter())))
    trigger = first.source
    assert isinstance(trigger, Trigger)  # noqa: S101 (it starts on a fact)
    keys = stored.keys_of(first.catalogue, _paths(several) | first.reads)
    zone, complete, looked = business_zone(), True, 0
    for each in several:
        each.times = 0
    for row in _rows(first, trigger, keys, several, left):
        looked += 1
        if looked % 200 == 0 and perf_counter() > ends:
            complete = False
            break
        facts, lists = stored.read(trigger, keys, row)
        at = datetime.fromisoformat(row.occurred_at).astimezone(zone)
        if not first.does(None, facts, lists, at):
            continue
        for each in several:
            if all(party.does(doing, facts, lists, at) for party, doing in each.finding.both):
                each.times = (each.times or 0) + 1
                each.event_id = each.event_id or row.id
    for each in several:
        each.at_least = not complete or looked >= MOST_EVENTS


def _paths(several: Sequence[Meeting]) -> set[str]:
    found: set[str] = set()
    for each in several:
        for party, doing in each.finding.both:
            found |= party.reads
            for node, _ in doing.guards if doing is not None else ():
                found |= paths_read(node)
    return found


def _rows(
    first: Party, trigger: Trigger, keys: list[str], several: Sequence[Meeting], left: int
) -> Iterator[stored.Row]:
    """The newest events that the first rule may match."""
    until = timezone.now()
    sql, params = to_sql(first.document.when, first.catalogue, first.document.param_values)
    wanted, given = stored.column(trigger.version, keys)
    bounds: list[Any] = [_with_lists(several), trigger.key, until - timedelta(days=DAYS), until]
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('statement_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute(LIMIT_TIME, [str(left)])
        cursor.execute(
            CANDIDATES.format(wanted, sql), [*given, *bounds, trigger.version, *params, MOST_EVENTS]
        )
        # All rows are here; whatever else the transaction does has the time it had.
        with connection.cursor() as other:
            other.execute(LIMIT_TIME, [before])
        while rows := cursor.fetchmany(AT_ONCE):
            yield from map(stored.Row._make, rows)


def _with_lists(several: Sequence[Meeting]) -> bool:
    for each in several:
        for party, doing in each.finding.both:
            guards = [node for node, _ in doing.guards] if doing is not None else []
            for tree in (party.document.when, *guards):
                if any(isinstance(leaf, Listed) for _, leaf in clauses(tree)):
                    return True
    return False
