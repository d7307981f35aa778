"""What can be done to many forwarded shipments at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from backoffice.actors import Actor
from backoffice.workbench import bulk
from backoffice.workbench.bulk import BulkAction, Outcome
from orders.services.forwarding import mark_each


def _sent(ids: Sequence[int], params: Mapping[str, Any], actor: Actor) -> Iterable[Outcome]:
    for pk, error in mark_each(ids, actor=actor).items():
        yield Outcome(pk, ok=error is None, message=str(error or ""))


ACTIONS = (
    BulkAction(
        key="forwarded.sent",
        label="Mark sent",
        done="Marked as sent",
        permission="orders.run_forwarding",
        run=_sent,
        asks="From now on they have their working hours to answer.",
        shortcut="s",
        icon="send",
    ),
)


def register_bulk_actions() -> None:
    """Called once when the app is ready."""
    for action in ACTIONS:
        bulk.register(action)
