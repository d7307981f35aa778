"""The builder without a browser: each button is one post."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from automations.models.documents import Document
from automations.models.rules import Draft, DraftRevision, Rule
from automations.services import approvals
from backoffice.actors import person
from backoffice.models import User
from tests.automations.views.drafts import clauses, draft, save, uid_of, url
from tests.automations.views.factories import make_rule, post, submitted

pytestmark = pytest.mark.django_db


@pytest.fixture
def rule(operations_user: User) -> Rule:
    return make_rule(operations_user)


@pytest.fixture
def saved(operations_client: Client, rule: Rule) -> Rule:
    """A rule whose parts have their uids already."""
    save(operations_client, rule, missing_data="hold")
    return rule


def test_the_builder_shows_the_draft_as_inputs(operations_client: Client, rule: Rule) -> None:
    page = operations_client.get(url("rule_edit", rule)).content.decode()
    assert 'value="500"' in page
    assert "United Kingdom" in page
    assert "Submit for approval" in page


def test_an_amount_that_is_typed_is_saved(operations_client: Client, saved: Rule) -> None:
    uid = uid_of(saved, 0)
    answer = save(
        operations_client,
        saved,
        **{
            f"c-{uid}-field": "order.total",
            f"c-{uid}-op": "gt",
            f"c-{uid}-value": "€1,250.50",
            f"c-{uid}-value-currency": "EUR",
        },
    )
    assert answer.status_code == 200
    assert clauses(saved)[0] == {
        "uid": uid,
        "field": "order.total",
        "op": "gt",
        "value": {"amount": "1250.50", "currency": "EUR"},
    }


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ("1.234", "“1.234” can be read in two ways. Write 1234, or 1.23."),
        ("£300", "The amount says £, and its currency is EUR."),
        ("1,23,4", "“1,23,4” is no number. Write it like 1234.50."),
    ],
)
def test_an_amount_in_doubt_stays_as_typed_and_says_what_to_write(
    typed: str, says: str, operations_client: Client, saved: Rule
) -> None:
    uid = uid_of(saved, 0)
    given = {f"c-{uid}-field": "order.total", f"c-{uid}-op": "gt", f"c-{uid}-value-currency": "EUR"}
    page = save(operations_client, saved, **given, **{f"c-{uid}-value": typed}).content.decode()
    assert f'value="{typed}"' in page
    assert says in page
    assert '<option value="EUR" selected>' in " ".join(page.split())
    page = save(operations_client, saved, **given, **{f"c-{uid}-value": "300,5"}).content.decode()
    assert clauses(saved)[0]["value"] == {"amount": "300.5", "currency": "EUR"}
    assert says not in page


def test_an_amount_below_zero_is_taken_with_a_word_of_doubt(
    operations_client: Client, saved: Rule
) -> None:
    uid = uid_of(saved, 0)
    page = save(
        operations_client,
        saved,
        **{
            f"c-{uid}-field": "order.total",
            f"c-{uid}-op": "gt",
            f"c-{uid}-value": "-5",
            f"c-{uid}-value-currency": "GBP",
        },
    ).content.decode()
    assert "This is below zero" in page
    assert clauses(saved)[0]["value"]["amount"] == "-5"


def test_what_can_t_be_read_stays_as_typed_with_its_error(
    operations_client: Client, saved: Rule
) -> None:
    uid = uid_of(saved, 0)
    answer = save(
        operations_client,
        saved,
        **{
            f"c-{uid}-field": "order.total",
            f"c-{uid}-op": "gte",
            f"c-{uid}-value": "many",
            f"c-{uid}-value-currency": "GBP",
        },
    )
    page = answer.content.decode()
    assert 'value="many"' in page
    assert "Write an amount, such as 500.00." in page


def test_another_field_brings_its_own_operators(operations_client: Client, saved: Rule) -> None:
    uid = uid_of(saved, 0)
    save(operations_client, saved, **{f"c-{uid}-field": "order.is_held", f"c-{uid}-op": "gte"})
    assert clauses(saved)[0]["op"] == "is"
    assert clauses(saved)[0]["value"] is True


def test_several_countries_are_added_one_by_one(operations_client: Client, saved: Rule) -> None:
    uid = uid_of(saved, 1)
    fields = {f"c-{uid}-field": "order.country", f"c-{uid}-op": "not_in"}
    save(operations_client, saved, **fields, **{f"c-{uid}-add": "FR"})
    assert clauses(saved)[1]["value"] == ["GB", "FR"]
    save(operations_client, saved, **fields, do=f"drop:{uid}:0")
    assert clauses(saved)[1]["value"] == ["FR"]


def test_a_duration_is_a_number_and_a_unit(operations_client: Client, saved: Rule) -> None:
    uid = uid_of(saved, 0)
    name = f"c-{uid}"
    save(operations_client, saved, **{f"{name}-field": "order.placed_at"})
    fields = {f"{name}-field": "order.placed_at", f"{name}-op": "older_than"}
    save(operations_client, saved, **fields)
    save(
        operations_client,
        saved,
        **fields,
        **{f"{name}-value": "48", f"{name}-value-unit": "H"},
    )
    assert clauses(saved)[0]["value"] == "PT48H"


def test_groups_are_wrapped_moved_and_unwrapped(operations_client: Client, saved: Rule) -> None:
    first, second = uid_of(saved, 0), uid_of(saved, 1)
    save(operations_client, saved, do=f"wrap:{first}:any")
    group = clauses(saved)[0]
    assert [part["uid"] for part in group["any"]] == [first]
    save(operations_client, saved, do=f"move:{second}:up")
    assert uid_of(saved, 0) == second
    save(operations_client, saved, do=f"unwrap:{group['uid']}")
    assert [part["uid"] for part in clauses(saved)] == [second, first]


def test_a_group_can_say_none_of_these(operations_client: Client, saved: Rule) -> None:
    root = draft(saved).body["when"]["uid"]
    save(operations_client, saved, **{f"c-{root}-mode": "none"})
    assert set(draft(saved).body["when"]) == {"not"}
    assert len(draft(saved).body["when"]["not"]["any"]) == 2


def test_a_condition_on_the_lines_is_counted(operations_client: Client, saved: Rule) -> None:
    root = draft(saved).body["when"]["uid"]
    save(operations_client, saved, do=f"add_list:{root}")
    uid = uid_of(saved, 2)
    name = f"c-{uid}"
    save(operations_client, saved, **{f"{name}-shape": "count", f"{name}-list": "order.lines"})
    save(
        operations_client,
        saved,
        **{
            f"{name}-shape": "count",
            f"{name}-list": "order.lines",
            f"{name}-op": "gte",
            f"{name}-value": "3",
        },
    )
    assert clauses(saved)[2]["count"] == "order.lines"
    assert clauses(saved)[2]["value"] == 3


def test_undo_and_redo_go_through_saved_states(operations_client: Client, saved: Rule) -> None:
    uid = uid_of(saved, 0)
    save(operations_client, saved, do=f"delete:{uid}")
    assert len(clauses(saved)) == 1
    save(operations_client, saved, do="undo")
    assert len(clauses(saved)) == 2
    save(operations_client, saved, do="redo")
    assert len(clauses(saved)) == 1


def test_a_stale_save_is_told_and_keeps_both(
    operations_client: Client, saved: Rule, make_user: Any
) -> None:
    first, old = uid_of(saved, 0), draft(saved).revision
    save(operations_client, saved, do=f"delete:{first}")
    theirs = draft(saved).body
    second = uid_of(saved, 0)
    answer = post(
        operations_client,
        url("rule_save", saved),
        revision=old,
        **{f"c-{first}-field": "order.total", f"c-{first}-op": "gte", f"c-{first}-value": "900"},
    )
    assert answer.status_code == 409
    assert answer["HX-Retarget"] == "#conflict"
    assert "saved this rule meanwhile" in answer.content.decode()
    assert draft(saved).body == theirs
    mine = answer.context["mine"]
    taken = post(
        operations_client, url("rule_take", saved), revision=draft(saved).revision, mine=mine
    )
    assert taken.status_code == 204
    assert [part["uid"] for part in clauses(saved)] == [first, second]
    assert clauses(saved)[0]["value"]["amount"] == "900"
    assert DraftRevision.objects.filter(rule=saved, body=theirs).exists()


@pytest.mark.requirement("R5")
def test_without_fallback_nothing_is_submitted(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user, fallback="")
    answer = post(
        operations_client,
        url("rule_submit", rule),
        revision=draft(rule).revision,
        why="It is time.",
    )
    assert answer.status_code == 422
    assert "Write what people do when this rule fails." in answer.content.decode()
    assert not Document.objects.exists()


def test_care_saves_by_itself_and_needs_no_approval(
    operations_client: Client, saved: Rule, operations_user: User
) -> None:
    answer = post(
        operations_client,
        url("rule_care", saved),
        version=saved.version,
        **{
            "care-name": "Large orders abroad",
            "care-domain": "orders",
            "care-purpose": "",
            "care-fallback": "Look at them by hand.",
            "care-owner": operations_user.pk,
            "care-review_on": "2027-02-19",
        },
    )
    assert answer.status_code == 200
    saved.refresh_from_db()
    assert (saved.name, saved.fallback) == ("Large orders abroad", "Look at them by hand.")
    assert str(saved.review_on) == "2027-02-19"


def test_care_that_was_missing_is_no_longer_asked_for(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user, fallback="")
    words = "Write what people do when this rule fails."
    assert words in operations_client.get(url("rule_edit", rule)).content.decode()
    care = {
        "care-name": rule.name,
        "care-domain": "orders",
        "care-fallback": "By hand.",
        "care-owner": operations_user.pk,
    }
    answer = post(operations_client, url("rule_care", rule), version=rule.version, **care)
    said = answer.content.decode()
    assert 'id="problems-part"' in said
    assert words not in said
    assert "to finish" not in said


@pytest.mark.parametrize(
    ("name", "words"), [("changes", "asked for changes"), ("reject", "rejected")]
)
def test_what_came_back_is_told_where_it_is_edited(
    name: str, words: str, operations_client: Client, operations_user: User, finance_user: User
) -> None:
    document = submitted(operations_user)
    act = {"changes": approvals.request_changes, "reject": approvals.reject}[name]
    act(document.pk, sha256=document.sha256, actor=person(finance_user), comment="Not Ireland.")
    rule = document.rule
    assert rule is not None
    page = " ".join(operations_client.get(url("rule_edit", rule)).content.decode().split())
    told = page.partition('id="sent-back"')[2].partition("</div>")[0]
    assert "Daniel Okafor" in told
    assert words in told
    assert "“Not Ireland.”" in told
    home = operations_client.get(reverse("rule_home")).content.decode()
    assert ("changes asked for" in home) is (name == "changes")
    save(operations_client, rule, missing_data="skip")
    post(operations_client, url("rule_submit", rule), revision=draft(rule).revision, why="So.")
    assert "sent-back" not in operations_client.get(url("rule_edit", rule)).content.decode()


def test_home_says_how_to_begin_while_there_is_no_rule(operations_client: Client) -> None:
    home = operations_client.get(reverse("rule_home")).content.decode()
    assert "There are no rules yet" in home
    assert reverse("rule_list") in home


@pytest.mark.parametrize("role", ["finance", "support", "administrator", "auditor"])
def test_other_roles_may_not_edit(role: str, request: Any, rule: Rule) -> None:
    client: Client = request.getfixturevalue(f"{role}_client")
    before = draft(rule).body
    assert client.get(url("rule_edit", rule)).status_code == 403
    assert save(client, rule, do="undo").status_code == 403
    assert post(client, url("rule_submit", rule), revision=1, why="x").status_code == 403
    assert draft(rule).body == before


def test_a_new_rule_begins_empty_or_from_a_template(operations_client: Client) -> None:
    new = reverse("rule_new")
    assert reverse("template_list") in operations_client.get(new).content.decode()
    assert post(operations_client, new, name="Nothing", domain="orders").status_code == 422
    assert not Rule.objects.exists()
    given = {"name": "Fragile", "domain": "orders", "trigger": "orders.order_placed"}
    answer = post(operations_client, new, **given)
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/rules/fragile/edit/"
    body = Draft.objects.get(rule__slug="fragile").body
    assert (body["trigger"], body["steps"]) == ({"on": "orders.order_placed"}, [])


def test_a_draft_just_made_says_calmly_what_is_still_to_do(
    operations_client: Client, operations_user: User
) -> None:
    empty = {
        "schema": 1,
        "trigger": {"on": "orders.order_placed"},
        "when": {"all": []},
        "steps": [],
    }
    rule = make_rule(operations_user, body=empty)
    page = operations_client.get(f"/rules/{rule.slug}/edit/").content.decode()
    assert "A rule needs at least one step." in page
    assert 'class="callout problems"' in page
    assert 'class="error"' not in page
    assert "alert-triangle" not in page.partition('id="main"')[2]
