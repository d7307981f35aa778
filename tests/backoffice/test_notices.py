"""Notices: told once, read by whom they are for, opened where they point."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.test import Client

from backoffice import mailing, notices
from backoffice.models import Notice, User

pytestmark = pytest.mark.django_db


def test_a_person_is_told_the_same_thing_once_and_what_carries_it_hears_of_new_ones_alone(
    operations_user: User, finance_user: User
) -> None:
    heard: list[list[Notice]] = []

    def carry(notices: list[Notice], **kwargs: Any) -> None:
        heard.append(notices)

    notices.stored.connect(carry)
    try:
        notices.notify([operations_user], "It is late.", "/runs/", key="late:1")
        notices.notify(
            [operations_user, finance_user, finance_user], "It is late.", "/runs/", key="late:1"
        )
        notices.notify([operations_user], "It is late.", "/runs/", key="late:1")
    finally:
        notices.stored.disconnect(carry)
    assert [[each.user_id for each in told] for told in heard] == [
        [operations_user.pk],
        [finance_user.pk],
    ]
    assert Notice.objects.count() == 2


def test_whoever_left_is_told_nothing(operations_user: User) -> None:
    operations_user.is_active = False
    operations_user.save(update_fields=["is_active"])
    assert notices.notify([operations_user], "It is late.", "") == []
    assert not Notice.objects.exists()


@pytest.mark.parametrize(
    "link", ["https://elsewhere.example/", "//elsewhere.example", "javascript:x"]
)
def test_a_link_that_leaves_the_house_is_refused(operations_user: User, link: str) -> None:
    with pytest.raises(ValueError, match="page of ours"):
        notices.notify([operations_user], "Look.", link)
    assert not Notice.objects.exists()


def test_the_bell_counts_what_is_unread_and_opening_reads_it(
    operations_client: Client, operations_user: User, finance_user: User
) -> None:
    (first,) = notices.notify([operations_user], "Rule A fails.", "/rules/")
    notices.notify([operations_user], "Rule B is late.", "/runs/")
    notices.notify([finance_user], "Rule C fails.", "/rules/")
    home = operations_client.get("/notices/_/home/").content.decode()
    assert "Rule A fails." in home
    assert "Rule C fails." not in home
    rail = operations_client.get("/_/rail/?path=/").content.decode()
    assert '<span class="count">2</span>' in rail.replace("\n", "")
    answer = operations_client.get(f"/notices/{first.pk}/")
    assert (answer.status_code, answer["Location"]) == (302, "/rules/")
    first.refresh_from_db()
    assert first.read_at is not None
    listing = operations_client.get("/notices/").context["listing"]
    assert [row.record.text for row in listing.rows] == ["Rule B is late."]
    operations_client.post("/notices/read/")
    assert not Notice.objects.filter(user=operations_user, read_at=None).exists()
    assert Notice.objects.filter(user=finance_user, read_at=None).exists()


def test_a_notice_of_someone_else_is_not_there(
    operations_client: Client, finance_user: User
) -> None:
    (other,) = notices.notify([finance_user], "Rule C fails.", "/rules/")
    assert operations_client.get(f"/notices/{other.pk}/").status_code == 404
    other.refresh_from_db()
    assert other.read_at is None


# --- by mail ------------------------------------------------------------------------------------


def test_what_waits_for_a_person_is_mailed_once_together_and_what_was_read_is_not(
    operations_user: User, finance_user: User, mailoutbox: list[EmailMessage]
) -> None:
    User.objects.update(email="")
    User.objects.filter(pk=operations_user.pk).update(email="priya@example.com")
    notices.notify([operations_user], "Rule A waits.", "/approvals/1/", mail=True)
    notices.notify([operations_user], "Rule B waits.", "/approvals/2/", mail=True)
    (seen,) = notices.notify([operations_user], "Rule C waits.", "/approvals/3/", mail=True)
    notices.read(operations_user, seen.pk)
    notices.notify([operations_user], "Rule D is late.", "/rules/")
    notices.notify([finance_user], "Rule A waits.", "/approvals/1/", mail=True)
    assert mailing.send_due() == 1
    assert mailing.send_due() == 0
    (mail,) = mailoutbox
    assert mail.to == ["priya@example.com"]
    assert "Rule A waits." in mail.body
    assert "/approvals/2/" in mail.body
    assert "Rule C" not in mail.body
    assert "Rule D" not in mail.body


def test_while_the_mail_server_is_away_nothing_is_lost(
    operations_user: User, mailoutbox: list[EmailMessage], settings: Any
) -> None:
    User.objects.filter(pk=operations_user.pk).update(email="priya@example.com")
    notices.notify([operations_user], "Rule A waits.", "/approvals/1/", mail=True)
    kept = settings.EMAIL_BACKEND
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 9
    assert mailing.send_due() == 0
    settings.EMAIL_BACKEND = kept
    assert mailing.send_due() == 1
    assert len(mailoutbox) == 1
