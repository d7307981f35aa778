"""Forwarding to suppliers and other people's warehouses: told once, answered or brought up.

What is forwarded is a parcel: packing keeps its units from leaving twice. Its reference is ours and
goes along however often it is sent, so that nobody ships it twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import HOUSE, Acting
from orders import signals
from orders.models.forwarding import ForwardedOrder, Forwarder
from orders.models.orders import Order
from orders.models.packages import Package
from orders.queries.due import TO_SHIP
from orders.queries.forwarding import answer_by, rows_of
from orders.services.errors import OrderError, WrongState
from orders.services.forwarding_ports import ForwardRequest, port
from orders.services.labels import Wanted, buy_label
from orders.services.outcomes import lock_order
from orders.services.packing import hand_over, pack_order, unpack_package

State = ForwardedOrder.State
AT_ONCE = 200
# How long a connector may take to tell them before another worker may try.
PATIENCE = timedelta(minutes=2)


def forward_ready(*, actor: Acting = HOUSE) -> int:
    """Pack what is ready where somebody else ships, and put it down to be forwarded.

    Answers how many parcels were. What can't be packed waits, and never keeps the others.
    """
    made = 0
    for forwarder in Forwarder.objects.filter(is_active=True).select_related("location"):
        place = forwarder.location
        here = Q(location=place) | Q(location=None, channel__location=place)
        ready = Order.objects.filter(
            TO_SHIP, here, is_held=False, is_history=False, method=Order.Method.HOME
        )
        # What they refused once is for people: packed again by hand, it is forwarded again.
        ready = ready.exclude(
            forwarded__in=ForwardedOrder.objects.filter(forwarder=forwarder, state=State.REFUSED)
        )
        for pk in ready.order_by("ship_by", "pk").values_list("pk", flat=True)[:AT_ONCE]:
            try:
                with transaction.atomic():
                    pack_order(pk, actor=actor)
            except OrderError:
                continue
        loose = Package.objects.filter(location=place, shipment=None, unpacked_at=None)
        for pk in (
            loose.filter(forwarded=None).order_by("pk").values_list("pk", flat=True)[:AT_ONCE]
        ):
            made += _put_down(pk, forwarder)
    return made


@transaction.atomic
def _put_down(package_id: int, forwarder: Forwarder) -> int:
    package = Package.objects.select_for_update(no_key=True).get(pk=package_id)
    if package.shipment_id or package.unpacked_at or hasattr(package, "forwarded"):
        return 0
    ForwardedOrder.objects.create(
        package=package, order_id=package.order_id, forwarder=forwarder, reference=package.number
    )
    return 1


def _locked(forwarded_id: int) -> tuple[Order, ForwardedOrder]:
    """The order first, as everywhere."""
    order_id = ForwardedOrder.objects.values_list("order_id", flat=True).get(pk=forwarded_id)
    order = lock_order(order_id)
    rows = ForwardedOrder.objects.select_for_update(no_key=True, of=("self",))
    row = rows.select_related("forwarder__calendar", "package").get(pk=forwarded_id)
    return order, row


@transaction.atomic
def mark_sent(forwarded_id: int, *, actor: Acting) -> bool:
    """Note that they were told, from now on; False where they were already.

    Raises WrongState for what was withdrawn. Announces forwards_sent.
    """
    order, row = _locked(forwarded_id)
    if row.state == State.WITHDRAWN:
        raise WrongState(f"{row.reference} was withdrawn. Nobody has to hear of it.")
    if row.state != State.TO_SEND:
        return False
    if order.is_held or order.is_cancelled:
        raise WrongState(f"Order {order} is on hold or cancelled. Nobody hears of it meanwhile.")
    _send(row)
    _tell(row, f"Forwarded to {row.forwarder} as {row.reference}", actor)
    signals.forwards_sent.send(
        sender=ForwardedOrder, orders=[order], forwarded=[row], actor=actor, history=False
    )
    return True


def _send(row: ForwardedOrder) -> None:
    row.state = State.SENT
    row.sends += 1
    row.sent_at = timezone.now()
    row.answer_by = answer_by(row.forwarder, row.sent_at)
    row.claimed_until = None
    _save(row, "state", "sends", "sent_at", "answer_by", "claimed_until")


def _save(row: ForwardedOrder, *fields: str) -> None:
    row.version += 1
    row.save(update_fields=[*fields, "version"])


def _tell(row: ForwardedOrder, says: str, actor: Acting) -> None:
    by = actor.of(row.order_id)
    timeline.record([timeline.Happened("orders.order", row.order_id, says, by)])


@transaction.atomic
def send_again(forwarded_id: int, *, sends: int, actor: Acting) -> bool:
    """Tell them again, under the same reference; their time to answer begins anew.

    `sends` is how often the page said they were told: a second press does nothing and answers
    False. Raises WrongState where they have answered. Announces forwards_answered, so that what
    was brought before people closes.
    """
    order, row = _locked(forwarded_id)
    if row.sends != sends:
        return False
    if row.state not in (State.SENT, State.UNANSWERED):
        raise WrongState(f"{row.reference} is {row.get_state_display().lower()}.")
    was_late = row.state == State.UNANSWERED
    _send(row)
    _tell(row, f"Forwarded to {row.forwarder} again, as {row.reference}", actor)
    if was_late:
        _answered(order, row, actor)
    return True


@transaction.atomic
def acknowledge(forwarded_id: int, *, theirs: str = "", actor: Acting) -> bool:
    """Note that they will ship it; False where that is known. Raises WrongState.

    Also after their time was over: what was brought before people then closes.
    """
    order, row = _locked(forwarded_id)
    if row.state in (State.ACKNOWLEDGED, State.SHIPPED):
        return False
    if row.state not in (State.SENT, State.UNANSWERED):
        raise WrongState(f"{row.reference} is {row.get_state_display().lower()}. Send it first.")
    row.state = State.ACKNOWLEDGED
    row.their_reference = theirs[:80]
    row.answered_at = timezone.now()
    _save(row, "state", "their_reference", "answered_at")
    _tell(row, f"{row.forwarder} acknowledged {row.reference}", actor)
    _answered(order, row, actor)
    return True


@transaction.atomic
def refuse_forwarded(forwarded_id: int, *, why: str, actor: Acting) -> bool:
    """Note that they won't ship it: its parcel is taken apart, and its units may leave elsewhere.

    False where that is known. Raises WrongState, OrderError. Announces forwards_refused.
    """
    order, row = _locked(forwarded_id)
    if row.state == State.REFUSED:
        return False
    if row.state not in ForwardedOrder.KNOWN:
        raise WrongState(f"{row.reference} is {row.get_state_display().lower()}.")
    if not why.strip():
        raise OrderError("Say why they refused it.")
    row.state = State.REFUSED
    row.refused_why = why.strip()[:300]
    row.answered_at = timezone.now()
    _save(row, "state", "refused_why", "answered_at")
    _tell(row, f"{row.forwarder} refused {row.reference}: {row.refused_why}", actor)
    unpack_package(row.package_id, actor=actor)
    _answered(order, row, actor)
    signals.forwards_refused.send(
        sender=ForwardedOrder, orders=[order], forwarded=[row], actor=actor, history=False
    )
    return True


def _answered(order: Order, row: ForwardedOrder, actor: Acting) -> None:
    signals.forwards_answered.send(
        sender=ForwardedOrder, orders=[order], forwarded=[row], actor=actor, history=False
    )


def note_shipped(
    forwarded_id: int, *, service_id: int, tracking: str, actor: Acting
) -> ForwardedOrder:
    """Note that their parcel has left, under this number; a repeat changes nothing.

    Raises WrongState where they were never told, and what labels and shipping raise.
    """
    row = ForwardedOrder.objects.select_related("package").get(pk=forwarded_id)
    if row.state == State.SHIPPED:
        return row
    if row.state not in ForwardedOrder.KNOWN:
        raise WrongState(f"{row.reference} is {row.get_state_display().lower()}.")
    key = f"forwarded:{row.pk}:{tracking}"[:120]
    buy_label(Wanted(row.package_id, service_id, key, tracking), actor=actor)
    hand_over(row.package_id, actor=actor)
    row.refresh_from_db()
    return row


def notice_unanswered(*, now: datetime | None = None, actor: Acting = HOUSE) -> int:
    """Bring before people what nobody has answered in time; answers how many, each told once.

    `now` None means the present. Announces forwards_unanswered.
    """
    now = now or timezone.now()
    due = ForwardedOrder.objects.filter(state=State.SENT, answer_by__lte=now)
    return sum(
        _late(pk, now, actor)
        for pk in due.order_by("answer_by").values_list("pk", flat=True)[:AT_ONCE]
    )


@transaction.atomic
def _late(forwarded_id: int, now: datetime, actor: Acting) -> int:
    order, row = _locked(forwarded_id)
    if row.state != State.SENT or row.answer_by is None or row.answer_by > now:
        return 0
    row.state = State.UNANSWERED
    _save(row, "state")
    _tell(row, f"{row.forwarder} has not answered about {row.reference} in time", actor)
    signals.forwards_unanswered.send(
        sender=ForwardedOrder, orders=[order], forwarded=[row], actor=actor, history=False
    )
    return 1


def send_by_connectors(*, actor: Acting = HOUSE) -> int:
    """Tell those that a connector reaches; answers how many were told.

    The connector is asked outside any transaction, by one worker at a time; it looks our reference
    up before it tells anything, so that an answer that was lost tells nobody twice.
    """
    now = timezone.now()
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    due = ForwardedOrder.objects.filter(free, state=State.TO_SEND, order__is_held=False)
    rows = due.exclude(forwarder__port="by_hand").order_by("pk")[:AT_ONCE]
    return sum(_send_one(row, now, actor) for row in rows.select_related("forwarder"))


def _send_one(row: ForwardedOrder, now: datetime, actor: Acting) -> int:
    free = Q(claimed_until=None) | Q(claimed_until__lte=now)
    mine = ForwardedOrder.objects.filter(free, pk=row.pk, state=State.TO_SEND)
    if not mine.update(claimed_until=now + PATIENCE):
        return 0
    try:
        connector = port(row.forwarder.port)
        if not connector.knows(row.reference):
            connector.send(ForwardRequest(row.reference, tuple(rows_of([row]))))
        return int(mark_sent(row.pk, actor=actor))
    except OrderError:
        # It stays to be sent; the list shows it, and the next round tries again.
        return 0


def mark_each(ids: Sequence[int], *, actor: Acting) -> dict[int, OrderError | None]:
    """Mark many as sent, each by itself; None: they are told, now or before."""
    answers: dict[int, OrderError | None] = {}
    for pk in ids:
        try:
            mark_sent(pk, actor=actor)
        except OrderError as error:
            answers[pk] = error
        else:
            answers[pk] = None
    return answers


def by_reference(references: Iterable[str]) -> dict[str, ForwardedOrder]:
    """What was forwarded under these references of ours."""
    rows = ForwardedOrder.objects.filter(reference__in=set(references))
    return {row.reference: row for row in rows.select_related("forwarder")}
