"""Mail to staff: to whom it goes, and that it goes at most once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import mail

from automations.models.connectors import ConnectorAccount
from automations.models.failures import Failure
from automations.models.runs import Effect, Run
from automations.services import connectors
from automations.services.errors import Invalid
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database

# --- mail -------------------------------------------------------------------------------------


def mail_account() -> ConnectorAccount:
    account = connectors.create_account(
        name="Staff mail", kind="automations.mail", actor=lines.administrator()
    )
    lines.approve_scope(account, per_minute=6_000, burst=100, cap=4, total_seconds=2)
    return account


def mailing(account: ConnectorAccount, to: str = "owner", **given: Any) -> list[dict[str, Any]]:
    step = {
        "account": account.key,
        "to": to,
        "subject": {"text": "Parcel {{ parcel.number }}"},
        "text": {"text": "It came from {{ parcel.country }}."},
        **given,
    }
    return [{"uid": "a1", "do": "automations.mail_staff", "with": step}]


def with_addresses() -> None:
    author = make.author()
    author.email = "owner@example.com"
    author.save()
    for number in (1, 2):
        user = make.staff("support", f"support{number}")
        user.email = f"support{number}@example.com"
        user.save()
    gone = make.staff("support", "gone")
    gone.email, gone.is_active = "gone@example.com", False
    gone.save()


def test_staff_are_mailed_by_person_role_or_as_the_owner(committed_db: Database) -> None:
    with_addresses()
    account = mail_account()
    one = make.staff("support", "support1")
    for to in ("owner", "role:support", f"user:{one.pk}"):
        make.live_rule(steps=mailing(account, to))
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert sorted(tuple(sent.to) for sent in mail.outbox) == [
        ("owner@example.com",),
        ("support1@example.com",),
        ("support1@example.com", "support2@example.com"),
    ]
    sent = mail.outbox[0]
    assert (sent.subject, sent.body) == ("Parcel P-00001", "It came from FR.")
    keys = {sent.extra_headers["Message-ID"] for sent in mail.outbox}
    assert len(keys) == 3
    assert set(Run.objects.values_list("state", flat=True)) == {"done"}


def test_mail_reaches_no_one_who_is_no_staff(committed_db: Database) -> None:
    account = mail_account()
    for to in ("customer@example.com", {"field": "parcel.sender"}, "user:999999"):
        with pytest.raises(Invalid):
            make.submit(make.make_rule(steps=mailing(account, to)))  # type: ignore[arg-type]
    make.live_rule(steps=mailing(account))
    make.parcels_arrived(1)
    lines.work_lanes(account)
    case = Failure.objects.get()
    assert (case.error, mail.outbox) == ("rejected", [])
    assert "mail address" in case.says


def test_a_subject_with_a_line_break_is_no_header(committed_db: Database) -> None:
    with_addresses()
    account = mail_account()
    make.live_rule(steps=mailing(account, subject={"text": "From {{ parcel.sender }}"}))
    make.parcels_arrived(1, sender="x\nBcc: all@example.com")
    lines.work_lanes(account)
    assert mail.outbox == []
    assert Failure.objects.get().error == "rejected"


@dataclass(slots=True)
class Post:
    """A mail server that answers as it is told, and says what it took."""

    server: socket.socket
    answers: dict[str, bytes] = field(default_factory=dict)
    took: list[bytes] = field(default_factory=list)

    def serve(self) -> None:
        while True:
            try:
                came, _ = self.server.accept()
            except OSError:
                return
            with came:
                try:
                    self._talk(came)
                except OSError:
                    continue

    def _talk(self, came: socket.socket) -> None:
        said = came.makefile("rb")
        came.sendall(self.answers.get("hello", b"220 fake\r\n"))
        while line := said.readline():
            verb = line[:4].upper().strip().decode()
            if verb == "DATA":
                came.sendall(b"354 go on\r\n")
                lines_ = []
                while (part := said.readline()) not in (b".\r\n", b""):
                    lines_.append(part)
                self.took.append(b"".join(lines_))
                verb = "DONE"
            answer = self.answers.get(verb, b"250 fine\r\n")
            if not answer:
                return
            came.sendall(answer)
            if verb == "QUIT":
                return


@pytest.fixture
def post_office(settings: Any) -> Iterator[Post]:
    office = Post(socket.create_server(("127.0.0.1", 0)))
    thread = threading.Thread(target=office.serve, daemon=True)
    thread.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", office.server.getsockname()[1]
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    yield office
    office.server.shutdown(socket.SHUT_RDWR)
    office.server.close()
    thread.join(5)


@pytest.mark.parametrize(
    ("answers", "effect", "run", "taken"),
    [
        ({}, "confirmed", "done", 1),
        ({"hello": b"554 no\r\n"}, "failed", "parked", 0),
        ({"MAIL": b"451 later\r\n"}, "failed", "due", 0),
        ({"RCPT": b"550 nobody\r\n"}, "failed", "failed", 0),
        ({"RCPT": b"450 greylisted\r\n"}, "failed", "due", 0),
        ({"DONE": b"554 spam\r\n"}, "failed", "failed", 1),
        ({"DONE": b""}, "in_doubt", "held", 1),
    ],
)
def test_a_mail_is_sent_at_most_once_whatever_the_server_says(
    committed_db: Database,
    post_office: Post,
    answers: dict[str, bytes],
    effect: str,
    run: str,
    taken: int,
) -> None:
    with_addresses()
    account = mail_account()
    make.live_rule(steps=mailing(account))
    post_office.answers = answers
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert (Effect.objects.get().state, Run.objects.get().state) == (effect, run)
    assert len(post_office.took) == taken
