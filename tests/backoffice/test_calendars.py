"""Calendars: which days are worked, changed by date, kept on record."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from backoffice import calendars
from backoffice.actors import person
from backoffice.models import AuditEntry, Calendar, CalendarDay, LegalEntity, User

pytestmark = pytest.mark.django_db
TODAY = date(2027, 1, 4)  # a Monday
LIST = "/settings/calendars/"


def make(user: User, **given: Any) -> Calendar:
    return calendars.make_calendar("UK", today=TODAY, actor=person(user), **given)


def closed(day: date) -> str:
    return calendars.load(["uk"])["uk"].closed(day)


def test_a_new_calendar_is_worked_from_monday_to_friday(operations_user: User) -> None:
    assert make(operations_user).key == "uk"
    assert [bool(closed(TODAY + timedelta(days=n))) for n in range(7)] == [False] * 5 + [True] * 2
    assert closed(date(2027, 1, 9)) == "closed on Saturdays"
    with pytest.raises(calendars.CalendarError, match="already"):
        make(operations_user)
    assert Calendar.objects.count() == 1


def test_a_week_holds_from_its_day_on_and_the_past_stays(operations_user: User) -> None:
    uk, actor = make(operations_user), person(operations_user)
    changed = calendars.change_week(
        uk.pk,
        version=1,
        from_day=date(2027, 1, 9),
        open_days=[6, 1],
        today=TODAY,
        actor=actor,
    )
    assert closed(date(2027, 1, 5)) == ""
    assert closed(date(2027, 1, 9)) == ""
    assert closed(date(2027, 1, 12)) == "closed on Tuesdays"
    with pytest.raises(calendars.CalendarError, match="later day"):
        calendars.change_week(
            uk.pk,
            version=changed.version,
            from_day=TODAY,
            open_days=[1],
            today=TODAY,
            actor=actor,
        )
    assert uk.weeks.count() == 2


def test_single_days_win_over_the_week(operations_user: User) -> None:
    uk, actor = make(operations_user), person(operations_user)
    given: dict[str, Any] = {"today": TODAY, "actor": actor}
    calendars.set_days(uk.pk, [(date(2027, 1, 5), "Stocktake")], is_open=False, version=1, **given)
    calendars.set_days(uk.pk, [(date(2027, 1, 10), "Sale")], is_open=True, version=2, **given)
    assert (closed(date(2027, 1, 5)), closed(date(2027, 1, 10))) == ("Stocktake", "")
    calendars.clear_day(uk.pk, date(2027, 1, 5), version=3, **given)
    assert closed(date(2027, 1, 5)) == ""
    verbs = AuditEntry.objects.filter(subject="backoffice.calendar").order_by("pk")
    assert [entry.verb for entry in verbs] == [
        "calendars.made",
        "calendars.closed",
        "calendars.opened",
        "calendars.cleared",
    ]


def test_a_day_that_is_over_and_a_stale_page_change_nothing(operations_user: User) -> None:
    uk, actor = make(operations_user), person(operations_user)
    past = [(date(2027, 1, 1), "New Year’s Day")]
    with pytest.raises(calendars.CalendarError, match="over"):
        calendars.set_days(uk.pk, past, is_open=False, version=1, today=TODAY, actor=actor)
    ahead = [(date(2027, 3, 1), "Inventory")]
    with pytest.raises(calendars.CalendarStale):
        calendars.set_days(uk.pk, ahead, is_open=False, version=9, today=TODAY, actor=actor)
    assert not CalendarDay.objects.exists()


# --- the screens --------------------------------------------------------------------------------


def test_a_calendar_is_made_and_holidays_are_closed_on_its_page(operations_client: Client) -> None:
    response = operations_client.post(f"{LIST}_/new/", {"name": "Warehouse"})
    assert response["Location"] == f"{LIST}warehouse/"
    year = timezone.localdate().year + 1
    operations_client.post(
        f"{LIST}warehouse/holidays/?version=1", {"country": "GB-ENG", "year": year}
    )
    page = operations_client.get(f"{LIST}warehouse/").content.decode()
    assert "Christmas Day" in page
    assert CalendarDay.objects.filter(day=date(year, 12, 25), is_open=False).exists()
    assert "Warehouse" in operations_client.get(LIST).content.decode()
    day = timezone.localdate() + timedelta(days=30)
    operations_client.post(
        f"{LIST}warehouse/days/?version=2",
        {"from_day": day, "to_day": day + timedelta(days=2), "what": "closed", "name": "Move"},
    )
    assert CalendarDay.objects.filter(name="Move").count() == 3
    operations_client.post(f"{LIST}warehouse/days/{day}/clear/?version=3")
    assert CalendarDay.objects.filter(name="Move").count() == 2
    week = {"from_day": day, "open_days": [1, 2, 3]}
    operations_client.post(f"{LIST}warehouse/week/?version=4", week)
    assert "Monday to Wednesday" in operations_client.get(f"{LIST}warehouse/").content.decode()


def test_what_is_wrong_is_said_at_its_field(operations_client: Client) -> None:
    operations_client.post(f"{LIST}_/new/", {"name": "Warehouse"})
    again = operations_client.post(f"{LIST}_/new/", {"name": "warehouse"})
    assert (again.status_code, "already" in again.content.decode()) == (422, True)
    day = timezone.localdate()
    given = {"from_day": day, "to_day": day - timedelta(days=1), "what": "closed", "name": "x"}
    wrong = operations_client.post(f"{LIST}warehouse/days/", given)
    assert (wrong.status_code, "within a year" in wrong.content.decode()) == (422, True)
    assert not CalendarDay.objects.exists()


def test_support_reads_calendars_and_changes_none(
    operations_user: User, support_client: Client
) -> None:
    make(operations_user)
    assert support_client.get(f"{LIST}uk/").status_code == 200
    assert support_client.post(f"{LIST}uk/days/", {}).status_code == 403
    assert support_client.post(f"{LIST}_/new/", {"name": "Mine"}).status_code == 403
    assert Calendar.objects.count() == 1


def test_a_company_has_a_page(support_client: Client) -> None:
    LegalEntity.objects.create(
        name="Kestrel / Gifts Ltd", country="GB", currency="GBP", time_zone="Europe/London"
    )
    listed = support_client.get("/settings/companies/").content.decode()
    assert "Kestrel / Gifts Ltd" in listed
    page = support_client.get("/settings/companies/Kestrel / Gifts Ltd/")
    assert "Europe/London" in page.content.decode()
