"""The inventory of rules: what each is for, how it does beside its past, and what is wrong."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from automations.engine import inventory
from automations.models.events import Event
from automations.models.inventory import RuleStanding
from automations.models.rules import Rule
from automations.models.runs import Run
from automations.services import rules, stops
from backoffice import banners
from backoffice.actors import person
from backoffice.models import Notice, User
from tests.automations import factories as make
from tests.bed.people import signed_in

pytestmark = pytest.mark.django_db


def old_rule(days: float = 60, **changes: Any) -> Rule:
    """A rule that has been in force for so long."""
    rule = make.live_rule(**changes)
    make.live_for(rule, days)
    return rule


def usually(rule: Rule, runs: int, days: int = 20, until: int = 1) -> None:
    """So many runs on each of the days before."""
    for day in range(until, days + until):
        make.ended(rule, days_ago=day, runs=runs)


def last_run(rule: Rule, days_ago: float) -> None:
    """The newest run of a rule, so long ago; of an event that tells no rule apart."""
    at = timezone.now() - timedelta(days=days_ago)
    event = an_event(days_ago=days_ago)
    Run.objects.create(
        id=event.pk * 1_000_000 + rule.pk,
        event_id=event.pk,
        rule_id=rule.pk,
        document_id=rule.documents.get().pk,
        subject=event.subject,
        subject_id=1,
        subject_version=1,
        position=100,
        state="done",
        created_at=at,
        finished_at=at,
    )


def an_event(*, days_ago: float, history: bool = False) -> Event:
    return Event.objects.create(
        trigger="depot.parcel_arrived",
        subject="depot.parcel",
        subject_id=1,
        subject_version=1,
        payload_version=1,
        occurred_at=timezone.now() - timedelta(days=days_ago),
        history=history,
    )


def standing(rule: Rule) -> RuleStanding:
    inventory.count()
    return RuleStanding.objects.get(rule=rule)


def flags(rule: Rule) -> set[str]:
    found = standing(rule)
    return {name for name in ("stale", "silent", "noisy") if getattr(found, f"is_{name}")}


def told(user: User | None) -> list[str]:
    return list(Notice.objects.filter(user=user).order_by("pk").values_list("text", flat=True))


# --- what is counted ----------------------------------------------------------------------------


def test_a_usual_day_is_the_median_of_the_last_whole_days_idle_ones_among_them() -> None:
    rule = old_rule(days=9.5)
    for day, runs in enumerate([4, 4, 9, 100, 7], 1):
        make.ended(rule, days_ago=day, runs=runs)
    make.ended(rule, days_ago=0, runs=1_000)
    # 9 whole days: 4 without any run, then 4, 4, 7, 9 and 100.
    assert standing(rule).usual == pytest.approx(4, abs=0.1)


def test_a_rule_of_a_few_days_has_no_usual_day_yet() -> None:
    rule = old_rule(days=5)
    usually(rule, 10, days=4)
    assert standing(rule).usual is None


def test_runs_are_counted_over_30_days_and_a_day_and_what_was_done_among_them() -> None:
    rule = old_rule()
    make.ended(rule, days_ago=0, runs=3)
    make.ended(rule, days_ago=0.5, runs=2, state="skipped")
    make.ended(rule, days_ago=20, runs=10)
    make.ended(rule, days_ago=31, runs=100)
    found = standing(rule)
    assert (found.runs_day, found.runs_month, found.done_month) == (5, 15, 13)


def test_a_new_version_does_not_make_a_rule_young() -> None:
    rule = old_rule(days=60)
    since = standing(rule).live_since
    assert since is not None
    assert since < timezone.now() - timedelta(days=59)


# --- what is wrong ------------------------------------------------------------------------------


@pytest.mark.requirement("R17")
def test_a_rule_that_has_not_fired_in_a_month_though_its_events_came_is_stale() -> None:
    unused, young, quiet_trigger = old_rule(), old_rule(days=20), old_rule()
    assert flags(unused) == set()
    an_event(days_ago=3, history=True)
    assert flags(unused) == set()
    an_event(days_ago=3)
    assert flags(unused) == {"stale"}
    assert flags(young) == set()
    last_run(quiet_trigger, days_ago=29)
    assert flags(quiet_trigger) == set()


def test_a_rule_whose_usual_runs_stay_away_is_quiet_and_a_rare_one_is_not() -> None:
    busy, rare = old_rule(name="Busy"), old_rule(name="Rare")
    usually(busy, 40)
    last_run(busy, days_ago=0.9)
    usually(rare, 1)
    last_run(rare, days_ago=3)
    assert (flags(busy), flags(rare)) == (set(), set())
    Run.objects.filter(rule_id=busy.pk).update(created_at=timezone.now() - timedelta(days=1.1))
    Run.objects.filter(rule_id=rare.pk).update(created_at=timezone.now() - timedelta(days=5.1))
    assert (flags(busy), flags(rare)) == ({"silent"}, {"silent"})


def test_a_rule_that_runs_more_than_twice_the_usual_is_noisy_and_a_few_runs_never_are() -> None:
    rule, small = old_rule(), old_rule()
    usually(rule, 20)
    make.ended(rule, days_ago=0, runs=20)
    usually(small, 2)
    make.ended(small, days_ago=0, runs=9)
    for each in (rule, small):
        last_run(each, days_ago=0)
    assert (flags(rule), flags(small)) == (set(), set())
    make.ended(rule, days_ago=0, runs=21, state="overtaken")
    assert flags(rule) == {"noisy"}


def test_what_its_owner_expects_goes_before_what_is_usual() -> None:
    rule = old_rule()
    usually(rule, 20)
    make.ended(rule, days_ago=0, runs=60)
    last_run(rule, days_ago=0)
    assert flags(rule) == {"noisy"}
    Rule.objects.filter(pk=rule.pk).update(expected_per_day_max=60)
    assert flags(rule) == set()
    Rule.objects.filter(pk=rule.pk).update(expected_per_day_max=59)
    assert flags(rule) == {"noisy"}
    promised = old_rule(days=3)
    Rule.objects.filter(pk=promised.pk).update(expected_per_day_min=5)
    assert flags(promised) == {"silent"}


def test_a_rule_that_people_stopped_is_neither_quiet_nor_stale() -> None:
    rule = old_rule()
    an_event(days_ago=3)
    usually(rule, 40)
    last_run(rule, days_ago=2)
    assert flags(rule) == {"silent"}
    stops.stop_rule(rule.pk, reason="Stock count.", actor=person(make.author()))
    assert flags(rule) == set()


def test_a_retired_rule_has_no_standing_any_more() -> None:
    rule = old_rule()
    assert standing(rule).live_since is not None
    rules.retire_rule(rule.pk, version=rule.version, why="Old.", actor=person(make.author()))
    inventory.count()
    assert not RuleStanding.objects.filter(rule=rule).exists()


# --- who is told --------------------------------------------------------------------------------


@pytest.mark.requirement("R17")
def test_the_owner_is_told_once_of_a_rule_that_is_not_used_went_quiet_or_doubled() -> None:
    stale, quiet, noisy = old_rule(name="Unused"), old_rule(name="Quiet"), old_rule(name="Loud")
    an_event(days_ago=3)
    usually(quiet, 40)
    last_run(quiet, days_ago=2)
    usually(noisy, 20)
    make.ended(noisy, days_ago=0, runs=900)
    last_run(noisy, days_ago=0)
    assert inventory.look() == 3
    texts = told(stale.owner)
    assert "“Unused” has no run on record. Change it, or retire it." in texts
    assert any(
        text.startswith("“Quiet” went quiet: 40 on a usual day, and none since ") for text in texts
    )
    assert "“Loud” runs far more than it should: 900 runs in 24 hours, 20 on a usual day." in texts
    assert inventory.look() == 0  # it was looked at a moment ago
    RuleStanding.objects.update(at=timezone.now() - timedelta(hours=1))
    assert inventory.look() == 0  # they know
    assert len(told(stale.owner)) == 3
    link = Notice.objects.filter(text__startswith="“Unused”").get().link
    assert link == f"/rules/{stale.slug}/"


def test_those_who_tend_the_engine_are_told_of_a_rule_whose_owner_left(
    administrator_user: User,
) -> None:
    rule = old_rule(name="Orphan")
    an_event(days_ago=3)
    User.objects.filter(rules_owned=rule).update(is_active=False)
    inventory.look()
    assert any("“Orphan”" in text for text in told(administrator_user))


# --- the list -----------------------------------------------------------------------------------


def rows(client: Client, query: str = "") -> dict[str, Any]:
    """The names of the rules in a view, each with its flags."""
    page = client.get(f"/rules/inventory/{query}")
    assert page.status_code == 200
    return {row.record.name: row for row in page.context["listing"].rows}


@pytest.mark.requirement("R17")
def test_the_list_flags_what_is_wrong_and_finds_it_by_its_flag(operations_user: User) -> None:
    client = signed_in(operations_user)
    names = ("Unused", "Quiet", "Loud", "Orphan", "Overdue", "Fine")
    unused, quiet, loud, orphan, overdue, fine = (old_rule(name=name) for name in names)
    make.make_rule(name="Only a draft")
    an_event(days_ago=3)
    for rule in (orphan, overdue, fine):
        last_run(rule, days_ago=1)
    usually(quiet, 40)
    last_run(quiet, days_ago=2)
    usually(loud, 20)
    make.ended(loud, days_ago=0, runs=900)
    last_run(loud, days_ago=0)
    Rule.objects.filter(pk=orphan.pk).update(owner=None)
    Rule.objects.filter(pk=overdue.pk).update(review_on=timezone.localdate() - timedelta(days=1))
    inventory.count()
    assert set(rows(client, "?view=live")) == set(names)
    assert set(rows(client, "?view=all")) == {*names, "Only a draft"}
    found = {
        flag: set(rows(client, f"?view=all&flag={flag}"))
        for flag in ("stale", "silent", "noisy", "ownerless", "overdue")
    }
    assert found == {
        "stale": {"Unused"},
        "silent": {"Quiet"},
        "noisy": {"Loud"},
        "ownerless": {"Orphan"},
        "overdue": {"Overdue"},
    }
    assert set(rows(client, "?view=wrong")) == set(names) - {"Fine"}
    body = client.get("/rules/inventory/?view=live").content.decode()
    for words in ("Quiet", "Noisy", "Stale", "No owner", "Review due"):
        assert words in body
    assert unused.name in body


def test_a_rule_without_a_date_is_due_for_review_after_a_year(operations_user: User) -> None:
    client = signed_in(operations_user)
    old_rule(days=370, name="A year ago")
    old_rule(days=300, name="This year")
    far = make.make_rule(name="Far away")
    Rule.objects.filter(pk=far.pk).update(review_on=timezone.localdate() + timedelta(days=5000))
    make.make_live(far)
    make.live_for(far, 370)
    inventory.count()
    assert set(rows(client, "?view=all&flag=overdue")) == {"A year ago", "Far away"}


def test_time_saved_is_what_a_run_saves_by_the_runs_that_were_done(operations_user: User) -> None:
    told_so, silent = old_rule(name="Says so"), old_rule(name="Says nothing")
    Rule.objects.filter(pk=told_so.pk).update(minutes_saved=Decimal("7.50"))
    for rule in (told_so, silent):
        make.ended(rule, days_ago=2, runs=10)
        make.ended(rule, days_ago=2, runs=5, state="skipped")
    inventory.count()
    page = signed_in(operations_user).get("/rules/inventory/?view=live")
    body = page.content.decode()
    assert "1 h 15 min" in body
    assert "≈ 20 min" in body
    assert "1 h 35 min of hand work saved in 30 days" in body
    assert "≈ 2 minutes are taken" in body


def test_the_list_asks_as_many_questions_of_many_rules_as_of_a_few(operations_user: User) -> None:
    client = signed_in(operations_user)

    def questions() -> int:
        banners.forget()  # a process keeps them for some seconds
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert client.get("/rules/inventory/?view=all").status_code == 200
        return len(asked)

    old_rule()
    inventory.count()
    questions()
    few = questions()
    for _ in range(12):
        rule = old_rule()
        make.ended(rule, days_ago=1)
    inventory.count()
    assert questions() == few
    with CaptureQueriesContext(connection) as asked:
        inventory.count()
    assert len([each for each in asked if "SAVEPOINT" not in each["sql"]]) == 2


def test_its_export_holds_every_figure(auditor_client: Client) -> None:
    rule = old_rule(name="Exported")
    make.ended(rule, days_ago=0, runs=3)
    last_run(rule, days_ago=0)
    inventory.count()
    answer = auditor_client.get("/rules/inventory/_/export/?view=all")
    text = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert "Exported" in text
    assert "Review due" in text.splitlines()[0]
    assert text.splitlines()[-1] == "1 row"
