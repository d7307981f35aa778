"""What the application's database role may do: an idempotent step after each migration.

The owner role migrates; web and workers use the application role, which owns nothing. An app
config names the tables that this role may only add to (`append_only_tables`), may not delete from
(`undeletable_tables`), may neither add to nor delete from (`fixed_tables`) or may only read
(`read_only_tables`). Functions that the owner defines do what it may not. Who changed what, as
simple_history keeps it, it may only add to, but for `erasable_tables` that hold personal data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.apps import apps
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from psycopg import sql


@contextmanager
def as_owner() -> Iterator[None]:
    """Let Django's connection be the owner's for a while, to migrate or to set up.

    Never while serving. Raises ImproperlyConfigured without DATABASE_OWNER_URL.
    """
    owner = settings.OWNER_DATABASE
    if owner is None:
        raise ImproperlyConfigured(
            "Set DATABASE_OWNER_URL: the role in DATABASE_URL owns nothing and can't do this."
        )
    connection.close()
    serving = connection.settings_dict.copy()
    connection.settings_dict.update(
        {key: owner[key] for key in ("USER", "PASSWORD", "HOST", "PORT", "OPTIONS")}
    )
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(serving)


def grant_application_role(role: str) -> None:
    """Give the application role its rights on every table, on the owner's connection."""
    name = sql.Identifier(role)
    statements = [
        sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(name),
        sql.SQL("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {}").format(
            name
        ),
        sql.SQL("GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {}").format(name),
        # Guarded functions are taken from PUBLIC by their migrations.
        sql.SQL("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO {}").format(name),
    ]
    statements += [
        sql.SQL("REVOKE UPDATE, DELETE ON {} FROM {}").format(sql.Identifier(table), name)
        for table in history_tables()
    ]
    for config in apps.get_app_configs():
        statements += [
            sql.SQL("REVOKE UPDATE, DELETE ON {} FROM {}").format(sql.Identifier(table), name)
            for table in getattr(config, "append_only_tables", ())
        ]
        statements += [
            sql.SQL("REVOKE DELETE ON {} FROM {}").format(sql.Identifier(table), name)
            for table in getattr(config, "undeletable_tables", ())
        ]
        statements += [
            sql.SQL("REVOKE INSERT, DELETE ON {} FROM {}").format(sql.Identifier(table), name)
            for table in getattr(config, "fixed_tables", ())
        ]
        statements += [
            sql.SQL("REVOKE INSERT, UPDATE, DELETE ON {} FROM {}").format(
                sql.Identifier(table), name
            )
            for table in getattr(config, "read_only_tables", ())
        ]
    statements.append(no_temporary_tables(str(connection.settings_dict["NAME"])))
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement.as_string(cursor.connection))


def history_tables() -> list[str]:
    """The tables in which simple_history keeps who changed a row, without personal data."""
    erasable = {
        table
        for config in apps.get_app_configs()
        for table in getattr(config, "erasable_tables", ())
    }
    kept = (model._meta.db_table for model in apps.get_models() if hasattr(model, "instance_type"))
    return [table for table in kept if table not in erasable]


def no_temporary_tables(database: str) -> sql.Composed:
    """The statement that lets nobody but the owner make temporary tables in a database.

    They may carry triggers and functions, and their names go before those of the real ones.
    """
    return sql.SQL("REVOKE TEMPORARY ON DATABASE {} FROM PUBLIC").format(sql.Identifier(database))


def refuse_powerful_role() -> None:
    """Raise ImproperlyConfigured when the serving role could switch the database's guards off.

    Every web process, worker and beat asks at its start. A member of the owner's role counts as
    the owner.
    """
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT rolsuper OR rolcreaterole OR EXISTS (SELECT 1 FROM pg_class "
                "WHERE relnamespace = 'public'::regnamespace AND pg_has_role(relowner, 'MEMBER')) "
                "FROM pg_roles WHERE rolname = current_user"
            )
            row = cursor.fetchone()
    finally:
        connection.close()  # not to be inherited by the processes that are forked from here
    if row is None or row[0]:
        raise ImproperlyConfigured(
            "DATABASE_URL names a superuser or the owner of the tables. Serve with a role that owns"
            " nothing, and put the owner in DATABASE_OWNER_URL."
        )
