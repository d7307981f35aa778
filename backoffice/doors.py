"""Calling PostgreSQL's guarded functions, which refuse in a sentence for people."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DatabaseError, connection, transaction
from psycopg import sql

from backoffice.refusals import BY_FUNCTION


@contextmanager
def refusing(as_error: type[Exception]) -> Iterator[None]:
    """What a guarded function refuses in here is undone and raised as this, with its sentence."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) != BY_FUNCTION:
            raise
        said = getattr(error.__cause__, "diag", None)
        raise as_error(str(getattr(said, "message_primary", error))) from error


def call(function: str, *arguments: Any, as_error: type[Exception]) -> Any:
    """Call one guarded function and answer its value; raises `as_error` with what it refuses."""
    places = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    query = sql.SQL("SELECT {}({})").format(sql.Identifier(function), places)
    with refusing(as_error), connection.cursor() as cursor:
        cursor.execute(query.as_string(cursor.connection), arguments)
        row = cursor.fetchone()
    return row[0] if row else None
