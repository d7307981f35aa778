"""What pages say of stops, and to whom they offer to start again."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from automations.models.rules import Rule
from automations.services import stops
from backoffice import counts
from backoffice.actors import person
from backoffice.models import User
from tests.automations import factories as make
from tests.automations.views import kinds

pytestmark = pytest.mark.django_db


def words(html: str) -> str:
    """What a person reads."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_while_everything_is_stopped_no_rule_is_said_to_run(
    operations_user: User, operations_client: Client
) -> None:
    runs = kinds.outcomes().runs
    own = Rule.objects.get(pk=runs["done"].rule_id)
    stops.stop_rule(own.pk, reason="Wrong.", actor=person(make.author()))
    counts.forget(operations_user)
    assert "1 stopped" in words(operations_client.get("/rules/stop/").content.decode())
    stops.stop_rule(None, reason="All wrong.", actor=person(make.author()))
    counts.forget(operations_user)
    page = operations_client.get("/rules/stop/").content.decode()
    text = words(page)
    rows = page[page.index('id="stopped-rules"') :]
    assert "Runs" not in words(rows[: rows.index("</section>")])
    assert "Stopped with everything" in words(rows[rows.index('id="stopped-connectors"') :])
    assert "Stop…" not in rows
    assert "Start again…" in rows
    assert "All stopped" in text
    assert "2 stopped" not in text
