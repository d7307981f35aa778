"""What rules can do outside: call a web service, post to a channel, mail staff."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from automations.catalogue import catalogue_of, flatten
from automations.models.connectors import CallLog, ConnectorAccount
from automations.models.failures import Failure
from automations.models.runs import LimitUse, Run
from automations.rules.fillings import JsonField, PathField
from automations.rules.validating import validate_document
from automations.services import approving, connectors
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
    assert approving.SUITABLE[document.risk] == ("finance",)


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


@pytest.mark.django_db
def test_who_may_use_connectors_is_a_permission_of_the_owner() -> None:
    account = lines.web_account("http://127.0.0.1:9")
    rule = make.make_rule(steps=[lines.call_step(account)])
    auditor = make.staff("auditor")
    rule.owner = auditor
    rule.save()
    with pytest.raises(Invalid, match="may not do"):
        make.submit(rule)
