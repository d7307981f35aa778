"""Another owner of a rule in force: asked for by one, agreed to by another, by no way else."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client

from automations.models.rules import Rule
from automations.services import owners, reviews, rules
from automations.services.errors import Refused
from backoffice.actors import person
from backoffice.models import AuditEntry, Notice, User
from tests.automations import factories as make

pytestmark = pytest.mark.django_db


def asked(rule: Rule, to: User, by: User) -> Rule:
    return rules.describe_rule(rule.pk, version=rule.version, actor=person(by), owner_id=to.pk)


def owner_of(rule: Rule) -> User | None:
    return Rule.objects.get(pk=rule.pk).owner


def test_a_rule_in_force_gets_another_owner_by_two_people(
    operations_user: User, support_client: Client, support_user: User
) -> None:
    rule, heir = make.live_rule(), make.staff("operations", "heir")
    asked(rule, heir, operations_user)
    assert owner_of(rule) == make.author()
    assert Notice.objects.filter(user=heir, text__contains="A second person").exists()
    page = support_client.get(f"/rules/{rule.slug}/").content.decode()
    assert 'id="owner-agree"' in page
    url, sent = f"/rules/{rule.slug}/owner/", {"owner": heir.pk, "agree": "yes"}
    support_client.post(url, sent, headers={"HX-Request": "true"})
    changed = Rule.objects.get(pk=rule.pk)
    assert (changed.owner, changed.next_owner) == (heir, None)
    entry = AuditEntry.objects.get(verb="rules.owner_changed", subject_id=rule.pk)
    assert (entry.user_id, entry.detail["asked_by"]) == (support_user.pk, operations_user.pk)
    assert Rule.history.filter(id=rule.pk, owner=heir).exists()
    assert reviews.owned_lately(heir, [changed]) == {rule.pk}


def test_nobody_makes_themselves_the_owner_alone(
    operations_client: Client, operations_user: User
) -> None:
    rule = make.live_rule()
    asked(rule, operations_user, operations_user)
    with pytest.raises(Refused, match="Someone else has to agree"):
        owners.agree_to_owner(rule.pk, owner_id=operations_user.pk, actor=person(operations_user))
    page = operations_client.get(f"/rules/{rule.slug}/").content.decode()
    assert 'id="owner-agree"' not in page
    assert owner_of(rule) == make.author()
    assert AuditEntry.objects.filter(verb="rules.refused", subject_id=rule.pk).exists()


def test_what_was_not_looked_at_is_not_agreed_to_and_can_be_left(
    operations_user: User, finance_user: User, auditor_user: User
) -> None:
    rule, heir = make.live_rule(), make.staff("operations", "heir")
    asked(rule, heir, operations_user)
    with pytest.raises(Refused, match="asked for no more"):
        owners.agree_to_owner(rule.pk, owner_id=operations_user.pk, actor=person(finance_user))
    with pytest.raises(Refused, match="has to agree"):
        owners.agree_to_owner(rule.pk, owner_id=heir.pk, actor=person(auditor_user))
    owners.keep_owner(rule.pk, actor=person(operations_user))
    with pytest.raises(Refused, match="asked for no more"):
        owners.agree_to_owner(rule.pk, owner_id=heir.pk, actor=person(finance_user))
    assert owner_of(rule) == make.author()


def test_one_person_changes_the_owner_of_a_draft_and_takes_an_owner_away(
    operations_user: User,
) -> None:
    draft = make.make_rule()
    asked(draft, operations_user, operations_user)
    assert owner_of(draft) == operations_user
    rule = make.live_rule()
    rules.describe_rule(rule.pk, version=rule.version, actor=person(operations_user), owner_id=None)
    assert owner_of(rule) is None
    asked(Rule.objects.get(pk=rule.pk), operations_user, operations_user)
    assert owner_of(rule) is None


@pytest.mark.parametrize(
    "change",
    [
        "owner_id = %(me)s",
        "next_owner_id = %(me)s, next_owner_by_id = %(other)s",
        "owner_id = %(me)s, next_owner_id = NULL, next_owner_by_id = NULL",
    ],
)
def test_the_application_can_not_write_it_past_the_second_person(
    change: str, operations_user: User, finance_user: User
) -> None:
    rule = make.live_rule()
    asked(rule, operations_user, operations_user)
    before = Rule.objects.filter(pk=rule.pk).values().get()
    if "next_owner_id = NULL" not in change:
        owners.keep_owner(rule.pk, actor=person(operations_user))
        before = Rule.objects.filter(pk=rule.pk).values().get()
    given = {"me": operations_user.pk, "other": finance_user.pk, "rule": rule.pk}
    with (
        pytest.raises(DatabaseError, match=r"two people|in their own name"),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute(f"UPDATE automations_rule SET {change} WHERE id = %(rule)s", given)
    assert Rule.objects.filter(pk=rule.pk).values().get() == before
