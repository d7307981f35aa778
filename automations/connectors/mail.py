"""Mail to staff, at most once: a mail server knows no reference, so what broke off is in doubt.

The server is the company's own, named by EMAIL_URL in the environment, never by a screen.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from automations.actions import ConnectorDown, Rejected, RetryLater
from automations.connectors.kinds import Account, Answer, Connector, Trace, kinds
from automations.connectors.scope import Scope
from automations.connectors.transport import Lost
from automations.models.rules import RULE_SPAN
from backoffice import post
from backoffice.actors import Actor, ActorKind
from backoffice.post import Letter, Office


@kinds.register
class Mail(Connector):
    """Sends through the one door of the house."""

    key = "automations.mail"
    mails = True
    label = "Staff mail"
    about = "Mail to members of staff, through the company's own mail server."
    fields: ClassVar[Mapping[str, Any]] = {
        "sender": "",
        "per_minute": 60,
        "burst": 10,
        "cap": 2,
        "connect_seconds": 5,
        "total_seconds": 20,
    }

    def problems(self, scope: Scope) -> Iterator[tuple[str, str]]:
        if scope.sender:
            try:
                validate_email(scope.sender)
            except ValidationError:
                yield "sender", "Write a mail address, or leave it out to use the company's."

    def call(
        self,
        account: Account,
        asked: Mapping[str, Any],
        effect: str,
        trace: Trace,
        gate: Callable[[], None],
    ) -> Answer:
        trace.method = "MAIL"
        trace.host = "caught" if account.caught else settings.EMAIL_HOST or "files"
        message = _message(account, asked, effect)
        backend = post.office(account.scope.total_seconds)
        _open(account, backend)
        try:
            gate()
            trace.sent = not account.caught
            _send(account, backend, message)
        finally:
            _close(backend)
        people = "1 person" if len(message.to) == 1 else f"{len(message.to)} people"
        if account.caught:
            return Answer(f"Caught: {people} would have been mailed.", caught=True)
        return Answer(f"Mailed {people}.")


def _message(account: Account, asked: Mapping[str, Any], effect: str) -> Letter:
    sender = account.scope.sender or settings.DEFAULT_FROM_EMAIL
    domain = sender.rpartition("@")[2].rstrip(">") or "localhost"
    reference = account.reference(effect).replace("/", ".").replace(":", ".")
    # The same for each attempt, so that a mailbox that gets two can tell them for one.
    headers = {"Message-ID": f"<{reference}@{domain}>", "Auto-Submitted": "auto-generated"}
    run_id = int(effect.partition(":")[0])
    return Letter(
        post.Kind.STEP,
        asked["subject"],
        asked["text"],
        to=asked["to"],
        actor=Actor(ActorKind.RULE, account.name, rule_id=run_id % RULE_SPAN, run_id=run_id),
        sender=sender,
        headers=headers,
    )


def _open(account: Account, backend: Office) -> None:
    """Connect and sign in: nothing is sent by that."""
    try:
        backend.open()
    except (smtplib.SMTPException, OSError) as error:
        raise ConnectorDown(f"The mail server of {account.name} can't be reached.") from error


def _send(account: Account, backend: Office, message: Letter) -> None:
    """Hand the message over. A refusal in the server's words came before it took the message."""
    try:
        backend.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        codes = [code for code, _ in error.recipients.values()]
        if any(400 <= code < 500 for code in codes):  # greylisting, a full mailbox
            said = f"The mail server takes none of these addresses for now ({min(codes)})."
            raise RetryLater(said) from error
        raise Rejected("The mail server takes none of these addresses.") from error
    except smtplib.SMTPResponseException as error:
        if 400 <= error.smtp_code < 500:
            raise RetryLater(f"The mail server is busy ({error.smtp_code}).") from error
        raise Rejected(f"The mail server refused the message ({error.smtp_code}).") from error
    except ValueError as error:  # a header with a line break
        raise Rejected("The subject or an address has a line break in it.") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Lost("The mail server broke off before it said that it took the message.") from error


def _close(backend: Office) -> None:
    try:
        backend.close()
    except (smtplib.SMTPException, OSError):
        # The message was taken or not by now; a goodbye that fails changes nothing.
        return
