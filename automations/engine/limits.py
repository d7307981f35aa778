"""How far rules may go: counted in the transaction that takes the effect, over it parked.

A limit's rows are locked when a batch begins, right after runs and subjects and before anything an
action locks. Whoever holds a rule's rows is working on that rule: another batch leaves its runs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from automations.actions import Counts
from automations.engine import database
from automations.engine.compiled import Compiled
from automations.engine.in_force import FirstLook, Moment
from automations.engine.notices import Notice, open_notices
from automations.engine.work import Work
from automations.models.runs import Run
from automations.rules.limits import FIRST_LOOK, Line, One

ENSURE = """
INSERT INTO automations_limituse (rule_id, name, bucket)
SELECT r.rule_id, r.name, r.bucket
FROM json_to_recordset(%s::json) AS r(rule_id bigint, name text, bucket text)
ORDER BY r.rule_id, r.name, r.bucket ON CONFLICT DO NOTHING
"""
LOCK = """
SELECT u.rule_id, u.name, u.bucket, u.used FROM automations_limituse u
JOIN json_to_recordset(%s::json) AS r(rule_id bigint, name text, bucket text)
    ON r.rule_id = u.rule_id AND r.name = u.name AND r.bucket = u.bucket
ORDER BY u.rule_id, u.name, u.bucket FOR UPDATE OF u SKIP LOCKED
"""
WRITE = """
UPDATE automations_limituse u SET used = r.used, at = now()
FROM json_to_recordset(%s::json) AS r(rule_id bigint, name text, bucket text, used numeric)
WHERE r.rule_id = u.rule_id AND r.name = u.name AND r.bucket = u.bucket
"""
MARKS = """
SELECT bucket, count(*) FROM automations_limitmark
WHERE rule_id = %s AND name = %s AND bucket = ANY(%s) AND at > now() - %s GROUP BY bucket
"""
MARK = """
INSERT INTO automations_limitmark (run_id, name, rule_id, bucket)
SELECT r.run_id, r.name, r.rule_id, r.bucket
FROM json_to_recordset(%s::json) AS r(run_id bigint, name text, rule_id bigint, bucket text)
ON CONFLICT (run_id, name) DO NOTHING
"""
# Two orders of one customer are different subjects: without this both would count the same past.
ALONE = (
    "SELECT key, pg_try_advisory_xact_lock(hashtextextended(key, 0)) FROM unnest(%s::text[]) AS key"
)

# A limit's row: rule, name, period.
Use = tuple[int, str, str]
# What one subject or customer is counted under: rule, limit, who.
Who = tuple[int, str, str]


@dataclass(frozen=True, slots=True)
class Over:
    """Why a run may not act now."""

    why: Run.Parked
    says: str


@dataclass(slots=True)
class _Marked:
    """The runs one subject or customer had lately, this batch's own included."""

    runs: int


class Limits:
    """The limits of the rules that a batch works on. `busy` runs belong to another batch."""

    def __init__(self, works: Sequence[Work], rules: Mapping[int, Compiled], at: Moment) -> None:
        self.at, self.rules = at, rules
        self.limited = [work for work in works if self._is_limited(work)]
        self.used: dict[Use, Decimal] = {}
        self.changed: set[Use] = set()
        self.marked: dict[Who, _Marked] = {}
        self.marks: dict[tuple[int, str], Who] = {}
        self.begun: set[int] = set()
        self.notices: dict[str, Notice] = {}
        self._busy: set[int] = set()
        if self.limited:
            self._lock_uses()
            self._lock_ones()

    def _is_limited(self, work: Work) -> bool:
        rule = self.rules.get(work.document_id)
        if rule is None or work.shadow:
            return False
        return bool(rule.limit_lines or rule.limit_ones) or self._look(work) is not None

    def _look(self, work: Work) -> FirstLook | None:
        return self.at.rules.first_looks.get(work.document_id)

    def busy(self, work: Work) -> bool:
        """Whether another batch is counting for this run's rule or customer right now."""
        return work.id in self._busy

    def _uses(self, work: Work) -> list[Use]:
        rule = self.rules[work.document_id]
        found = [(work.rule_id, line.name, line.bucket(self.at.now)) for line in rule.limit_lines]
        if self._look(work) is not None:
            found.append((work.rule_id, FIRST_LOOK, str(work.document_id)))
        return found

    def _lock_uses(self) -> None:
        wanted = sorted({use for work in self.limited for use in self._uses(work)})
        if not wanted:
            return
        rows = _rows(wanted)
        database.write(ENSURE, rows)
        self.used = {(row[0], row[1], row[2]): row[3] for row in database.fetch(LOCK, rows)}
        missing = set(wanted) - set(self.used)
        self._busy.update(
            work.id for work in self.limited if missing.intersection(self._uses(work))
        )

    def _ones(self) -> list[tuple[Work, One]]:
        return [
            (work, one) for work in self.limited for one in self.rules[work.document_id].limit_ones
        ]

    def _lock_ones(self) -> None:
        by_one: dict[tuple[int, str], tuple[One, set[str]]] = {}
        customers: dict[str, list[int]] = defaultdict(list)
        for work, one in self._ones():
            if (who := self._who(work, one)) is not None:
                by_one.setdefault((work.rule_id, one.name), (one, set()))[1].add(who[2])
                if one.name == "per_customer":
                    customers[f"limit:{who[0]}:{who[2]}"].append(work.id)
        alone = database.fetch(ALONE, sorted(customers)) if customers else []
        for key, _ in filter(lambda row: not row[1], alone):
            self._busy.update(customers[key])
        for (rule_id, name), (one, buckets) in by_one.items():
            counted = dict(
                map(tuple, database.fetch(MARKS, rule_id, name, list(buckets), one.within))
            )
            for bucket in buckets:
                self.marked[rule_id, name, bucket] = _Marked(counted.get(bucket, 0))

    def _who(self, work: Work, one: One) -> Who | None:
        """None: it can't be told whose run it is, so there is nobody to count it for."""
        if one.name == "per_subject":
            return work.rule_id, one.name, f"{work.subject}:{work.subject_id}"
        path = self.rules[work.document_id].source.customer
        customer = work.told[0].get(path) if path else None
        return (work.rule_id, one.name, str(customer)) if customer else None

    def admit(self, work: Work, counts: Counts) -> Over | None:
        """Count one effect of a run, or say why it has to wait; None: it may act."""
        rule = self.rules[work.document_id]
        look = self._look(work)
        if look is None and not rule.limit_lines and not rule.limit_ones:
            return None
        begins = work.trace_length == 0 and work.id not in self.begun
        over = self._looked_at(work, look, begins) or self._one_over(work, rule, begins)
        adding: list[tuple[Use, Decimal]] = []
        for line in () if over else rule.limit_lines:
            amount = _amount(line, counts, begins)
            use = (work.rule_id, line.name, line.bucket(self.at.now))
            if amount is None:
                says = f"This amount is not in {line.currency}, so it can't be counted: {line}."
                over = self._over(work, says, f"{line.name}:{use[2]}:currency")
            elif amount and self.used[use] + amount > line.most:
                says = f"The limit is reached: {line}."
                over = self._over(work, says, f"{line.name}:{use[2]}")
            if over is not None:
                break
            adding.append((use, amount or Decimal(0)))
        if over is None:
            self._add(work, rule, look, begins, adding)
        return over

    def _add(
        self,
        work: Work,
        rule: Compiled,
        look: FirstLook | None,
        begins: bool,
        adding: Iterable[tuple[Use, Decimal]],
    ) -> None:
        for use, amount in adding:
            self._use(use, amount)
        if not begins:
            return
        self.begun.add(work.id)
        if look is not None:
            self._use((work.rule_id, FIRST_LOOK, str(work.document_id)), Decimal(1))
        for one in rule.limit_ones:
            if (who := self._who(work, one)) is not None:
                self.marked[who].runs += 1
                self.marks[work.id, one.name] = who

    def _use(self, use: Use, amount: Decimal) -> None:
        if amount:
            self.used[use] += amount
            self.changed.add(use)

    def give_back(self, work: Work, counts: Counts) -> None:
        """The effect was not taken after all; that the run began still counts."""
        for line in self.rules[work.document_id].limit_lines:
            if (amount := _amount(line, counts, False)) is not None:
                self._use((work.rule_id, line.name, line.bucket(self.at.now)), -amount)

    def counted(self, work: Work, counts: Counts) -> list[tuple[str, str, str]]:
        """What giving an effect back would take off: limit, period and amount."""
        amounts = [
            (line, amount)
            for line in self.rules[work.document_id].limit_lines
            if (amount := _amount(line, counts, False))
        ]
        return [(line.name, line.bucket(self.at.now), str(amount)) for line, amount in amounts]

    def _looked_at(self, work: Work, look: FirstLook | None, begins: bool) -> Over | None:
        if look is None or not begins:
            return None
        used = self.used[work.rule_id, FIRST_LOOK, str(work.document_id)]
        late = look.since is not None and self.at.now >= look.since
        if not late and (look.after is None or used < look.after):
            return None
        notice = Notice.first_look(work, look, int(used))
        self.notices[notice.key] = notice
        return Over(Run.Parked.FIRST_LOOK, "Waits until someone has looked at this version.")

    def _one_over(self, work: Work, rule: Compiled, begins: bool) -> Over | None:
        for one in rule.limit_ones if begins else ():
            who = self._who(work, one)
            if who is not None and self.marked[who].runs >= one.runs:
                return self._over(work, f"The limit is reached: {one}.", f"{one.name}:{who[2]}")
        return None

    def _over(self, work: Work, says: str, key: str) -> Over:
        notice = Notice.limit(work, says, key)
        self.notices[notice.key] = notice
        return Over(Run.Parked.LIMIT, says)

    def write(self) -> None:
        """Write what was counted, and tell people about what was parked."""
        if self.changed:
            database.write(
                WRITE,
                database.rows(
                    {"rule_id": use[0], "name": use[1], "bucket": use[2], "used": self.used[use]}
                    for use in sorted(self.changed)
                ),
            )
        if self.marks:
            database.write(
                MARK,
                database.rows(
                    {"run_id": run_id, "name": name, "rule_id": who[0], "bucket": who[2]}
                    for (run_id, name), who in self.marks.items()
                ),
            )
        open_notices(list(self.notices.values()))


def _amount(line: Line, counts: Counts, begins: bool) -> Decimal | None:
    """What an effect counts for; None: it is money of another currency."""
    if line.what == "runs":
        return Decimal(1) if begins else Decimal(0)
    if line.what == "money":
        if counts.money is None:
            return Decimal(0)
        return counts.money.amount if counts.money.currency == line.currency else None
    return Decimal(counts.units if line.what == "units" else counts.messages)


def _rows(uses: Iterable[Use]) -> str:
    return database.rows(
        {"rule_id": rule_id, "name": name, "bucket": bucket} for rule_id, name, bucket in uses
    )
