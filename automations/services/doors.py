"""The database functions that alone may write what is approved and in force."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import DatabaseError, connection, transaction
from psycopg import sql

from automations.services.errors import NotPossible, Refused
from backoffice.actors import Actor

REFUSED = "CS001"


def person_id(actor: Actor) -> int:
    """The signed-in person behind an actor; raises NotPossible for rules, systems and imports."""
    if actor.user_id is None:
        raise NotPossible("Only a person can do this.")
    return actor.user_id


def call(function: str, *arguments: Any) -> Any:
    """Call one guarded function; raises Refused with the sentence it refuses with."""
    places = sql.SQL(", ").join([sql.Placeholder()] * len(arguments))
    query = sql.SQL("SELECT {}({})").format(sql.Identifier(f"automations_{function}"), places)
    with refusals(), connection.cursor() as cursor:
        cursor.execute(query.as_string(cursor.connection), arguments)
        row = cursor.fetchone()
    return row[0] if row else None


@contextmanager
def refusals() -> Iterator[None]:
    """What a guard refuses in here is undone and raised as Refused, with its sentence."""
    try:
        with transaction.atomic():
            yield
    except DatabaseError as error:
        if getattr(error.__cause__, "sqlstate", None) != REFUSED:
            raise
        said = getattr(error.__cause__, "diag", None)
        raise Refused(str(getattr(said, "message_primary", error))) from error


def as_json(value: Mapping[str, Any]) -> str:
    """A JSON argument as text; amounts and times become strings."""
    return json.dumps(value, cls=DjangoJSONEncoder)
