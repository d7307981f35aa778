"""Notes of staff and rules on an order."""

from __future__ import annotations

from django.db import transaction

from backoffice import timeline
from backoffice.actors import Acting
from orders.models.orders import OrderNote
from orders.services.errors import OrderError
from orders.services.outcomes import lock_orders, unknown


@transaction.atomic
def add_note(order_id: int, text: str, *, actor: Acting) -> OrderNote:
    """Write a note on an order; its text may name people, so the timeline says only that it is.

    Raises UnknownOrder, or OrderError for an empty note.
    """
    text = text.strip()
    if not text:
        raise OrderError("A note needs a text.")
    orders = lock_orders([order_id])
    for error in unknown([order_id], orders).values():
        raise error
    by = actor.of(order_id)
    note = OrderNote.objects.create(
        order_id=order_id,
        text=text,
        actor_kind=by.kind,
        actor_label=by.label,
        user_id=by.user_id,
        run_id=by.run_id,
    )
    timeline.record([timeline.Happened("orders.order", order_id, "Note added", by)])
    return note
