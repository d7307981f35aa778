"""Notices by mail, for those that wait for a person: each at most once, those of a minute together.

The server is the company's own (EMAIL_URL). While it can't be reached nothing is lost: notices
stand on Home, and are mailed once it answers, unless they were read by then.
"""

from __future__ import annotations

import logging
import smtplib
from collections import defaultdict
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from backoffice import post
from backoffice.actors import HOUSE
from backoffice.models import Notice, User
from backoffice.post import Letter

logger = logging.getLogger(__name__)
AT_ONCE = 200
SECONDS = 10
# Older ones tell nothing new any more.
FRESH = timedelta(days=1)


def send_due() -> int:
    """Mail what waits; answers to how many people. Nothing is sent while the server is away."""
    waiting = Notice.objects.filter(
        to_mail=True, mailed_at=None, read_at=None, created_at__gt=timezone.now() - FRESH
    )
    if not waiting.exists():
        return 0
    connection = post.office(SECONDS)
    try:
        connection.open()
    except (smtplib.SMTPException, OSError) as error:
        logger.warning("Notices wait for the mail server: %s", error)
        return 0
    try:
        taken = _take()
        messages = [message for user, notices in taken if (message := _message(user, notices))]
        for message in messages:
            try:
                connection.send_messages([message])
            except (smtplib.SMTPException, OSError):
                logger.exception("A notice could not be mailed")
        return len(messages)
    finally:
        connection.close()


@transaction.atomic
def _take() -> list[tuple[User, list[Notice]]]:
    """Mark what is about to be sent, before it is: twice would be worse than not at all."""
    rows = Notice.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        to_mail=True, mailed_at=None, read_at=None, created_at__gt=timezone.now() - FRESH
    )
    found = list(rows.select_related("user").order_by("pk")[:AT_ONCE])
    Notice.objects.filter(pk__in=[each.pk for each in found]).update(mailed_at=timezone.now())
    by_user: dict[User, list[Notice]] = defaultdict(list)
    for each in found:
        by_user[each.user].append(each)
    return list(by_user.items())


def _message(user: User, notices: list[Notice]) -> Letter | None:
    """One mail with all of them; None for somebody without an address, or who has left."""
    if not user.email or not user.is_active:
        return None
    first = " ".join(notices[0].text.split())
    subject = first if len(notices) == 1 else f"{len(notices)} things wait for you"
    lines = [f"{each.text}\n{settings.SITE_URL}{each.link}".strip() for each in notices]
    body = "\n\n".join([f"Hello {user.first_name or user.username},", *lines])
    headers = {"Auto-Submitted": "auto-generated"}
    subject = f"[Countersign] {subject}"[:150]
    return Letter(post.Kind.NOTICE, subject, body, to=[user.email], actor=HOUSE, headers=headers)
