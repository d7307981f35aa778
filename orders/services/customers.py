"""Customers: adding, changing, tagging."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.db import transaction
from simple_history.utils import bulk_create_with_history

from backoffice.versions import refuse_stale
from orders.models.customers import Customer
from orders.services.errors import OrderError
from orders.services.figures import lock_customers
from orders.services.tags import clean_tags


@dataclass(frozen=True, slots=True)
class NewCustomer:
    """A customer to add; `country` is ISO 3166-1 alpha-2, empty when unknown."""

    number: str
    name: str = ""
    email: str = ""
    country: str = ""
    kind: Customer.Kind = Customer.Kind.PERSON
    tags: tuple[str, ...] = ()


@transaction.atomic
def add_customers(new: Sequence[NewCustomer]) -> dict[str, Customer]:
    """Add the customers that are not there yet, by number. Returns all of them by number."""
    numbers = {customer.number for customer in new}
    known = {row.number: row for row in Customer.objects.filter(number__in=numbers)}
    fresh = {customer.number: customer for customer in new if customer.number not in known}
    if "" in fresh:
        raise OrderError("A customer needs a number.")
    rows = [
        Customer(
            number=customer.number,
            name=customer.name,
            email=customer.email,
            country=customer.country,
            kind=customer.kind,
            tags=list(clean_tags(customer.tags)),
        )
        for customer in fresh.values()
    ]
    made = bulk_create_with_history(rows, Customer, batch_size=1000) if rows else []
    return known | {row.number: row for row in made}


@transaction.atomic
def edit_customer(
    customer_id: int, *, name: str, email: str, country: str, version: int | None
) -> Customer:
    """Change what we know of a customer; raises StaleVersion."""
    customer = Customer.objects.select_for_update(no_key=True).get(pk=customer_id)
    refuse_stale([customer], None if version is None else {customer_id: version})
    customer.name = name
    customer.email = email
    customer.country = country
    customer.version += 1
    customer.save(update_fields=["name", "email", "country", "version"])
    return customer


@transaction.atomic
def tag_customers(customer_ids: Iterable[int], tags: Iterable[str]) -> list[Customer]:
    """Tag customers; returns those that lacked one of the tags. Raises BadTag."""
    wanted = set(clean_tags(tags))
    changed = []
    for customer in lock_customers(customer_ids).values():
        if wanted - set(customer.tags):
            customer.tags = sorted(wanted | set(customer.tags))
            customer.version += 1
            customer.save(update_fields=["tags", "version"])
            changed.append(customer)
    return changed
