"""Parcels as rules see them: facts, actions, and the cases people must look at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils import timezone

from automations.actions import Action, Call, Done, Rejected, actions
from automations.cases import CaseKind, NewCase, cases
from automations.triggers import Fact, Trigger, labelled, triggers
from backoffice.actors import Acting
from backoffice.money import Money
from inventory.services.errors import InventoryError
from orders import signals
from orders.automation.actions import label_of, shown
from orders.automation.payloads import CustomerFacts, OrderFacts, OrderPayload, told
from orders.automation.triggers import order_payloads, payloads_of
from orders.models.orders import Order
from orders.models.packages import Label, Package, TrackerEvent
from orders.services.errors import OrderError
from orders.services.packing import pack_order
from orders.services.tracking import NewEvent, record_tracking


@dataclass(frozen=True, slots=True)
class ParcelFacts:
    number: str = labelled("Parcel number")
    state: str = labelled("State", choices=Package.State.choices)
    trouble: str | None = labelled("What is wrong", choices=Package.Trouble.choices)
    has_left: bool = labelled("Has left")
    carrier: str | None = labelled("Carrier")
    tracking: str | None = labelled("Tracking number")
    declared: Money = labelled("Declared value")
    weight_grams: int | None = labelled("Weight, in grams")
    needs_customs: bool = labelled("Crosses a customs border")


@dataclass(frozen=True, slots=True)
class ParcelPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    parcel: ParcelFacts | None = labelled("Parcel")


@dataclass(frozen=True, slots=True)
class DeliveryFacts:
    difference: Money = labelled("Costs more by", about="Negative where it costs less.")


@dataclass(frozen=True, slots=True)
class DeliveryPayload:
    order: OrderFacts = labelled("Order")
    customer: CustomerFacts | None = labelled("Customer")
    delivery: DeliveryFacts | None = labelled("Delivery")


def _parcel(payload: OrderPayload, package: Package | None, label: Label | None) -> ParcelPayload:
    if package is None:
        return ParcelPayload(payload.order, payload.customer, None)
    facts = ParcelFacts(
        number=package.number,
        state=package.state,
        trouble=package.trouble or None,
        has_left=package.shipment_id is not None,
        carrier=label.carrier if label else None,
        tracking=(label.tracking or None) if label else None,
        declared=told(package.declared_value, package.currency),
        weight_grams=package.weight_grams,
        needs_customs=package.needs_customs,
    )
    return ParcelPayload(payload.order, payload.customer, facts)


def _labels(packages: Iterable[Package]) -> dict[int, Label]:
    rows = Label.objects.filter(package__in=list(packages), state__in=Label.LIVE)
    return {label.package_id: label for label in rows}


class _OnParcels(Trigger):
    subject = "orders.order"
    customer = "customer.number"
    payload_class = ParcelPayload
    # An order may have several: what was told of this one stays.
    fixed = ("parcel",)

    def facts(
        self,
        *,
        orders: Sequence[Order],
        packages: Sequence[Package],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, labels, now = payloads_of(orders), _labels(packages), timezone.now()
        by_id = {order.pk: order for order in orders}
        return [
            Fact(
                package.order_id,
                by_id[package.order_id].version,
                _parcel(payloads[package.order_id], package, labels.get(package.pk)),
                now,
                actor.of(package.order_id),
                history,
            )
            for package in packages
        ]

    def current(self, ids: Iterable[int]) -> dict[int, ParcelPayload]:
        """With the last parcel of each order."""
        payloads = order_payloads(ids)
        rows = Package.objects.filter(order_id__in=list(payloads), unpacked_at=None)
        latest = {package.order_id: package for package in rows.order_by("pk")}
        labels = _labels(latest.values())
        return {
            pk: _parcel(payload, latest.get(pk), labels.get(latest[pk].pk if pk in latest else 0))
            for pk, payload in payloads.items()
        }


@triggers.register
class ParcelPacked(_OnParcels):
    key = "orders.parcel_packed"
    label = "Parcel packed"
    example = "Parcel 1000123-P1 with 2 units is packed."
    signal = signals.packages_packed


@triggers.register
class LabelBought(_OnParcels):
    key = "orders.label_bought"
    label = "Parcel has its label"
    example = "Parcel 1000123-P1 gets the tracking number JD0146."
    signal = signals.labels_bought


@triggers.register
class LabelVoided(_OnParcels):
    key = "orders.label_voided"
    label = "Label voided"
    example = "The label of parcel 1000123-P1 is given back."
    signal = signals.labels_voided


@triggers.register
class ParcelMoved(_OnParcels):
    key = "orders.parcel_moved"
    label = "Parcel is further on its way"
    example = "Parcel 1000123-P1 is out for delivery."
    signal = signals.packages_moved


@triggers.register
class ParcelInTrouble(_OnParcels):
    key = "orders.parcel_in_trouble"
    label = "Parcel can't go on"
    example = "Parcel 1000123-P1 could not be delivered."
    signal = signals.packages_in_trouble


@triggers.register
class DeliveryChanged(Trigger):
    key = "orders.delivery_changed"
    label = "Order switched between delivery and collection"
    example = "Order 1000123 is collected in Leeds now, for £4.99 less."
    subject = "orders.order"
    customer = "customer.number"
    signal = signals.orders_redelivered
    payload_class = DeliveryPayload
    fixed = ("delivery",)

    def facts(
        self,
        *,
        orders: Sequence[Order],
        differences: Mapping[int, Money],
        actor: Acting,
        history: bool,
        **sent: Any,
    ) -> list[Fact]:
        payloads, now = payloads_of(orders), timezone.now()
        return [
            Fact(
                order.pk,
                order.version,
                DeliveryPayload(
                    payloads[order.pk].order,
                    payloads[order.pk].customer,
                    DeliveryFacts(told(differences[order.pk].amount, order.currency)),
                ),
                now,
                actor.of(order.pk),
                history,
            )
            for order in orders
        ]

    def current(self, ids: Iterable[int]) -> dict[int, DeliveryPayload]:
        """The order as it stands now; what the switch cost is fixed."""
        return {
            pk: DeliveryPayload(payload.order, payload.customer, None)
            for pk, payload in order_payloads(ids).items()
        }


class PackForm(forms.Form):
    """All that is set aside, in one parcel."""


@actions.register
class PackOrder(Action):
    key = "orders.pack_order"
    label = "Pack what is set aside into one parcel"
    subject = "orders.order"
    form = PackForm
    permission = "orders.pack_order"
    makes = "parcel"
    announces = ("orders.parcel_packed",)
    never_undone = "A parcel is taken apart by hand, on the order's page."

    def execute(self, call: Call) -> Done:
        try:
            package = pack_order(call.subject_id, actor=call.actor)
        except (OrderError, InventoryError) as error:
            raise Rejected(str(error)) from error
        return Done(f"Packed parcel {package}")

    def in_words(self, params: Mapping[str, Any]) -> str:
        return "Pack what is set aside into one parcel"


class ToldForm(forms.Form):
    tracking = forms.CharField(label="Tracking number", max_length=80)
    state = forms.ChoiceField(label="The carrier says", choices=TrackerEvent.State.choices)
    happened_at = forms.DateTimeField(label="When", required=False)


@actions.register
class NoteTracking(Action):
    """Brings what a carrier reported, by webhook or schedule, to the parcel it is about."""

    key = "orders.note_tracking"
    label = "Note what the carrier says of a parcel"
    subject = "orders.order"
    form = ToldForm
    permission = "orders.pack_order"
    announces = ("orders.parcel_moved", "orders.parcel_in_trouble")
    never_undone = "What a carrier said stays on record."

    def execute(self, call: Call) -> Done:
        tracking = call.params["tracking"]
        label = _label_of(call.subject_id, tracking)
        if label is None:
            raise Rejected(f"No parcel of this order has the tracking number {tracking}.")
        at = call.params.get("happened_at") or timezone.now()
        event = NewEvent(TrackerEvent.State(call.params["state"]), at)
        is_known = label.package.events.filter(key=event.identity).exists()
        package = record_tracking(label.package_id, [event], actor=call.actor)
        told_now = f"Parcel {package}: {package.get_state_display().lower()}"
        return Done(told_now, already=is_known)

    def in_words(self, params: Mapping[str, Any]) -> str:
        said = label_of(params["state"], TrackerEvent.State.choices)
        return f"Note for the parcel {shown(params['tracking'])}: {said}"


def _label_of(order_id: int, tracking: str) -> Label | None:
    """The label with this number. A parcel may leave under one that was given back: the carrier
    then tells of what we think is here."""
    labels = Label.objects.filter(package__order=order_id, tracking=tracking)
    return (
        labels.filter(state=Label.State.BOUGHT).first()
        or labels.filter(state__in=[Label.State.VOID_REQUESTED, Label.State.VOIDED])
        .order_by("-pk")
        .first()
    )


@cases.register
class ParcelCase(CaseKind):
    key = "orders.parcel_in_trouble"
    label = "Parcel can't go on"
    subject = "orders.order"
    signal = signals.packages_in_trouble
    closed_signals = (signals.labels_bought, signals.packages_moved)
    closed_says = "The parcel goes on."

    def cases(
        self, *, orders: Sequence[Order], packages: Sequence[Package], **sent: Any
    ) -> list[NewCase]:
        return [
            NewCase(
                key=f"orders.package:{package.pk}:{package.trouble}",
                cause=f"Parcel: {package.get_trouble_display().lower()}",
                says=f"Parcel {package}: "
                f"{package.trouble_note or package.get_trouble_display().lower()}",
                subject_id=package.order_id,
                at_stake=package.declared,
                fallback="Mend the address or the customs data, choose another service, or take "
                "the parcel apart. What was lost or comes back is agreed with the customer.",
                detail={"parcel": package.number, "state": package.get_state_display()},
            )
            for package in packages
        ]

    def closed(self, *, packages: Sequence[Package], **sent: Any) -> list[str]:
        """Whatever was wrong with a parcel that goes on."""
        return [
            f"orders.package:{package.pk}:{trouble}"
            for package in packages
            if not package.trouble
            for trouble in Package.Trouble.values
        ]
