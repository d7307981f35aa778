"""What is said with customers, emptied once they are forgotten; PostgreSQL allows it only then."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from django.db import connection
from django.db.models import F

from support.models import OutgoingMail, Suppression, Ticket
from support.queries import tickets_of_customers
from support.services.consent import digest_of, skip_waiting

ERASED = "Erased"


def forget(customer_ids: Collection[int], mail_keys: Iterable[str]) -> None:
    """Empty all that erased customers said and were told; their mails are suppressed as hashes."""
    tickets = list(tickets_of_customers(customer_ids).order_by().values_list("pk", flat=True))
    Ticket.objects.filter(pk__in=tickets).update(subject=ERASED, version=F("version") + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT support_forget_messages(%s::bigint[])", [tickets])
    skip_waiting(customer_ids, OutgoingMail.Skip.ERASED)
    OutgoingMail.objects.filter(customer__in=customer_ids).update(subject="", body="")
    Suppression.objects.bulk_create(
        (Suppression(digest=digest_of(key)) for key in mail_keys), ignore_conflicts=True
    )
