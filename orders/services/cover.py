"""Parcels of value: insured, or sent uninsured because two people said so.

A channel says from which declared value on. PostgreSQL gives such a parcel no label before.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Acting, Actor
from backoffice.doors import call
from backoffice.versions import refuse_stale
from orders.models.channels import Channel
from orders.models.covers import PackageCover
from orders.models.orders import Order
from orders.models.packages import Package
from orders.queries.covers import cover_of
from orders.services.errors import OrderError, WrongState
from orders.services.packing import live_label, lock_package, refuse_gone
from orders.services.readiness import why_not_covered

Kind = PackageCover.Kind
CHANNEL = "orders.channel"


@dataclass(frozen=True, slots=True)
class Insurance:
    """What somebody insured a parcel for; amounts in the currency of its declared value.

    `amount` None: its declared value. `cost` None: nobody said.
    """

    insurer: str
    amount: Decimal | None = None
    policy: str = ""
    cost: Decimal | None = None


@transaction.atomic
def insure_package(package_id: int, insurance: Insurance, *, actor: Acting) -> PackageCover:
    """Note that a parcel is insured, and for how much; it replaces what was asked before.

    Raises WrongState once it has left, OrderError where it is for less than what the parcel is
    declared at.
    """
    order, package = _open(package_id)
    amount = package.declared_value if insurance.amount is None else insurance.amount
    if amount < package.declared_value:
        raise OrderError(
            f"The parcel is declared at {package.declared}: insure it for that, or for more."
        )
    person = actor.of(order.pk)
    cover = _write(
        package,
        kind=Kind.INSURED,
        amount=amount,
        insurer=insurance.insurer.strip()[:80],
        policy=insurance.policy.strip()[:80],
        cost=insurance.cost,
        why="",
        asked_by_id=person.user_id,
        asked_label=person.label,
    )
    _tell(order, package, f"insured for {cover.covered} with {cover.insurer}", person)
    return cover


@transaction.atomic
def ask_uninsured(package_id: int, why: str, *, actor: Actor) -> PackageCover:
    """Ask that a parcel of value goes uninsured; a second person has to agree.

    Raises WrongState once it has left, or got its label because it is covered; OrderError without a
    person or a reason.
    """
    order, package = _open(package_id)
    if actor.user_id is None:
        raise OrderError("Only a person asks that a parcel of value goes uninsured.")
    if not why.strip():
        raise OrderError("Say why it may go uninsured.")
    if (label := live_label(package)) and why_not_covered(order, package) is None:
        raise WrongState(f"Parcel {package} got the label {label} as it is. Void that first.")
    cover = _write(
        package,
        kind=Kind.UNINSURED,
        amount=None,
        insurer="",
        policy="",
        cost=None,
        why=why.strip()[:300],
        asked_by_id=actor.user_id,
        asked_label=actor.label,
    )
    _tell(order, package, f"asked to leave uninsured: {cover.why}", actor)
    return cover


@transaction.atomic
def agree_uninsured(package_id: int, *, version: int | None = None, actor: Actor) -> PackageCover:
    """Agree that a parcel goes uninsured; `version` is that of the parcel as one looked at it.

    Only somebody of operations or finance who did not ask agrees. Raises OrderError where
    PostgreSQL refuses: nobody asks any more, the same person, another role; StaleVersion,
    WrongState.
    """
    order, package = _open(package_id)
    refuse_stale([package], None if version is None else {package_id: version})
    before = cover_of(package)
    call("orders_agree_uninsured", package_id, actor.user_id, as_error=OrderError)
    cover = PackageCover.objects.get(package=package)
    if before is not None and before.agreed_by_id is None:
        _tell(order, package, f"may leave uninsured, as {cover.asked_label} asked", actor)
        audit.record(
            "orders.uninsured_agreed", "orders.order", order.pk, actor=actor,
            parcel=package.number, declared=str(package.declared), asked_by=cover.asked_label,
            why=cover.why,
        )  # fmt: skip
    return cover


@transaction.atomic
def edit_insurance(
    channel_id: int, least: Decimal | None, *, version: int | None, actor: Actor
) -> Channel:
    """Say from which declared value on a channel's parcels are insured; None: from none.

    In the channel's currency. Raises StaleVersion, OrderError.
    """
    channel = Channel.objects.select_for_update(no_key=True).get(pk=channel_id)
    refuse_stale([channel], None if version is None else {channel_id: version})
    if least is not None and least <= 0:
        raise OrderError("Write an amount above zero, or none at all.")
    before, channel.insure_from = channel.insure_from, least
    channel.version += 1
    channel.save(update_fields=["insure_from", "version"])
    audit.record(
        "channels.insurance_changed", CHANNEL, channel_id, actor=actor,
        before=None if before is None else str(before), after=None if least is None else str(least),
    )  # fmt: skip
    return channel


def _open(package_id: int) -> tuple[Order, Package]:
    order, package = lock_package(package_id)
    refuse_gone(package)
    return order, package


def _write(package: Package, **values: object) -> PackageCover:
    fresh = {**values, "asked_at": timezone.now(), "agreed_by_id": None, "agreed_at": None}
    cover, _ = PackageCover.objects.update_or_create(package=package, defaults=fresh)
    if package.trouble == Package.Trouble.COVER:
        package.trouble, package.trouble_note = "", ""
    package.version += 1
    package.save(update_fields=["trouble", "trouble_note", "version"])
    return cover


def _tell(order: Order, package: Package, what: str, actor: Actor) -> None:
    order.version += 1
    order.save(update_fields=["version"])
    text = f"Parcel {package} {what}"
    timeline.record([timeline.Happened("orders.order", order.pk, text, actor)])
