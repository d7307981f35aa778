"""Inside an approved range the owner tunes alone; outside of it nobody does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from automations.models.documents import Activation, Document
from automations.models.rules import Draft, Rule
from automations.models.runs import Run
from automations.queries.rules import live_document
from automations.services import approvals, drafts, tuning
from automations.services.errors import Invalid, NotPossible, Refused
from backoffice.actors import Actor, person
from backoffice.models import AuditEntry
from tests.attacks.around import unapproved_in_force
from tests.automations import factories as make
from tests.bed.people import signed_in

pytestmark = pytest.mark.usefixtures("any_db")


def pounds(amount: str, currency: str = "GBP") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


FROM = {"field": "parcel.total", "op": "gte", "value": {"param": "least"}}
LEAST = {
    "type": "money",
    "label": "Least total",
    "value": pounds("100.00"),
    "range": [pounds("50.00"), pounds("300.00")],
}
TAG = {"type": "choice", "label": "Tag", "value": "dear", "one_of": ["dear", "costly"]}


def tunable(**params: Any) -> Rule:
    return make.live_rule(when={"all": [FROM]}, params={"least": LEAST, **params})


def owner() -> Actor:
    return person(make.author())


def live_of(rule: Rule) -> Document:
    found = live_document(rule)
    assert found is not None
    return found


def tune(rule: Rule, value: Any, who: Actor | None = None, **given: Any) -> Document:
    told = {"live_id": live_of(rule).pk, "name": "least", "why": "A busy week.", **given}
    return tuning.tune(rule.pk, value=value, actor=who or owner(), **told)


def refused(rule: Rule, value: Any, who: Actor | None = None, **given: Any) -> None:
    before = (list(Document.objects.values()), list(Activation.objects.values()))
    with pytest.raises((Refused, Invalid, NotPossible)):
        tune(rule, value, who, **given)
    assert (list(Document.objects.values()), list(Activation.objects.values())) == before
    assert AuditEntry.objects.filter(verb="rules.refused", subject_id=rule.pk).exists()


@pytest.mark.requirement("R149")
def test_the_owner_tunes_inside_the_range_alone_logged_and_stamped_on_each_run() -> None:
    rule = tunable()
    first = live_of(rule)
    make.parcels_arrived(1, total="120.00")
    make.work_all()
    tuned = tune(rule, pounds("200"))
    make.parcels_arrived(1, total="150.00")
    make.parcels_arrived(1, total="250.00")
    make.work_all()
    stamped = [(run.params or {})["least"]["amount"] for run in Run.objects.order_by("pk")]
    assert stamped == ["100", "200"]
    assert [run.document_id for run in Run.objects.order_by("pk")] == [first.pk, tuned.pk]
    entry = AuditEntry.objects.get(verb="rules.tuned")
    assert entry.user == make.author()
    assert (entry.detail["before"]["amount"], entry.detail["after"]["amount"]) == ("100", "200")
    assert (tuned.state, tuned.tuned_from_id, tuned.version) == ("approved", first.pk, 2)
    assert unapproved_in_force() == []


@pytest.mark.requirement("R149")
@pytest.mark.parametrize(
    "value", [pounds("49.99"), pounds("300.01"), pounds("100", "EUR"), "100", None, {"param": "x"}]
)
def test_outside_of_the_range_it_has_to_be_approved(value: Any) -> None:
    refused(tunable(), value)


@pytest.mark.requirement("R149")
def test_nobody_but_the_owner_tunes_whatever_their_rank() -> None:
    rule = tunable()
    for role in ("finance", "administrator", "operations"):
        refused(rule, pounds("200"), person(make.staff(role)))


def test_a_choice_is_tuned_among_what_was_approved() -> None:
    steps = make.steps("depot.add_tag", tag={"param": "tag"})
    rule = make.live_rule(
        when={"all": [FROM]}, params={"least": LEAST, "tag": {**TAG, "type": "text"}}, steps=steps
    )
    tune(rule, "costly", name="tag")
    refused(rule, "cheap", name="tag")


def test_what_has_no_range_is_not_tuned() -> None:
    params = {"least": {name: LEAST[name] for name in ("type", "label", "value")}}
    refused(make.live_rule(when={"all": [FROM]}, params=params), pounds("200"))


def test_a_value_that_is_out_of_date_or_not_there_is_refused() -> None:
    rule = tunable()
    first = live_of(rule)
    tune(rule, pounds("200"))
    refused(rule, pounds("250"), live_id=first.pk)
    refused(rule, pounds("250"), name="most")
    refused(rule, pounds("200"))  # as it is


def test_a_draft_that_was_what_is_in_force_follows_and_another_stays_as_it_is() -> None:
    rule = tunable()
    tune(rule, pounds("200"))
    assert Draft.objects.get(rule=rule).body["params"]["least"]["value"]["amount"] == "200"
    body = {**Draft.objects.get(rule=rule).body, "latency": "batch"}
    revision = Draft.objects.get(rule=rule).revision
    drafts.save_draft(rule.pk, body=body, revision=revision, actor=owner())
    tune(rule, pounds("250"))
    assert Draft.objects.get(rule=rule).body["params"]["least"]["value"]["amount"] == "200"


def test_a_candidate_that_waits_goes_live_after_a_tuning_and_everyone_stays_an_editor() -> None:
    rule = tunable()
    editor = make.staff("finance", "editor")
    body = {**Draft.objects.get(rule=rule).body, "latency": "batch"}
    drafts.save_draft(rule.pk, body=body, revision=1, actor=person(editor))
    waits = make.submit(rule)
    tune(rule, pounds("200"))
    with pytest.raises(Refused):
        approvals.approve(waits.pk, sha256=waits.sha256, actor=person(editor))
    approver = make.staff("finance", "judge")
    approvals.approve(waits.pk, sha256=waits.sha256, actor=person(approver))
    assert live_of(rule).pk == waits.pk
    assert unapproved_in_force() == []


@pytest.mark.parametrize("amount", ["0x64", "1e2", " 100", "1_00", "100.", "+100", "100\n", 100])
def test_a_spelling_that_no_document_has_is_refused(amount: object) -> None:
    rule = tunable()
    live = live_of(rule)
    body = json.loads(live.text)
    body["params"]["least"]["value"]["amount"] = amount
    refused_by_hand(rule, live, body)


@pytest.mark.parametrize(
    ("kind", "lowest", "highest", "value", "allowed"),
    [
        ("duration", "PT1H", "P9D", "P1DT2H", True),
        ("duration", "PT1H", "P9D", "2 days", False),
        ("duration", "PT1H", "P9D", "P1DT", False),
        ("time", "08:00", "23:59", "09:30", True),
        ("time", "08:00", "24:00", "24:00", False),
        ("date", "2026-01-01", "2026-12-31", "2026-11-28", True),
        ("date", "2026-01-01", "2026-12-31", "today", False),
        ("datetime", "2026-01-01T00:00:00Z", "infinity", "2026-11-28T09:00:00+01:00", True),
        ("datetime", "2026-01-01T00:00:00Z", "infinity", "infinity", False),
        ("decimal", "1", "200", "0x64", False),
        ("decimal", "1", "200", "12.5", True),
        ("whole", 1, 200, 100, True),
    ],
)
def test_each_kind_of_value_has_its_spelling(
    kind: str, lowest: object, highest: object, value: object, allowed: bool
) -> None:
    param = {"type": kind, "value": lowest, "range": [lowest, highest]}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT automations_param_allows(%s::jsonb, %s::jsonb)",
            [json.dumps(param), json.dumps(value)],
        )
        assert cursor.fetchone() == (allowed,)


def refused_by_hand(rule: Rule, live: Document, body: dict[str, Any]) -> None:
    text = json.dumps(body, sort_keys=True)
    before = list(Document.objects.values())
    with (
        pytest.raises(DatabaseError),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT automations_tune_document(%s, %s, 'least', %s,"
            " automations_hash(%s, d.pins), 'Why.', %s)"
            " FROM automations_document d WHERE d.id = %s",
            [rule.pk, live.pk, text, text, make.author().pk, live.pk],
        )
    assert list(Document.objects.values()) == before


def test_what_else_a_statement_changes_is_refused() -> None:
    rule = tunable()
    live = live_of(rule)
    body = json.loads(live.text)
    body["params"]["least"]["value"]["amount"] = "200"
    for change in (
        {"steps": make.steps("depot.pay_duty")},
        {"params": {"least": {**body["params"]["least"], "range": [pounds("0"), pounds("9999")]}}},
    ):
        refused_by_hand(rule, live, {**body, **change})


def test_the_owner_finds_it_on_the_rule_s_page_and_others_read_it() -> None:
    rule = tunable()
    url = f"/rules/{rule.slug}/"
    page = signed_in(make.author()).get(url).content.decode()
    assert "Least total" in page
    assert "£50.00 to £300.00" in page
    change = f"/rules/{rule.slug}/tune/least/"
    assert change in page
    assert change not in signed_in(make.staff("auditor")).get(url).content.decode()
    hx: dict[str, Any] = {"headers": {"HX-Request": "true"}}
    client = signed_in(make.author())
    given = {"value": "400", "why": "More.", "live": live_of(rule).pk}
    answer = client.post(change, given, **hx)
    assert answer.status_code == 422
    assert "£50.00 to £300.00" in answer.content.decode()
    assert client.post(change, {**given, "value": "200"}, **hx).status_code == 204
    assert json.loads(live_of(rule).text)["params"]["least"]["value"]["amount"] == "200"
    other = signed_in(make.staff("operations", "clerk")).post(change, given, **hx)
    assert other.status_code in (403, 422)


# --- in the builder -----------------------------------------------------------------------------


def test_the_builder_names_a_value_gives_it_a_range_and_fixes_it_again() -> None:
    clause = {"field": "parcel.total", "op": "gte", "value": pounds("100.00"), "uid": "c1"}
    rule = make.make_rule(when={"all": [clause]})
    client = signed_in(make.author())
    save = f"/rules/{rule.slug}/edit/_/save/"

    def draft() -> Any:
        return Draft.objects.get(rule=rule)

    def post(**data: Any) -> str:
        given = {"revision": draft().revision, **data}
        answer = client.post(save, given, headers={"HX-Request": "true"})
        assert answer.status_code == 200, answer.content.decode()
        return str(answer.content.decode())

    assert (
        "Let the owner change the value" in client.get(f"/rules/{rule.slug}/edit/").content.decode()
    )
    page = post(do="name_value:c1")
    assert "values the owner may change" in page
    assert "Fix the value again" in page
    (clause,) = draft().body["when"]["all"]
    assert clause["value"] == {"param": "parcel_total"}
    shown = {"c-c1-field": "parcel.total", "c-c1-op": "gt"}
    inputs = {
        "param-parcel_total-label": "Least total",
        "param-parcel_total-value": "100",
        "param-parcel_total-low": "50",
        "param-parcel_total-high": "300",
    }
    post(**shown, **inputs)
    body = draft().body
    assert body["when"]["all"][0]["value"] == {"param": "parcel_total"}
    assert body["when"]["all"][0]["op"] == "gt"
    assert body["params"]["parcel_total"]["label"] == "Least total"
    assert body["params"]["parcel_total"]["range"][1] == pounds("300")
    document = make.submit(rule)
    assert json.loads(document.text)["params"]["parcel_total"]["label"] == "Least total"
    narrow = {**inputs, "param-parcel_total-high": "60"}
    assert "outside its own range" in post(**narrow)
    post(do="fix_value:c1")
    body = draft().body
    assert body["when"]["all"][0]["value"] == pounds("100")
    assert "params" not in body


def test_a_name_that_nothing_uses_any_more_goes_with_its_clause() -> None:
    rule = make.make_rule(when={"all": [{**FROM, "uid": "c1"}]}, params={"least": LEAST})
    client = signed_in(make.author())
    given = {"revision": 1, "do": "delete:c1"}
    client.post(f"/rules/{rule.slug}/edit/_/save/", given, headers={"HX-Request": "true"})
    assert "params" not in Draft.objects.get(rule=rule).body
