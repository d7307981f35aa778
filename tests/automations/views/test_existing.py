"""The dialog of a yes asks about the records that are there, and shows which."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.engine import applying, existing
from automations.models.documents import Approval, Document
from automations.models.existing import ExistingRecords
from automations.models.failures import Failure
from automations.models.runs import Run
from automations.services import approvals, policies
from automations.services.dossiers import export
from automations.services.errors import NotPossible, Refused
from backoffice.actors import person
from backoffice.models import User
from orders.models.orders import Order
from orders.services.drafts import Address
from tests.automations import factories as make
from tests.automations.views.factories import post, submitted
from tests.inventory.factories import make_sku
from tests.orders.factories import line, make_channel, place, place_history

pytestmark = pytest.mark.django_db

PAST = datetime(2010, 12, 1, 9, 41, tzinfo=UTC)
ABROAD = Address(name="Grace Holloway", country="FR")


def orders() -> tuple[Order, Order]:
    """An order that matches and one that does not, both matched before any rule was live."""
    make_channel()
    sku = make_sku(stock=50)
    high = place(line(sku, 1, "900.00"), ship_to=ABROAD)
    small = place(line(sku, 1, "20.00"), ship_to=ABROAD)
    make.match_all()
    return high, small


def imported(code: str) -> Order:
    sku = make_sku(code, stock=5)
    return place_history(line(sku, 1, "950.00"), ship_to=ABROAD, shipped_at=PAST)


def verdict(client: Client, document: Document, **data: Any) -> Any:
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    return post(client, url, **{"sha256": document.sha256, "comment": "Fine.", **data})


def question(client: Client, document: Document) -> Any:
    return client.get(reverse("approval_existing", args=[document.pk]))


def work() -> None:
    make.match_all()
    while applying.apply_batch():
        pass
    make.match_all()


@pytest.mark.requirement("R148")
def test_what_was_imported_fires_nothing_and_what_is_there_only_where_finance_says_so(
    finance_client: Client, operations_user: User
) -> None:
    high, small = orders()
    old = imported("85048")
    left = submitted(operations_user)
    assert verdict(finance_client, left).status_code == 204
    later = imported("22423")
    work()
    assert not Run.objects.exists()

    document = submitted(operations_user, name="Look at those that are there")
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    asked = finance_client.get(url).content.decode()
    assert reverse("approval_existing", args=[document.pk]) in asked
    shown = question(finance_client, document)
    page = shown.content.decode()
    assert 'value="no" checked' in " ".join(page.split())
    assert high.number in page
    for order in (small, old, later):
        assert order.number not in page
    assert shown.context["found"].matched == 1
    assert verdict(finance_client, document, existing="yes").status_code == 204
    work()
    work()
    assert list(Run.objects.values_list("document_id", "subject_id")) == [(document.pk, high.pk)]


def test_a_yes_without_having_seen_the_list_is_refused(
    finance_client: Client, operations_user: User
) -> None:
    orders()
    document = submitted(operations_user)
    answer = verdict(finance_client, document, existing="yes")
    assert answer.status_code == 422
    assert "Look at the records it would be applied to first" in answer.content.decode()
    assert "?existing=yes" in answer.content.decode()
    assert not Approval.objects.exists()


def test_the_answer_and_what_was_shown_are_kept_and_told_everywhere(
    finance_client: Client, operations_user: User, auditor_user: User
) -> None:
    high, _ = orders()
    document = submitted(operations_user)
    question(finance_client, document)
    verdict(finance_client, document, existing="yes")
    work()
    kept = Approval.objects.get().evidence["existing"]
    assert (kept["answer"], kept["matched"], kept["examples"]) == ("yes", 1, [high.pk])
    page = finance_client.get(reverse("approval_detail", args=[document.pk])).content.decode()
    assert "also for the records that were there" in page
    assert "1 started" in page
    assert document.rule is not None
    rule = finance_client.get(reverse("rule_detail", args=[document.rule.slug])).content.decode()
    assert "approved a version, also for the records that were there" in rule
    assert "went over the records that were there" in rule
    assert "1 started" in rule
    files = export(document.rule, "csv", user=auditor_user).data
    assert b"existing.csv" in files


def test_a_no_that_was_asked_for_is_told_as_one(
    finance_client: Client, operations_user: User
) -> None:
    orders()
    document = submitted(operations_user)
    question(finance_client, document)
    verdict(finance_client, document, existing="no")
    assert Approval.objects.get().evidence["existing"]["answer"] == "no"
    page = finance_client.get(reverse("approval_detail", args=[document.pk])).content.decode()
    assert "records that were there left alone" in page
    assert not ExistingRecords.objects.exists()


def test_conditions_about_the_moment_are_not_asked_about_and_the_dialog_says_why(
    operations_client: Client,
) -> None:
    to_dhl = {"field": "route.carrier", "op": "changed_to", "value": "dhl"}
    rule = make.make_rule(trigger={"on": "depot.parcel_rerouted"}, when={"all": [to_dhl]})
    document = make.submit(rule)
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    page = operations_client.get(url).content.decode()
    assert "That route carrier" in page
    assert "is about the moment of a change, and records don’t tell" in page
    assert question(operations_client, document).status_code == 404
    with pytest.raises(NotPossible, match="moment of a change"):
        approvals.approve(
            document.pk,
            sha256=document.sha256,
            actor=person(make.approver(document)),
            existing=True,
        )


def test_postgresql_refuses_a_yes_about_the_moment_whatever_the_service_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    to_dhl = {"field": "route.carrier", "op": "changed_to", "value": "dhl"}
    rule = make.make_rule(trigger={"on": "depot.parcel_rerouted"}, when={"any": [to_dhl]})
    document = make.submit(rule)
    monkeypatch.setattr(existing, "why_not", lambda rule: "")
    actor = person(make.approver(document))
    with pytest.raises(Refused, match="about the moment of a change"):
        approvals.approve(document.pk, sha256=document.sha256, actor=actor, existing=True)


def test_records_that_nothing_goes_over_are_not_asked_about_and_the_dialog_says_so(
    operations_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(existing, "scans", {})
    document = make.submit(make.make_rule())
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    page = operations_client.get(url).content.decode()
    assert "Nothing goes over every parcel there is" in page
    assert "What is there already is left alone" in page
    assert question(operations_client, document).status_code == 404


def test_a_schedule_is_not_asked_and_nothing_is_said_of_it(operations_client: Client) -> None:
    every = {"every": "0 8 * * *", "zone": "UTC", "for": "depot.parcel"}
    document = make.submit(make.make_rule(trigger=every))
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    assert "What is there already" not in operations_client.get(url).content.decode()


def test_a_case_of_records_that_can_not_be_gone_over_opens(
    operations_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make.parcels_arrived(1)
    make.match_all()
    document = make.submit(make.make_rule())
    actor = person(make.approver(document))
    approvals.approve(document.pk, sha256=document.sha256, actor=actor, existing=True)
    monkeypatch.setattr(existing, "scans", {})
    work()
    case = Failure.objects.get()
    page = operations_client.get(reverse("failure_detail", args=[case.pk]))
    assert page.status_code == 200
    assert "It is not applied to the records that were there" in page.content.decode()
    told = operations_client.get(reverse("approval_detail", args=[document.pk]))
    assert "Broken" in told.content.decode()


def test_where_the_first_one_left_them_alone_the_second_is_not_asked(
    finance_client: Client, operations_user: User
) -> None:
    orders()
    document = submitted(operations_user)
    assert policies.change(document.risk, 2, actor=person(make.staff("finance", "chief")))
    other = make.approver(document)
    approvals.approve(document.pk, sha256=document.sha256, actor=person(other))
    url = reverse("approval_verdict", args=[document.pk, "approve"])
    asked = finance_client.get(url).content.decode()
    assert f"{other} agreed to it on these terms." in asked
    assert question(finance_client, document).status_code == 404
