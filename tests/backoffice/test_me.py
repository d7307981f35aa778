"""One's own preferences."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.models import User

pytestmark = pytest.mark.django_db


def test_a_time_zone_is_chosen_from_the_list_and_stands_chosen(
    support_client: Client, support_user: User
) -> None:
    chosen = {"theme": "dark", "density": "compact", "time_zone": "America/New_York"}
    assert support_client.post("/me/", chosen).status_code == 302
    support_user.refresh_from_db()
    assert support_user.time_zone == "America/New_York"
    page = support_client.get("/me/").content.decode()
    assert '<option value="America/New_York" selected>America/New York</option>' in page
    assert page.count(" selected>America") == 1


def test_a_time_zone_that_is_none_is_refused(support_client: Client, support_user: User) -> None:
    before = support_user.time_zone
    chosen = {"theme": "dark", "density": "compact", "time_zone": '"><blink>'}
    answer = support_client.post("/me/", chosen)
    assert answer.status_code == 422
    assert '"><blink>' not in answer.content.decode()
    support_user.refresh_from_db()
    assert support_user.time_zone == before
