"""The one door to the mail server. In a sandbox nothing passes it: what would leave is kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Protocol, cast

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.utils import timezone

from backoffice.actors import Actor
from backoffice.caught_mail import CaughtMail

MARK = "[Sandbox] "
KEPT = timedelta(days=30)
Kind = CaughtMail.Kind


class Office(Protocol):
    """What all ways to send have in common."""

    def open(self) -> object: ...
    def close(self) -> None: ...
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int | None: ...


class Letter(EmailMessage):
    """A mail that knows what it is and who had it written, for those who read what was caught."""

    def __init__(
        self,
        kind: CaughtMail.Kind,
        subject: str,
        body: str,
        *,
        to: Sequence[str],
        actor: Actor | None = None,
        sender: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(subject, body, sender, list(to), headers=dict(headers or {}))
        self.kind, self.actor = kind, actor


def office(seconds: float) -> Office:
    """The way to the mail server; in a sandbox the way to those that are kept, whatever is set."""
    if settings.SANDBOX:
        return Catcher()
    return cast("Office", get_connection(timeout=seconds))


class Catcher(BaseEmailBackend):
    """Keeps what it is given. A sandbox has it as mail backend, so Django's own mail ends here."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep them; raises ValueError for one that no server would be given."""
        wanted = [each for each in email_messages if each.recipients()]
        for each in wanted:
            # As a mail server is given it: a line break in a header is refused by this.
            each.message()
        CaughtMail.objects.bulk_create(map(_caught, wanted))
        return len(wanted)

    def close(self) -> None:
        """Give back the connection to PostgreSQL: threads of calls would keep one each."""
        if not connection.in_atomic_block:
            connection.close()


def _caught(message: EmailMessage) -> CaughtMail:
    given: dict[str, Any] = {}
    if isinstance(message, Letter):
        given["kind"] = message.kind
        if message.actor is not None:
            actor = message.actor
            given |= {"by": actor.label[:200], "run_id": actor.run_id, "rule_id": actor.rule_id}
    subject = str(message.subject)
    return CaughtMail(
        sender=message.from_email,
        to=", ".join(message.recipients()),
        subject=(subject if subject.startswith(MARK) else MARK + subject)[:500],
        body=str(message.body),
        **given,
    )


def let_go() -> int:
    """Let go of what was caught long ago; answers how many mails."""
    return CaughtMail.objects.filter(at__lt=timezone.now() - KEPT).delete()[0]


def forget(addresses: Iterable[str]) -> None:
    """Let go of all that was caught on its way to somebody who is forgotten."""
    for address in {each for each in addresses if each}:
        CaughtMail.objects.filter(to__icontains=address).delete()
