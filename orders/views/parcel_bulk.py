"""What can be done to many parcels at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.services.packing import hand_over_each
from orders.services.tracking_file import Line, apply


def _leave(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    for pk, error in hand_over_each(ids, actor=actor).items():
        yield Outcome(pk, ok=error is None, message=str(error or ""))


def _from_file(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    """The ids are the numbers of the file's rows."""
    lines = [Line(**params["rows"][str(number)]) for number in ids]
    for told in apply(lines, leave=bool(params["leave"]), actor=actor):
        message = f"Row {told.number}, {told.name}: {told.problem or 'done'}"
        yield Outcome(told.number, ok=not told.problem, message=message)


def _leave_words(params: Mapping[str, Any]) -> str:
    if params["leave"]:
        return "The parcels are handed over too. What has left can't be taken back."
    return "The parcels are labelled and stay here until somebody hands them over."


ACTIONS = (
    BulkAction(
        key="parcels.leave",
        label="Hand over",
        done="Handed over",
        permission="orders.pack_order",
        run=_leave,
        asks="What has left can't be taken back.",
        shortcut="o",
        icon="truck",
    ),
    BulkAction(
        key="parcels.from_file",
        label="Enter tracking numbers of",
        done="Entered tracking numbers of",
        permission="orders.pack_order",
        run=_from_file,
        in_words=_leave_words,
        icon="upload",
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
