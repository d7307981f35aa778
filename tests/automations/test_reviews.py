"""The yearly review: who may say that a rule stays, and a date that nobody puts off alone."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.utils import timezone

from automations.engine import inventory
from automations.models.documents import Activation, Document
from automations.models.reviews import RuleReview
from automations.models.rules import Rule
from automations.services import reviews, rules
from automations.services.errors import Refused
from backoffice.actors import person
from backoffice.models import AuditEntry, Notice, User
from tests.automations import factories as make
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db
TODAY = timezone.localdate


def due_rule(name: str = "Old habit", **changes: Any) -> Rule:
    """A live rule that is due since yesterday; the factory's author owns and wrote it."""
    rule = make.live_rule(name=name, **changes)
    make.live_for(rule, 300)
    rules.describe_rule(
        rule.pk,
        version=rule.version,
        actor=person(make.author()),
        review_on=TODAY() - timedelta(days=1),
    )
    inventory.count()
    return Rule.objects.get(pk=rule.pk)


def live(rule: Rule) -> Document:
    return Activation.objects.in_force().get(rule=rule).document


def keep(rule: Rule, by: User, **changes: Any) -> RuleReview:
    document = live(rule)
    given: dict[str, Any] = {
        "document_id": document.pk,
        "sha256": document.sha256,
        "next_on": TODAY() + timedelta(days=200),
        "note": "",
        "figures": {"runs_month": 3},
        "actor": person(by),
    }
    return reviews.keep(rule.pk, **{**given, **changes})


def verdict(rule: Rule, by: User, act: Any, note: str = "Nobody needs it.") -> RuleReview:
    document = live(rule)
    made: RuleReview = act(
        rule.pk,
        document_id=document.pk,
        sha256=document.sha256,
        note=note,
        figures={},
        actor=person(by),
    )
    return made


def refused(rule: Rule, by: User, match: str, **changes: Any) -> None:
    """Keeping is refused, on record, and changes nothing."""
    before = Rule.objects.get(pk=rule.pk).review_on
    with pytest.raises(Refused, match=match):
        keep(rule, by, **changes)
    assert Rule.objects.get(pk=rule.pk).review_on == before
    assert not RuleReview.objects.exists()
    assert AuditEntry.objects.filter(verb="rules.refused", subject_id=rule.pk).exists()


# --- keeping ------------------------------------------------------------------------------------


@pytest.mark.requirement("R17")
def test_a_rule_is_kept_by_someone_who_could_approve_it_and_the_verdict_is_in_the_trail(
    finance_user: User,
) -> None:
    rule = due_rule()
    assert [each.rule for each in reviews.walk(finance_user)] == [rule]
    until = TODAY() + timedelta(days=200)
    review = keep(rule, finance_user, note="Still right.")
    rule.refresh_from_db()
    assert rule.review_on == until
    assert reviews.walk(finance_user) == []
    assert (review.role, review.sha256) == ("finance", live(rule).sha256)
    assert review.figures == {"runs_month": 3}
    entry = AuditEntry.objects.get(verb="rules.reviewed", subject_id=rule.pk)
    assert entry.user_id == finance_user.pk
    assert (entry.detail["verdict"], entry.detail["next_on"]) == ("keep", until.isoformat())


def test_its_owner_can_not_keep_it(finance_user: User) -> None:
    rule = due_rule()
    make.own(rule, finance_user)
    refused(rule, finance_user, "You own this rule")


def test_who_edited_the_version_in_force_can_not_keep_it() -> None:
    rule = due_rule()
    make.own(rule, make.staff("operations", "heir"))
    refused(rule, make.author(), "You edited or submitted this version")


def test_who_gave_the_rule_away_lately_can_not_keep_it() -> None:
    rule, heir = due_rule(), make.staff("operations", "heir")
    passing = make.staff("operations", "passing")
    for owner in (passing, heir):
        make.own(rule, owner)
    refused(rule, passing, "You owned this rule within the last year")


def test_a_rule_that_moves_money_is_kept_by_finance_alone(
    support_user: User, finance_user: User
) -> None:
    rule = due_rule(steps=make.steps("depot.pay_duty"))
    assert live(rule).risk == "money"
    refused(rule, support_user, "someone of finance has to say that it stays")
    assert keep(rule, finance_user).role == "finance"


def test_neither_an_auditor_nor_an_administrator_keeps_a_rule(
    auditor_user: User, administrator_user: User
) -> None:
    rule = due_rule()
    for user in (auditor_user, administrator_user):
        refused(rule, user, "has to say that it stays")


def test_what_was_not_looked_at_is_not_kept(finance_user: User) -> None:
    rule = due_rule()
    refused(rule, finance_user, "Another version is in force by now", sha256="0" * 64)
    old = live(rule)
    make.edit(rule, steps=make.steps("depot.add_tag", tag="newer"))
    make.make_live(rule)
    refused(
        rule,
        finance_user,
        "Another version is in force by now",
        document_id=old.pk,
        sha256=old.sha256,
    )


@pytest.mark.parametrize("days", [-1, 0, 367, 4_000])
def test_the_next_review_is_within_a_year(days: int, finance_user: User) -> None:
    rule = due_rule()
    refused(
        rule,
        finance_user,
        "after today and within a year",
        next_on=TODAY() + timedelta(days=days + (1 if days > 300 else 0)),
    )


# --- the date -----------------------------------------------------------------------------------


def put_off(rule: Rule, to: date | None) -> None:
    fresh = Rule.objects.get(pk=rule.pk)
    rules.describe_rule(rule.pk, version=fresh.version, actor=person(make.author()), review_on=to)


def test_nobody_puts_off_the_review_of_a_rule_in_force_by_another_date() -> None:
    rule = due_rule()
    before = Rule.objects.get(pk=rule.pk)
    with pytest.raises(Refused, match="put off by reviewing it"):
        put_off(rule, TODAY() + timedelta(days=30))
    with (
        pytest.raises(DatabaseError, match="put off by reviewing it"),
        transaction.atomic(),
    ):
        Rule.objects.filter(pk=rule.pk).update(review_on=TODAY() + timedelta(days=30))
    after = Rule.objects.get(pk=rule.pk)
    assert (after.review_on, after.version) == (before.review_on, before.version)


def test_an_earlier_date_is_anyones_to_set_and_a_draft_has_any() -> None:
    rule = due_rule()
    put_off(rule, TODAY() - timedelta(days=10))
    assert Rule.objects.get(pk=rule.pk).review_on == TODAY() - timedelta(days=10)
    draft = make.make_rule()
    put_off(draft, TODAY() + timedelta(days=30))
    put_off(draft, TODAY() + timedelta(days=60))
    assert Rule.objects.get(pk=draft.pk).review_on == TODAY() + timedelta(days=60)


def test_a_date_far_away_or_none_still_means_a_year(finance_user: User) -> None:
    rule = make.make_rule()
    put_off(rule, TODAY() + timedelta(days=9_000))
    make.make_live(rule)
    make.live_for(rule, 370)
    inventory.count()
    (due,) = reviews.walk(finance_user)
    assert due.rule == rule
    assert due.due_on < TODAY()


def test_after_it_was_kept_it_may_be_due_sooner_but_not_later(finance_user: User) -> None:
    rule = due_rule()
    until = TODAY() + timedelta(days=200)
    keep(rule, finance_user, next_on=until)
    put_off(rule, until - timedelta(days=100))
    put_off(rule, until)
    with pytest.raises(Refused):
        put_off(rule, until + timedelta(days=1))
    with pytest.raises(Refused):
        put_off(rule, None)
    assert Rule.objects.get(pk=rule.pk).review_on == until


def test_the_application_can_not_write_a_review_by_itself(finance_user: User) -> None:
    rule = due_rule()
    with pytest.raises(DatabaseError, match="permission denied"), transaction.atomic():
        RuleReview.objects.create(
            rule=rule,
            document=live(rule),
            sha256=live(rule).sha256,
            verdict="keep",
            reviewer=finance_user,
            role="finance",
            next_on=TODAY() + timedelta(days=300),
        )
    keep(rule, finance_user)
    for statement in (
        "UPDATE automations_rulereview SET next_on = '2099-01-01'",
        "DELETE FROM automations_rulereview",
        "TRUNCATE automations_rulereview",
    ):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert RuleReview.objects.get().verdict == "keep"


# --- change and retire --------------------------------------------------------------------------


def test_a_change_that_is_asked_for_is_told_to_the_owner_and_what_is_live_stays(
    finance_user: User,
) -> None:
    rule = due_rule()
    document = live(rule)
    verdict(rule, finance_user, reviews.ask_change, note="The limit is too low.")
    assert live(rule) == document
    (notice,) = Notice.objects.filter(user=rule.owner)
    assert notice.text == "The review of “Old habit” asks for a change: The limit is too low."
    (due,) = reviews.walk(finance_user)
    assert due.asked is not None
    assert due.asked.note == "The limit is too low."


def test_a_rule_that_was_changed_comes_back_to_the_walk(finance_user: User) -> None:
    rule = due_rule()
    verdict(rule, finance_user, reviews.ask_change)
    make.edit(rule, steps=make.steps("depot.add_tag", tag="newer"))
    make.make_live(rule)
    (due,) = reviews.walk(finance_user)
    assert due.asked is None


def test_one_person_retires_a_rule_with_a_reason(finance_user: User, auditor_user: User) -> None:
    rule = due_rule()
    for user, note, match in (
        (finance_user, "  ", "Say why"),
        (auditor_user, "Old.", "has to say so"),
    ):
        with pytest.raises(Refused, match=match):
            verdict(rule, user, reviews.retire, note=note)
        assert Activation.objects.in_force().filter(rule=rule).exists()
    verdict(rule, finance_user, reviews.retire, note="Nobody needs it.")
    rule.refresh_from_db()
    assert rule.retired_at is not None
    assert not Activation.objects.in_force().filter(rule=rule).exists()
    assert AuditEntry.objects.get(verb="rules.retired").detail["why"] == "Nobody needs it."
    assert reviews.walk(finance_user) == []


def test_a_rule_that_is_not_in_force_is_not_reviewed(finance_user: User) -> None:
    rule = due_rule()
    document = live(rule)
    rules.retire_rule(rule.pk, version=rule.version, why="Old.", actor=person(make.author()))
    with pytest.raises(Refused, match="Only a rule in force is reviewed"):
        reviews.ask_change(
            rule.pk,
            document_id=document.pk,
            sha256=document.sha256,
            note="Change it.",
            figures={},
            actor=person(finance_user),
        )
    assert not RuleReview.objects.exists()


# --- the walk -----------------------------------------------------------------------------------


@pytest.mark.requirement("R17")
def test_the_walk_goes_from_rule_to_rule_and_on_where_it_was_left(finance_user: User) -> None:
    first, second = due_rule("First"), due_rule("Second")
    Rule.objects.filter(pk=first.pk).update(review_on=TODAY() - timedelta(days=30))
    client = signed_in(finance_user)
    start = client.get("/rules/review/")
    assert start["Location"] == f"/rules/review/{first.slug}/"
    page = client.get(start["Location"])
    assert "0 of 2 looked at" in page.content.decode()
    dialog = client.get(f"/rules/review/{first.slug}/_/keep/")
    sha256 = dialog.context["form"]["sha256"].value()
    done = client.post(
        f"/rules/review/{first.slug}/_/keep/",
        {"sha256": sha256, "next_on": (TODAY() + timedelta(days=90)).isoformat(), "note": ""},
    )
    assert done.status_code == 302
    assert done["Location"] == "/rules/review/"
    again = signed_in(finance_user).get("/rules/review/", follow=True)
    assert again.redirect_chain[-1][0] == f"/rules/review/{second.slug}/"
    assert "1 of 2 looked at" in again.content.decode()
    client.post(
        f"/rules/review/{second.slug}/_/retire/",
        {"sha256": live(second).sha256, "note": "Nobody needs it."},
    )
    end = client.get("/rules/review/")
    assert "Every rule that is due was looked at" in end.content.decode()


def test_the_page_shows_words_figures_failures_and_who_may_keep(finance_user: User) -> None:
    rule = due_rule()
    make.ended(rule, days_ago=2, runs=12)
    inventory.count()
    body = signed_in(finance_user).get(f"/rules/review/{rule.slug}/").content.decode()
    for words in ("What it does", "parcel", "12", "of hand work saved", "open failure", "Keep"):
        assert words in body
    owner = signed_in(make.author()).get(f"/rules/review/{rule.slug}/").content.decode()
    assert "You own this rule, so someone else has to say that it stays." in owner
    assert "disabled" in owner


def test_a_refusal_stands_in_the_dialog_and_nothing_is_kept() -> None:
    rule = due_rule()
    client = signed_in(make.author())
    answer = client.post(
        f"/rules/review/{rule.slug}/_/keep/",
        {"sha256": live(rule).sha256, "next_on": TODAY() + timedelta(days=9), "note": ""},
    )
    assert answer.status_code == 422
    assert "You own this rule" in answer.content.decode()
    assert not RuleReview.objects.exists()


def test_an_auditor_sees_the_walk_and_gives_no_verdict(auditor_client: Client) -> None:
    rule = due_rule()
    page = auditor_client.get(f"/rules/review/{rule.slug}/")
    assert page.status_code == 200
    assert 'id="keep"' not in page.content.decode()
    for which in ("keep", "change", "retire"):
        answer = auditor_client.post(f"/rules/review/{rule.slug}/_/{which}/", {"note": "No."})
        assert answer.status_code == 403
    assert not RuleReview.objects.exists()


@pytest.mark.requirement("R17")
def test_overdue_reviews_go_to_their_owner_and_to_who_could_keep_them_once_a_week(
    finance_user: User, support_user: User, auditor_user: User
) -> None:
    rule = due_rule(steps=make.steps("depot.pay_duty"))
    due_rule("Another")
    inventory.tell()
    inventory.tell()

    def said(user: User | None) -> list[str]:
        found = Notice.objects.filter(user=user, key__startswith="reviews:")
        return list(found.values_list("text", flat=True))

    assert said(finance_user) == ["2 rules wait for their review."]
    assert said(support_user) == ["1 rule waits for its review."]
    assert said(rule.owner) == ["2 rules wait for their review."]
    assert said(auditor_user) == []
    home = signed_in(finance_user).get("/rules/_/reviews/").content.decode()
    assert "Old habit" in home
    assert "Old habit" not in signed_in(support_user).get("/rules/_/reviews/").content.decode()
