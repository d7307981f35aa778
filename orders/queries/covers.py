"""Which parcels must be insured, and how they are."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q

from backoffice.money import Money
from orders.models.covers import PackageCover
from orders.models.orders import Order
from orders.models.packages import Package

_GOOD = PackageCover.objects.filter(package=OuterRef("pk")).filter(
    Q(amount__gte=OuterRef("declared_value")) | Q(agreed_by__isnull=False)
)
_ASKED = PackageCover.objects.filter(
    package=OuterRef("pk"), kind=PackageCover.Kind.UNINSURED, agreed_by=None
)
# Parcels of value that neither are insured nor may go without.
LACKS_COVER = (
    Q(order__method=Order.Method.HOME, order__is_history=False)
    & Q(declared_value__gte=F("order__channel__insure_from"))
    & ~Q(Exists(_GOOD))
)
# Those of which somebody asks that they go without.
ASKED = Q(Exists(_ASKED))


def threshold(order: Order) -> Money | None:
    """From which declared value on the order's parcels are insured; None: from none."""
    if order.method != Order.Method.HOME or order.is_history:
        return None
    least = order.channel.insure_from
    return None if least is None else Money(least, order.currency)


def cover_of(package: Package) -> PackageCover | None:
    """How a parcel travels; None where nobody said, also for one that is not packed yet."""
    if package._state.adding:
        return None
    return PackageCover.objects.filter(package=package).first()
