"""Connectors as screens: made, approved, tightened, stopped, and their cases in doubt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.urls import reverse

from automations.connectors import accounts
from automations.models.connectors import ConnectorAccount, Secret
from automations.models.documents import Activation, Approval, Document, Stop
from automations.models.failures import Failure
from automations.models.runs import Effect, Run
from backoffice.models import User
from tests.automations import factories as make
from tests.automations import lines
from tests.automations.views.factories import post
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.bed.people import signed_in

URL = "http://127.0.0.1:9"


def scope_values(**changes: Any) -> dict[str, Any]:
    given = {
        "base": URL,
        "methods": ["POST"],
        "auth": "bearer",
        "auth_header": "",
        "per_minute": 60,
        "burst": 5,
        "cap": 2,
        "connect_seconds": 3,
        "total_seconds": 10,
        "request_kb": 64,
        "response_kb": 256,
        "look_up_path": "",
        "look_up_found": "",
        "look_up_absent": "ask",
        "health_path": "",
        "keep": "id\nstatus",
        "why": "Labels.",
    }
    return {**given, **changes}


def text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.django_db
def test_a_connector_is_made_scoped_approved_and_given_its_secret(
    administrator_client: Client, finance_client: Client
) -> None:
    made = post(administrator_client, reverse("connector_new"), name="Labels", kind=lines.WEB)
    account = ConnectorAccount.objects.get()
    assert made["HX-Redirect"] == reverse("scope_edit", args=[account.key])
    assert "Web service" in text(administrator_client.get(made["HX-Redirect"]))
    sent = administrator_client.post(made["HX-Redirect"], scope_values())
    document = Document.objects.get()
    assert (sent.status_code, document.state) == (302, "submitted")
    shown = text(finance_client.get(reverse("approval_list")))
    assert "Labels v1" in shown
    verdict = finance_client.get(reverse("approval_detail", args=[document.pk]))
    assert "a bearer token" in text(verdict)
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    dialog = text(finance_client.get(url))
    assert "Labels" in dialog
    post(finance_client, url, sha256=document.sha256, comment="")
    assert Activation.objects.in_force().get().document_id == document.pk
    after = finance_client.get(reverse("approval_detail", args=[document.pk]))
    assert (after.status_code, "Undo all runs" in text(after)) == (200, False)
    evidence = Approval.objects.get().evidence
    assert "Calls: http://127.0.0.1:9 and what is below it" in evidence["changes"]
    detail = reverse("connector_detail", args=[account.key])
    assert "A secret is missing:" in text(administrator_client.get(detail))
    url = reverse("secret_new", args=[account.key])
    post(administrator_client, url, name="token", value="the-token-itself")
    page = text(administrator_client.get(detail))
    assert "A secret is missing:" not in page
    assert "the-token-itself" not in page
    assert accounts.account_of(account.key).secrets["token"].value == "the-token-itself"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("base", "https://10.0.0.1/x", "Write a name, not a number."),
        ("base", "ftp://example.com", "Write a plain address"),
        ("per_minute", "0", "greater than or equal to 1"),
        ("cap", "100", "less than or equal to 64"),
        ("look_up_path", "/things", "Say where our reference stands"),
        ("why", "", "required"),
    ],
)
def test_what_is_wrong_with_a_scope_stands_at_its_field(
    administrator_client: Client, field: str, value: str, said: str
) -> None:
    account = lines.web_account(URL)
    before = Document.objects.count()
    url = reverse("scope_edit", args=[account.key])
    answer = administrator_client.post(url, scope_values(**{field: value}))
    assert answer.status_code == 422
    assert said in str(answer.context["form"].errors[field])
    assert Document.objects.count() == before


@pytest.mark.django_db
def test_tightening_is_at_once_and_refuses_to_loosen(administrator_client: Client) -> None:
    account = lines.web_account(URL)
    live = accounts.live_document(account.key)
    assert live is not None
    url = reverse("scope_tighten", args=[account.key])
    given = {
        "per_minute": 10,
        "burst": 1,
        "cap": 1,
        "request_kb": 64,
        "response_kb": 64,
        "methods": ["POST"],
        "why": "A busy day over there.",
        "live": live.pk,
    }
    answer = administrator_client.post(url, {**given, "per_minute": 600_000})
    assert answer.status_code == 422
    assert "finance has to approve" in text(answer)
    assert accounts.live_document(account.key) == live
    administrator_client.post(url, given)
    scope = accounts.account_of(account.key).scope
    assert (scope.per_minute, scope.cap, scope.methods) == (10, 1, ["POST"])
    assert "tightened by one person" in text(
        administrator_client.get(reverse("connector_detail", args=[account.key]))
    )


@pytest.mark.django_db
def test_secrets_are_retired_by_whoever_may_and_by_nobody_else(
    administrator_client: Client, operations_client: Client
) -> None:
    account = lines.web_account(URL, token="a-token-of-old")
    secret = Secret.objects.get()
    url = reverse("secret_retire", args=[account.key, secret.pk])
    assert operations_client.post(url).status_code == 403
    secret.refresh_from_db()
    assert secret.retired_at is None
    post(administrator_client, url)
    secret.refresh_from_db()
    assert secret.retired_at is not None


@pytest.mark.django_db
def test_one_person_stops_a_connector_and_two_start_it(
    operations_client: Client, finance_client: Client
) -> None:
    account = lines.web_account(URL)
    detail = reverse("connector_detail", args=[account.key])
    post(operations_client, reverse("connector_stop", args=[account.key]), why="Wrong labels.")
    assert Stop.objects.get().lane == account.key
    assert "Wrong labels." in text(operations_client.get(detail))
    assert "Wrong labels." not in text(operations_client.get(reverse("rule_list")))
    start = reverse("connector_start", args=[account.key])
    post(operations_client, start)
    assert Stop.objects.get().lifted_at is None
    post(operations_client, start, queued="release")
    assert Stop.objects.get().lifted_at is None
    post(finance_client, start, queued="release")
    assert Stop.objects.get().lifted_at is not None


@pytest.mark.django_db
@pytest.mark.parametrize("role", ["operations", "finance", "support", "auditor"])
def test_only_administrators_make_connectors_and_keep_their_secrets(role: str) -> None:
    account = lines.web_account(URL)
    client = signed_in(make.staff(role, f"a-{role}"))
    assert client.get(reverse("connector_list")).status_code == 200
    assert client.get(reverse("connector_detail", args=[account.key])).status_code == 200
    for name, given in (("connector_new", []), ("secret_new", [account.key])):
        assert client.get(reverse(name, args=given)).status_code == 403
        assert client.post(reverse(name, args=given)).status_code == 403
    assert ConnectorAccount.objects.count() == 1
    assert not Secret.objects.exists()


@pytest.mark.requirement("R22")
def test_what_waits_for_a_connector_is_done_by_hand_from_its_page(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    outside.stop()
    make.parcels_arrived(6)
    lines.work_lanes(account)
    client = signed_in(operations_user)
    detail = reverse("connector_detail", args=[account.key])
    page = text(client.get(detail))
    assert "Kept back until it is up" in page
    assert ">Down<" in page
    assert "1 down" in text(client.get(reverse("rail_counts"))) + page
    run = Run.objects.order_by("id")[0]
    url = reverse("parked_by_hand", args=[account.key, run.pk])
    assert post(client, url, reference="").status_code == 422
    assert Run.objects.filter(state="parked").count() == 6
    post(client, url, reference="By phone")
    make.work_all()
    run.refresh_from_db()
    assert run.state == "done"
    assert Effect.objects.get(run_id=run.pk).reference == "By phone"
    case = Failure.objects.get(kind="connector")
    assert detail in text(client.get(reverse("failure_detail", args=[case.pk])))


@pytest.mark.requirement("R26")
def test_a_case_in_doubt_offers_to_look_it_up_and_keeps_retry_closed(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    account = lines.web_account(outside.url, total_seconds=1, **lines.LOOK_UP)
    lines.live_caller(account)
    outside.behave({"do": "drop", "method": "POST", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    client, case = signed_in(operations_user), Failure.objects.get()
    page = text(client.get(reverse("failure_detail", args=[case.pk])))
    assert "Retry is closed:" in page
    assert "It may still be on its way until" in page
    assert 'id="act-by-hand"' not in page
    assert 'id="act-edit"' not in page
    answer = client.post(
        f"{reverse('failure_retry', args=[case.pk])}?version={case.version}",
        headers={"HX-Request": "true"},
    )
    assert answer.status_code == 422
    assert "may have happened" in answer["HX-Trigger"]
    seen = f"?version={case.version}"
    assert post(client, reverse("doubt_check", args=[case.pk]) + seen).status_code == 204
    lines.work_lanes(account)
    page = text(client.get(reverse("failure_detail", args=[case.pk])))
    assert "Not there" in page
    did_not = reverse("doubt_did_not", args=[case.pk]) + seen
    assert post(client, did_not, reason="Not in their list.").status_code == 422
    assert len(outside.read("SELECT id FROM call WHERE method = 'POST'")) == 1
    Effect.objects.update(sent_at=F("sent_at") - timedelta(minutes=16))
    assert post(client, did_not, reason="Not in their list.").status_code == 204
    lines.work_lanes(account)
    assert Run.objects.get().state == "done"
    assert list(outside.acts().values()) == [1]


def test_a_case_in_doubt_is_settled_by_its_reference(
    committed_db: Database, outside: Outside, operations_user: User
) -> None:
    account = lines.web_account(outside.url, total_seconds=1)
    lines.live_caller(account)
    outside.behave({"do": "act_then_drop", "times": 1})
    make.parcels_arrived(1)
    lines.work_lanes(account)
    client, case = signed_in(operations_user), Failure.objects.get()
    page = text(client.get(reverse("failure_detail", args=[case.pk])))
    assert "Look there yourself" in page
    url = f"{reverse('doubt_happened', args=[case.pk])}?version={case.version}"
    assert post(client, url, reference="").status_code == 422
    assert Effect.objects.get().state == "in_doubt"
    assert post(client, url, reference="T-1").status_code == 204
    lines.work_lanes(account)
    assert (Run.objects.get().state, Failure.objects.get().state) == ("done", "resolved")
    run = text(client.get(reverse("run_detail", args=[Run.objects.get().pk])))
    assert "found that it happened: T-1" in run


def test_the_log_of_calls_is_filtered_and_opened(
    committed_db: Database, outside: Outside, auditor_user: User
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    make.parcels_arrived(2)
    lines.work_lanes(account)
    client = signed_in(auditor_user)
    url = reverse("call_list")
    assert "2 calls" in text(client.get(f"{url}?account={account.key}&outcome=done"))
    assert "Nothing went wrong." in text(client.get(f"{url}?view=wrong"))
    call = account.calls.order_by("id")[0]
    page = text(client.get(reverse("call_detail", args=[call.pk])))
    assert "201" in page
    assert account.prefix in page


@pytest.mark.django_db
def test_the_builder_offers_actions_outside_for_every_record(operations_client: Client) -> None:
    rule = make.make_rule()
    page = text(operations_client.get(reverse("rule_actions", args=[rule.slug])))
    for label in ("Call a web service", "Post a message", "Mail staff"):
        assert label in page


@pytest.mark.django_db
def test_the_builder_keeps_a_body_as_it_was_written(operations_client: Client) -> None:
    account = lines.web_account(URL)
    rule = make.make_rule(steps=[lines.call_step(account)])
    page = text(operations_client.get(reverse("rule_edit", args=[rule.slug])))
    assert "{{ parcel.number }}" in page
    body = '{"number": "{{ parcel.number }}", "n": {"field": "parcel.total"}}'
    data = {
        "revision": "1",
        "s-a1-shown": "1",
        "s-a1-account": account.key,
        "s-a1-method": "POST",
        "s-a1-path": "/orders/{parcel.number}",
        "s-a1-body": body,
    }
    post(operations_client, reverse("rule_save", args=[rule.slug]), **data)
    rule.refresh_from_db()
    step = rule.draft.body["steps"][0]["with"]
    assert step["body"] == body
    assert step["path"] == "/orders/{parcel.number}"
    make.parcels_arrived(1)
    page = text(operations_client.get(reverse("rule_edit", args=[rule.slug])))
    assert "/orders/P-00001" in page
    for name in ("rule_words", "rule_try"):
        assert operations_client.get(reverse(name, args=[rule.slug])).status_code == 200
