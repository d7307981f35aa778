"""Which versions act now, and what is stopped: read at the start of each transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from automations.conditions.bounds import Bound
from automations.conditions.fields import Facts
from automations.conditions.indexing import EqualityKey, RuleIndex
from automations.engine import applied, database
from automations.engine.compiled import Compiled, compiled
from automations.models.schedules import EXISTING, PRESS, SHADOW_SLOT, SLOT
from automations.rules.document import Every, Manual, On
from backoffice.models import LegalEntity

ACTIVE = """
SELECT a.id, a.rule_id, a.document_id, r.position, a.mode = 'shadow',
    CASE WHEN a.looked_at IS NULL THEN a.first_look END, a.mode = 'emergency'
FROM automations_activation a JOIN automations_rule r ON r.id = a.rule_id
WHERE a.until_at IS NULL AND (a.expires_at IS NULL OR a.expires_at > statement_timestamp())
    AND NOT (a.mode = 'live' AND EXISTS (SELECT 1 FROM automations_activation e
        WHERE e.rule_id = a.rule_id AND e.mode = 'emergency' AND e.until_at IS NULL
            AND e.expires_at > statement_timestamp()))
ORDER BY r.position, r.id
"""
# Rules, connectors, everything; and versions that acted in an emergency which is over.
STOPPED = """
ARRAY(SELECT rule_id FROM automations_stop WHERE lifted_at IS NULL AND rule_id IS NOT NULL),
ARRAY(SELECT lane FROM automations_stop WHERE lifted_at IS NULL AND lane <> ''),
EXISTS (SELECT 1 FROM automations_stop WHERE lifted_at IS NULL AND rule_id IS NULL AND lane = ''),
ARRAY(SELECT a.document_id FROM automations_activation a WHERE a.mode = 'emergency'
    AND (a.until_at IS NOT NULL OR a.expires_at <= statement_timestamp())
    AND NOT EXISTS (SELECT 1 FROM automations_activation v WHERE v.document_id = a.document_id
        AND (v.mode = 'live' OR (v.mode = 'emergency' AND v.until_at IS NULL
            AND v.expires_at > statement_timestamp()))))
"""
MOMENT = f"SELECT now(), (SELECT value FROM automations_epoch LIMIT 1), {STOPPED}"  # noqa: S608
UNHURRIED_MOMENT = f"{MOMENT}, {database.UNHURRIED}"


class Stopped(NamedTuple):
    """What must not act: rules, connectors (by lane), everything, or versions past their hour."""

    rules: frozenset[int]
    lanes: frozenset[str]
    everything: bool
    over: frozenset[int] = frozenset()

    def holds(self, rule_id: int, lane: str = "", document_id: int = 0) -> bool:
        """Whether a step of this rule's version, through this connector, is stopped."""
        held = self.everything or rule_id in self.rules or document_id in self.over
        return held or (lane != "" and lane in self.lanes)


@dataclass(frozen=True, slots=True)
class FirstLook:
    """Runs that may act before someone has looked: so many, or until a time."""

    activation_id: int
    after: int | None
    since: datetime | None
    reviewer_id: int


@dataclass(frozen=True, slots=True)
class Active:
    """A rule's version in force, or one that runs in its shadow."""

    rule_id: int
    document_id: int
    position: int
    compiled: Compiled
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything in force at one epoch. `first_looks` are those still waited for, by document.

    `emergencies` are the versions among it that act for an hour only. `went_live` is when the last
    one that was applied to what was there did so, in seconds, by rule.
    """

    epoch: int
    zone: ZoneInfo
    by_trigger: Mapping[str, RuleIndex[Active]]
    by_rule: Mapping[int, tuple[Active, ...]]
    first_looks: Mapping[int, FirstLook]
    emergencies: frozenset[int]
    went_live: Mapping[int, float]

    @property
    def triggers(self) -> list[str]:
        """The triggers that any rule starts on."""
        return list(self.by_trigger)

    def candidates(
        self, trigger: str, facts: Facts, rule_id: int | None = None, key: str = ""
    ) -> list[Active]:
        """The rules that an event could concern; `rule_id` is the one it is addressed to.

        Its key then says what it came of: a slot, a slot of the rule's shadow, a press, or a
        version that is applied to the records that were there.
        """
        if rule_id is not None:
            return [
                active
                for active in self.by_rule.get(rule_id, ())
                if active.compiled.source.key == trigger and _hears(active, key)
            ]
        known = self.by_trigger.get(trigger)
        return known.candidates(facts) if known else []


def _hears(active: Active, key: str) -> bool:
    """Whether an event addressed to its rule is meant for this version of it."""
    if key.startswith(PRESS):
        return isinstance(active.compiled.document.trigger, Manual)
    if key.startswith(EXISTING):
        mine = key.startswith(f"{EXISTING}{active.document_id}:")
        return mine and not active.shadow
    is_scheduled = isinstance(active.compiled.document.trigger, Every)
    return is_scheduled and key.startswith(SHADOW_SLOT if active.shadow else SLOT)


@dataclass(frozen=True, slots=True)
class Moment:
    """What held when a transaction began. `now` is in the company's zone."""

    now: datetime
    rules: Rules
    stopped: Stopped


_current: Rules | None = None


def moment(*, unhurried: bool = False) -> Moment:
    """The rules in force, read again only when the epoch says that something changed.

    `unhurried`: the commit of this transaction need not wait for the disk (database.UNHURRIED).
    """
    global _current
    now, epoch, *found = database.fetch(UNHURRIED_MOMENT if unhurried else MOMENT)[0]
    stopped = _stopped(*found[:4])
    # The clock ends an emergency before anybody writes that it is over.
    if _current is None or _current.epoch != epoch or _current.emergencies & stopped.over:
        _current = _load(epoch)
    return Moment(now.astimezone(_current.zone), _current, stopped)


def stopped_now() -> Stopped:
    """What is stopped at this very statement."""
    return _stopped(*database.fetch(f"SELECT {STOPPED}")[0])


def _stopped(rules: list[int], lanes: list[str], everything: bool, over: list[int]) -> Stopped:
    return Stopped(frozenset(rules), frozenset(lanes), everything, frozenset(over))


def business_zone() -> ZoneInfo:
    """The zone in which the company's days begin."""
    name = LegalEntity.objects.order_by("pk").values_list("time_zone", flat=True).first()
    return ZoneInfo(name or "UTC")


def _load(epoch: int) -> Rules:
    found = database.fetch(ACTIVE)
    documents = compiled(row[2] for row in found)
    by_trigger: dict[str, list[tuple[Active, list[EqualityKey | Bound]]]] = defaultdict(list)
    by_rule: dict[int, list[Active]] = defaultdict(list)
    looks: dict[int, FirstLook] = {}
    for activation_id, rule_id, document_id, position, shadow, first_look, _ in found:
        rule = documents[document_id]
        # An unusable version has no trigger to speak of: it matches nothing, and its screen and
        # the log say so.
        if not isinstance(rule, Compiled):
            continue
        active = Active(rule_id, document_id, position, rule, shadow)
        by_rule[rule_id].append(active)
        if isinstance(rule.document.trigger, On):
            by_trigger[rule.source.key].append((active, rule.keys))
        if first_look is not None:
            looks[document_id] = _first_look(activation_id, database.loads(first_look))
    return Rules(
        epoch,
        business_zone(),
        {trigger: RuleIndex(known) for trigger, known in by_trigger.items()},
        {rule_id: tuple(known) for rule_id, known in by_rule.items()},
        looks,
        frozenset(row[2] for row in found if row[6]),
        applied.went_live(by_rule),
    )


def _first_look(activation_id: int, raw: dict[str, object]) -> FirstLook:
    since = raw.get("from")
    after = raw.get("after")
    return FirstLook(
        activation_id,
        int(str(after)) if after is not None else None,
        datetime.fromisoformat(str(since)) if since is not None else None,
        int(str(raw["reviewer"])),
    )
