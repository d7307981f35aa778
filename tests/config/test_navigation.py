"""The rail: which groups a person finds open, and that their choice is kept."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from backoffice.models import User
from config.navigation import RAIL
from tests.bed.people import MakeUser, signed_in

pytestmark = pytest.mark.django_db


def open_groups(page: str) -> set[str]:
    nav = page.partition('id="rail-nav"')[2].partition("</nav>")[0]
    return set(re.findall(r'id="fold-(\w+)"\s+aria-expanded="true"', nav))


def test_each_role_finds_its_daily_groups_open(make_user: MakeUser) -> None:
    for role in ("operations", "finance", "support", "administrator", "auditor"):
        client = signed_in(make_user(role))
        shown = open_groups(client.get("/me/").content.decode())
        assert shown == {group.key for group in RAIL if role in group.daily}, role


def test_what_a_person_folds_stays_folded_for_them_alone(
    operations_client: Client, operations_user: User, make_user: MakeUser
) -> None:
    sent = {"group": "stock", "open": "no", "path": "/me/"}
    part = operations_client.post("/_/rail/fold/", sent).content.decode()
    assert "stock" not in open_groups(part)
    operations_user.refresh_from_db()
    assert operations_user.unfolded == {"stock": False}
    assert "stock" not in open_groups(operations_client.get("/me/").content.decode())
    other = signed_in(make_user("operations"))
    assert "stock" in open_groups(other.get("/me/").content.decode())


def test_the_group_of_the_present_page_is_open_until_it_is_folded_there(
    operations_client: Client,
) -> None:
    assert "settings" in open_groups(operations_client.get("/settings/carriers/").content.decode())
    sent = {"group": "settings", "open": "no", "path": "/settings/carriers/"}
    part = operations_client.post("/_/rail/fold/", sent).content.decode()
    assert "settings" not in open_groups(part)
    (again,) = re.findall(r'hx-get="([^"]+)"', part)
    ticked = operations_client.get(again.replace("&amp;", "&")).content.decode()
    assert "settings" not in open_groups(ticked)
    assert "settings" in open_groups(operations_client.get("/settings/carriers/").content.decode())


def test_a_group_that_is_not_there_is_refused(
    operations_client: Client, operations_user: User
) -> None:
    for group in ("work", "nonsense", ""):
        sent = {"group": group, "open": "no"}
        assert operations_client.post("/_/rail/fold/", sent).status_code == 400
    operations_user.refresh_from_db()
    assert operations_user.unfolded == {}
