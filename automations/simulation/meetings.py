"""What a version makes of the rules in force and of those that wait, confirmed on stored events.

The documents decide; history tells how often it would have come to it, and gives the example. It
is read for a moment only: what is not counted by then is told as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from django.db import OperationalError, transaction

from automations.conditions.operands import ConditionInvalid
from automations.engine.in_force import moment
from automations.interactions.checking import check
from automations.interactions.findings import Finding
from automations.interactions.parties import Party
from automations.models.documents import Document
from automations.models.events import Event
from automations.models.rules import Rule
from automations.rules.document import On, RuleDocument
from automations.rules.parsing import DocumentInvalid, read_document
from automations.rules.validating import Registries
from automations.simulation.over_time import on_record
from automations.simulation.recent import DAYS, Newest

SECONDS = 1.5


@dataclass(slots=True)
class Meeting:
    """One finding. `times`: on how many events all acted, None where that can't be counted.

    `event` is the newest of them, None where there is none; `at_least`: not all could be read. Of
    rules that act at different times, records are counted; `of_rules` says how many of each.
    """

    finding: Finding
    times: int | None = None
    at_least: bool = False
    event_id: int | None = None
    event: Event | None = None
    of_rules: Mapping[int, int] = field(default_factory=dict)


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
                        {
                            "rule": party.rule_id,
                            "document": party.document_id,
                            "is": party.state,
                            **({"records": records} if records is not None else {}),
                        }
                        for party in each.finding.rules
                        for records in [each.of_rules.get(party.rule_id)]
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
    kept.sort(key=lambda each: (*each.finding.place, -(each.times or 0)))
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
    ends = perf_counter() + SECONDS
    for each in found:
        parties = [party for party, _ in each.finding.both]
        if each.finding.apart or not parties or not _on_facts(parties):
            continue
        first = next((party for party in parties if party is mine), parties[0])
        groups.setdefault(id(first), (first, []))[1].append(each)
    for first, several in groups.values():
        try:
            with transaction.atomic():
                _read(first, several, ends)
        except (OperationalError, ConditionInvalid):
            for each in several:
                each.times = None
    try:
        with transaction.atomic():
            _count_records([each for each in found if each.finding.apart], mine, ends)
    except (OperationalError, ConditionInvalid):
        return


def _on_facts(parties: Sequence[Party]) -> bool:
    return all(isinstance(party.document.trigger, On) for party in parties)


def _read(first: Party, several: Sequence[Meeting], ends: float) -> None:
    actings = [(first, None), *[acting for each in several for acting in each.finding.both]]
    events = Newest(actings, ends)
    for each in several:
        each.times = 0
    for told in events:
        seen = (told.facts, told.lists, told.at)
        if not first.does(None, *seen):
            continue
        for each in several:
            if all(party.does(doing, *seen) for party, doing in each.finding.both):
                each.times = (each.times or 0) + 1
                each.event_id = each.event_id or told.id
    for each in several:
        each.at_least = not events.complete


def _count_records(several: Sequence[Meeting], mine: Party, ends: float) -> None:
    """Count the records to which both came, each at a time of its own."""
    for each, known in zip(
        several, on_record([each.finding for each in several], mine, ends), strict=True
    ):
        if known is not None:
            each.times, each.at_least = len(known.both), known.at_least
            each.event_id = max(known.both.values(), default=None)
            each.of_rules = known.of_rules
