"""Queues: find the open ones, close one without stranding its tickets."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor
from backoffice.counting import counted
from support import signals
from support.models import Queue, Ticket
from support.services.errors import QueueClosed, QueueNeeded


def open_queues(slugs: Iterable[str]) -> dict[str, Queue]:
    """The open queues among `slugs`, and the default one under "".

    They are locked against being closed until the caller's transaction ends, but any number of
    transactions may hold such a lock at once.
    """
    rows = Queue.objects.raw(
        "SELECT * FROM support_queue WHERE is_active AND (is_default OR slug = ANY(%s)) "
        "ORDER BY id FOR SHARE",
        [sorted(set(slugs))],
    )
    found: dict[str, Queue] = {}
    for queue in rows:
        found[queue.slug] = queue
        if queue.is_default:
            found[""] = queue
    return found


def homes_of(ticket_ids: Iterable[int]) -> dict[str, Queue]:
    """The open queues among those of these tickets, and the default one, locked as above.

    Queues are locked before their tickets, everywhere.
    """
    slugs = Queue.objects.filter(tickets__in=set(ticket_ids)).distinct()
    return open_queues(slugs.values_list("slug", flat=True))


def bring_home(ticket: Ticket, homes: dict[str, Queue]) -> None:
    """Put a ticket that is worked on again in the default queue if its own has closed."""
    if ticket.queue_id not in {queue.pk for queue in homes.values()}:
        if "" not in homes:
            raise QueueClosed(refusal(""))
        ticket.queue = homes[""]


def refusal(slug: str) -> str:
    """Why no ticket can go to a queue, in a sentence for the operator."""
    if not slug:
        return "No queue is the default one. Choose a queue, or make one the default, and retry."
    name = Queue.objects.filter(slug=slug).values_list("name", flat=True).first()
    if name is None:
        return f"There is no queue “{slug}”. Choose another queue and retry."
    return f"The queue “{name}” is closed. Choose another queue and retry."


@transaction.atomic
def close_queue(queue: Queue, *, move_to: Queue | None, actor: Actor) -> int:
    """Close a queue and move its unsolved tickets; returns how many moved.

    `move_to` None is allowed for an empty queue only. Raises QueueNeeded for the default queue
    and where tickets would be stranded, QueueClosed when `move_to` is closed.
    """
    locked = {row.pk: row for row in _lock([queue, *([move_to] if move_to else [])])}
    queue = locked[queue.pk]
    if queue.is_default:
        raise QueueNeeded(
            f"“{queue.name}” is the default queue. Make another queue the default first."
        )
    tickets = list(
        Ticket.objects.unsolved().filter(queue=queue).select_for_update(no_key=True).order_by("pk")
    )
    if tickets and (move_to is None or move_to.pk == queue.pk):
        raise QueueNeeded(
            f"“{queue.name}” has {counted(len(tickets), 'open ticket')}. "
            "Choose a queue to move them to."
        )
    if move_to is not None and not locked[move_to.pk].is_active:
        raise QueueClosed(refusal(move_to.slug))
    Ticket.objects.filter(pk__in=[ticket.pk for ticket in tickets]).update(
        queue=move_to, version=F("version") + 1
    )
    queue.is_active = False
    queue.save(update_fields=["is_active"])
    now = timezone.now()
    timeline.record(
        timeline.Happened(
            "support.ticket", ticket.pk, f"Moved to {move_to}: {queue} was closed", actor, now
        )
        for ticket in tickets
    )
    signals.queues_closed.send(sender=Queue, queues=[queue], actor=actor, history=False)
    return len(tickets)


@transaction.atomic
def reopen_queue(queue: Queue, *, actor: Actor) -> Queue:
    """Let a closed queue take tickets again."""
    (queue,) = _lock([queue])
    queue.is_active = True
    queue.save(update_fields=["is_active"])
    return queue


def _lock(queues: Iterable[Queue]) -> list[Queue]:
    keys = [queue.pk for queue in queues]
    return list(Queue.objects.select_for_update().filter(pk__in=keys).order_by("pk"))
