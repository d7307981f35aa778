"""Writing many rows at once, at a fraction of what the ORM's bulk calls cost."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Generic, TypeVar

from django.db import connection
from django.db.models import Field, Model
from django.db.models.base import ModelState
from django.db.models.expressions import DatabaseDefault
from psycopg import sql

Row = TypeVar("Row", bound=Model)
# Below this COPY's two round trips cost more than one INSERT.
FEW = 20


class Stencil(Generic[Row]):
    """Makes new rows of a model at a tenth of what its constructor costs.

    Columns are given by their own names (`sku_id`, not `sku`), and taken as they stand; what is
    left out has the model's default.
    """

    def __init__(self, model: type[Row]) -> None:
        self.model = model
        blank = model().__dict__
        self.columns = {name: value for name, value in blank.items() if name != "_state"}
        shared = [name for name, value in self.columns.items() if isinstance(value, list | dict)]
        if shared:
            raise TypeError(f"Rows of {model.__name__} would share the default of {shared[0]}.")

    def row(self, **columns: object) -> Row:
        made = self.model.__new__(self.model)
        made.__dict__.update(self.columns)
        made.__dict__.update(columns)
        made._state = ModelState()
        return made


def insert_many(rows: Sequence[Row]) -> Sequence[Row]:
    """Insert new rows of one model by COPY, giving them their keys; returns them.

    Values go to PostgreSQL as they stand: constraints and triggers hold, `pre_save` of fields does
    not run. Columns that the database fills stay unread on the rows.
    """
    if not rows:
        return rows
    if len(rows) < FEW:
        type(rows[0])._default_manager.bulk_create(rows)
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
    values_of = attrgetter(*[field.attname for field in columns])
    key_name = meta.pk.attname
    alias = connection.alias
    with connection.wrap_database_errors, connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence(%s, %s)) FROM generate_series(1, %s)",
            [meta.db_table, meta.pk.column, len(rows)],
        )
        for row, (key,) in zip(rows, cursor.fetchall(), strict=True):
            row.__dict__[key_name] = key
        with cursor.copy(statement.as_string(cursor.connection)) as copy:
            for row in rows:
                copy.write_row(values_of(row))
                row._state.adding = False
                row._state.db = alias
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
