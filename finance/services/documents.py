"""Book documents (invoices, credit notes, fee statements) line by line, by category."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from django.db import transaction

from backoffice.actors import Actor
from backoffice.money import Money
from finance.models.ledger import Account, JournalEntry
from finance.services.balances import Change, add_to_balances, check_currency
from finance.services.books import Books, accounts_by_role
from finance.services.journal import BusinessDays, Leg, NewEntry, post_entries
from orders.models.orders import Order

Role = Account.Role


class Category(StrEnum):
    """What a line of a document is for; decides the account and is the line's memo."""

    GOODS = "goods"
    POSTAGE = "postage"
    DISCOUNT = "discount"
    MANUAL = "manual"
    GIFT_CARD = "gift_card"
    OTHER = "other"
    TAX = "tax"
    SAMPLES = "samples"
    MARKETPLACE_FEE = "marketplace_fee"
    BANK_FEE = "bank_fee"
    COMMISSION = "commission"
    BAD_DEBT = "bad_debt"


_ACCOUNT = {
    Category.GOODS: Role.SALES,
    Category.POSTAGE: Role.SHIPPING,
    Category.DISCOUNT: Role.DISCOUNTS,
    Category.MANUAL: Role.MANUAL,
    Category.GIFT_CARD: Role.SALES,
    Category.OTHER: Role.MANUAL,
    Category.TAX: Role.TAX,
    Category.SAMPLES: Role.SAMPLES,
    Category.MARKETPLACE_FEE: Role.MARKETPLACE_FEES,
    Category.BANK_FEE: Role.BANK_FEES,
    Category.COMMISSION: Role.COMMISSIONS,
    Category.BAD_DEBT: Role.BAD_DEBT,
}
# What goes back to a customer is shown apart from what was sold.
_RETURNED = {Category.GOODS, Category.POSTAGE, Category.GIFT_CARD, Category.OTHER}
# Kept back by whoever pays us, so no customer owes them.
_WITHHELD = {Category.MARKETPLACE_FEE: Role.PSP_CLEARING, Category.BANK_FEE: Role.BANK}


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """One line as the document shows it: above zero it charges, below zero it gives back.

    The amount may have more digits than the currency; it is rounded half up here, per line.
    """

    category: Category
    amount: Money


@dataclass(frozen=True, slots=True)
class Document:
    """One document to book, by its own actor. `source` (label, id) and `purpose`: booked once.

    `at` is its instant, the business day is the entity's. With an order it goes to the customer
    accounts, without one to the receivables without an order.
    """

    entity_id: int
    at: datetime
    source: tuple[str, int]
    lines: Sequence[DocumentLine]
    actor: Actor
    purpose: str = "document"
    code: str = "document"
    order: Order | None = None
    reference: str = ""


@transaction.atomic
def post_documents(documents: Sequence[Document], *, history: bool = False) -> list[JournalEntry]:
    """Book documents and return the new entries; those of value zero book nothing.

    Documents whose source is booked are left out. Raises BooksNotOpen when an account is missing.
    """
    books = accounts_by_role(document.entity_id for document in documents)
    days = BusinessDays(document.entity_id for document in documents)
    by_source = {(*document.source, document.purpose): document for document in documents}
    entries = post_entries(
        [_entry(document, books, days) for document in by_source.values()],
        history=history,
    )
    add_to_balances(
        _changes(by_source[entry.source, entry.source_id, entry.purpose] for entry in entries)
    )
    return entries


def _entry(document: Document, books: Books, days: BusinessDays) -> NewEntry:
    sums: dict[tuple[Account.Role, str, str], Decimal] = defaultdict(Decimal)
    for line in document.lines:
        amount = line.amount.rounded()
        if document.order:
            check_currency(document.order, amount.currency)
        role = _ACCOUNT[line.category]
        if amount.amount < 0 and line.category in _RETURNED:
            role = Role.RETURNS
        sums[role, line.category, amount.currency] -= amount.amount
        sums[_counterpart(document, line.category), "", amount.currency] += amount.amount
    return NewEntry(
        entity_id=document.entity_id,
        posted_on=days.of(document.entity_id, document.at),
        code=document.code,
        source=(*document.source, document.purpose),
        legs=[
            Leg(books.account(document.entity_id, role), Money(amount, currency), memo)
            for (role, memo, currency), amount in sums.items()
            if amount
        ],
        actor=document.actor,
        reference=document.reference,
    )


def _counterpart(document: Document, category: Category) -> Account.Role:
    if category in _WITHHELD:
        return _WITHHELD[category]
    return Role.CUSTOMERS if document.order else Role.UNMATCHED


def _changes(documents: Iterable[Document]) -> dict[int, Change]:
    """What booked documents add to their orders' balances."""
    changes: dict[int, Change] = defaultdict(Change)
    for document in documents:
        if document.order is None:
            continue
        total = sum(
            (
                line.amount.rounded().amount
                for line in document.lines
                if line.category not in _WITHHELD
            ),
            Decimal(0),
        )
        change = changes[document.order.pk]
        change.charged += max(total, Decimal(0))
        change.credited += max(-total, Decimal(0))
    return changes
