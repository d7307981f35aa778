"""What customers agreed to. The last thing they said holds, from the moment they said it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from backoffice import timeline
from backoffice.actors import Actor
from orders.models.customers import Customer
from orders.queries.customers import everyone_in, live_ids
from orders.services.figures import lock_customers
from support import signals
from support.models import ConsentEvent, Medium, OutgoingMail, Purpose, Suppression
from support.services.errors import NoConsentNeeded

# Told apart from hashes of the same mail that others make.
_SALT = b"countersign/suppression/"


def digest_of(mail_key: str) -> str:
    """The hash under which a mail is suppressed."""
    return hashlib.sha256(_SALT + mail_key.encode()).hexdigest()


@transaction.atomic
def record_consent(
    customer_id: int,
    *,
    medium: str,
    purpose: str,
    given: bool,
    source: str,
    basis: str = ConsentEvent.Basis.CONSENT,
    wording: str = "",
    actor: Actor,
) -> ConsentEvent:
    """Note a yes or a no; a no takes what waits for this customer out of the queue at once.

    Raises NoConsentNeeded. Announces consents_withdrawn.
    """
    if purpose == Purpose.SERVICE:
        raise NoConsentNeeded("What serves an order needs no consent, so there is none to note.")
    customer_id = live_ids([customer_id])[customer_id]
    # Sending locks the customer too: it sees this or was before it.
    customer = lock_customers([customer_id])[customer_id]
    event = ConsentEvent.objects.create(
        customer=customer,
        medium=medium,
        purpose=purpose,
        given=given,
        basis=basis if given else ConsentEvent.Basis.WITHDRAWN,
        source=source,
        wording=wording,
        actor_kind=actor.kind,
        actor_label=actor.label,
        user_id=actor.user_id,
        run_id=actor.run_id,
    )
    verb = "Agreed to" if given else "Said no to"
    words = f"{verb} {event.get_purpose_display().lower()} by {event.get_medium_display().lower()}"
    timeline.record([timeline.Happened("orders.customer", customer_id, words, actor)])
    if not given:
        if medium == Medium.MAIL:
            family = everyone_in(customer_id)
            skip_waiting(family, OutgoingMail.Skip.WITHDRAWN, purpose=purpose)
        signals.consents_withdrawn.send(
            sender=ConsentEvent, consents=[event], actor=actor, history=False
        )
    return event


def skip_waiting(customer_ids: Iterable[int], why: str, *, purpose: str | None = None) -> int:
    """Take what waits for customers out of the queue; returns how many mails."""
    rows = OutgoingMail.objects.filter(
        customer__in=list(customer_ids), state=OutgoingMail.State.QUEUED
    )
    if purpose is not None:
        rows = rows.filter(purpose=purpose)
    return rows.update(state=OutgoingMail.State.SKIPPED, skipped=why, settled_at=timezone.now())


def latest(customer: Customer, medium: str, purpose: str) -> ConsentEvent | None:
    """What the customer, or a record merged into them, said last; None when nothing."""
    rows = ConsentEvent.objects.filter(
        customer__in=everyone_in(customer.pk), medium=medium, purpose=purpose
    )
    return rows.order_by("-pk").first()


def why_not(customer: Customer, purpose: str) -> str:
    """Why this customer may not be written a mail of this purpose; empty when they may."""
    if customer.erased_at is not None:
        return OutgoingMail.Skip.ERASED
    if not customer.email:
        return OutgoingMail.Skip.NO_MAIL
    if purpose == Purpose.SERVICE:
        return ""
    said = latest(customer, Medium.MAIL, purpose)
    if said is None or not said.given:
        return OutgoingMail.Skip.WITHDRAWN if said else OutgoingMail.Skip.NO_BASIS
    asked = Suppression.objects.filter(digest=digest_of(customer.mail_key)).first()
    # Only the person themselves, afterwards, undoes that; bringing an old list again does not.
    brought = said.source == ConsentEvent.Source.IMPORT
    if asked is not None and (brought or asked.at > said.at):
        return OutgoingMail.Skip.SUPPRESSED
    return ""
