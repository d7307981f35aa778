"""Taking back what a run did: counter-actions in reverse order, each recorded exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any

from django.db import OperationalError, transaction
from django.utils import timezone

from automations.actions import Action, Call, Rejected, Risk, actions
from automations.engine import effects
from automations.engine.compiled import Compiled, compiled
from automations.engine.flow import target_of
from automations.models.runs import Effect, Run, StepRun
from automations.rules.document import Do
from backoffice import subjects
from backoffice.actors import Actor

# The effect of taking the effect of `a1` back is one of the step `~a1`.
MARK = "~"
LOCK_TIMEOUT = "55P03"
RISKS = [Risk.NONE, Risk.CUSTOMER, Risk.MONEY]
DONE, BY_HAND, IN_DOUBT = StepRun.Outcome.DONE, StepRun.Outcome.BY_HAND, StepRun.Outcome.IN_DOUBT


class Verdict(StrEnum):
    CAN = "can"
    CANT = "cant"
    NOTHING = "nothing"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class Piece:
    """One effect of a run and what becomes of it. `says` is what was done, `words` the way back.

    `why` says what stands against it. `done` is what the action kept for this.
    """

    cursor: str
    verdict: Verdict
    says: str
    words: str = ""
    why: str = ""
    action: Action | None = None
    done: Mapping[str, Any] = field(default_factory=dict)
    at: datetime | None = None

    @property
    def uid(self) -> str:
        return uid_of(self.cursor)

    @property
    def can(self) -> bool:
        return self.verdict is Verdict.CAN


@dataclass(slots=True)
class Undone:
    """What was taken back, in words, and why the rest was not.

    `refused` are those that their action refused at the last moment, `left` those of which it was
    known before that they stay.
    """

    done: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def uid_of(cursor: str) -> str:
    return cursor.rpartition("/")[2].partition(":")[0]


def pieces_of(run: Run) -> list[Piece]:
    """What a run did and what it never did, the last effect first: the order it is undone in."""
    rows = StepRun.objects.filter(run_id=run.pk, outcome__in=[DONE, BY_HAND, IN_DOUBT])
    last = {row.cursor: row for row in rows.order_by("number")}
    known = {(effect.uid, effect.target): effect for effect in Effect.objects.filter(run_id=run.pk)}
    newest = sorted(last.values(), key=lambda row: -row.number)
    return [_piece(run, row, known) for row in newest] + list(_never(run, last))


def _piece(run: Run, row: StepRun, known: Mapping[tuple[str, str], Effect]) -> Piece:
    uid, target, action = uid_of(row.cursor), target_of(row.cursor), actions.get(row.action)
    effect = known.get((uid, target))
    done = row.undo or {}

    def piece(verdict: Verdict, why: str = "") -> Piece:
        words = action.undo_in_words(done) if action and done else row.says
        return Piece(row.cursor, verdict, row.says, words, why, action, done, row.finished_at)

    if (back := known.get((MARK + uid, target))) is not None:
        return piece(Verdict.UNDONE, back.says)
    if row.outcome == BY_HAND:
        return piece(Verdict.CANT, "A person did it elsewhere: undo it where it was done.")
    if row.outcome == IN_DOUBT or (effect and effect.state != Effect.State.CONFIRMED):
        return piece(Verdict.CANT, "It may have happened: say first whether it did.")
    if row.undo is None:
        return piece(Verdict.NOTHING, "It was so already.")
    if action is None:
        return piece(Verdict.CANT, "No part of the house offers this action any more.")
    why = action.why_not_undone(run.subject_id, done)
    return piece(Verdict.CANT if why else Verdict.CAN, why)


def _never(run: Run, last: Mapping[str, StepRun]) -> Iterator[Piece]:
    """The steps that were never done, so that nobody looks for them."""
    rule = compiled([run.document_id])[run.document_id]
    if not isinstance(rule, Compiled):
        return
    done = {uid_of(cursor) for cursor in last}
    for uid, step in rule.steps.items():
        if isinstance(step, Do) and uid not in done:
            words = rule.step_words(uid)
            yield Piece(uid, Verdict.NOTHING, words, words, "It was never done.")


def fingerprint(pieces: Iterable[Piece]) -> str:
    """What a preview showed, so that a button tells whether it still is so."""
    shown = [f"{piece.cursor} {piece.verdict} {piece.why}" for piece in pieces]
    return sha256("\n".join(shown).encode()).hexdigest()[:16]


def risk_of(pieces: Iterable[Piece]) -> Risk:
    """The highest risk of what would be taken back: its role decides who may."""
    found = [piece.action.risk for piece in pieces if piece.can and piece.action is not None]
    return max(found, key=RISKS.index, default=Risk.NONE)


def version_left(pieces: Iterable[Piece]) -> int | None:
    """The subject's version after the run's last effect; None when no action said."""
    versions = [piece.done["version"] for piece in pieces if "version" in piece.done]
    return max(versions, default=None)


class Busy(Exception):
    """A record is in somebody's hands at this moment."""


def lock(runs: Sequence[Run]) -> None:
    """Lock the subjects of runs that are locked, in the house's order; raises Busy."""
    wanted: dict[str, set[int]] = {}
    for run in runs:
        wanted.setdefault(run.subject, set()).add(run.subject_id)
    try:
        with transaction.atomic():
            for label in sorted(wanted):
                subjects.get(label).lock(wanted[label])
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", None) != LOCK_TIMEOUT:
            raise
        raise Busy("Somebody works on this record right now. Try again in a moment.") from error


def take_back(run: Run, pieces: Sequence[Piece], actor: Actor, reason: str) -> Undone:
    """Take back what can be, the last effect first. The caller holds the locks.

    What an action refuses at the last moment is left as it is and told; a bug undoes everything.
    """
    stay = [piece for piece in pieces if piece.verdict is Verdict.CANT]
    answer = Undone(left=[f"{piece.says.rstrip('.')}: {piece.why}" for piece in stay])
    for piece in pieces:
        if piece.can and piece.action is not None:
            _take_back(run, piece, piece.action, actor, reason, answer)
    return answer


def _take_back(
    run: Run, piece: Piece, action: Action, actor: Actor, reason: str, answer: Undone
) -> None:
    target = (run.pk, MARK + piece.uid, target_of(piece.cursor))
    if not effects.take([target], action.key):
        return
    started = timezone.now()
    call = Call(effects.key(*target), run.subject_id, {}, actor)
    try:
        with transaction.atomic():
            done = action.undo(call, piece.done)
    except Rejected as refusal:
        effects.give_back([target])
        answer.refused.append(f"{piece.words}: {refusal}")
        return
    Effect.objects.filter(run_id=run.pk, uid=target[1], target=target[2]).update(
        says=done.says, reference=reason[:200]
    )
    run.trace_length += 1
    StepRun.objects.create(
        run_id=run.pk,
        number=run.trace_length,
        cursor=piece.cursor,
        action=action.key,
        attempt=1,
        outcome=StepRun.Outcome.UNDONE,
        says=done.says,
        link=done.link[0] if done.link else "",
        link_id=done.link[1] if done.link else None,
        user_id=actor.user_id,
        started_at=started,
    )
    answer.done.append(done.says)
