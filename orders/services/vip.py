"""Who is a VIP: whoever spent enough, net of refunds, for as long as that is so."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Acting
from backoffice.models import LegalEntity
from backoffice.money import Money
from orders import signals
from orders.models.customers import Customer

TAG = "vip"
# More than this, in the base currency: that of the first of our companies.
OVER = Decimal(1000)


def base_currency() -> str:
    """The currency that VIPs are measured in; empty before the first company."""
    return LegalEntity.objects.order_by("pk").values_list("currency", flat=True).first() or ""


def settle_vips(customers: Sequence[Customer], *, actor: Acting, history: bool = False) -> None:
    """Make VIPs of locked customers who spent enough, and end it for those who no longer have.

    The tag comes and goes with it; one that somebody gave by hand stays. `actor` is asked by
    customer id. Announces customers_became_vip and customers_lost_vip.
    """
    due = [each for each in customers if each.vip_since or each.lifetime_spend > OVER]
    if not due:
        return
    base = base_currency()
    rise: list[Customer] = []
    fall: list[Customer] = []
    for customer in due:
        enough = customer.lifetime_spend > OVER and customer.spend_currency == base
        if enough == (customer.vip_since is not None):
            continue
        (rise if enough else fall).append(customer)
        customer.vip_since = timezone.now() if enough else None
        rest = set(customer.tags) - {TAG}
        customer.tags = sorted(rest | {TAG} if enough else rest)
        customer.version += 1
        customer.save(update_fields=["vip_since", "tags", "version"])
    limit = Money(OVER, base) if base else None
    _tell(rise, f"VIP: has spent more than {limit}, net of refunds", actor)
    _tell(fall, f"No VIP any more: has spent {limit} or less, net of refunds", actor)
    for signal, rows in (
        (signals.customers_became_vip, rise),
        (signals.customers_lost_vip, fall),
    ):
        if rows:
            signal.send(sender=Customer, customers=rows, actor=actor, history=history)


def _tell(customers: Sequence[Customer], text: str, actor: Acting) -> None:
    timeline.record(
        timeline.Happened("orders.customer", each.pk, text, actor.of(each.pk)) for each in customers
    )
