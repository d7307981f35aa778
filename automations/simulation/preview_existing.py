"""The records that are there, and which of them a version would be applied to: for its approver."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from automations.conditions.rechecking import Seen
from automations.engine.compiled import Compiled
from automations.engine.existing import Existing, Standing
from automations.engine.in_force import moment
from automations.engine.stake import stake_of
from automations.simulation.preview_now import Found

# As far as an approver waits for exact figures; beyond it they are told as lower bounds.
MOST_RECORDS = 20_000
SECONDS = 3.0
PAGE = 500
EXAMPLES = 5


@dataclass(slots=True)
class ExistingPreview:
    """Whom a yes would reach now.

    `records` are all of the kind. `exact` False: not all that could match were judged, so
    `matched`, `unknown`, `acted` and `at_stake` are lower bounds. `acted` match as well and are
    left out, as the rule has acted on them. `unknown` can't be judged; `held`: each is a case then.
    """

    records: int = 0
    judged: int = 0
    matched: int = 0
    unknown: int = 0
    acted: int = 0
    exact: bool = True
    held: bool = False
    at_stake: dict[str, Decimal] = field(default_factory=dict)
    examples: list[Found] = field(default_factory=list)

    def as_evidence(self) -> dict[str, Any]:
        """What an approval keeps of it."""
        return {
            "records": self.records,
            "matched": self.matched,
            "unknown": self.unknown,
            "acted": self.acted,
            "exact": self.exact,
            "at_stake": {currency: str(sum_) for currency, sum_ in self.at_stake.items()},
            "examples": [example.subject_id for example in self.examples],
        }


def preview_existing(
    rule: Compiled, *, most: int = MOST_RECORDS, seconds: float = SECONDS
) -> ExistingPreview:
    """Judge the records that are there, newest first; `rule` is one that can be applied to them."""
    existing = Existing(rule, moment().now)
    found = ExistingPreview(existing.rows().count(), held=existing.keeps_unknown)
    until = time.monotonic() + seconds
    for ids in _pages(existing):
        if found.judged >= most or time.monotonic() > until:
            found.exact = False
            break
        found.judged += len(ids)
        for each in sorted(existing.standing(ids), key=lambda one: -one.subject_id):
            _count(found, rule, each, existing)
    return found


def _pages(existing: Existing) -> Iterator[list[int]]:
    """Ids of the records that could match, newest first."""
    wanted = existing.rows().filter(existing.filter())
    before: int | None = None
    while True:
        page = wanted if before is None else wanted.filter(pk__lt=before)
        ids = list(page.order_by("-pk").values_list("pk", flat=True)[:PAGE])
        if not ids:
            return
        yield ids
        before = ids[-1]


def _count(found: ExistingPreview, rule: Compiled, each: Standing, existing: Existing) -> None:
    if each.verdict is None:
        found.unknown += not each.acted
        return
    if each.acted:
        found.acted += 1
        return
    found.matched += 1
    if (money := stake_of(rule.catalogue, each.facts)) is not None:
        summed = found.at_stake.get(money.currency, Decimal(0))
        found.at_stake[money.currency] = summed + money.amount
    if len(found.examples) < EXAMPLES:
        told = rule.explain(Seen(each.facts, each.lists, existing.now))
        found.examples.append(Found(existing.scan.subject, each.subject_id, told))
