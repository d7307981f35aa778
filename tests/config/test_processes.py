"""What each process of the site loads."""

from __future__ import annotations

import pytest
from django.conf import settings

from config import celery
from tests.bed.workers import run_python

NOWHERE = "postgresql://nobody:nothing@127.0.0.1:1/none"


def answer_of(script: str) -> str:
    """What a fresh Python prints that finds no PostgreSQL."""
    done = run_python("-c", script, database_url=NOWHERE)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_clock_knows_its_times_and_loads_none_of_the_site() -> None:
    """It once loaded all that tasks need, to send a name a few times a minute."""
    script = """
import sys
from config.beat import app
app.loader.import_default_modules()
print(len(app.conf.beat_schedule))
from django.apps import apps
assert not apps.ready
assert not {"orders", "automations", "finance", "django.db.backends.postgresql"} & set(sys.modules)
"""
    assert answer_of(script) == str(len(settings.CELERY_BEAT_SCHEDULE))


@pytest.mark.parametrize("name", settings.CELERY_BEAT_SCHEDULE)
def test_what_the_clock_sends_is_a_task_that_a_worker_knows(name: str) -> None:
    celery.app.loader.import_default_modules()
    assert settings.CELERY_BEAT_SCHEDULE[name]["task"] in celery.app.tasks


def test_the_web_has_loaded_its_pages_before_it_forks_and_opened_nothing() -> None:
    script = """
import threading
from config import web
web.load()
from django.db import connections
from django.urls import reverse
assert all(one.connection is None for one in connections.all(initialized_only=True))
assert threading.active_count() == 1
print(reverse("login"))
"""
    assert answer_of(script) == "/login/"
