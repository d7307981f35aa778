"""What every change of a ticket does: raise its version, tell its story."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from backoffice import timeline
from backoffice.actors import Acting, Actor
from support.models import Ticket

LABEL = "support.ticket"


def written_by(actor: Actor) -> dict[str, Any]:
    """The columns of a message that say who or which run wrote it."""
    return {
        "actor_kind": actor.kind,
        "actor_label": actor.label,
        "user_id": actor.user_id,
        "rule_id": actor.rule_id,
        "rule_version": actor.rule_version,
        "run_id": actor.run_id,
    }


def save(tickets: Sequence[Ticket], fields: Sequence[str]) -> None:
    """Save locked tickets, each at its next version."""
    for ticket in tickets:
        ticket.version += 1
    Ticket.objects.bulk_update(tickets, [*fields, "version"], batch_size=500)


def say(tickets: Sequence[Ticket], words: Callable[[Ticket], str], actor: Acting) -> None:
    """Write a line to each ticket's story."""
    timeline.record(
        timeline.Happened(LABEL, ticket.pk, words(ticket), actor.of(ticket.pk))
        for ticket in tickets
    )
