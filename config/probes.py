"""Answers for machines: is the process alive, can it serve, and what Prometheus reads.

Before everything else, as a probe has no session, no known Host, and must not wait for a database
that is down. None of the answers names a host, a role or a secret.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import cache

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, JsonResponse

from automations.engine import wake
from config import metrics

# A probe that waits is as good as one that fails.
SECONDS = 2
READ = ("GET", "HEAD")


class ProbeMiddleware:
    """Answers /healthz, /readyz and /metrics; everything else goes on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = ANSWERS.get(request.path_info)
        if answer is None:
            return self.get_response(request)
        if request.method not in READ:
            return HttpResponse(status=405, headers={"Allow": ", ".join(READ)})
        response = answer(request)
        response["Cache-Control"] = "no-store"
        return response


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers; nothing else is asked."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """200 when the database answers and is migrated, else 503. Redis is told of and not needed:
    without it work waits, and nothing is lost."""
    database, migrations = "ok", "ok"
    try:
        missing = _missing()
        migrations = "ok" if not missing else f"{missing} missing"
    except DatabaseError:
        database, migrations = "does not answer", "unknown"
    ready = database == migrations == "ok"
    told = {
        "ready": ready,
        "database": database,
        "migrations": migrations,
        "redis": "ok" if wake.redis_answers() else "does not answer",
    }
    return JsonResponse(told, status=200 if ready else 503)


def _missing() -> int:
    """How many migrations the database lacks; raises DatabaseError within SECONDS."""
    own = _own_connection()
    try:
        return len(_known() - set(MigrationRecorder(own).applied_migrations()))
    finally:
        own.close()


def _own_connection() -> BaseDatabaseWrapper:
    """A connection beside the pool, which would wait ten seconds for a database that is down."""
    own = connection.copy()
    options = {key: value for key, value in own.settings_dict["OPTIONS"].items() if key != "pool"}
    options["connect_timeout"] = SECONDS
    options["options"] = f"-c statement_timeout={SECONDS}s"
    own.settings_dict = {**own.settings_dict, "OPTIONS": options, "CONN_HEALTH_CHECKS": False}
    return own


@cache
def _known() -> frozenset[tuple[str, str]]:
    """The migrations of this release; they don't change while it runs."""
    return frozenset(MigrationLoader(None).disk_migrations)


def metrics_page(request: HttpRequest) -> HttpResponse:
    """Figures for Prometheus, for whoever shows the token; 404 where none is set."""
    if not settings.METRICS_TOKEN:
        return HttpResponse(status=404)
    given = re.fullmatch(r"Bearer (\S+)", request.headers.get("Authorization", ""))
    token = settings.METRICS_TOKEN.encode()
    if given is None or not hmac.compare_digest(given[1].encode(), token):
        return HttpResponse(status=401, headers={"WWW-Authenticate": "Bearer"})
    try:
        return HttpResponse(metrics.text(), content_type=metrics.CONTENT_TYPE)
    except DatabaseError:
        return HttpResponse("The database does not answer.\n", status=503)


ANSWERS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz": healthz,
    "/readyz": readyz,
    "/metrics": metrics_page,
}
