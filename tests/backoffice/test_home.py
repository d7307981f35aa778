"""Home and sign-in."""

from __future__ import annotations

import pytest
from django.test import Client

from backoffice.home import panels_for
from backoffice.models import User

pytestmark = pytest.mark.django_db


def test_every_panel_stands_once_the_most_important_ones_on_top(
    operations_client: Client, operations_user: User
) -> None:
    left, right = operations_client.get("/").context["columns"]
    panels = panels_for(operations_user)
    assert [left[0], right[0]] == panels[:2]
    assert sorted(panel.url_name for panel in (*left, *right)) == sorted(
        panel.url_name for panel in panels
    )


def test_a_wrong_password_leaves_the_name_and_asks_for_the_password_again(client: Client) -> None:
    page = client.post("/login/", {"username": "priya", "password": "no"}).content.decode()
    name, password = page.partition('id="id_password"')[0], page.partition('id="id_password"')[2]
    assert 'value="priya"' in name
    assert "autofocus" not in name
    assert "autofocus" in password.partition(">")[0]
