"""What is said with customers, emptied once they are forgotten; PostgreSQL allows it only then."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import connection
from django.db.models import F

from support.models import OutgoingMail, Suppression, Ticket
from support.queries import tickets_of_customers
from support.services.consent import digest_of, skip_waiting

ERASED = "Erased"


def written_elsewhere(customer_ids: Collection[int]) -> tuple[int, int]:
    """How many comments on their cases, and calls about them, hold what can be emptied."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM support_comments_of(%(ids)s::bigint[])),"
            " (SELECT count(*) FROM support_calls_of(%(ids)s::bigint[]))",
            {"ids": list(customer_ids)},
        )
        comments, calls = cursor.fetchone()
    return comments, calls


def forget(customer_ids: Collection[int], mail_keys: Iterable[str]) -> None:
    """Empty all that erased customers said and were told; their mails are suppressed as hashes."""
    tickets = list(tickets_of_customers(customer_ids).order_by().values_list("pk", flat=True))
    Ticket.objects.filter(pk__in=tickets).update(subject=ERASED, version=F("version") + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT support_forget_messages(%s::bigint[])", [tickets])
        cursor.execute("SELECT support_forget_cases(%s::bigint[])", [list(customer_ids)])
    skip_waiting(customer_ids, OutgoingMail.Skip.ERASED)
    OutgoingMail.objects.filter(customer__in=customer_ids).update(subject="", body="", says="")
    Suppression.objects.bulk_create(
        (Suppression(digest=digest_of(key)) for key in mail_keys), ignore_conflicts=True
    )
