"""What PostgreSQL refuses the application is on record, even where no service asked for it.

A shell, a bug or an injection that writes a guarded table, switches a guard off or calls a guarded
function is turned back with the transaction it came in: the entry is written over a connection of
its own, so that it stays. A service that records its own refusals asks for no second entry.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import psycopg
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from backoffice.actors import ActorKind

logger = logging.getLogger(__name__)

# Insufficient privilege, a guard's trigger, a guard's function.
BY_FUNCTION = "CS001"
STATES = {"42501", "23001", BY_FUNCTION}
# The first words say what was tried; values, which may be personal, are left out.
NAMES = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*|\"[^\"]*\"")
WORDS = 8
ENTER = """
INSERT INTO backoffice_auditentry
    (verb, subject, subject_id, actor_kind, actor_label, user_id, detail)
VALUES ('database.refused', 'database', NULL, %s, %s, NULL, %s)
"""
LEFT_OUT = ("pool", "cursor_factory", "context")

_recorded: ContextVar[bool] = ContextVar("refusals_recorded", default=False)


@contextmanager
def recorded_elsewhere() -> Iterator[None]:
    """Whatever a guarded function refuses in here is recorded by whoever called it."""
    token = _recorded.set(True)
    try:
        yield
    finally:
        _recorded.reset(token)


def watch(execute: Callable[..., Any], query: Any, params: Any, many: bool, context: Any) -> Any:
    """Execute a statement as if nobody watched, and record it when a guard refuses it."""
    try:
        return execute(query, params, many, context)
    except Exception as error:
        state = getattr(error.__cause__, "sqlstate", None)
        if state in STATES and not (state == BY_FUNCTION and _recorded.get()):
            _record(context["connection"], str(query), str(state))
        raise


def _record(wrapper: BaseDatabaseWrapper, query: str, state: str) -> None:
    # Only what stands outside of quotes: a literal may hold anything.
    said = NAMES.findall(re.sub(r"'(?:[^']|'')*'|\$\$.*?\$\$", "", query, flags=re.DOTALL))
    told = json.dumps({"tried": " ".join(said[:WORDS])[:200], "state": state})
    given = wrapper.get_connection_params()
    for name in LEFT_OUT:
        given.pop(name, None)
    try:
        with psycopg.connect(**given, autocommit=True) as apart:
            apart.execute(ENTER, [ActorKind.SYSTEM, "The application's database role", told])
    except psycopg.Error:
        logger.exception("A statement that PostgreSQL refused could not be recorded")


def on_connection(sender: object, connection: BaseDatabaseWrapper, **kwargs: object) -> None:
    if watch not in connection.execute_wrappers:
        connection.execute_wrappers.append(watch)


def connect() -> None:
    """Watch every connection from now on."""
    connection_created.connect(on_connection, dispatch_uid="refusals")


def disconnect() -> None:
    """Watch no further connections, nor this thread's."""
    connection_created.disconnect(dispatch_uid="refusals")
    if watch in connection.execute_wrappers:
        connection.execute_wrappers.remove(watch)
