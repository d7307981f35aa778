"""What can be done to many cases at once, on the ids that were ticked or fixed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from automations.forms.cases import AssignForm, SnoozeForm, WhyForm, moment_of
from automations.models.failures import Failure
from automations.services import failures
from backoffice.actors import Actor
from backoffice.models import User
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome

PERMISSION = "automations.work_failure"


def _each(verb: Callable[..., Failure], ids: Sequence[int], **given: Any) -> Iterable[Outcome]:
    rows = Failure.objects.filter(pk__in=ids).order_by("pk")
    found = failures.in_bulk(verb, list(rows.values_list("pk", "version")), **given)
    for pk in found.done:
        yield Outcome(pk, ok=True)
    for pk, why in found.refused.items():
        yield Outcome(pk, ok=False, message=why)


def _retry(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.retry_case, ids, actor=actor)


def _assign(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    owner = User.objects.filter(pk=params.get("owner") or 0).first()
    return _each(failures.assign_case, ids, owner=owner, actor=actor)


def _snooze(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.snooze_case, ids, until=moment_of(dict(params)), actor=actor)


def _wake(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.wake_case, ids, actor=actor)


def _skip(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    return _each(failures.skip_step, ids, reason=params["reason"], actor=actor)


ACTIONS = (
    BulkAction(
        key="failures.retry",
        label="Retry",
        done="Retrying",
        permission=PERMISSION,
        run=_retry,
        shortcut="r",
        icon="refresh",
    ),
    BulkAction(
        key="failures.assign",
        label="Assign",
        done="Assigned",
        permission=PERMISSION,
        run=_assign,
        form=AssignForm,
        shortcut="a",
        icon="user-plus",
    ),
    BulkAction(
        key="failures.snooze",
        label="Snooze",
        done="Put aside",
        permission=PERMISSION,
        run=_snooze,
        form=SnoozeForm,
        undo="failures.wake",
        shortcut="h",
        icon="moon",
    ),
    BulkAction(
        key="failures.wake",
        label="Take up again",
        done="Took up again",
        permission=PERMISSION,
        run=_wake,
        icon="sun",
    ),
    BulkAction(
        key="failures.skip",
        label="Skip",
        done="Skipped the step of",
        permission=PERMISSION,
        run=_skip,
        form=WhyForm,
        shortcut="s",
        icon="player-skip-forward",
        danger=True,
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
