"""A run's steps with each attempt and effect, and the explanation of why it started."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.urls import NoReverseMatch

from automations.actions import actions
from automations.conditions.explaining import Explained
from automations.engine.compiled import Compiled, compiled
from automations.engine.flow import loops_at
from automations.models.runs import Effect, Run, StepRun
from automations.rules.document import ForEach, If
from backoffice import links
from backoffice.links import Link
from backoffice.models import User

SIGNS = {
    StepRun.Outcome.DONE: ("ok", "check"),
    StepRun.Outcome.RETRY: ("warn", "refresh"),
    StepRun.Outcome.REJECTED: ("bad", "x"),
    StepRun.Outcome.BUG: ("bad", "bug"),
    StepRun.Outcome.CRASH: ("bad", "bolt"),
    StepRun.Outcome.DOWN: ("warn", "plug"),
    StepRun.Outcome.FAILED: ("bad", "x"),
    StepRun.Outcome.IN_DOUBT: ("unk", "help-circle"),
    StepRun.Outcome.WAITED: ("ok", "hourglass"),
    StepRun.Outcome.ASKED: ("wait", "user-question"),
    StepRun.Outcome.ANSWERED: ("ok", "user-check"),
    StepRun.Outcome.WOULD: ("wait", "eye"),
    StepRun.Outcome.SKIPPED: ("wait", "player-skip-forward"),
    StepRun.Outcome.UNDONE: ("wait", "arrow-back-up"),
    StepRun.Outcome.BY_HAND: ("ok", "hand-click"),
}
VERDICTS = {
    "yes": ("ok", "check"),
    "no": ("bad", "x"),
    "unknown": ("unk", "question-mark"),
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at a step. `link` names what it made; `who` the person who acted instead."""

    row: StepRun
    token: str
    sign: str
    link: Link | None
    who: User | None

    @property
    def item(self) -> str:
        """Which item of a loop it was for; empty outside loops."""
        return ", ".join(f"item {index + 1}" for _, index in loops_at(self.row.cursor))

    @property
    def took(self) -> timedelta:
        return self.row.finished_at - self.row.started_at

    @property
    def given(self) -> dict[str, Any]:
        return dict(self.row.input or {})


@dataclass(slots=True)
class Step:
    """One step of the rule. `number` is the builder's (`3.1`), `depth` 0 the outermost.

    `way` says when a step inside another is done. `says` is what is known of a branch or loop,
    which nothing is tried of itself; None for other steps.
    """

    number: str
    uid: str
    words: str
    depth: int = 0
    way: str = ""
    says: str | None = None
    attempts: list[Attempt] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    stands_here: bool = False

    @property
    def last(self) -> Attempt | None:
        return self.attempts[-1] if self.attempts else None

    @property
    def token(self) -> str:
        return self.last.token if self.last else "wait"

    @property
    def sign(self) -> str:
        if self.last:
            return self.last.sign
        return "clock" if self.says is None else "route"

    @property
    def result(self) -> str:
        if self.last:
            return self.last.row.says
        return "not run" if self.says is None else self.says


def known_links(pairs: Iterable[tuple[str, int]]) -> Mapping[tuple[str, int], Link]:
    """The pages of records by label and id; those whose screens are not there are left out."""
    found: dict[tuple[str, int], Link] = {}
    for pair in set(pairs):
        try:
            found.update(links.resolve([pair]))
        except NoReverseMatch:
            continue
    return found


def rule_of(run: Run) -> Compiled | None:
    """The version of a run; None when it can't be read any more."""
    known = compiled([run.document_id])[run.document_id]
    return known if isinstance(known, Compiled) else None


def steps_of(run: Run, rows: Sequence[StepRun], effects: Sequence[Effect]) -> list[Step]:
    """The steps of a run's version in order, with what was tried and done."""
    rule = rule_of(run)
    people = User.objects.in_bulk([row.user_id for row in rows if row.user_id is not None])
    made = known_links((row.link, row.link_id) for row in rows if row.link_id is not None)
    steps = _ahead(rule) if rule else {}
    for row in rows:
        uid = row.cursor.rpartition("/")[2].partition(":")[0]
        if uid not in steps:
            action = actions.get(row.action)
            steps[uid] = Step(str(len(steps) + 1), uid, action.label if action else row.action)
        token, sign = SIGNS[StepRun.Outcome(row.outcome)]
        link = made.get((row.link, row.link_id or 0))
        if rule and uid in rule.actions and row.input and not loops_at(row.cursor):
            words = rule.actions[uid].in_words({**rule.steps[uid].params, **row.input})
            steps[uid].words = words
        steps[uid].attempts.append(Attempt(row, token, sign, link, people.get(row.user_id or 0)))
    for effect in effects:
        if effect.uid in steps:
            steps[effect.uid].effects.append(effect)
    if rule:
        _ways(run, rule, steps, [row.cursor for row in rows])
    return _standing(run, steps)


WAYS = {"then": "If so:", "else": "Otherwise:", "steps": "For each:"}


def _ahead(rule: Compiled) -> dict[str, Step]:
    """The steps of a version before anything is known of them."""
    return {
        known.uid: Step(
            known.number,
            known.uid,
            rule.step_words(known.uid),
            min(known.depth, DEEPEST),
            WAYS.get(known.way, ""),
        )
        for known in rule.outline
    }


def _ways(run: Run, rule: Compiled, steps: dict[str, Step], cursors: Sequence[str]) -> None:
    """What is known of branches and loops: the ways that were taken, the items gone through."""
    seen: dict[str, set[str]] = {}
    for cursor in [*cursors, run.cursor]:
        for part in cursor.split("/"):
            uid, _, mark = part.partition(":")
            if mark:
                seen.setdefault(uid, set()).add(mark)
    for uid, step in rule.steps.items():
        if isinstance(step, If | ForEach):
            steps[uid].says = _way_words(step, seen.get(uid, set()))


def _way_words(step: If | ForEach, marks: Collection[str]) -> str:
    if isinstance(step, ForEach):
        count = len(marks)
        return f"{count} item{'' if count == 1 else 's'} begun" if count else ""
    return " and ".join({"then": "yes", "else": "no"}[mark] for mark in sorted(marks, reverse=True))


def _standing(run: Run, steps: dict[str, Step]) -> list[Step]:
    at = run.cursor.rpartition("/")[2].partition(":")[0]
    if run.finished_at is None and at in steps:
        steps[at].stands_here = True
    return list(steps.values())


@dataclass(frozen=True, slots=True)
class Clause:
    """One line of an explanation, indented by its depth. `again` is what the recheck saw."""

    depth: int
    words: str
    verdict: str
    token: str
    sign: str
    seen: str
    why: str
    marks: tuple[str, ...]
    is_group: bool
    again: Mapping[str, Any] | None = None

    @property
    def moved(self) -> bool:
        return self.again is not None and self.again["verdict"] != self.verdict


MARKS = {"start_only": "start only", "on_the_clock": "on the clock", "as_it_was": "as it was"}
DEEPEST = 6


def clauses(told: Explained | None, again: Mapping[str, Any] | None = None) -> list[Clause]:
    """An explanation as lines in reading order; `again` is the recheck's, as it was stored."""
    if told is None:
        return []
    beside = dict(_by_path(again)) if again else {}
    return list(_lines(told, beside, 0))


def _by_path(again: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield again["path"], again
    for part in again.get("parts", ()):
        yield from _by_path(part)


def _lines(
    told: Explained, beside: Mapping[str, Mapping[str, Any]], depth: int
) -> Iterator[Clause]:
    token, sign = VERDICTS[told.verdict]
    yield Clause(
        min(depth, DEEPEST),
        told.words,
        told.verdict,
        token,
        sign,
        told.seen,
        told.why,
        tuple(MARKS[mark] for mark in told.marks if mark in MARKS),
        told.shape in ("all", "any", "not"),
        beside.get(told.path),
    )
    for part in told.parts:
        yield from _lines(part, beside, depth + 1)
