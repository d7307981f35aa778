"""What companies may order unpaid, and what waits for an approver."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction

from backoffice import audit
from backoffice.actors import Acting, Actor
from backoffice.money import Money
from backoffice.versions import refuse_stale
from orders.models.credit import CreditAccount
from orders.models.customers import Customer
from orders.models.orders import Order
from orders.models.reviews import Review
from orders.queries.credit import Credit, credit_of
from orders.services.errors import OrderError
from orders.services.figures import lock_customers
from orders.services.reviews import open_reviews

LABEL = "orders.customer"


@dataclass(frozen=True, slots=True)
class CreditEdit:
    """What a company may order unpaid; `answer_hours` is how long an approver has."""

    limit: Money
    resets: CreditAccount.Resets
    answer_hours: int = 24
    is_active: bool = True


@transaction.atomic
def edit_credit(
    customer_id: int, edit: CreditEdit, *, reason: str, version: int | None = None, actor: Actor
) -> CreditAccount:
    """Open a company's credit account, or change it; orders from now on are held against it.

    Waits for orders of the company that are being placed. Raises OrderError for a person,
    StaleVersion.
    """
    customer = lock_customers([customer_id])[customer_id]
    if customer.kind != Customer.Kind.COMPANY:
        raise OrderError(f"Customer {customer} is a person. Credit is for companies.")
    if edit.limit.amount < 0:
        raise OrderError("A limit is zero or more.")
    account = CreditAccount.objects.filter(customer=customer).first()
    before = str(account.limit_money) if account else ""
    if account is None:
        account = CreditAccount(customer=customer, version=0)
    else:
        refuse_stale([account], None if version is None else {account.pk: version})
    account.limit, account.currency = edit.limit.amount, edit.limit.currency
    account.resets = edit.resets
    account.answer_hours = edit.answer_hours
    account.is_active = edit.is_active
    account.version += 1
    account.save()
    audit.record(
        "orders.credit_changed",
        LABEL,
        customer_id,
        actor=actor,
        before=before,
        limit=str(edit.limit),
        resets=edit.resets,
        in_use=edit.is_active,
        why=reason,
    )
    return account


def hold_over_limit(orders: Sequence[Order], *, actor: Acting) -> list[Review]:
    """Let orders of companies that go over their limit wait for an approver; stock stays theirs.

    The customers are locked by whoever placed the orders, so that two at once are counted one
    after the other. Of several, those placed first use the credit first. Announces what
    open_reviews does.
    """
    asked = [order for order in orders if _is_owed(order)]
    accounts = credit_of(
        (order.customer_id for order in asked if order.customer_id),
        without=[order.pk for order in asked],
    )
    used = {pk: credit.used for pk, credit in accounts.items()}
    found: dict[int, dict[str, Any]] = {}
    within: dict[int, timedelta] = {}
    for order in sorted(asked, key=lambda order: (order.placed_at, order.pk)):
        credit = accounts.get(order.customer_id or 0)
        if credit is None:
            continue
        owner = credit.account.customer_id
        due, already = order.money(order.total - order.amount_paid), used[owner]
        if _fits(credit, already, due):
            used[owner] = already + due
            continue
        limit = credit.account.limit_money
        found[order.pk] = {
            name: money.as_json()
            for name, money in (("used", already), ("limit", limit), ("due", due))
        }
        within[order.pk] = timedelta(hours=credit.account.answer_hours)
    return open_reviews(
        Review.Kind.CREDIT,
        [order for order in asked if order.pk in found],
        found,
        {pk: _note(of) for pk, of in found.items()},
        within=within,
        actor=actor,
    )


def _is_owed(order: Order) -> bool:
    """Whether a company orders something that it has not paid yet."""
    company = order.customer is not None and order.customer.kind == Customer.Kind.COMPANY
    return company and order.total > order.amount_paid


def _fits(credit: Credit, used: Money, due: Money) -> bool:
    """An order in another currency is never added up with the rest."""
    if due.currency != credit.account.currency:
        return False
    return used.amount + due.amount <= credit.account.limit


def _note(found: dict[str, Any]) -> str:
    used, limit, due = (Money.from_json(found[name]) for name in ("used", "limit", "due"))
    return f"{used} of {limit} is used, this order adds {due}."
