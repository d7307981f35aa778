"""Customers: adding, changing, tagging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from django.db import transaction
from simple_history.utils import bulk_create_with_history

from backoffice import timeline
from backoffice.actors import Acting, Actor
from backoffice.versions import refuse_stale
from orders import signals
from orders.models.customers import Customer
from orders.services.errors import NotErased, OrderError
from orders.services.figures import lock_customers
from orders.services.identity import clean_phone, clean_vat_id
from orders.services.tags import clean_tags

# By customer id, the tags that were put on or taken off.
Tagged = dict[int, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer to add; `country` is ISO 3166-1 alpha-2, empty when unknown."""

    number: str
    name: str = ""
    email: str = ""
    country: str = ""
    kind: Customer.Kind = Customer.Kind.PERSON
    tags: tuple[str, ...] = ()
    postcode: str = ""
    phone: str = ""
    company: str = ""
    vat_id: str = ""
    has_login: bool = False


@dataclass(frozen=True, slots=True)
class CustomerEdit:
    """What is known of a customer, as a form has it; each is empty when unknown."""

    name: str = ""
    email: str = ""
    country: str = ""
    postcode: str = ""
    phone: str = ""
    company: str = ""
    vat_id: str = ""
    kind: str = Customer.Kind.PERSON


@transaction.atomic
def add_customers(new: Sequence[NewCustomer]) -> dict[str, Customer]:
    """Add the customers that are not there yet, by number. Returns all of them by number.

    Raises BadTag, BadPhone, BadVatId, OrderError.
    """
    numbers = {customer.number for customer in new}
    known = {row.number: row for row in Customer.objects.filter(number__in=numbers)}
    fresh = {customer.number: customer for customer in new if customer.number not in known}
    if "" in fresh:
        raise OrderError("A customer needs a number.")
    rows = [_row(customer) for customer in fresh.values()]
    made = bulk_create_with_history(rows, Customer, batch_size=1000) if rows else []
    return known | {row.number: row for row in made}


def _row(new: NewCustomer) -> Customer:
    return Customer(
        number=new.number,
        name=new.name,
        email=new.email,
        country=new.country,
        kind=new.kind,
        tags=list(clean_tags(new.tags)),
        postcode=new.postcode,
        phone=clean_phone(new.phone, new.country),
        company=new.company,
        vat_id=clean_vat_id(new.vat_id, new.country),
        has_login=new.has_login,
    )


@transaction.atomic
def edit_customer(
    customer_id: int, edit: CustomerEdit, *, version: int | None, actor: Actor
) -> Customer:
    """Change what we know of a customer; raises StaleVersion, BadPhone, BadVatId, NotErased."""
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    refuse_stale([customer], None if version is None else {customer_id: version})
    if customer.erased_at or customer.merged_into_id:
        raise NotErased("This customer stands for nobody any more: nothing is written on them.")
    wanted = asdict(edit)
    wanted["phone"] = clean_phone(edit.phone, edit.country)
    wanted["vat_id"] = clean_vat_id(edit.vat_id, edit.country)
    changed = [name for name, value in wanted.items() if getattr(customer, name) != value]
    if not changed:
        return customer
    for name in changed:
        setattr(customer, name, wanted[name])
    customer.version += 1
    customer.save(update_fields=[*changed, "version"])
    words = ", ".join(name.replace("_", " ") for name in changed)
    # What it was and what it is stays in the row and its history: both can be erased.
    timeline.record([timeline.Happened("orders.customer", customer.pk, f"Changed: {words}", actor)])
    return customer


@transaction.atomic
def tag_customers(tags: Mapping[int, Iterable[str]], *, actor: Acting) -> Tagged:
    """Tag customers, each with tags of its own; returns what was put on, by customer id.

    Raises BadTag. Announces customers_tagged.
    """
    return _retag(tags, actor, keep=True)


@transaction.atomic
def untag_customers(tags: Mapping[int, Iterable[str]], *, actor: Acting) -> Tagged:
    """Take tags off customers; returns what was taken off, by customer id.

    Raises BadTag. Announces customers_untagged.
    """
    return _retag(tags, actor, keep=False)


def _retag(tags: Mapping[int, Iterable[str]], actor: Acting, *, keep: bool) -> Tagged:
    wanted = {pk: set(clean_tags(several)) for pk, several in tags.items()}
    changed: Tagged = {}
    rows = []
    for pk, customer in lock_customers(wanted).items():
        there = set(customer.tags)
        moved = wanted[pk] - there if keep else wanted[pk] & there
        if not moved or customer.erased_at or customer.merged_into_id:
            continue
        customer.tags = sorted(there | moved if keep else there - moved)
        customer.version += 1
        customer.save(update_fields=["tags", "version"])
        changed[pk] = tuple(sorted(moved))
        rows.append(customer)
    verb = "Tagged" if keep else "Tag removed:"
    timeline.record(
        timeline.Happened("orders.customer", pk, f"{verb} {', '.join(moved)}", actor.of(pk))
        for pk, moved in changed.items()
    )
    if rows:
        signal = signals.customers_tagged if keep else signals.customers_untagged
        signal.send(sender=Customer, customers=rows, tags=changed, actor=actor, history=False)
    return changed
