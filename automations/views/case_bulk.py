"""What can be done to many cases at once, on the ids that were ticked or fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from automations.forms.cases import AssignForm, SnoozeForm, WhyForm, moment_of
from automations.models.failures import Failure
from automations.queries import retried
from automations.queries.failures import sums_of, versions_of
from automations.services import case_sets, failures
from automations.services.failures import Bulk
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome, Weight

PERMISSION = "automations.work_failure"
SUBJECT = "automations.failure"
# A handful of statements do as many.
SET = 1_000
Rows = Mapping[int, int]


def outcomes(found: Bulk) -> Iterable[Outcome]:
    """What became of a set, as a job keeps it."""
    for pk in found.done:
        yield Outcome(pk, ok=True, message=found.notes.get(pk, ""))
    for pk, why in found.refused.items():
        yield Outcome(pk, ok=False, message=why)


def _each(verb: Callable[..., Failure], rows: Rows, **given: Any) -> Iterable[Outcome]:
    return outcomes(failures.in_bulk(verb, list(rows.items()), **given))


def _retry(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return outcomes(case_sets.retry_cases(rows, actor=actor))


def _assign(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    owner = User.objects.filter(pk=params.get("owner") or 0).first()
    return _each(failures.assign_case, rows, owner=owner, actor=actor)


def _snooze(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    until, worse = moment_of(dict(params)), bool(params.get("worse"))
    return _each(failures.snooze_case, rows, until=until, worse=worse, actor=actor)


def _wake(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.wake_case, rows, actor=actor)


def _skip(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.skip_step, rows, reason=params["reason"], actor=actor)


def _end(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.end_run, rows, reason=params["reason"], actor=actor)


def _by_hand(rows: Rows, params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    """Each row has a reference and a note of its own, as they were uploaded."""
    for pk, version in rows.items():
        reference, text = params["rows"][str(pk)]
        given = {"reference": reference, "text": text, "actor": actor}
        yield from outcomes(failures.in_bulk(failures.done_by_hand, [(pk, version)], **given))


def weigh(ids: Sequence[int]) -> Weight:
    """How many cases, and the money at stake in them."""
    return Weight(len(ids), sums_of(ids))


def _action(key: str, **given: Any) -> BulkAction:
    return BulkAction(
        key=f"failures.{key}",
        permission=PERMISSION,
        subject=SUBJECT,
        versions=versions_of,
        **given,
    )


ACTIONS = (
    _action(
        "retry",
        label="Retry",
        done="Retrying",
        run_frozen=_retry,
        weigh=weigh,
        sent="sent to be tried again",
        fates=retried.fates,
        chunk=SET,
        shortcut="r",
        icon="refresh",
    ),
    _action(
        "assign",
        label="Assign",
        done="Assigned",
        run_frozen=_assign,
        form=AssignForm,
        shortcut="a",
        icon="user-plus",
    ),
    _action(
        "snooze",
        label="Snooze",
        done="Put aside",
        run_frozen=_snooze,
        form=SnoozeForm,
        undo="failures.wake",
        shortcut="h",
        icon="moon",
    ),
    _action("wake", label="Take up again", done="Took up again", run_frozen=_wake, icon="sun"),
    _action(
        "skip",
        label="Skip",
        done="Skipped the step of",
        run_frozen=_skip,
        weigh=weigh,
        form=WhyForm,
        shortcut="s",
        icon="player-skip-forward",
        danger=True,
    ),
    _action(
        "end",
        label="End the runs",
        done="Ended the run of",
        run_frozen=_end,
        weigh=weigh,
        form=WhyForm,
        asks="What the runs did stays done. What is left will not be done.",
        icon="ban",
        danger=True,
    ),
    _action(
        "by_hand",
        label="Mark done by hand",
        done="Marked done by hand",
        run_frozen=_by_hand,
        weigh=weigh,
        icon="hand-click",
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
