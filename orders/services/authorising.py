"""Letting goods come back, and how they do. A label is bought elsewhere and noted here by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice.actors import Acting
from backoffice.sets import save_many
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.returns import ReturnOrder
from orders.services.errors import OrderError, WrongState
from orders.services.returns import lock_returns, tell_returns

State = ReturnOrder.State


@transaction.atomic
def authorise_returns(
    return_ids: Iterable[int],
    *,
    why: str = "",
    takes_late: bool = False,
    versions: Mapping[int, int] | None = None,
    actor: Acting,
) -> list[ReturnOrder]:
    """Let goods come back, or stay where they arrived unasked.

    A return asked for after its window takes somebody who may (`takes_late`) and a reason. Raises
    WrongState when it is authorised, refused or has no order, OrderError, StaleVersion. Announces
    returns_authorised.
    """
    rows, _orders = lock_returns(return_ids, *State)
    refuse_stale(rows, versions)
    now = timezone.now()
    for row in rows:
        _refuse(row, why.strip(), takes_late=takes_late)
        if row.state == State.REQUESTED:
            row.state = State.AUTHORISED
        row.authorised_at = now
        row.authorised_by = actor.of(row.pk).label[:200]
        row.authorised_why = why.strip()[:300]
        row.version += 1
    save_many(rows, ["state", "authorised_at", "authorised_by", "authorised_why", "version"])
    tell_returns(rows, "Return {number} authorised", actor, at=None)
    signals.returns_authorised.send(sender=ReturnOrder, returns=rows, actor=actor, history=False)
    return rows


def _refuse(row: ReturnOrder, why: str, *, takes_late: bool) -> None:
    if row.authorised_at is not None or row.state == State.REFUSED:
        said = "authorised" if row.authorised_at else "refused"
        raise WrongState(f"Return {row} is {said} already.")
    if row.order_id is None:
        raise WrongState(f"Return {row} has no order yet. Find its order first.")
    if row.is_late and not takes_late:
        raise OrderError(
            f"Return {row} was asked for after its window. Somebody who may take late returns "
            "has to authorise it, or refuse it as too late."
        )
    if row.is_late and not why:
        raise OrderError(f"Return {row} is late. Say why it is taken all the same.")


@transaction.atomic
def note_way_back(
    return_id: int,
    *,
    carrier: str,
    tracking: str,
    pickup_point: str,
    version: int | None = None,
    actor: Acting,
) -> ReturnOrder:
    """Write down the label and the pickup point by which goods come back; blank takes them off.

    Raises WrongState once they are here, OrderError where the number is on another return,
    StaleVersion.
    """
    (row,), _orders = lock_returns([return_id], *ReturnOrder.COMING)
    refuse_stale([row], None if version is None else {return_id: version})
    row.carrier, row.tracking, row.pickup_point = (
        text.strip() for text in (carrier, tracking, pickup_point)
    )
    if row.tracking and not row.carrier:
        raise OrderError("Say whose number this is: the carrier is missing.")
    row.version += 1
    try:
        with transaction.atomic():
            row.save(update_fields=["carrier", "tracking", "pickup_point", "version"])
    except IntegrityError as error:
        raise OrderError(
            f"{row.carrier} {row.tracking} is the number of another return. Check it."
        ) from error
    said = " ".join(part for part in (row.carrier, row.tracking) if part) or "no label"
    tell_returns([row], f"Return {{number}} comes back by {said}", actor, at=None)
    return row
