"""Undoing a run, or many: previewed, with a reason, by someone whose role answers for the risk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils import timezone

from automations.engine import undo
from automations.engine.undo import Busy, Piece, Undone, Verdict
from automations.engine.work import FINISHED
from automations.models.runs import Run
from automations.services import doors
from automations.services.approving import SUITABLE, role_for
from automations.services.ending import RUN, end_locked
from automations.services.errors import AutomationError, NotPossible, Refused, Stale
from automations.services.failures import Bulk, because
from backoffice import audit, timeline
from backoffice.actors import Actor
from backoffice.models import User

OPEN_STATES = [Run.State.DUE, Run.State.WAITING, Run.State.HELD, Run.State.PARKED, Run.State.FAILED]


@dataclass(frozen=True, slots=True)
class Preview:
    """What undoing a run would do. `why_not` is empty when this person can do it now.

    `mark` tells a button whether what it showed is still so; `ends` says that the run is not at
    its end, so that undoing ends it first.
    """

    pieces: list[Piece]
    mark: str
    why_not: str
    ends: bool

    @property
    def can(self) -> int:
        return sum(piece.can for piece in self.pieces)

    @property
    def effects(self) -> int:
        """How many effects the run has taken, of whatever verdict."""
        return sum(piece.verdict is not Verdict.NOTHING for piece in self.pieces)


def preview(run: Run, user: User) -> Preview:
    """What undoing this run would do, step by step, for this person."""
    pieces = undo.pieces_of(run)
    return Preview(
        pieces, undo.fingerprint(pieces), why_not(run, pieces, user), run.state not in FINISHED
    )


def why_not(run: Run, pieces: Sequence[Piece], user: User) -> str:
    """Why this person can't undo the run now; empty when they can."""
    if run.shadow:
        return "A shadow takes no effect, so there is nothing to undo."
    if not any(piece.can for piece in pieces):
        undone = any(piece.verdict is Verdict.UNDONE for piece in pieces)
        return "What could be undone was undone." if undone else "Nothing of it can be undone."
    if run.state == Run.State.CALLING:
        return "A call to another system is under way. Wait until it has answered."
    risk = undo.risk_of(pieces)
    if role_for(user, risk) is None:
        return f"Someone of {' or '.join(SUITABLE[risk])} has to undo this."
    return ""


@audit.traces_refusals("runs.refused", RUN, Refused)
@transaction.atomic
def undo_run(run_id: int, *, reason: str, actor: Actor, mark: str = "") -> Undone:
    """Take back what a run did, as far as it can be; a run that is not at its end is ended first.

    `mark` is that of the preview which was shown; empty where nobody looked at one. Raises Stale,
    NotPossible, Refused.
    """
    why = because(reason)
    (run,) = _locked([run_id])
    return _undo(run, why, actor, mark)


def undo_runs(run_ids: Sequence[int], *, reason: str, actor: Actor) -> Bulk:
    """Undo runs, each on its own; the caller's transaction holds their locks together."""
    why = because(reason)
    answer = Bulk()
    with transaction.atomic():
        runs = _locked(run_ids)
        for run in runs:
            try:
                with transaction.atomic():
                    undone = _undo(run, why, actor, "")
            except AutomationError as refusal:
                answer.refused[run.pk] = str(refusal)
            else:
                answer.done.append(run.pk)
                if stays := [*undone.left, *undone.refused]:
                    answer.notes[run.pk] = f"Not undone: {'; '.join(stays)}"
    for run_id in set(run_ids) - {run.pk for run in runs}:
        answer.refused[run_id] = "This run does not exist."
    return answer


def _locked(run_ids: Sequence[int]) -> list[Run]:
    """The runs and then their subjects, each by key: the engine's order."""
    rows = Run.objects.select_for_update(no_key=True).filter(pk__in=run_ids)
    runs = list(rows.order_by("pk"))
    try:
        undo.lock(runs)
    except Busy as busy:
        raise NotPossible(str(busy)) from busy
    return runs


def _undo(run: Run, reason: str, actor: Actor, mark: str) -> Undone:
    pieces = undo.pieces_of(run)
    if mark and mark != undo.fingerprint(pieces):
        raise Stale("What can be undone has changed since you looked. Look again.")
    user = User.objects.get(pk=doors.person_id(actor))
    if refusal := why_not(run, pieces, user):
        error = Refused if role_for(user, undo.risk_of(pieces)) is None else NotPossible
        raise error(refusal)
    if run.state in OPEN_STATES:
        end_locked(run, "")
    undone = undo.take_back(run, pieces, actor, reason)
    if not undone.done:
        raise NotPossible("; ".join(undone.refused))
    run.undone_at = timezone.now()
    run.outcome = f"{run.outcome} Undone by {actor.label}: {reason}".strip()
    run.save(update_fields=["undone_at", "outcome", "trace_length"])
    _tell(run, undone, reason, actor)
    return undone


def _tell(run: Run, undone: Undone, reason: str, actor: Actor) -> None:
    words = f"Undid run {run.number}: {reason}"[:500]
    timeline.record(
        [timeline.Happened(run.subject, run.subject_id, words, actor, link=(RUN, run.pk))]
    )
    audit.record(
        "runs.undone",
        RUN,
        run.pk,
        actor=actor,
        rule=run.rule_id,
        done=len(undone.done),
        left=len(undone.refused) + len(undone.left),
        why=reason,
    )
