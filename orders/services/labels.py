"""Labels: bought once per parcel, whatever is pressed, retried or lost on the way.

The intent is committed before the carrier is asked, under a key that goes along as our reference.
A retry of the same intent looks the label up before it buys.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.money import Money
from orders import signals
from orders.models.carriers import CarrierService
from orders.models.orders import Order
from orders.models.packages import Label, Package, PackageLine
from orders.queries.carrier_limits import not_there, too_large
from orders.services.errors import LabelExists, OrderError, ParcelTrouble, WrongState
from orders.services.packing import live_label, lock_package, refuse_gone
from orders.services.ports import BoughtLabel, CustomsLine, LabelRefused, LabelRequest, port
from orders.services.readiness import why_not_covered, why_not_ready

State, Trouble = Label.State, Package.Trouble
# How long a carrier may take before another attempt may look the label up.
PATIENCE = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A label to get. `key` is one per intent; tracking and cost are typed where staff buy it."""

    package_id: int
    service_id: int
    key: str
    tracking: str = ""
    cost: Decimal | None = None


def buy_label(wanted: Wanted, *, actor: Acting) -> Label:
    """Get a label for a parcel; the same key twice gives the same label.

    Never inside a transaction that may be undone: the intent has to stand before the carrier is
    asked. Raises ParcelTrouble, LabelExists, LabelRefused, CarrierDown, OnHold, NotPaid,
    AlreadyCancelled, WrongState. Announces labels_bought.
    """
    label, request, is_retry = _intend(wanted, actor)
    if request is None:
        return label
    carrier = port(label.service.port)
    try:
        bought = (carrier.find(label.key) if is_retry else None) or carrier.buy(request)
    except LabelRefused as error:
        _refused(label.pk, str(error))
        raise
    try:
        return _settle(label.pk, bought, actor)
    except IntegrityError as error:
        if "label_tracking_once" not in str(error):
            raise
        # Two parcels were given one tracking number at the same moment: the other was faster.
        says = f"{bought.tracking} stands on another parcel already."
        _refused(label.pk, says)
        raise LabelExists(says) from error


@transaction.atomic
def _intend(wanted: Wanted, actor: Acting) -> tuple[Label, LabelRequest | None, bool]:
    """The label's row, what to ask the carrier (None: nothing), and whether it may know of it."""
    order, package = lock_package(wanted.package_id)
    known = Label.objects.select_related("service").filter(key=wanted.key).first()
    known = known or _left_behind(package)
    if known is not None and known.state == State.VOIDED:
        raise LabelExists(f"The label {known} of parcel {package} was voided. Get a new one.")
    if known is not None and known.state not in (State.BUYING, State.FAILED):
        return known, None, False
    refuse_gone(package)
    if refusal := why_not_ready(order):
        raise refusal
    service = CarrierService.objects.get(pk=wanted.service_id)
    _refuse_another(package, wanted, known)
    if trouble := find_trouble(order, package, list(package.lines.all()), service):
        raise trouble
    _refuse_taken(service, wanted.tracking, package)
    label = known or Label(package=package, key=wanted.key)
    label.service, label.carrier, label.state = service, service.carrier, State.BUYING
    label.buying_until = timezone.now() + PATIENCE
    label.actor_label = actor.of(order.pk).label
    label.save()
    return label, _request(order, package, label, wanted), known is not None


def _left_behind(package: Package) -> Label | None:
    """A label that somebody began to buy and never finished: it is looked up, not bought anew."""
    live = live_label(package)
    if live is None or live.state != State.BUYING or live.buying_until is None:
        return None
    return live if live.buying_until <= timezone.now() else None


def _refuse_another(package: Package, wanted: Wanted, known: Label | None) -> None:
    live = live_label(package)
    if live is None:
        return
    if known is None or live.pk != known.pk:
        raise LabelExists(
            f"Parcel {package} has the label {live} already. Void it before you get another."
        )
    if live.buying_until is not None and live.buying_until > timezone.now():
        raise LabelExists(f"The label of parcel {package} is being bought right now.")


def _refuse_taken(service: CarrierService, tracking: str, package: Package) -> None:
    taken = Label.objects.filter(
        carrier=service.carrier, tracking=tracking.strip(), state__in=Label.LIVE
    ).exclude(package=package)
    if tracking.strip() and (other := taken.select_related("package").first()):
        raise LabelExists(f"{tracking} stands on parcel {other.package} already.")


def find_trouble(
    order: Order, package: Package, lines: Sequence[PackageLine], service: CarrierService
) -> ParcelTrouble | None:
    """Why this service can't take the parcel with these lines, in a sentence; None when it can."""
    found = list(too_large(service, package))
    if order.method == Order.Method.HOME:
        found += not_there(service, order.ship_country)
        if not (order.ship_name and order.ship_lines and order.ship_city and order.ship_country):
            says = "A label needs a name, a street, a town and a country. Complete the address."
            found.append((Trouble.ADDRESS, says))
        if package.needs_customs and not all(line.is_declared for line in lines):
            says = "This parcel crosses a customs border: each line needs its HS code, its country"
            found.append((Trouble.CUSTOMS, f"{says} of origin and its value."))
    for trouble, says in found:
        return ParcelTrouble(says, trouble)
    return why_not_covered(order, package)


def _request(order: Order, package: Package, label: Label, wanted: Wanted) -> LabelRequest:
    lines = package.lines.select_related("order_line")
    return LabelRequest(
        reference=label.key,
        service=label.service.key,
        package=package.number,
        name=order.ship_name,
        street=order.ship_lines,
        city=order.ship_city,
        postcode=order.ship_postcode,
        country=order.ship_country,
        weight_grams=package.weight_grams,
        declared=package.declared,
        customs=[
            CustomsLine(
                line.order_line.description,
                line.quantity,
                line.hs_code,
                line.origin,
                order.money(line.unit_value or Decimal(0)),
            )
            for line in lines
            if package.needs_customs
        ],
        tracking=wanted.tracking,
        cost=wanted.cost,
    )


@transaction.atomic
def _refused(label_id: int, says: str) -> None:
    label = Label.objects.select_for_update(no_key=True).get(pk=label_id)
    if label.state == State.BUYING:
        label.state, label.says, label.settled_at = State.FAILED, says[:300], timezone.now()
        label.buying_until = None
        label.save(update_fields=["state", "says", "settled_at", "buying_until"])


@transaction.atomic
def _settle(label_id: int, bought: BoughtLabel, actor: Acting) -> Label:
    package_id = Label.objects.values_list("package_id", flat=True).get(pk=label_id)
    order, package = lock_package(package_id)
    label = Label.objects.select_for_update(no_key=True, of=("self",)).get(pk=label_id)
    if label.state != State.BUYING:
        return label
    label.state, label.settled_at, label.buying_until = State.BOUGHT, timezone.now(), None
    label.tracking, label.reference = bought.tracking[:80], bought.reference[:120]
    label.cost, label.cost_currency = _cost(bought.cost)
    label.save()
    package.trouble, package.trouble_note = "", ""
    package.version += 1
    package.save(update_fields=["trouble", "trouble_note", "version"])
    order.version += 1
    order.save(update_fields=["version"])
    text = f"Label of parcel {package}: {label.carrier} {label.tracking}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])
    signals.labels_bought.send(
        sender=Label, orders=[order], packages=[package], labels=[label], actor=actor,
        history=False,
    )  # fmt: skip
    return label


def _cost(cost: Money | None) -> tuple[Decimal | None, str]:
    return (None, "") if cost is None else (cost.amount, cost.currency)


def void_label(label_id: int, *, actor: Acting) -> Label:
    """Give a label back; one that is voided is returned as it stands.

    Until the carrier agrees it stays live, so that no second one is bought. Raises WrongState for
    a parcel that has left, CarrierDown. Announces labels_voided.
    """
    label = _intend_void(label_id)
    if label.state == State.VOID_REQUESTED and port(label.service.port).void(label.key):
        return _settle_void(label_id, actor)
    return label


@transaction.atomic
def _intend_void(label_id: int) -> Label:
    package_id = Label.objects.values_list("package_id", flat=True).get(pk=label_id)
    _, package = lock_package(package_id)
    label = Label.objects.select_related("service").get(pk=label_id)
    if label.state in (State.VOIDED, State.VOID_REQUESTED):
        return label
    refuse_gone(package)
    if label.state != State.BOUGHT:
        raise WrongState(f"The label is {label.get_state_display().lower()}: nothing to void.")
    label.state = State.VOID_REQUESTED
    label.save(update_fields=["state"])
    return label


@transaction.atomic
def _settle_void(label_id: int, actor: Acting) -> Label:
    package_id = Label.objects.values_list("package_id", flat=True).get(pk=label_id)
    order, package = lock_package(package_id)
    label = Label.objects.get(pk=label_id)
    if label.state != State.VOID_REQUESTED:
        return label
    label.state, label.settled_at = State.VOIDED, timezone.now()
    label.save(update_fields=["state", "settled_at"])
    order.version += 1
    order.save(update_fields=["version"])
    text = f"Label {label.tracking} of parcel {package} voided"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])
    signals.labels_voided.send(
        sender=Label, orders=[order], packages=[package], labels=[label], actor=actor,
        history=False,
    )  # fmt: skip
    return label


def label_each(wanted: Iterable[Wanted], *, actor: Acting) -> dict[int, Label | OrderError]:
    """Get labels for many parcels, each by itself, by parcel id.

    One that can't have one is marked with its trouble, and never keeps the others. Announces
    packages_in_trouble.
    """
    answers: dict[int, Label | OrderError] = {}
    for each in wanted:
        try:
            answers[each.package_id] = buy_label(each, actor=actor)
        except OrderError as error:
            answers[each.package_id] = error
            if isinstance(error, ParcelTrouble | LabelRefused):
                trouble = getattr(error, "trouble", Trouble.REFUSED)
                mark_trouble(each.package_id, trouble, str(error), actor=actor)
    return answers


@transaction.atomic
def mark_trouble(package_id: int, trouble: Package.Trouble, note: str, *, actor: Acting) -> Package:
    """Say that a parcel can't go on like this; announces packages_in_trouble when that is new."""
    order, package = lock_package(package_id)
    if (package.trouble, package.trouble_note) == (trouble, note[:300]):
        return package
    package.trouble, package.trouble_note = trouble, note[:300]
    package.version += 1
    package.save(update_fields=["trouble", "trouble_note", "version"])
    text = f"Parcel {package}: {Trouble(trouble).label.lower()}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor.of(order.pk))])
    signals.packages_in_trouble.send(
        sender=Package, orders=[order], packages=[package], actor=actor, history=False
    )
    return package
