"""Which versions act now, and what is stopped: read at the start of each matching transaction."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from automations.conditions.fields import Facts
from automations.conditions.indexing import RuleIndex
from automations.engine import database
from automations.engine.compiled import Compiled, compiled
from backoffice.models import LegalEntity

ACTIVE = """
SELECT a.rule_id, a.document_id, r.position FROM automations_activation a
JOIN automations_rule r ON r.id = a.rule_id WHERE a.until_at IS NULL ORDER BY r.position, r.id
"""
MOMENT = """
SELECT now(), (SELECT value FROM automations_epoch LIMIT 1),
    ARRAY(SELECT coalesce(rule_id, 0) FROM automations_stop WHERE lifted_at IS NULL)
"""
# Stands for all rules among the ids of stopped ones.
ALL = 0


@dataclass(frozen=True, slots=True)
class Active:
    """A rule's version in force."""

    rule_id: int
    document_id: int
    position: int
    compiled: Compiled


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in force at one epoch."""

    epoch: int
    zone: ZoneInfo
    by_trigger: Mapping[str, RuleIndex[Active]]

    def candidates(self, trigger: str, facts: Facts) -> list[Active]:
        """The rules that an event of this trigger could concern."""
        known = self.by_trigger.get(trigger)
        return known.candidates(facts) if known else []


@dataclass(frozen=True, slots=True)
class Moment:
    """What held when a transaction began. `now` is in the company's zone."""

    now: datetime
    rules: Rules
    stopped: frozenset[int]


_current: Rules | None = None


def moment() -> Moment:
    """The rules in force, read again only when the epoch says that something changed."""
    global _current
    now, epoch, stopped = database.fetch(MOMENT)[0]
    if _current is None or _current.epoch != epoch:
        _current = _load(epoch)
    return Moment(now.astimezone(_current.zone), _current, frozenset(stopped))


def stopped_now() -> frozenset[int]:
    """The rules that are stopped at this very statement; ALL among them stops every one."""
    found = database.fetch(
        "SELECT coalesce(rule_id, 0) FROM automations_stop WHERE lifted_at IS NULL"
    )
    return frozenset(row[0] for row in found)


def business_zone() -> ZoneInfo:
    """The zone in which the company's days begin."""
    name = LegalEntity.objects.order_by("pk").values_list("time_zone", flat=True).first()
    return ZoneInfo(name or "UTC")


def _load(epoch: int) -> Rules:
    found = database.fetch(ACTIVE)
    documents = compiled(row[1] for row in found)
    by_trigger: dict[str, RuleIndex[Active]] = {}
    for rule_id, document_id, position in found:
        rule = documents[document_id]
        # An unusable version has no trigger to speak of: it matches nothing, and its screen and
        # the log say so.
        if isinstance(rule, Compiled):
            active = Active(rule_id, document_id, position, rule)
            by_trigger.setdefault(rule.trigger.key, RuleIndex()).add(active, rule.keys)
    return Rules(epoch, business_zone(), by_trigger)
