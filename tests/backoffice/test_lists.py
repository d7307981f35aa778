"""The list workbench over the list of staff."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from backoffice.models import BulkJob, SavedView, Selection, User
from backoffice.workbench import jobs
from backoffice.workbench.export import quoted
from tests.bed.people import MakeUser, give_roles

LIST = "/settings/users/"
HTMX = {"HX-Request": "true"}


def add_people(count: int, **fields: object) -> list[User]:
    people = [
        User(username=f"p{n:04}", first_name="Pat", last_name=f"L{n:04}", **fields)
        for n in range(count)
    ]
    return User.objects.bulk_create(people)


def names_on(client: Client, query: str) -> list[str]:
    response = client.get(f"{LIST}?{query}")
    assert response.status_code == 200
    return [row.record.username for row in response.context["listing"].rows]


def test_every_page_holds_each_row_once_in_order(administrator_client: Client) -> None:
    add_people(170)
    seen = [
        name
        for page in (1, 2, 3, 4)
        for name in names_on(administrator_client, f"view=all&q=Pat&page={page}")
    ]
    assert seen == [f"p{n:04}" for n in range(170)]
    turned = names_on(administrator_client, "view=all&q=Pat&sort=-name&page=4")
    assert turned == [f"p{n:04}" for n in range(19, -1, -1)]


def test_the_total_is_exact_and_a_page_past_the_end_is_the_last(
    administrator_client: Client,
) -> None:
    add_people(120)
    response = administrator_client.get(f"{LIST}?view=all&q=Pat&page=99")
    listing = response.context["listing"]
    assert (listing.total, listing.page, listing.first, listing.last) == (120, 3, 101, 120)
    assert "101–120 of 120" in response.content.decode()


def test_a_filter_of_the_address_overrides_the_view(administrator_client: Client) -> None:
    add_people(2, is_active=False)
    assert len(names_on(administrator_client, "view=active&q=Pat")) == 0
    assert len(names_on(administrator_client, "view=active&q=Pat&active=no")) == 2
    assert len(names_on(administrator_client, "view=active&q=Pat&active=")) == 2


def test_a_filter_form_becomes_a_readable_address(administrator_client: Client) -> None:
    response = administrator_client.get(
        f"{LIST}?_form=1&view=all&role=&role=finance&role=support&joined.gte=2026-11-01&joined.lte="
    )
    assert response.status_code == 302
    assert response["Location"] == (
        f"{LIST}?view=all&joined=gte:2026-11-01&role=finance&role=support"
    )


def test_a_value_that_no_filter_knows_is_said_and_not_guessed(administrator_client: Client) -> None:
    for query in ("role=king", "joined=gte:2026-13-45", "joined=gte:0; drop"):
        response = administrator_client.get(f"{LIST}?{query}")
        assert response.status_code == 200
        assert "Nothing is shown until that filter is mended" in response.content.decode()
        assert not response.context["listing"].rows


def test_the_three_empty_states_are_told_apart(administrator_client: Client) -> None:
    texts = {
        f"{LIST}?q=nobody-has-this": "Nothing matches",
        f"{LIST}?view=deactivated": "Nobody is deactivated.",
        "/jobs/": "No bulk job yet.",
    }
    for address, text in texts.items():
        assert text in administrator_client.get(address).content.decode()


def test_a_list_page_asks_the_database_at_most_twelve_times(administrator_client: Client) -> None:
    add_people(200)
    administrator_client.get(LIST)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        administrator_client.get(f"{LIST}?view=all&page=2")
    assert len(queries) <= 12, "\n".join(query["sql"] for query in queries)


def test_counts_of_all_tabs_come_in_one_part_with_what_has_arrived(
    administrator_client: Client, administrator_user: User
) -> None:
    add_people(3)
    mark = User.objects.order_by("-pk").values_list("pk", flat=True)[0]
    User.objects.create(username="late", first_name="Late", last_name="Comer")
    response = administrator_client.get(f"{LIST}_/counts/?view=all&mark={mark}")
    assert response.context["counts"] == {"active": 5, "waiting": 0, "deactivated": 0, "all": 5}
    assert "1 new – show" in response.content.decode()


def test_a_view_fixed_for_a_bulk_action_never_gains_later_rows(
    administrator_client: Client, administrator_user: User
) -> None:
    add_people(30)
    fixed = administrator_client.post(f"{LIST}_/fix/?view=all&q=Pat").json()
    assert fixed["count"] == 30
    User.objects.create(username="late", first_name="Pat", last_name="Late")
    response = administrator_client.post(
        f"{LIST}_/bulk/staff.deactivate/", {"frozen": fixed["id"], "ids": ""}, headers=HTMX
    )
    job = BulkJob.objects.get()
    assert response["HX-Redirect"] == f"/jobs/{job.pk}/"
    assert job.status == BulkJob.Status.DRAFT
    assert User.objects.filter(is_active=False).count() == 0
    administrator_client.post(f"/jobs/{job.pk}/start/")
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    assert (job.status, job.succeeded, job.failed) == (BulkJob.Status.DONE, 30, 0)
    assert User.objects.get(username="late").is_active


def test_someone_elses_fixed_view_is_refused(
    administrator_client: Client, auditor_user: User
) -> None:
    people = add_people(2)
    other = Selection.objects.create(
        user=auditor_user, screen="backoffice.staff", ids=[person.pk for person in people]
    )
    response = administrator_client.post(
        f"{LIST}_/bulk/staff.deactivate/", {"frozen": str(other.key)}
    )
    assert response.status_code == 404
    assert User.objects.filter(is_active=False).count() == 0


def test_a_few_rows_are_done_at_once_and_can_be_undone(
    administrator_client: Client, administrator_user: User
) -> None:
    people = add_people(2)
    ids = ",".join(str(person.pk) for person in people)
    response = administrator_client.post(
        f"{LIST}_/bulk/staff.deactivate/", {"ids": ids}, headers=HTMX
    )
    assert response.status_code == 204
    assert "staff.activate" in response["HX-Trigger"]
    assert User.objects.filter(is_active=False).count() == 2
    administrator_client.post(f"{LIST}_/bulk/staff.activate/", {"ids": ids}, headers=HTMX)
    assert User.objects.filter(is_active=False).count() == 0


def test_a_row_that_refuses_does_not_stop_the_others(
    administrator_client: Client, administrator_user: User
) -> None:
    (other,) = add_people(1)
    response = administrator_client.post(
        f"{LIST}_/bulk/staff.deactivate/",
        {"ids": f"{administrator_user.pk},{other.pk}"},
        headers=HTMX,
    )
    assert "deactivate yourself" in response["HX-Trigger"]
    administrator_user.refresh_from_db()
    other.refresh_from_db()
    assert (administrator_user.is_active, other.is_active) == (True, False)


def test_who_may_only_look_can_do_nothing(auditor_client: Client) -> None:
    (person,) = add_people(1)
    assert auditor_client.get(LIST).status_code == 200
    assert "data-bulk-url" not in auditor_client.get(LIST).content.decode()
    response = auditor_client.post(f"{LIST}_/bulk/staff.deactivate/", {"ids": str(person.pk)})
    assert response.status_code == 403
    assert User.objects.filter(is_active=False).count() == 0


def test_a_list_without_permission_is_refused(support_client: Client) -> None:
    for part in ("", "_/counts/", "_/export/"):
        assert support_client.get(LIST + part).status_code == 403


def test_a_job_whose_owner_lost_the_right_changes_nothing(
    administrator_client: Client, administrator_user: User, make_user: MakeUser
) -> None:
    make_user("administrator", username="second")
    ids = ",".join(str(person.pk) for person in add_people(25))
    administrator_client.post(f"{LIST}_/bulk/staff.deactivate/", {"ids": ids}, headers=HTMX)
    job = BulkJob.objects.get()
    administrator_client.post(f"/jobs/{job.pk}/start/")
    give_roles(administrator_user)
    while jobs.run_chunk(job.pk):
        pass
    job.refresh_from_db()
    assert (job.succeeded, job.failed) == (0, 25)
    assert User.objects.filter(is_active=False).count() == 0


def test_a_cancelled_job_goes_no_further(administrator_client: Client) -> None:
    people = add_people(150)
    fixed = Selection.objects.create(
        user=User.objects.get(groups__name="administrator"),
        screen="backoffice.staff",
        ids=[person.pk for person in people],
    )
    administrator_client.post(f"{LIST}_/bulk/staff.deactivate/", {"frozen": str(fixed.key)})
    job = BulkJob.objects.get()
    administrator_client.post(f"/jobs/{job.pk}/start/")
    assert jobs.run_chunk(job.pk)
    administrator_client.post(f"/jobs/{job.pk}/cancel/")
    assert not jobs.run_chunk(job.pk)
    assert User.objects.filter(is_active=False).count() == 100
    again = administrator_client.post(f"/jobs/{job.pk}/start/")
    assert again.status_code == 409


def test_the_export_holds_every_row_and_says_how_many(administrator_client: Client) -> None:
    add_people(120)
    User.objects.create(username="evil", first_name="=HYPERLINK(1)", last_name="Pat")
    response = administrator_client.get(f"{LIST}_/export/?view=all&q=Pat")
    lines = b"".join(response.streaming_content).decode().splitlines()  # type: ignore[attr-defined]
    assert lines[0].startswith("Name,User name,Role")
    assert lines[-1] == "121 rows"
    assert len(lines) == 123
    assert any(line.startswith("'=HYPERLINK") for line in lines)


@pytest.mark.parametrize(
    ("text", "safe"),
    [("=1+1", "'=1+1"), ("-12.50", "-12.50"), ("-2+3", "'-2+3"), ("@x", "'@x"), ("plain", "plain")],
)
def test_a_cell_is_never_a_formula(text: str, safe: str) -> None:
    assert quoted(text) == safe


def test_a_saved_view_is_an_address_that_only_its_owner_sees_until_shared(
    administrator_client: Client, auditor_client: Client
) -> None:
    saved = administrator_client.post(
        "/views/new/",
        {"screen": "backoffice.staff", "query": "role=finance&evil=1", "name": "Money people"},
        headers=HTMX,
    )
    assert saved["HX-Redirect"] == f"{LIST}?view=money-people"
    view = SavedView.objects.get()
    assert view.query == "role=finance"
    page = auditor_client.get(f"{LIST}?view=money-people").content.decode()
    assert "private or gone" in page
    administrator_client.post(
        f"/views/{view.pk}/",
        {"name": "Money people", "shared": "on", "default_for": ""},
        headers=HTMX,
    )
    assert "Money people" in auditor_client.get(LIST).content.decode()
    assert auditor_client.post(f"/views/{view.pk}/delete/").status_code == 404
    assert SavedView.objects.count() == 1


def test_a_role_starts_with_the_view_made_its_default(
    administrator_client: Client, auditor_client: Client
) -> None:
    administrator_client.post(
        "/views/new/",
        {
            "screen": "backoffice.staff",
            "query": "active=no",
            "name": "Gone",
            "shared": "on",
            "default_for": "auditor",
        },
    )
    assert auditor_client.get(LIST).context["listing"].tab.label == "Gone"
    assert administrator_client.get(LIST).context["listing"].tab.label == "Active"


def test_the_last_administrator_stays(administrator_client: Client, make_user: MakeUser) -> None:
    second = make_user("administrator", username="second")
    admin = Group.objects.get(name="administrator")
    first = admin.user_set.exclude(pk=second.pk).get()
    administrator_client.post(
        f"{LIST}_/bulk/staff.change_role/",
        {"ids": str(second.pk), "role": "auditor", "_asked": "1"},
        headers=HTMX,
    )
    assert list(admin.user_set.all()) == [first]
    response = administrator_client.post(
        f"{LIST}_/bulk/staff.change_role/",
        {"ids": str(first.pk), "role": "auditor", "_asked": "1"},
        headers=HTMX,
    )
    assert "your own role" in response["HX-Trigger"]
    assert list(admin.user_set.all()) == [first]
