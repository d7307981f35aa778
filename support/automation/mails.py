"""Mail to customers that did not arrive, brought before people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automations.cases import CaseKind, NewCase, cases
from support import signals
from support.models import OutgoingMail


@cases.register
class MailNotSent(CaseKind):
    key = "support.mail_not_sent"
    label = "Mail to a customer not sent"
    subject = "orders.customer"
    signal = signals.mails_failed

    def cases(self, *, mails: Sequence[OutgoingMail], **sent: Any) -> list[NewCase]:
        return [
            NewCase(
                key=f"support.outgoingmail:{mail.pk}",
                cause=f"Mail to a customer: {mail.says}"[:300],
                says=f"Mail did not go out: {mail.get_purpose_display().lower()}. {mail.says}",
                subject_id=mail.customer_id,
                fallback="It is not sent again by itself. Look at the customer’s mail address, "
                "correct it or reach them another way, and note it here.",
                detail={"mail": str(mail.pk), "tries": str(mail.tries)},
            )
            for mail in mails
        ]
