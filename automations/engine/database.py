"""Sets in and out of PostgreSQL: rows go as one JSON argument, which it takes apart itself.

An argument per row would cost Python more than the statement costs the server.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, cast

import orjson
from celery.exceptions import SoftTimeLimitExceeded
from django.core.serializers.json import DjangoJSONEncoder
from django.db import DataError, Error, IntegrityError, connection

from backoffice.sets import id_list

Row = tuple[Any, ...]
ids = id_list
# What PostgreSQL says of the rows it was given, rather than of itself or of its tables.
_OF_THE_ROWS = (DataError, IntegrityError)


class Broke(Exception):
    """The work on these rows broke for a reason that lies in them, so that one may be cut out."""

    def __init__(self, ids: Sequence[int]) -> None:
        super().__init__(f"{len(ids)} rows")
        self.ids = ids


@contextmanager
def in_hand(ids: Sequence[int]) -> Iterator[None]:
    """Raise Broke with these ids where the work on them breaks.

    What PostgreSQL or the worker is at fault for, as in the minutes of a migration, stays as it is.
    """
    try:
        yield
    except (*_OF_THE_ROWS, Broke) as error:
        raise Broke(ids) from error
    except (Error, SoftTimeLimitExceeded):
        raise
    except Exception as error:
        raise Broke(ids) from error


def fetch(query: str, *arguments: Any) -> list[Row]:
    """The rows of a query; jsonb comes as text (`loads`)."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cast(list[Row], cursor.fetchall())


def fetch_named(query: str, **arguments: Any) -> list[Row]:
    """The rows of a query whose arguments are named, as they come more than once."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return cast(list[Row], cursor.fetchall())


def write(query: str, *arguments: Any) -> int:
    """Run a statement; answers how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(query, arguments)
        return int(cursor.rowcount)


# A column that lets its transaction's commit not wait for the disk; the order of commits stays.
# For work that a crash of the server takes back whole and that is then done again: what is claimed,
# made of it and settled stands in this one transaction, and nobody outside was told. It rides on a
# query that is asked anyway: with one event at a time each turn to the server counts.
UNHURRIED = "set_config('synchronous_commit', 'off', true)"


def rows(values: Iterable[Mapping[str, Any]]) -> str:
    """Rows as the argument of `json_to_recordset`."""
    return dumps(list(values))


def dumps(value: Any) -> str:
    """A value as JSON."""
    try:
        return orjson.dumps(value, default=_encoder.default).decode()
    except TypeError:
        # A number of more than 64 bits, or half a character: rare, and the slow way has both.
        return json.dumps(value, cls=DjangoJSONEncoder)


_encoder = DjangoJSONEncoder()


def loads(value: str | None) -> Any:
    """A jsonb column as Python; None for NULL."""
    return None if value is None else orjson.loads(value)


def now() -> datetime:
    """The database's clock at the start of the transaction: the only clock the engine knows."""
    (value,) = fetch("SELECT now()")[0]
    return cast(datetime, value)
