"""A mail backend that answers as a test says, and keeps what it took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend


class Backend(BaseEmailBackend):
    """`answers`: what each mail in turn is refused with; None: it is taken."""

    answers: ClassVar[list[Exception | None]] = []
    took: ClassVar[list[str]] = []

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        self.took.extend(str(message.subject) for message in email_messages)
        return len(email_messages)
