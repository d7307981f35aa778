"""How workers and beat begin."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError

from backoffice import grants
from config import celery


class Role:
    """Answers what it is given, one after the other; the last again and again."""

    def __init__(self, *answers: Exception | None) -> None:
        self.answers = list(answers)
        self.asked = 0

    def __call__(self) -> None:
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is not None:
            raise answer


def test_a_worker_that_starts_while_postgresql_is_away_still_asks_what_its_role_may_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away, powerful = OperationalError("away"), ImproperlyConfigured("Serve with another role.")
    role = Role(away, powerful)
    monkeypatch.setattr(grants, "refuse_powerful_role", role)
    with pytest.raises(SystemExit, match="another role"):
        celery.refuse_powerful_role()
    assert role.asked == 2


def test_a_worker_that_never_learns_what_its_role_may_do_does_not_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(grants, "refuse_powerful_role", Role(OperationalError("away")))
    monkeypatch.setattr(celery, "ROLE_SECONDS", 0.0)
    with pytest.raises(SystemExit, match="PostgreSQL does not answer"):
        celery.refuse_powerful_role()
