"""Runs that are kept back: how many, since when, the money they are about, what they will do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from django.db.models import Count, Min, QuerySet

from automations.engine import database
from automations.engine.compiled import Compiled, Unusable, compiled
from automations.engine.stake import stake_field
from automations.models.runs import Run

MONEY = """
SELECT e.facts ->> %s, sum((e.facts ->> %s)::numeric)
FROM automations_run r JOIN automations_event e ON e.id = r.event_id
WHERE r.id = ANY(%s::bigint[]) AND e.facts ->> %s IS NOT NULL GROUP BY 1
"""
AT_ONCE = 50_000


@dataclass(slots=True)
class Kept:
    """Runs together. `oldest` None: there are none; `sums` by currency."""

    runs: int = 0
    oldest: datetime | None = None
    sums: dict[str, Decimal] = field(default_factory=dict)


def parked(rule_id: int, why: Run.Parked) -> Kept:
    """What a rule's limit, first look or stop keeps back."""
    found = Run.objects.filter(rule_id=rule_id, state=Run.State.PARKED, parked_for=why)
    return kept(found)


def kept(runs: QuerySet[Run]) -> Kept:
    """These runs together."""
    known = runs.order_by().aggregate(runs=Count("pk"), oldest=Min("created_at"))
    return Kept(known["runs"], known["oldest"], money_of(list(runs.values_list("pk", flat=True))))


@dataclass(frozen=True, slots=True)
class Deed:
    """What some of the runs will do, in words."""

    words: str
    runs: int


def deeds(rule_id: int, why: Run.Parked) -> list[Deed]:
    """What a rule's parked runs will do once they go on, the commonest first."""
    found = Run.objects.filter(rule_id=rule_id, state=Run.State.PARKED, parked_for=why)
    at = found.order_by().values("document_id", "cursor").annotate(n=Count("pk"))
    rows = [(row["document_id"], row["cursor"], row["n"]) for row in at]
    rules = compiled({document_id for document_id, _, _ in rows})
    counted: Counter[str] = Counter()
    for document_id, cursor, number in rows:
        counted[_left(rules[document_id], cursor)] += number
    return [Deed(words, number) for words, number in counted.most_common()]


def _left(rule: Compiled | Unusable, cursor: str) -> str:
    if isinstance(rule, Unusable):
        return "Nothing: this version can't act any more"
    try:
        return ", then ".join(rule.words_from(cursor))
    except ValueError:
        return "Nothing: where they stand is no step of their version any more"


def money_of(run_ids: list[int]) -> dict[str, Decimal]:
    """The money that runs are about, by currency; what has no amount counts nothing."""
    by_document: dict[int, list[int]] = {}
    for start in range(0, len(run_ids), AT_ONCE):
        part = run_ids[start : start + AT_ONCE]
        for key, document_id in Run.objects.filter(pk__in=part).values_list("pk", "document_id"):
            by_document.setdefault(document_id, []).append(key)
    rules = compiled(by_document)
    sums: dict[str, Decimal] = {}
    for document_id, ids in by_document.items():
        rule = rules[document_id]
        stake = stake_field(rule.catalogue) if isinstance(rule, Compiled) else None
        if stake is None:
            continue
        amount, currency = stake.keys
        rows = database.fetch(MONEY, currency, amount, database.ids(ids), currency)
        for code, total in rows:
            sums[code] = sums.get(code, Decimal(0)) + total
    return sums
