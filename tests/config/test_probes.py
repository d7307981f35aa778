"""What machines ask: alive, ready, figures."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from prometheus_client.parser import text_string_to_metric_families

from automations.engine import progress, wake
from automations.engine.measure import count
from automations.models.runs import Run
from config import metrics, probes
from tests.automations import factories as make
from tests.bed.databases import Database, sign_in_as

TOKEN = "a-token-of-this-test"
AUTHORISED = {"Authorization": f"Bearer {TOKEN}"}


def figures(client: Client) -> dict[str, float]:
    """The samples of /metrics, as `name{label}`."""
    text = client.get("/metrics", headers=AUTHORISED).content.decode()
    return {
        f"{sample.name}{{{','.join(sample.labels.values())}}}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_alive_asks_no_database_whatever_cookie_and_host_come_along(client: Client) -> None:
    # Without the database fixture any query would fail this test.
    client.cookies[settings.SESSION_COOKIE_NAME] = "something"
    answer = client.get("/healthz", headers={"Host": "10.0.0.7"})
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (
        200,
        b"ok\n",
        "no-store",
    )
    assert client.post("/healthz").status_code == 405


@pytest.mark.django_db
def test_ready_says_what_it_knows_and_no_secret(client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer["Cache-Control"] == "no-store"
    assert answer.json() == {
        "ready": True,
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
    }


@pytest.mark.django_db
def test_ready_without_redis_is_still_ready(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wake, "redis_answers", lambda: False)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["redis"] == "does not answer"


def test_not_ready_while_a_migration_is_missing(client: Client, committed_db: Database) -> None:
    with sign_in_as(dict(settings.OWNER_DATABASE or {}), committed_db.name) as owner:
        owner.execute("DELETE FROM django_migrations WHERE name = '0021_connector_guards'")
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["migrations"] == "1 missing"


@pytest.mark.django_db
def test_not_ready_without_a_database_and_no_words_of_the_server(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = probes._own_connection

    def lost() -> object:
        found = own()
        found.settings_dict["HOST"], found.settings_dict["PORT"] = "127.0.0.1", "1"
        return found

    monkeypatch.setattr(probes, "_own_connection", lost)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["database"] == "does not answer"
    assert "127.0.0.1" not in answer.content.decode()


@pytest.mark.django_db
def test_there_are_no_metrics_without_a_token_in_the_settings(client: Client) -> None:
    assert client.get("/metrics", headers=AUTHORISED).status_code == 404


@pytest.mark.django_db
def test_metrics_are_refused_without_the_token(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        answer = client.get("/metrics", headers=headers)
        assert answer.status_code == 401
        assert b"countersign" not in answer.content


@pytest.mark.django_db
def test_metrics_equal_counts_of_the_tables_before_and_after_counting(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A sign that another test wrote a moment ago was rolled back with it.
    monkeypatch.setattr(progress, "_due", {})
    settings.METRICS_TOKEN = TOKEN
    make.live_rule()
    make.live_rule(steps=make.steps("depot.choosy", tag="no"))
    make.parcels_arrived(5)
    make.work_all()
    make.parcels_arrived(3)
    Run.objects.update(finished_at="2026-11-27T10:00Z")
    Run.objects.filter(state="failed").update(finished_at=None)
    before = figures(client)
    assert count() == 5
    after = figures(client)
    for found in (before, after):
        assert found["countersign_events_pending{}"] == 3
        assert found["countersign_oldest_pending_event_seconds{}"] >= 0
        assert found["countersign_runs_due{}"] == 0
        assert found["countersign_runs{done}"] == 5
        assert found["countersign_runs{failed}"] == 5
        assert found["countersign_cases_open{normal}"] == 5
        assert found["countersign_stops_open{}"] == 0
        assert found["countersign_effects_in_doubt{}"] == 0
        assert found["countersign_stalled{match}"] == 0
        assert "countersign_last_claim_seconds{match}" in found


@pytest.mark.django_db
def test_a_scrape_asks_a_dozen_queries_at_most(client: Client, settings: Any) -> None:
    settings.METRICS_TOKEN = TOKEN
    with CaptureQueriesContext(connection) as asked:
        client.get("/metrics", headers=AUTHORISED)
    assert len(asked) <= 12


@pytest.mark.django_db
def test_metrics_say_503_when_the_database_is_away(
    client: Client, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.METRICS_TOKEN = TOKEN

    def broken() -> bytes:
        from django.db import OperationalError  # noqa: PLC0415

        raise OperationalError("connection to 10.0.0.5 failed") from psycopg.OperationalError("x")

    monkeypatch.setattr(metrics, "text", broken)
    answer = client.get("/metrics", headers=AUTHORISED)
    assert answer.status_code == 503
    assert b"10.0.0.5" not in answer.content
