"""Mail to customers that a server refuses: again later where it says so, a case where not."""

from __future__ import annotations

import smtplib
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.utils import timezone

from automations.models.failures import Failure
from support.models import OutgoingMail
from support.services.outgoing import MOST_TRIES, send_due
from tests.orders.factories import make_customer
from tests.support.refusing import Backend
from tests.support.test_consent import news

pytestmark = pytest.mark.django_db
State = OutgoingMail.State
BUSY = smtplib.SMTPRecipientsRefused({"them@example.com": (450, b"them@example.com: greylisted")})
NOBODY = smtplib.SMTPRecipientsRefused({"them@example.com": (550, b"them@example.com: nobody")})


@pytest.fixture(autouse=True)
def refusing(settings: Any) -> None:
    settings.EMAIL_BACKEND = "tests.support.refusing.Backend"
    Backend.answers, Backend.took = [], []


def waiting() -> OutgoingMail:
    return news(make_customer(), purpose="service")


def now_due(mail: OutgoingMail) -> None:
    OutgoingMail.objects.filter(pk=mail.pk).update(due_at=timezone.now() - timedelta(seconds=1))


def test_what_is_refused_for_now_waits_and_is_sent_once() -> None:
    mail = waiting()
    Backend.answers = [BUSY]
    assert send_due() == 0
    mail.refresh_from_db()
    assert (mail.state, mail.tries) == (State.QUEUED, 1)
    assert mail.due_at is not None
    assert mail.due_at > timezone.now()
    assert send_due() == 0  # not before its time
    now_due(mail)
    assert (send_due(), send_due()) == (1, 0)
    assert Backend.took == ["Spring is here"]
    assert not Failure.objects.exists()


def test_what_is_refused_for_good_is_a_case_without_the_address() -> None:
    mail = waiting()
    Backend.answers = [NOBODY]
    assert (send_due(), send_due()) == (0, 0)
    mail.refresh_from_db()
    assert mail.state == State.FAILED
    case = Failure.objects.get(kind="support.mail_not_sent")
    assert (case.subject, case.subject_id) == ("orders.customer", mail.customer_id)
    assert "550" in case.says
    assert "example.com" not in f"{case.says} {case.cause_words} {mail.says}"


def test_what_broke_off_may_have_left_and_is_never_sent_again() -> None:
    mail = waiting()
    Backend.answers = [smtplib.SMTPServerDisconnected("Connection unexpectedly closed")]
    assert (send_due(), send_due()) == (0, 0)
    mail.refresh_from_db()
    assert (mail.state, Backend.took) == (State.FAILED, [])
    assert "may have left" in Failure.objects.get().says
    with pytest.raises(DatabaseError), transaction.atomic():
        OutgoingMail.objects.filter(pk=mail.pk).update(
            state=State.QUEUED, tries=1, due_at=timezone.now() + timedelta(hours=1)
        )


def test_it_is_tried_so_often_and_then_a_case() -> None:
    mail = waiting()
    for _ in range(MOST_TRIES):
        Backend.answers = [BUSY]
        send_due()
        now_due(mail)
    mail.refresh_from_db()
    assert (mail.state, mail.tries) == (State.FAILED, MOST_TRIES - 1)
    assert Failure.objects.count() == 1
