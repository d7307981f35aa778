"""Choosing the carrier service of an order: the cheapest that keeps the promise, and why."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from django.db import transaction
from django.utils import timezone
from django.utils.formats import date_format

from backoffice import timeline
from backoffice.actors import Acting
from orders.models.carriers import CarrierService
from orders.models.choices import ServiceChoice
from orders.models.orders import Order
from orders.models.packages import Label
from orders.queries.carrier_limits import not_there
from orders.queries.carrier_offers import Offer, offers, promised_on
from orders.services.clock import set_ship_by
from orders.services.errors import AlreadyCancelled, AlreadyShipped, LabelExists, OrderError
from orders.services.outcomes import Outcomes, lock_order, unknown

Reason = ServiceChoice.Reason


@transaction.atomic
def choose_service(order_id: int, *, version: int | None = None, actor: Acting) -> ServiceChoice:
    """Let an order leave with the cheapest service that arrives by what its channel promised.

    Where none does, with the one that arrives first. The reason and what stood to choose from are
    kept. Raises OrderError where no service with a price goes there, AlreadyShipped,
    AlreadyCancelled, LabelExists, StaleVersion.
    """
    order = _open(order_id, version)
    found = offers(order, timezone.now())
    fitting = [each for each in found if not each.refusal]
    if not fitting:
        raise OrderError(
            f"No carrier service with a price in {order.currency} takes order {order} to "
            f"{order.ship_country or 'an unknown country'}. Give one a price on its page."
        )
    due = promised_on(order)
    offer, reason, why = _best(fitting, due)
    return _keep(order, offer.service, reason, why, found, actor, offer.arrives_on)


def choose_services(order_ids: Iterable[int], *, actor: Acting) -> Outcomes:
    """As choose_service, for each order by itself: one that can't never keeps the others."""
    ids = set(order_ids)
    before = dict(Order.objects.filter(pk__in=ids).values_list("pk", "service"))
    done = Outcomes(refused=unknown(ids, Order.objects.filter(pk__in=ids)))
    for pk in sorted(before):
        try:
            choice = choose_service(pk, actor=actor)
        except OrderError as error:
            done.refused[pk] = error
        else:
            same = choice.service_id == before[pk]
            (done.unchanged if same else done.changed).append(Order.objects.get(pk=pk))
    return done


@transaction.atomic
def set_service(
    order_id: int,
    service: CarrierService,
    why: str,
    *,
    version: int | None = None,
    actor: Acting,
) -> ServiceChoice:
    """Let an order leave with a service that a person chose, for a reason.

    Raises OrderError without a reason and for a service that does not go there, AlreadyShipped,
    AlreadyCancelled, LabelExists, StaleVersion.
    """
    order = _open(order_id, version)
    if not why.strip():
        raise OrderError("Say why this service.")
    if not service.is_active:
        raise OrderError(f"{service} is switched off. Choose another service.")
    for _, says in not_there(service, order.ship_country):
        raise OrderError(says)
    found = offers(order, timezone.now())
    day = next((each.arrives_on for each in found if each.service == service), None)
    return _keep(order, service, Reason.PERSON, why.strip()[:300], found, actor, day)


def chosen_by_itself(order: Order, *, actor: Acting) -> Order:
    """Choose a service for a locked order that has none of its own, where its channel says so.

    Where none can be chosen it leaves as its channel's orders do; answers the order as it is then.
    """
    if order.service_id is not None or not order.channel.chooses_service:
        return order
    try:
        choose_service(order.pk, actor=actor)
    except OrderError:
        return order
    return lock_order(order.pk)


def _open(order_id: int, version: int | None) -> Order:
    order = lock_order(order_id, version)
    if order.is_cancelled:
        raise AlreadyCancelled(f"Order {order} is cancelled. Nothing of it leaves.")
    if order.method != Order.Method.HOME:
        raise OrderError(f"Order {order} is collected: no carrier takes it.")
    if order.fulfilment == Order.Fulfilment.SHIPPED:
        raise AlreadyShipped(f"Order {order} has left already.")
    if (
        Label.objects.filter(package__order=order, state__in=Label.LIVE)
        .filter(package__shipment=None)
        .exists()
    ):
        raise LabelExists(f"A parcel of order {order} has a label already. Void it first.")
    return order


def _best(fitting: Sequence[Offer], due: date | None) -> tuple[Offer, Reason, str]:
    """The offer to take of those that take the order, the reason as a code and as a sentence."""
    timely = [each for each in fitting if due is None or each.day <= due]
    if not timely:
        offer = min(fitting, key=lambda each: each.day)
        said = f"None of {len(fitting)} arrives by {_words(due)}; this one does first"
        return offer, Reason.FASTEST, _with_day(said, ", on", offer)
    offer = timely[0]
    if len(fitting) == 1:
        return (
            offer,
            Reason.ONLY,
            _with_day("The only service that takes it", "; arrives on", offer),
        )
    by = f" that arrive by {_words(due)}" if due else ""
    said = f"The cheapest of {len(timely)}{by}: {offer.price}"
    return offer, Reason.CHEAPEST, _with_day(said, "; arrives on", offer)


def _with_day(said: str, when: str, offer: Offer) -> str:
    return f"{said}{when} {_words(offer.arrives_on)}." if offer.arrives_on else f"{said}."


def _words(day: date | None) -> str:
    return date_format(day, "j F") if day else ""


def _verdict(offer: Offer, chosen: CarrierService, due: date | None) -> str:
    if offer.service == chosen:
        return "chosen"
    if offer.refusal:
        return offer.refusal.removeprefix(f"{offer.service} ").removesuffix(".")
    if due is not None and offer.day > due:
        return "too late" if offer.arrives_on else "nobody knows how long it takes"
    return "dearer"


def _keep(
    order: Order,
    service: CarrierService,
    reason: Reason,
    why: str,
    found: Sequence[Offer],
    actor: Acting,
    arrives_on: date | None,
) -> ServiceChoice:
    person, due = actor.of(order.pk), promised_on(order)
    choice, _ = ServiceChoice.objects.update_or_create(
        order=order,
        defaults={
            "service": service,
            "reason": reason,
            "why": why,
            "promised_on": due,
            "arrives_on": arrives_on,
            "considered": [
                {
                    "service": str(each.service),
                    "price": str(each.price or ""),
                    "arrives": each.arrives_on.isoformat() if each.arrives_on else "",
                    "verdict": _verdict(each, service, due),
                }
                for each in found
            ],
            "chosen_at": timezone.now(),
            "actor_label": person.label,
            "user_id": person.user_id,
        },
    )
    order.service = service
    set_ship_by([order])
    order.version += 1
    order.save(update_fields=["service", "ship_by", "version"])
    text = f"Leaves with {service}: {why}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, person)])
    return choice
