"""Writing many rows at once, at a fraction of what the ORM's bulk calls cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from django.db import connection
from django.db.models import Field, Model
from django.db.models.expressions import DatabaseDefault
from psycopg import sql

Row = TypeVar("Row", bound=Model)


def insert_many(rows: Sequence[Row]) -> Sequence[Row]:
    """Insert new rows of one model by COPY, giving them their keys; returns them.

    Values go to PostgreSQL as they stand: constraints and triggers hold, `pre_save` of fields does
    not run. Columns that the database fills stay unread on the rows.
    """
    if not rows:
        return rows
    meta = rows[0]._meta
    columns = [
        field
        for field in meta.concrete_fields
        if not isinstance(getattr(rows[0], field.attname), DatabaseDefault)
    ]
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(
        sql.Identifier(meta.db_table),
        sql.SQL(", ").join(sql.Identifier(field.column or field.name) for field in columns),
    )
    names = [field.attname for field in columns]
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [meta.db_table, meta.pk.column, len(rows)],
        )
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.pk = key
        with cursor.copy(statement.as_string(cursor.connection)) as copy:
            for row in rows:
                values = row.__dict__
                copy.write_row([values[name] for name in names])
    for row in rows:
        row._state.adding = False
        row._state.db = connection.alias
    return rows


def save_many(rows: Sequence[Model], fields: Sequence[str]) -> None:
    """Write these fields of rows of one model, in one statement; array fields are refused.

    Does what `bulk_update` does at a tenth of its cost: it sends columns, not a CASE per row.
    """
    if not rows:
        return
    meta = rows[0]._meta
    names, casts, values = [], [], []
    for name in fields:
        column = meta.get_field(name)
        if not isinstance(column, Field):
            raise TypeError(f"{name} is no column.")
        kind = column.db_type(connection) or ""
        if kind.endswith("[]"):
            raise TypeError(f"{name} is an array, which unnest would flatten.")
        names.append(sql.Identifier(column.column or name))
        casts.append(sql.SQL("%s::{}[]").format(sql.SQL(kind)))
        values.append(
            [column.get_db_prep_save(getattr(row, column.attname), connection) for row in rows]
        )
    statement = sql.SQL(
        "UPDATE {table} AS t SET {sets} FROM unnest(%s::bigint[], {casts}) AS d(id, {names}) "
        "WHERE t.{key} = d.id"
    ).format(
        table=sql.Identifier(meta.db_table),
        sets=sql.SQL(", ").join(sql.SQL("{0} = d.{0}").format(name) for name in names),
        casts=sql.SQL(", ").join(casts),
        names=sql.SQL(", ").join(names),
        key=sql.Identifier(meta.pk.column or meta.pk.name),
    )
    with connection.cursor() as cursor:
        cursor.execute(statement.as_string(cursor.connection), [[row.pk for row in rows], *values])
