"""A customer forgotten: all that names them goes, here and in the apps above; tax records stay."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from backoffice import audit, timeline
from backoffice.actors import Actor
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.claims import Claim
from orders.models.customers import Customer, CustomerMerge
from orders.models.holds import Hold
from orders.models.orders import Order, OrderNote
from orders.models.segments import SegmentMember
from orders.queries.customers import everyone_in
from orders.queries.erasure import Preview, preview
from orders.services.errors import NotErased
from orders.services.figures import lock_customers
from orders.services.forgetting import ToldMeanwhile, forget_carts, forget_doubts, lock_carts
from orders.services.outcomes import lock_orders

PERSONAL = ("name", "email", "phone", "postcode", "company", "vat_id")
_LABEL = "orders.customer"
# A cart told of meanwhile makes us begin anew.
_TRIES = 5


def erase_customer(
    customer_id: int, *, why: str, version: int | None = None, actor: Actor
) -> Preview:
    """Erase a customer and everyone merged into them; returns what was done.

    Raises NotErased while an order or a return is open, StaleVersion. Announces customers_erased,
    with the mails a last time, so that whoever holds them can forget them too.
    """
    for _ in range(_TRIES):
        try:
            with transaction.atomic():
                return _erase(customer_id, why, version, actor)
        except ToldMeanwhile:
            continue
    raise NotErased("Carts of this customer keep coming in. Try again in a minute.")


def _erase(customer_id: int, why: str, version: int | None, actor: Actor) -> Preview:
    family = everyone_in(customer_id)
    # Carts come first, as wherever a cart and its customer are written.
    carts = lock_carts(family)
    orders = lock_orders(Order.objects.filter(customer__in=family).values_list("pk", flat=True))
    customers = lock_customers(family)
    customer = customers[customer_id]
    refuse_stale([customer], None if version is None else {customer_id: version})
    _refuse(customer)
    done = preview(customer)
    if done.open:
        raise NotErased(
            f"Still open: {', '.join(done.open)}. Settle these first, they need an address."
        )
    mails = {each.pk: (each.email, each.mail_key) for each in customers.values() if each.email}
    _empty_orders([order.pk for order in orders])
    forget_doubts(order.pk for order in orders)
    forget_carts(carts, family)
    SegmentMember.objects.filter(customer__in=family).delete()
    _empty(list(customers.values()))
    timeline.record([timeline.Happened(_LABEL, pk, "Erased", actor) for pk in sorted(family)])
    audit.record(
        "orders.customer_erased", _LABEL, customer_id, actor=actor, why=why, family=sorted(family),
        went={part.what: part.count for part in done.going},
        stayed={part.what: part.count for part in done.staying},
    )  # fmt: skip
    signals.customers_erased.send(
        sender=Customer,
        customers=list(customers.values()),
        mails=mails,
        actor=actor,
        history=False,
    )
    return done


def _refuse(customer: Customer) -> None:
    if customer.erased_at is not None:
        raise NotErased("This customer was erased already.")
    if customer.merged_into_id is not None:
        raise NotErased(
            f"They are merged into {customer.merged_into}: erase that one, and both go."
        )


def _empty_orders(ids: list[int]) -> None:
    """Take away where orders went and what staff wrote about them; the invoice's data stay."""
    Order.objects.filter(pk__in=ids).update(
        ship_name="", ship_lines="", ship_city="", ship_postcode=""
    )
    OrderNote.objects.filter(order__in=ids).update(text="")
    Hold.objects.filter(order__in=ids).update(note="")
    Claim.objects.filter(order__in=ids).update(evidence="", decision_note="")


def _empty(customers: list[Customer]) -> None:
    ids = [each.pk for each in customers]
    now = timezone.now()
    for each in customers:
        for name in PERSONAL:
            setattr(each, name, "")
        each.tags, each.vip_since, each.has_login, each.erased_at = [], None, False, now
        each.version += 1
    # Not by save(): that would keep in the history what is to be forgotten.
    Customer.objects.bulk_update(
        customers, [*PERSONAL, "tags", "vip_since", "has_login", "erased_at", "version"]
    )
    Customer.history.filter(id__in=ids).update(**dict.fromkeys(PERSONAL, ""), tags=[])
    CustomerMerge.objects.filter(survivor__in=ids).update(before={}, after={})
