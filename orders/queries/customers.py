"""Who a customer is today, whom they may be a second time, and how they buy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from django.db import connection
from django.db.models import DecimalField, F, IntegerField, OuterRef, Q, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from backoffice.money import Money
from backoffice.sets import id_list
from orders.models.customers import Customer, CustomerDay, CustomerMerge, NotDuplicate

# "Lately" of figures: the last 90 days, by UTC day, today included.
LATELY_DAYS = 90
MOST_PROPOSALS = 200


class Lately(NamedTuple):
    """What a customer did in the last 90 days; `spend` is net of refunds, in their currency."""

    orders: int
    spend: Decimal


NOTHING = Lately(0, Decimal(0))


# Every event of an order asks: putting a query set together takes longer than the answer.
_LATELY = """
SELECT customer_id, sum(orders), sum(spend) FROM orders_customerday
WHERE customer_id = ANY(%s::bigint[]) AND day >= %s GROUP BY customer_id
"""


def lately(customer_ids: Iterable[int | None]) -> dict[int, Lately]:
    """The last 90 days of customers, by id; guests and those who bought nothing are left out."""
    ids = [pk for pk in set(customer_ids) if pk is not None]
    if not ids:
        return {}
    since = timezone.now().date() - timedelta(days=LATELY_DAYS - 1)
    with connection.cursor() as cursor:
        cursor.execute(_LATELY, [id_list(ids), since])
        return {pk: Lately(orders, spend) for pk, orders, spend in cursor.fetchall()}


def with_lately(rows: QuerySet[Customer]) -> QuerySet[Customer]:
    """Customers with `lately_orders` and `lately_spend`, for filters."""
    since = timezone.now().date() - timedelta(days=LATELY_DAYS - 1)
    days = CustomerDay.objects.filter(customer=OuterRef("pk"), day__gte=since)
    sums = days.order_by().values("customer")
    return rows.annotate(
        lately_orders=Coalesce(
            Subquery(sums.annotate(n=Sum("orders")).values("n"), output_field=IntegerField()), 0
        ),
        lately_spend=Coalesce(
            Subquery(
                sums.annotate(n=Sum("spend")).values("n"),
                output_field=DecimalField(max_digits=19, decimal_places=4),
            ),
            Decimal(0),
        ),
    )


def live_ids(customer_ids: Iterable[int]) -> dict[int, int]:
    """Whom each customer stands for today: themselves, or whom they were merged into."""
    ids = list(set(customer_ids))
    if not ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE up AS (SELECT id AS asked, id, merged_into_id FROM orders_customer "
            "WHERE id = ANY(%s) UNION ALL SELECT up.asked, c.id, c.merged_into_id "
            "FROM up JOIN orders_customer c ON c.id = up.merged_into_id) "
            "SELECT asked, id FROM up WHERE merged_into_id IS NULL",
            [ids],
        )
        return dict(cursor.fetchall())


def everyone_in(customer_id: int) -> list[int]:
    """A customer and all who were merged into them, at any remove."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH RECURSIVE down AS (SELECT %s::bigint AS id UNION ALL "
            "SELECT c.id FROM down JOIN orders_customer c ON c.merged_into_id = down.id) "
            "SELECT id FROM down",
            [customer_id],
        )
        return [pk for (pk,) in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class Proposal:
    """Two customers who may be one, and what says so."""

    one: Customer
    other: Customer
    reasons: tuple[str, ...]

    @property
    def says(self) -> str:
        """The reasons in one sentence's worth of words."""
        told = ", ".join(self.reasons)
        return f"{told}; a guest and an account" if self.mixed else told

    @property
    def mixed(self) -> bool:
        return self.one.has_login != self.other.has_login


# Beside the first of those who share something: ten alike are nine proposals, not forty-five.
_ALIKE = """
WITH live AS (
    SELECT id, mail_key, phone, name_key FROM orders_customer
    WHERE merged_into_id IS NULL AND erased_at IS NULL
), pairs AS (
    SELECT first AS low, id AS high, 'same mail' AS reason FROM (
        SELECT id, min(id) OVER (PARTITION BY mail_key) AS first FROM live WHERE mail_key <> '') m
    UNION ALL SELECT first, id, 'same telephone' FROM (
        SELECT id, min(id) OVER (PARTITION BY phone) AS first FROM live WHERE phone <> '') p
    UNION ALL SELECT first, id, 'same name and postcode' FROM (
        SELECT id, min(id) OVER (PARTITION BY name_key) AS first FROM live WHERE name_key <> '') n
)
SELECT low, high, array_agg(reason ORDER BY reason) FROM pairs p
WHERE low <> high AND NOT EXISTS (
    SELECT FROM orders_notduplicate d WHERE d.low_id = p.low AND d.high_id = p.high)
GROUP BY low, high ORDER BY count(*) DESC, low, high LIMIT %s
"""


def proposals(limit: int = MOST_PROPOSALS) -> list[Proposal]:
    """Pairs who may be one person, those with most reasons first."""
    with connection.cursor() as cursor:
        cursor.execute(_ALIKE, [limit])
        pairs = cursor.fetchall()
    customers = Customer.objects.in_bulk({pk for low, high, _ in pairs for pk in (low, high)})
    return [Proposal(customers[low], customers[high], tuple(why)) for low, high, why in pairs]


def like(customer: Customer) -> list[Customer]:
    """Who else may be this customer, for their page."""
    same = Q()
    for name in ("mail_key", "phone", "name_key"):
        if value := getattr(customer, name):
            same |= Q(**{name: value})
    if not same or customer.merged_into_id or customer.erased_at:
        return []
    apart = {
        pk
        for pair in NotDuplicate.objects.filter(Q(low=customer) | Q(high=customer))
        for pk in (pair.low_id, pair.high_id)
    }
    rows = Customer.objects.live().filter(same).exclude(pk__in=apart | {customer.pk})
    return list(rows.order_by("pk")[:10])


def suggested(one: Customer, other: Customer) -> tuple[Customer, Customer]:
    """Who should stay and who should go: the account, else who bought more, else the older."""

    def weight(customer: Customer) -> tuple[bool, int, int]:
        return customer.has_login, customer.orders_count, -customer.pk

    return (one, other) if weight(one) >= weight(other) else (other, one)


def merges_of(customer: Customer) -> QuerySet[CustomerMerge]:
    """Merges in which a customer took part, those in force first, newest on top."""
    mine = Q(survivor=customer) | Q(merged=customer)
    rows = CustomerMerge.objects.filter(mine).select_related("survivor", "merged")
    return rows.order_by(F("undone_at").asc(nulls_first=True), "-at")


def spent_lately(customer: Customer, found: Lately) -> Money | None:
    """Spend of the last 90 days; None before the first order."""
    return Money(found.spend, customer.spend_currency) if customer.spend_currency else None
