"""Mail to staff, at most once: a mail server knows no reference, so what broke off is in doubt.

The server is the company's own, named by EMAIL_URL in the environment, never by a screen.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol, cast

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.mail import EmailMessage, get_connection
from django.core.validators import validate_email

from automations.actions import ConnectorDown, Rejected, RetryLater
from automations.connectors.kinds import Account, Answer, Connector, Trace, kinds
from automations.connectors.scope import Scope
from automations.connectors.transport import Lost


class Backend(Protocol):
    """What Django's mail backends have in common."""

    def open(self) -> object: ...
    def close(self) -> None: ...
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int | None: ...


@kinds.register
class Mail(Connector):
    """Sends through Django's mail backend."""

    key = "automations.mail"
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
        trace.method, trace.host = "MAIL", settings.EMAIL_HOST or "files"
        message = _message(account, asked, effect)
        backend = cast("Backend", get_connection(timeout=account.scope.total_seconds))
        _open(account, backend)
        try:
            gate()
            trace.sent = True
            _send(account, backend, message)
        finally:
            _close(backend)
        people = len(message.to)
        return Answer(f"Mailed {people} {'person' if people == 1 else 'people'}.")


def _message(account: Account, asked: Mapping[str, Any], effect: str) -> EmailMessage:
    sender = account.scope.sender or settings.DEFAULT_FROM_EMAIL
    domain = sender.rpartition("@")[2].rstrip(">") or "localhost"
    reference = account.reference(effect).replace("/", ".").replace(":", ".")
    # The same for each attempt, so that a mailbox that gets two can tell them for one.
    headers = {"Message-ID": f"<{reference}@{domain}>", "Auto-Submitted": "auto-generated"}
    return EmailMessage(asked["subject"], asked["text"], sender, list(asked["to"]), headers=headers)


def _open(account: Account, backend: Backend) -> None:
    """Connect and sign in: nothing is sent by that."""
    try:
        backend.open()
    except (smtplib.SMTPException, OSError) as error:
        raise ConnectorDown(f"The mail server of {account.name} can't be reached.") from error


def _send(account: Account, backend: Backend, message: EmailMessage) -> None:
    """Hand the message over. A refusal in the server's words came before it took the message."""
    try:
        backend.send_messages([message])
    except smtplib.SMTPRecipientsRefused as error:
        raise Rejected("The mail server takes none of these addresses.") from error
    except smtplib.SMTPResponseException as error:
        if 400 <= error.smtp_code < 500:
            raise RetryLater(f"The mail server is busy ({error.smtp_code}).") from error
        raise Rejected(f"The mail server refused the message ({error.smtp_code}).") from error
    except ValueError as error:  # a header with a line break
        raise Rejected("The subject or an address has a line break in it.") from error
    except (smtplib.SMTPException, OSError) as error:
        raise Lost("The mail server broke off before it said that it took the message.") from error


def _close(backend: Backend) -> None:
    try:
        backend.close()
    except (smtplib.SMTPException, OSError):
        # The message was taken or not by now; a goodbye that fails changes nothing.
        return
