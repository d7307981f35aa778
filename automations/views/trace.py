"""What was tried at a run's steps, and the explanation of why it started."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.urls import NoReverseMatch

from automations.conditions.explaining import Explained
from automations.engine.compiled import Compiled, compiled
from automations.models.runs import Run, StepRun
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
    """One try at a step. `link` names what it made, `now` says how that stands today; `who` is the
    person who acted instead.
    """

    row: StepRun
    token: str
    sign: str
    link: Link | None
    who: User | None
    now: str = ""

    @property
    def took(self) -> timedelta:
        return self.row.finished_at - self.row.started_at

    @property
    def given(self) -> dict[str, Any]:
        return dict(self.row.input or {})


def known_links(
    pairs: Iterable[tuple[str, int]], user: User | None = None
) -> Mapping[tuple[str, int], Link]:
    """The pages of records by label and id; those whose screens are not there are left out, and
    what this person may not open is named without its page.
    """
    by_label: dict[str, set[tuple[str, int]]] = {}
    for pair in pairs:
        by_label.setdefault(pair[0], set()).add(pair)
    found: dict[tuple[str, int], Link] = {}
    for same in by_label.values():
        try:
            found.update(links.resolve(same, user))
        except NoReverseMatch:
            continue
    return found


def rule_of(run: Run) -> Compiled | None:
    """The version of a run; None when it can't be read any more."""
    known = compiled([run.document_id])[run.document_id]
    return known if isinstance(known, Compiled) else None


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
