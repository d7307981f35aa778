"""Reads of the ledger for screens, reports and the apps above."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from django.db.models import QuerySet, Sum

from finance.models.balances import OrderBalance
from finance.models.ledger import Account, JournalEntry, JournalLine
from finance.models.refunds import Refund
from orders.models.orders import Order


@dataclass(frozen=True, slots=True)
class Balance:
    """One account in one currency; `balance` is debit less credit."""

    account: Account
    currency: str
    debit: Decimal
    credit: Decimal

    @property
    def balance(self) -> Decimal:
        return self.debit - self.credit


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """Every account with movement, and per currency debits less credits, which must be zero."""

    rows: Sequence[Balance]

    @property
    def off(self) -> dict[str, Decimal]:
        result: dict[str, Decimal] = {}
        for row in self.rows:
            result[row.currency] = result.get(row.currency, Decimal(0)) + row.balance
        return result

    def of(self, role: Account.Role, currency: str) -> Decimal:
        """Debit less credit of the account with a role; zero when nothing moved."""
        return sum(
            (
                row.balance
                for row in self.rows
                if row.account.role == role and row.currency == currency
            ),
            Decimal(0),
        )


def trial_balance(
    entity_id: int, *, upto: date | None = None, since: date | None = None
) -> TrialBalance:
    """Debits and credits by account and currency; `upto` and `since` are included, None is open."""
    accounts = {account.pk: account for account in Account.objects.filter(entity_id=entity_id)}
    lines = JournalLine.objects.filter(account_id__in=list(accounts))
    if upto:
        lines = lines.filter(posted_on__lte=upto)
    if since:
        lines = lines.filter(posted_on__gte=since)
    sums = (
        lines.order_by()
        .values("account_id", "currency")
        .annotate(debits=Sum("debit"), credits=Sum("credit"))
    )
    rows = [
        Balance(accounts[row["account_id"]], row["currency"], row["debits"], row["credits"])
        for row in sums
    ]
    return TrialBalance(sorted(rows, key=lambda row: (row.account.code, row.currency)))


def income(entity_id: int, *, upto: date | None = None, since: date | None = None) -> TrialBalance:
    """Only income and expense accounts: what the period earned (its credits less its debits)."""
    everything = trial_balance(entity_id, upto=upto, since=since)
    earning = (Account.Kind.INCOME, Account.Kind.EXPENSE)
    return TrialBalance([row for row in everything.rows if row.account.kind in earning])


def account_ledger(account: Account) -> QuerySet[JournalLine]:
    """An account's lines with their entries, newest day first."""
    return (
        JournalLine.objects.filter(account=account)
        .select_related("entry")
        .order_by("-posted_on", "-id")
    )


def entries(entity_id: int) -> QuerySet[JournalEntry]:
    """An entity's entries, newest day first."""
    return JournalEntry.objects.filter(entity_id=entity_id).order_by("-posted_on", "-id")


def entries_of(source: str, source_id: int) -> QuerySet[JournalEntry]:
    """The entries that book one record, oldest first."""
    return JournalEntry.objects.filter(source=source, source_id=source_id).order_by("pk")


def entry_by_number(number: str) -> JournalEntry | None:
    """The entry people know as `L-77120`; None when there is none."""
    digits = number.removeprefix("L-")
    if not digits.isdecimal() or len(digits) > 18:
        return None
    return JournalEntry.objects.filter(pk=int(digits)).first()


def lines_of(entry: JournalEntry) -> QuerySet[JournalLine]:
    """An entry's lines with their accounts, in order."""
    return entry.lines.select_related("account").order_by("position")


def balance_shown(order: Order) -> OrderBalance:
    """An order's balance to look at, not locked; an empty one when nothing moved yet."""
    found = OrderBalance.objects.filter(order=order).first()
    return found or OrderBalance(
        order=order, entity_id=order.channel.legal_entity_id, currency=order.currency
    )


def refunds_in_words(ids: Iterable[int]) -> dict[int, str]:
    """How requests for money back stand: `waiting for finance`."""
    rows = Refund.objects.filter(pk__in=set(ids))
    return {row.pk: row.get_state_display().lower() for row in rows}
