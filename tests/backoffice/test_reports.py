"""A saved view as a file: what its person may see, every row of it, and how many."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from typing import Any

import pytest
from django.conf import settings

from backoffice.models import SavedView, User
from backoffice.workbench.report import ReportError, find_view, report_of
from tests.bed.databases import Database
from tests.bed.people import MakeUser

STAFF = "backoffice.staff"


def save_view(
    owner: User, query: str = "active=yes&q=Pat&cols=name,role", **given: Any
) -> SavedView:
    values = {"screen": STAFF, "name": "Pats", "slug": "pats", **given}
    return SavedView.objects.create(owner=owner, query=query, **values)


def add_people(count: int) -> None:
    User.objects.bulk_create(
        User(username=f"p{n:04}", first_name="Pat", last_name=f"L{n:04}") for n in range(count)
    )


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.django_db
@pytest.mark.requirement("R52")
def test_a_report_holds_every_row_of_the_view_and_says_how_many(administrator_user: User) -> None:
    add_people(1_203)
    view = save_view(administrator_user)
    report = report_of(view, administrator_user)
    head, *rows, last = rows_of(report.content)
    assert (report.rows, len(rows), last) == (1_203, 1_203, ["1203 rows"])
    assert [row[0] for row in rows] == [f"Pat L{n:04}" for n in range(1_203)]
    assert head[0] == "Name"
    assert report.title == "Staff: Pats"
    assert report.filename == f"pats-{report.on.isoformat()}.csv"


@pytest.mark.django_db
def test_an_empty_view_is_a_report_of_no_rows(administrator_user: User) -> None:
    report = report_of(save_view(administrator_user, "q=nobody-at-all"), administrator_user)
    assert (report.rows, rows_of(report.content)[-1]) == (0, ["0 rows"])


@pytest.mark.django_db
def test_whoever_may_not_see_the_list_gets_no_report(
    administrator_user: User, support_user: User, make_user: MakeUser
) -> None:
    view = save_view(administrator_user, shared=True)
    with pytest.raises(ReportError, match="may not see staff"):
        report_of(view, support_user)
    gone = make_user("administrator", is_active=False)
    with pytest.raises(ReportError, match="may not see staff"):
        report_of(view, gone)


@pytest.mark.django_db
def test_a_private_view_is_reported_to_its_owner_alone(
    administrator_user: User, auditor_user: User
) -> None:
    view = save_view(administrator_user)
    with pytest.raises(ReportError, match="private"):
        report_of(view, auditor_user)
    view.shared = True
    view.save()
    assert report_of(view, auditor_user).rows == report_of(view, administrator_user).rows


@pytest.mark.django_db
def test_a_filter_that_can_not_be_read_is_no_reason_to_show_everything(
    administrator_user: User,
) -> None:
    view = save_view(administrator_user, "role=king")
    with pytest.raises(ReportError, match="can’t be shown as it was saved"):
        report_of(view, administrator_user)


@pytest.mark.django_db
def test_a_view_that_is_too_long_is_refused_rather_than_cut(administrator_user: User) -> None:
    add_people(12)
    with pytest.raises(ReportError, match="12 rows, more than 10"):
        report_of(save_view(administrator_user), administrator_user, most=10)


@pytest.mark.django_db
def test_a_view_is_found_by_its_owner_and_name(administrator_user: User) -> None:
    view = save_view(administrator_user)
    assert find_view(STAFF, "Pats", administrator_user) == view
    assert find_view(STAFF, "pats", administrator_user) == view
    with pytest.raises(ReportError, match="no view “Cats”"):
        find_view(STAFF, "Cats", administrator_user)


def test_a_process_that_serves_no_pages_can_make_a_report(
    committed_db: Database, administrator_user: User
) -> None:
    view = save_view(administrator_user)
    script = (
        "import django; django.setup()\n"
        "from backoffice.models import SavedView\n"
        "from backoffice.workbench.report import report_of\n"
        f"view = SavedView.objects.get(pk={view.pk})\n"
        "print('rows', report_of(view, view.owner).rows)\n"
    )
    env = {
        **os.environ,
        "DATABASE_URL": committed_db.url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    ran = subprocess.run(
        [sys.executable, "-c", script],
        cwd=settings.ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "rows 0" in ran.stdout, ran.stderr
