"""The door's own connections: one a thread, kept open, with the one statement prepared.

Taking a connection out of the pool, asking whether it still lives and putting it back costs more
than storing a webhook does.
"""

from __future__ import annotations

import logging
import threading
from typing import Any, NamedTuple

import psycopg
from django.db import OperationalError, connection

logger = logging.getLogger(__name__)

# One statement, so one transaction: it is committed when it answers.
STORE = """
INSERT INTO automations_delivery (source_id, external_id, topic, body, sha256, is_id_signed,
    secret_id)
VALUES (%s, %s, %s, %b, %s, %s, %s) ON CONFLICT DO NOTHING RETURNING id
"""
# What Django asks of its pool and its own cursors, which a bare connection does not know.
NOT_OURS = ("cursor_factory", "context", "prepare_threshold")

_own = threading.local()


class Arrival(NamedTuple):
    """A genuine delivery, as it is stored."""

    source_id: int
    external_id: str
    topic: str
    body: bytes
    sha256: str
    is_id_signed: bool
    secret_id: int


def store(arrival: Arrival) -> bool:
    """Commit a delivery; answers whether it is new. Raises OperationalError when it can't.

    Within a transaction it is a part of that. A connection that PostgreSQL has ended since the last
    delivery is replaced once: should the first try have been committed unheard, the second finds
    it, and answers that it is new so that a worker is woken.
    """
    if connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute(STORE, arrival)
            return cursor.fetchone() is not None
    try:
        return _insert(arrival)
    except psycopg.OperationalError as error:
        logger.info("The door's connection is gone and made anew: %s", error)
    try:
        _insert(arrival)
    except psycopg.OperationalError as error:
        raise OperationalError(*error.args) from error
    return True


def _insert(arrival: Arrival) -> bool:
    line = _line()
    try:
        with line.cursor() as cursor:
            return cursor.execute(STORE, arrival, prepare=True).fetchone() is not None
    except psycopg.OperationalError:
        line.close()
        raise


def _line() -> psycopg.Connection[Any]:
    """This thread's connection; tests and forks may have changed where to."""
    name = connection.settings_dict["NAME"]
    line: psycopg.Connection[Any] | None = getattr(_own, "line", None)
    if line is None or line.closed or _own.name != name:
        if line is not None:
            line.close()
        given = connection.get_connection_params()
        wanted = {key: value for key, value in given.items() if key not in NOT_OURS}
        _own.line = line = psycopg.connect(**wanted, autocommit=True)
        _own.name = name
    return line
