"""Mail of a sandbox is kept, whoever sends it; without the setting it leaves as ever."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as conf
from django.core import mail
from django.core.mail import EmailMessage
from django.utils import timezone

from backoffice import mailing, notices, post
from backoffice.actors import HOUSE
from backoffice.caught_mail import CaughtMail
from backoffice.models import User
from backoffice.tasks import mail_notices
from orders.services.erasure import erase_customer
from support.services.outgoing import NewMail, queue_mail, send_due
from tests.orders.factories import make_customer

APPS = ("automations", "backoffice", "config", "finance", "inventory", "orders", "support")
REACHING = re.compile(r"\b(get_connection\(timeout|send_mail\(|send_mass_mail|mail_admins)")
SAY = "from django.conf import settings as s; print(s.SANDBOX, s.EMAIL_BACKEND, s.SESSION_COOKIE_NAME)"  # noqa: E501


@pytest.fixture
def sandbox(settings: Any) -> Any:
    settings.SANDBOX = True
    return settings


@pytest.mark.django_db
def test_notices_and_mail_to_customers_are_caught_too(sandbox: Any, operations_user: User) -> None:
    User.objects.update(email="them@example.com")
    notices.notify([operations_user], "A rule waits.", "/approvals/", mail=True)
    assert mailing.send_due() == 1
    customer = make_customer()
    new = NewMail(customer.pk, "service", "Your order", "It left.", "key-1", HOUSE)
    queued = queue_mail(new)
    assert send_due() == 1
    assert mail.outbox == []
    kept = {(m.kind, m.to, m.subject, m.by) for m in CaughtMail.objects.all()}
    assert kept == {
        ("notice", "them@example.com", "[Sandbox] [Countersign] A rule waits.", "Countersign"),
        ("customer", "g@example.com", "[Sandbox] Your order", "Countersign"),
    }
    queued.refresh_from_db()
    assert (queued.state, queued.says) == ("sent", "Caught by the sandbox: nobody was written to.")


@pytest.mark.django_db
def test_what_was_caught_on_its_way_to_a_customer_goes_when_they_are_erased(sandbox: Any) -> None:
    customer = make_customer()
    queue_mail(NewMail(customer.pk, "service", "Your order", "Dear Grace", "key-1", HOUSE))
    send_due()
    assert CaughtMail.objects.get().body == "Dear Grace"
    erase_customer(customer.pk, why="They asked for it.", actor=HOUSE)
    assert not CaughtMail.objects.exists()


@pytest.mark.django_db
def test_without_the_setting_mail_leaves_as_ever_and_nothing_is_kept(
    operations_user: User,
) -> None:
    User.objects.update(email="them@example.com")
    notices.notify([operations_user], "A rule waits.", "/approvals/", mail=True)
    mailing.send_due()
    assert [sent.subject for sent in mail.outbox] == ["[Countersign] A rule waits."]
    assert not CaughtMail.objects.exists()


@pytest.mark.django_db
def test_old_mail_is_let_go_and_a_header_with_a_line_break_is_refused_as_ever(
    sandbox: Any,
) -> None:
    old = CaughtMail.objects.create(to="a@example.com", subject="Old", body="")
    CaughtMail.objects.update(at=timezone.now() - timedelta(days=31))
    with pytest.raises(ValueError, match="newline"):
        post.Catcher().send_messages([EmailMessage("a\nBcc: b", "", to=["a@example.com"])])
    post.Catcher().send_messages([EmailMessage("New", "", to=["a@example.com"])])
    mail_notices()
    assert not CaughtMail.objects.filter(pk=old.pk).exists()
    assert CaughtMail.objects.get().subject == "[Sandbox] New"


@pytest.mark.parametrize("settings_of", ["dev", "production"])
@pytest.mark.parametrize(
    ("sandbox_is", "catches"),
    [("yes", True), ("1", True), ("ture", True), ("no", False), ("", False)],
)
def test_the_setting_alone_decides_whatever_mail_server_is_named(
    settings_of: str, sandbox_is: str, catches: bool
) -> None:
    env = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": f"config.settings.{settings_of}",
        "SANDBOX": sandbox_is,
        "EMAIL_URL": "smtp://live.example.com:25",
        "SECRET_KEY": "x" * 50,
    }
    said = subprocess.run(
        [sys.executable, "-c", SAY],
        env=env,
        cwd=conf.ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.startswith(str(catches))
    assert ("backoffice.post.Catcher" in said) is catches
    assert ("sandbox-sessionid" in said) is catches


def test_nobody_but_the_post_reaches_for_a_mail_server() -> None:
    reaching = [
        path.name
        for app in APPS
        for path in (conf.ROOT / app).rglob("*.py")
        if REACHING.search(path.read_text())
    ]
    assert reaching == ["post.py"]
