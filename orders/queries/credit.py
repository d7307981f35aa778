"""What companies have used of their credit, counted in PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db import connection
from django.db.models import DecimalField, F, Func, QuerySet

from backoffice.money import Money
from orders.models.credit import CreditAccount


@dataclass(frozen=True, slots=True)
class Credit:
    """An account with what is used of it. `orders` counts the unpaid orders that make it up."""

    account: CreditAccount
    used: Money
    orders: int

    @property
    def left(self) -> Money:
        """What may still be ordered; negative where more is used than the limit."""
        return self.account.limit_money - self.used

    @property
    def share(self) -> int:
        """What is used of the limit, in per cent."""
        limit = self.account.limit
        return int(self.used.amount * 100 / limit) if limit else 100 * bool(self.used.amount)


# Unpaid orders of an account's period: not cancelled, not imported, not waiting for an approver.
_COUNTS = """o.customer_id = a.customer_id
    AND o.currency = a.currency AND o.amount_paid < o.total AND o.cancelled_at IS NULL
    AND NOT o.is_history AND (a.resets = 'never' OR o.placed_at >= date_trunc(a.resets, now()))
    AND NOT EXISTS (SELECT FROM orders_review r
                    WHERE r.order_id = o.id AND r.kind = 'credit' AND r.state = 'open')"""
_USED = """
SELECT a.customer_id, coalesce(sum(o.total - o.amount_paid), 0), count(o.id)
FROM orders_creditaccount a LEFT JOIN orders_order o ON [counts] AND NOT o.id = ANY(%s)
WHERE a.customer_id = ANY(%s) GROUP BY a.customer_id
""".replace("[counts]", _COUNTS)
_OF_ROW = """(SELECT coalesce(sum(o.total - o.amount_paid), 0)
FROM orders_creditaccount a JOIN orders_order o ON [counts] WHERE a.id = %(expressions)s)
""".replace("[counts]", _COUNTS)


def with_used(rows: QuerySet[CreditAccount]) -> QuerySet[CreditAccount]:
    """Accounts with `used`: what is used of each."""
    amount = DecimalField(max_digits=19, decimal_places=4)
    return rows.annotate(used=Func(F("id"), template=_OF_ROW, output_field=amount))


def credit_of(customer_ids: Iterable[int], *, without: Iterable[int] = ()) -> dict[int, Credit]:
    """The credit of these customers that have an account in use, by customer id.

    `without` are orders that do not count, by id. Orders in another currency than the account's do
    not count either.
    """
    accounts = {
        account.customer_id: account
        for account in CreditAccount.objects.filter(
            customer_id__in=set(customer_ids), is_active=True
        ).select_related("customer")
    }
    if not accounts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_USED, [list(without), list(accounts)])
        used = {pk: (amount, count) for pk, amount, count in cursor.fetchall()}
    nothing = (Decimal(0), 0)
    return {
        pk: Credit(account, Money(amount, account.currency), count)
        for pk, account in accounts.items()
        for amount, count in [used.get(pk, nothing)]
    }
