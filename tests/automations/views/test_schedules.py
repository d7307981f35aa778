"""Schedules and buttons on the screens: the builder's start, the rule's page, the record's page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from automations.engine import schedule
from automations.models.documents import Document
from automations.models.rules import Draft, Rule
from automations.models.schedules import ScheduleSlot
from automations.queries import rules as queries
from automations.tables import next_cell, next_slot
from backoffice import calendars
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as engine
from tests.automations.schedules import come_round, last_slot, utc
from tests.automations.views.factories import make_live, make_rule, post, some_live_orders
from tests.inventory.factories import make_sku
from tests.orders.factories import line, place_history

pytestmark = pytest.mark.django_db
WAITING = "waiting-orders"
ASK = "ask-warehouse"


def url(name: str, rule: Rule, *rest: Any) -> str:
    return reverse(name, args=[rule.slug, *rest])


def start_of(rule: Rule) -> Any:
    return Draft.objects.get(rule=rule).body["trigger"]


def save(client: Client, rule: Rule, **data: Any) -> str:
    revision = Draft.objects.get(rule=rule).revision
    response = post(client, url("rule_save", rule), revision=revision, **data)
    assert response.status_code == 200
    return str(response.content.decode())


# --- the builder --------------------------------------------------------------------------------


def test_a_rule_on_a_fact_becomes_a_schedule_over_the_same_records(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user)
    page = save(operations_client, rule, start="every")
    assert start_of(rule) == {"every": "0 8 * * 1-5", "zone": "UTC", "for": "orders.order"}
    assert "Every weekday at 08:00 UTC" in page
    when = Draft.objects.get(rule=rule).body["when"]
    assert [clause["field"] for clause in when["all"]] == ["order.total", "order.country"]
    save(operations_client, rule, start="manual")
    assert start_of(rule) == {"manual": "orders.order"}
    save(operations_client, rule, start="on")
    assert start_of(rule)["on"].startswith("orders.")


@pytest.mark.parametrize(
    ("given", "cron"),
    [
        ({"start-pattern": "daily", "start-time": "06:30"}, "30 6 * * *"),
        (
            {"start-pattern": "weekly", "start-time": "08:00", "start-day": ["1", "7"]},
            "0 8 * * 1,0",
        ),
        (
            {"start-pattern": "monthly", "start-time": "09:15", "start-month-day": "28"},
            "15 9 28 * *",
        ),
        ({"start-pattern": "minutes", "start-every": "20"}, "*/20 * * * *"),
        ({"start-pattern": "hours", "start-every": "6", "start-minute": "10"}, "10 */6 * * *"),
        ({"start-pattern": "cron", "start-cron": " 5  4 * * 1,3 "}, "5 4 * * 1,3"),
        ({"start-pattern": "daily", "start-time": ""}, "0 8 * * *"),
        ({"start-pattern": "minutes", "start-every": "7"}, "*/15 * * * *"),
    ],
)
def test_a_schedule_is_chosen_as_a_pattern(
    operations_client: Client, operations_user: User, given: dict[str, Any], cron: str
) -> None:
    rule = make_rule(operations_user, WAITING)
    page = save(operations_client, rule, start="every", **given)
    assert start_of(rule)["every"] == cron
    assert 'id="next-times"' in page


def test_zone_calendar_and_records_are_chosen_beside_it(
    operations_client: Client, operations_user: User
) -> None:
    today = timezone.localdate()
    calendars.make_calendar("Warehouse", today=today, actor=person(operations_user))
    rule = make_rule(operations_user, WAITING)
    page = save(
        operations_client,
        rule,
        start="every",
        **{
            "start-zone": "America/New_York",
            "start-calendar": "warehouse",
            "start-for": "support.ticket",
        },
    )
    assert start_of(rule) == {
        "every": "0 8 * * 1-5",
        "zone": "America/New_York",
        "calendar": "warehouse",
        "for": "support.ticket",
    }
    assert "New York time" in page
    save(operations_client, rule, start="every", **{"start-calendar": ""})
    assert "calendar" not in start_of(rule)


def test_what_is_wrong_with_a_schedule_is_said_at_its_field(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user, WAITING)
    for cron, words in (
        ("every day", "five cron fields"),
        ("0 25 * * *", "look at the hour"),
        ("0 8 30 2 *", "look at the day of month"),
    ):
        page = save(
            operations_client,
            rule,
            start="every",
            **{"start-pattern": "cron", "start-cron": cron},
        )
        assert f'value="{cron}"' in page
        assert 'id="start-every-error"' in page
        assert words in page
        assert 'id="next-times"' not in page


def test_whoever_wants_to_write_cron_by_hand_is_let(
    operations_client: Client, operations_user: User
) -> None:
    rule = make_rule(operations_user, WAITING)
    page = save(operations_client, rule, start="every", **{"start-pattern": "cron"})
    assert 'name="start-cron"' in page
    assert 'value="0 8 * * 1-5"' in page


def test_a_new_rule_can_begin_with_a_schedule_or_a_button(operations_client: Client) -> None:
    for trigger, start in (
        ("manual:support.ticket", {"manual": "support.ticket"}),
        ("every:orders.order", {"every": "0 8 * * 1-5", "zone": "UTC", "for": "orders.order"}),
    ):
        given = {"name": f"By {trigger}", "domain": "orders", "trigger": trigger}
        post(operations_client, reverse("rule_new"), **given)
        assert start_of(Rule.objects.get(name=f"By {trigger}")) == start


def test_the_preview_counts_the_records_there_are(
    operations_client: Client, operations_user: User
) -> None:
    some_live_orders()
    place_history(line(make_sku(stock=20)), shipped_at=timezone.now())
    rule = make_rule(operations_user, WAITING)
    page = operations_client.get(url("rule_preview", rule)).content.decode()
    assert '<span class="big" id="preview-matched">2</span>' in page
    assert "of 3 orders" in page
    assert "£160.00" in page
    assert "What it would find now" in page


def test_a_draft_is_tried_on_a_record_as_it_stands(
    operations_client: Client, operations_user: User
) -> None:
    old, _, new = some_live_orders()
    rule = make_rule(operations_user, WAITING)
    address = url("rule_try", rule)
    told = operations_client.get(address, {"number": old.number}).content.decode()
    assert "It would match, and do:" in told
    assert "waiting" in told
    told = operations_client.get(address, {"number": new.number}).content.decode()
    assert "It would not match" in told
    missing = operations_client.get(address, {"number": "nothing"}).content.decode()
    assert "There is no order nothing that rules go over." in missing


# --- approval, list and page --------------------------------------------------------------------


def test_an_approver_sees_the_schedule_in_words_and_what_it_finds(
    finance_client: Client, operations_user: User
) -> None:
    some_live_orders()
    document = engine.submit(make_rule(operations_user, WAITING))
    page = finance_client.get(reverse("approval_detail", args=[document.pk])).content.decode()
    assert "every weekday at 08:00 London time, for each order" in page
    address = reverse("approval_evidence", args=[document.pk])
    evidence = finance_client.get(address).content.decode()
    assert '<span class="big" id="evidence-matched">2</span>' in evidence
    dialog = finance_client.get(reverse("approval_verdict", args=[document.pk, "approve"]))
    assert "2 of 3 records would match" in dialog.content.decode()


@pytest.mark.requirement("R3")
def test_a_rules_page_shows_what_became_of_its_slots_and_when_it_comes_round(
    support_client: Client, operations_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_live_orders()
    rule = make_rule(operations_user, WAITING)
    make_live(rule)
    page = support_client.get(url("rule_detail", rule)).content.decode()
    assert 'id="next-times"' in page
    assert "Comes round" in support_client.get(reverse("rule_list")).content.decode()
    now = timezone.now()
    last_slot(rule, now - timedelta(days=8))
    ScheduleSlot.objects.create(
        rule=rule,
        document=Document.objects.get(),
        fire_at=now - timedelta(days=7),
        state="missed",
        says="Nothing was running then.",
    )
    # As if it had been in force for weeks.
    old = [replace(plan, since=now - timedelta(days=20)) for plan in schedule.plans()]
    monkeypatch.setattr(schedule, "plans", lambda: old)
    page = support_client.get(url("rule_detail", rule)).content.decode()
    for words in ("1 missed in all", "Nothing was running then.", "Late:", "no slot was made"):
        assert words in page
    come_round(now)
    page = support_client.get(url("rule_detail", rule)).content.decode()
    assert "Late:" not in page


def test_a_rule_that_is_late_is_so_in_the_list(operations_user: User) -> None:
    rule = make_rule(operations_user, WAITING)
    document = make_live(rule)
    row = queries.rule_list().get(pk=rule.pk)
    coming = next_slot(row)
    assert coming is not None
    assert coming > timezone.now()
    for name, value in (("live_text", document.text), ("live_since", utc(2026, 1, 5))):
        setattr(row, name, value)
    assert "late: " in str(next_cell(row))


def test_a_calendar_says_which_rules_keep_to_it(
    operations_client: Client, operations_user: User
) -> None:
    today = timezone.localdate()
    calendar = calendars.make_calendar("Depot", today=today, actor=person(operations_user))
    rule = make_rule(operations_user, WAITING)
    save(operations_client, rule, start="every", **{"start-calendar": "depot"})
    make_live(rule)
    part = operations_client.get(reverse("calendar_rules", args=[calendar.pk])).content.decode()
    assert rule.name in part
