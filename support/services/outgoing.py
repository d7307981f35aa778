"""The only door to a customer's mailbox: queued once, judged when it is sent, told why not."""

from __future__ import annotations

import logging
import smtplib
from dataclasses import dataclass
from datetime import timedelta
from secrets import randbelow

from django.conf import settings
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.urls import reverse
from django.utils import timezone

from backoffice import post, timeline
from backoffice.actors import HOUSE, Actor, ActorKind
from backoffice.post import Letter, Office
from orders.models.customers import Customer
from orders.queries.customers import live_ids
from orders.services.figures import lock_customers
from support import signals
from support.models import OutgoingMail, Purpose
from support.services.consent import why_not
from support.services.writing import written_by

logger = logging.getLogger(__name__)
AT_ONCE = 100
SECONDS = 10
# What the server refuses for now is tried again, as calls outside are: so often, after so long.
MOST_TRIES = 8
SOONEST, LATEST = 60, 3600  # seconds
CAUGHT = "Caught by the sandbox: nobody was written to."
_SALT = "support.unsubscribe"
State = OutgoingMail.State


@dataclass(frozen=True, slots=True)
class NewMail:
    """A mail to write. `key` is one per intent, so that a repeat writes once."""

    customer_id: int
    purpose: str
    subject: str
    body: str
    key: str
    actor: Actor


def queue_mail(new: NewMail) -> OutgoingMail:
    """Have a customer written to, or note why they are not; a known key tells what stands."""
    known = OutgoingMail.objects.filter(key=new.key).first()
    if known is not None:
        return known
    try:
        with transaction.atomic():
            return _queue(new)
    except IntegrityError:  # another one with this key was faster
        return OutgoingMail.objects.get(key=new.key)


def _queue(new: NewMail) -> OutgoingMail:
    customer_id = live_ids([new.customer_id])[new.customer_id]
    customer = lock_customers([customer_id])[customer_id]
    why = why_not(customer, new.purpose)
    mail = OutgoingMail.objects.create(
        customer=customer,
        purpose=new.purpose,
        subject=new.subject[:200],
        body=new.body,
        key=new.key,
        state=State.SKIPPED if why else State.QUEUED,
        skipped=why,
        settled_at=timezone.now() if why else None,
        **written_by(new.actor),
    )
    words = f"Not written to, {mail.get_skipped_display()}" if why else "Mail queued"
    timeline.record(
        [
            timeline.Happened(
                "orders.customer", customer_id, f"{words}: {Purpose(new.purpose).label.lower()}",
                new.actor,
            )
        ]
    )  # fmt: skip
    return mail


def _due() -> QuerySet[OutgoingMail]:
    waiting = OutgoingMail.objects.filter(state=State.QUEUED)
    return waiting.filter(Q(due_at=None) | Q(due_at__lte=timezone.now()))


def send_due() -> int:
    """Send what waits; returns how many mails left. While the server is away they wait."""
    if not _due().exists():
        return 0
    connection = post.office(SECONDS)
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("Mails to customers wait for the mail server: %s", error)
        return 0
    sent = 0
    try:
        for pk in list(_due().order_by("pk").values_list("pk", flat=True)[:AT_ONCE]):
            taken = _take(pk)
            if taken is None:
                continue
            try:
                connection.send_messages([_message(*taken)])
            except (smtplib.SMTPException, OSError) as error:
                _refused(taken[0], error)
                if not _opened_again(connection):
                    break
            else:
                _settle(pk, State.SENT, CAUGHT if settings.SANDBOX else "")
                sent += 1
    finally:
        connection.close()
    return sent


def _opened_again(connection: Office) -> bool:
    """A fresh line after a refusal: the one before may be closed, or in the middle of a mail."""
    try:
        connection.close()
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("Mails to customers wait for the mail server: %s", error)
        return False
    return True


def _refused(mail: OutgoingMail, error: Exception) -> None:
    """Try again later what the server refused for now; all else is a case and never sent twice."""
    codes = _codes(error)
    if not codes:
        # Without an answer of the server's nobody knows whether it took the mail.
        said = "The mail server broke off: it may have left, so it is not sent again."
        _settle(mail.pk, State.FAILED, said)
    elif any(400 <= code < 500 for code in codes) and mail.tries + 1 < MOST_TRIES:
        _again(mail.pk, f"The mail server refused it for now ({max(codes)}).")
    else:
        times = f" {mail.tries + 1} times" if mail.tries else " for good"
        _settle(mail.pk, State.FAILED, f"The mail server refused it{times} ({max(codes)}).")


def _codes(error: Exception) -> list[int]:
    """The server's answers that say it did not take a mail; none where it gave no answer."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return [code for code, _ in error.recipients.values()]
    if isinstance(error, smtplib.SMTPResponseException) and 400 <= error.smtp_code < 600:
        return [error.smtp_code]
    return []


@transaction.atomic
def _again(pk: int, says: str) -> None:
    mail = OutgoingMail.objects.select_for_update().get(pk=pk)
    most = min(SOONEST * 2**mail.tries, LATEST)
    mail.tries += 1
    mail.state, mail.says = State.QUEUED, says
    mail.due_at = timezone.now() + timedelta(seconds=SOONEST + randbelow(most))
    mail.save(update_fields=["state", "says", "tries", "due_at"])


@transaction.atomic
def _take(pk: int) -> tuple[OutgoingMail, Customer] | None:
    """Mark a mail as being sent, if it still may be; twice would be worse than not at all."""
    row = OutgoingMail.objects.filter(pk=pk).values_list("customer_id", flat=True).first()
    if row is None:
        return None
    customer_id = live_ids([row])[row]
    # Whoever withdraws holds the customer: they come before this mail or after it.
    customer = lock_customers([customer_id])[customer_id]
    mail = (
        OutgoingMail.objects.select_for_update(skip_locked=True, of=("self",))
        .filter(pk=pk, state=State.QUEUED)
        .first()
    )
    if mail is None:
        return None
    why = why_not(customer, mail.purpose)
    mail.state = State.SKIPPED if why else State.SENDING
    mail.skipped = why
    mail.settled_at = timezone.now() if why else None
    mail.save(update_fields=["state", "skipped", "settled_at"])
    return None if why else (mail, customer)


@transaction.atomic
def _settle(pk: int, state: str, says: str = "") -> None:
    mail = OutgoingMail.objects.select_for_update().get(pk=pk)
    mail.state, mail.says, mail.settled_at = state, says[:300], timezone.now()
    mail.save(update_fields=["state", "says", "settled_at"])
    if state == State.FAILED:
        signals.mails_failed.send(sender=OutgoingMail, mails=[mail], actor=HOUSE, history=False)
    sent = "Mail caught by the sandbox" if says == CAUGHT else "Mail sent"
    words = sent if state == State.SENT else "A mail could not be sent"
    timeline.record(
        [
            timeline.Happened(
                "orders.customer", mail.customer_id,
                f"{words}: {mail.get_purpose_display().lower()}", HOUSE,
            )
        ]
    )  # fmt: skip


def token_of(customer_id: int, purpose: str) -> str:
    """What an unsubscribe link carries: signed, so that nobody unsubscribes others."""
    return signing.dumps([customer_id, purpose], salt=_SALT)


def read_token(token: str) -> tuple[int, str] | None:
    """Whom a link is of and for what; None for one that we did not make."""
    try:
        customer_id, purpose = signing.loads(token, salt=_SALT)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return int(customer_id), str(purpose)


def _message(mail: OutgoingMail, customer: Customer) -> Letter:
    headers = {"Auto-Submitted": "auto-generated"}
    body = mail.body
    if mail.purpose != Purpose.SERVICE:
        token = token_of(customer.pk, mail.purpose)
        link = settings.SITE_URL + reverse("unsubscribe", args=[token])
        headers["List-Unsubscribe"] = f"<{link}>"
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        body = f"{body}\n\nNo more of these: {link}"
    subject = " ".join(mail.subject.split())
    writer = Actor(
        ActorKind(mail.actor_kind), mail.actor_label, rule_id=mail.rule_id, run_id=mail.run_id
    )
    return Letter(
        post.Kind.CUSTOMER, subject, body, to=[customer.email], actor=writer, headers=headers
    )
