"""What rules can do outside: call a web service, post to a channel, mail staff."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core import mail
from hypothesis import given
from hypothesis import strategies as st

from automations.catalogue import catalogue_of, flatten
from automations.models.connectors import CallLog, ConnectorAccount
from automations.models.failures import Failure
from automations.models.runs import Effect, LimitUse, Run
from automations.rules.fillings import JsonField, PathField
from automations.rules.validating import validate_document
from automations.services import approvals, connectors
from automations.services.errors import Invalid, NotPossible
from tests.automations import factories as make
from tests.automations import lines, shop
from tests.bed.databases import Database
from tests.bed.fakes import Outside

CATALOGUE = catalogue_of(shop.OrderPaid)


def filled(template: str, **changes: Any) -> Any:
    """A body as it is sent for one order."""
    facts, lists = flatten(shop.OrderPaid(shop.order(**changes), shop.Customer(0, None)))
    return json.loads(JsonField().filling(template, CATALOGUE)(facts, lists))


def path_of(template: str, **changes: Any) -> str:
    facts, lists = flatten(shop.OrderPaid(shop.order(**changes), shop.Customer(0, None)))
    return PathField().filling(template, CATALOGUE)(facts, lists)


# --- bodies and paths -------------------------------------------------------------------------


def test_values_keep_their_types() -> None:
    names = ["number", "total", "units", "weight", "is_held", "tags", "placed_at", "country"]
    template = json.dumps({name: {"field": f"order.{name}"} for name in names})
    assert filled(template) == {
        "number": "104-22790",
        "total": {"amount": "640.00", "currency": "GBP"},
        "units": 3,
        "weight": "2.5",
        "is_held": False,
        "tags": ["gift", "vip"],
        "placed_at": "2026-11-16T08:00:00+00:00",
        "country": "FR",
    }
    assert filled('{"weight": {"field": "order.weight"}}', weight=None) == {"weight": None}
    each = '{"lines": {"each": "order.lines", "item": {"sku": {"field": "item.sku.code"}}}}'
    assert filled(each) == {"lines": [{"sku": "GL-LMP-03"}, {"sku": "TX-CUS-40"}]}


@given(st.text(max_size=60))
def test_no_value_breaks_out_of_its_place_in_a_body(number: str) -> None:
    template = '{"note": "Order {{ order.number }}!", "ref": {"field": "order.number"}, "paid": 1}'
    body = filled(template, number=number)
    body["note"] = body["note"].replace("\r\n", "\n")  # Liquid writes lines its own way
    number_in_text = number.replace("\r\n", "\n").replace("\r", "\n")
    assert body == {"note": f"Order {number_in_text}!", "ref": number, "paid": 1}


@given(st.text(min_size=1, max_size=40).filter(lambda text: text not in (".", "..")))
def test_no_value_breaks_out_of_its_place_in_a_path(number: str) -> None:
    path = path_of("/orders/{order.number}/notes", number=number)
    assert path.startswith("/orders/")
    assert path.endswith("/notes")
    part = path.removeprefix("/orders/").removesuffix("/notes")
    assert not set(part) & set("/?#\\ {}")


@pytest.mark.parametrize("number", ["", ".", ".."])
def test_a_path_with_nothing_in_it_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match="empty"):
        path_of("/orders/{order.number}", number=number)


def test_what_was_not_stored_with_the_event_is_never_guessed() -> None:
    facts, lists = flatten(shop.OrderPaid(shop.order(), None))
    del facts["order.number"]
    for template in ('{"a": {"field": "order.number"}}', '{"a": "{{ order.number }}"}'):
        with pytest.raises(ValueError, match=r"not known|undefined"):
            JsonField().filling(template, CATALOGUE)(facts, lists)
    with pytest.raises(ValueError, match="not known"):
        PathField().filling("/{order.number}", CATALOGUE)(facts, lists)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("{", "no JSON"),
        ('{"a": 1, "a": 2}', "twice"),
        ('{"a": NaN}', "no value"),
        ("[" * 60 + "]" * 60, "deeply"),
        ('{"a": {"field": "order.nothing"}}', "no field"),
        ('{"a": "{{ order.nothing }}"}', "no field"),
        ('{"a": "{{ order."}', "can't be read"),
        ('{"a": {"each": "order.nothing", "item": 1}}', "no list"),
        ('{"a": {"each": "order.lines", "item": {"field": "item.nothing"}}}', "no field"),
    ],
)
def test_a_body_that_can_not_be_filled_is_told_before_it_is_submitted(body: str, said: str) -> None:
    assert said in " ".join(JsonField().problems(body, CATALOGUE))


# --- the document -----------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_rule_names_its_account_method_and_path_itself() -> None:
    account = lines.web_account("http://127.0.0.1:9")

    def problems(**changes: Any) -> dict[str, str]:
        body = make.body(steps=[lines.call_step(account, **changes)])
        return {each.path: each.message for each in validate_document(body) if each.blocks}

    assert problems() == {}
    at = "steps.0.with"
    assert f"{at}.account" in problems(account={"field": "parcel.number"})
    assert f"{at}.account" in problems(account="nobody")
    assert f"{at}.method" in problems(method={"field": "parcel.number"})
    assert f"{at}.method" in problems(method="TRACE")
    assert f"{at}.path" in problems(path={"field": "parcel.number"})
    assert f"{at}.path" in problems(path={"text": "/x/{{ parcel.number }}"})
    assert f"{at}.path" in problems(path="/../x")
    assert f"{at}.path" in problems(path="/{parcel.nothing}")
    assert f"{at}.body" in problems(body={"text": '{"a": "{{ parcel.number }}"}'})
    assert f"{at}.body" in problems(body='{"a": {"field": "parcel.nothing"}}')
    assert f"{at}.method" in problems(method="GET")


@pytest.mark.django_db
def test_an_account_without_an_approved_scope_can_not_be_used_in_a_rule() -> None:
    account = connectors.create_account(name="Fresh", kind=lines.WEB, actor=lines.administrator())
    with pytest.raises(Invalid):
        make.submit(make.make_rule(steps=[lines.call_step(account)]))


@pytest.mark.django_db
def test_calling_a_web_service_is_for_finance_to_approve() -> None:
    account = lines.web_account("http://127.0.0.1:9")
    document = make.submit(make.make_rule(steps=[lines.call_step(account)]))
    assert document.risk == "money"
    assert approvals.SUITABLE[document.risk] == ("finance",)


def test_actions_outside_suit_every_kind_of_record(
    committed_db: Database, outside: Outside
) -> None:
    account = lines.web_account(outside.url)
    make.live_rule(steps=[lines.call_step(account, path="/parcels/{parcel.number}/notes?a=1")])
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert outside.calls() == [("POST", "/parcels/P-00001/notes?a=1", "act")]


# --- channels ---------------------------------------------------------------------------------


def channel(outside: Outside, kind: str = "automations.slack", **scope: Any) -> ConnectorAccount:
    account = connectors.create_account(name="Ops", kind=kind, actor=lines.administrator())
    host = outside.url.partition("://")[2]
    lines.approve_scope(
        account, hosts=[host], per_minute=6_000, burst=100, cap=4, total_seconds=2, **scope
    )
    connectors.store_secret(
        account.pk,
        name="url",
        value=f"{outside.url}/services/T0/B0/secret-path",
        actor=lines.administrator(),
    )
    return account


def post(account: ConnectorAccount, text: Any) -> list[dict[str, Any]]:
    step = {"account": account.key, "text": text}
    return [{"uid": "a1", "do": "automations.post_message", "with": step}]


@pytest.mark.requirement("R52")
@pytest.mark.parametrize("kind", ["automations.slack", "automations.teams"])
def test_a_message_is_posted_once_and_its_address_is_never_shown(
    committed_db: Database, outside: Outside, kind: str
) -> None:
    account = channel(outside, kind)
    text = {"text": "Parcel {{ parcel.number }} from {{ parcel.sender }}"}
    make.live_rule(steps=post(account, text), limits={"messages": {"per_day": 9}})
    make.parcels_arrived(1, sender="<!channel> & co")
    lines.work_lanes(account)
    (body,) = outside.read("SELECT body FROM call")
    said = json.loads(body[0])
    if kind == "automations.slack":
        assert said == {"text": "Parcel P-00001 from &lt;!channel&gt; &amp; co"}
    else:
        card = said["attachments"][0]["content"]["body"][0]
        assert card["text"] == "Parcel P-00001 from <!channel> & co"
    assert LimitUse.objects.get(name="messages.per_day").used == 1
    log = CallLog.objects.get()
    assert (log.path, log.outcome) == ("/•••", "done")
    assert outside.calls() == [("POST", "/services/T0/B0/secret-path", "act")]


@pytest.mark.requirement("R52")
def test_a_message_that_fails_is_a_case(committed_db: Database, outside: Outside) -> None:
    account = channel(outside)
    make.live_rule(steps=post(account, "Hello"))
    outside.behave({"do": "status", "status": 404, "times": 1}, {"do": "act_then_hang"})
    make.parcels_arrived(2)
    lines.work_lanes(account)
    assert sorted(Failure.objects.values_list("error", flat=True)) == ["doubt", "rejected"]
    assert sorted(Run.objects.values_list("state", flat=True)) == ["failed", "held"]


def test_a_webhook_address_outside_its_scope_is_refused_and_never_called(
    committed_db: Database, outside: Outside
) -> None:
    account = channel(outside)
    with pytest.raises(NotPossible, match="not among the hosts"):
        connectors.store_secret(
            account.pk,
            name="url",
            value="https://hooks.example.com/x",
            actor=lines.administrator(),
        )
    # A scope that changes after the secret was stored holds, too.
    lines.approve_scope(account, hosts=["hooks.slack.com"], per_minute=60, burst=5, cap=1)
    make.live_rule(steps=post(account, "Hello"))
    make.parcels_arrived(1)
    lines.work_lanes(account)
    assert outside.calls() == []
    assert Run.objects.get().state == "parked"


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


@pytest.mark.django_db
def test_who_may_use_connectors_is_a_permission_of_the_owner() -> None:
    account = lines.web_account("http://127.0.0.1:9")
    rule = make.make_rule(steps=[lines.call_step(account)])
    auditor = make.staff("auditor")
    rule.owner = auditor
    rule.save()
    with pytest.raises(Invalid, match="may not do"):
        make.submit(rule)
