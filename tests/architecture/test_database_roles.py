"""What the serving role can't do, whatever code runs as it."""

from __future__ import annotations

import psycopg
import pytest
from django.apps import apps
from django.db import connection

from backoffice.models import AuditEntry
from tests.bed.databases import Database, owner_role, sign_in_as
from tests.bed.workers import run_python

REFUSAL = "DATABASE_URL names a superuser or the owner of the tables."
ENTRANCES = {
    "web": ["-c", "import config.wsgi"],
    "worker": ["-m", "celery", "-A", "config", "worker", "-P", "solo"],
}


def tables(kind: str) -> list[str]:
    return [name for config in apps.get_app_configs() for name in getattr(config, kind, ())]


@pytest.mark.parametrize("entrance", ENTRANCES)
def test_nothing_serves_as_the_owner_of_the_tables(entrance: str, committed_db: Database) -> None:
    answer = run_python(*ENTRANCES[entrance], database_url=committed_db.owner_url)
    assert answer.returncode != 0
    assert REFUSAL in answer.stderr


def test_the_application_role_may_serve(committed_db: Database) -> None:
    answer = run_python(*ENTRANCES["web"], database_url=committed_db.url)
    assert answer.returncode == 0, answer.stderr


def test_append_only_tables_refuse_the_application_role_every_change(db: None) -> None:
    guarded = tables("append_only_tables")
    assert "backoffice_auditentry" in guarded
    with connection.cursor() as cursor:
        for table in guarded:
            cursor.execute(
                "SELECT has_table_privilege(%s, 'INSERT'), has_table_privilege(%s, 'UPDATE'), "
                "has_table_privilege(%s, 'DELETE'), has_table_privilege(%s, 'TRUNCATE')",
                [table] * 4,
            )
            assert cursor.fetchone() == (True, False, False, False), table


def test_fixed_tables_refuse_the_application_role_rows_of_its_own(db: None) -> None:
    assert "automations_existingrecords" in tables("fixed_tables")
    with connection.cursor() as cursor:
        for table in tables("fixed_tables"):
            cursor.execute(
                "SELECT has_table_privilege(%s, 'SELECT'), has_table_privilege(%s, 'UPDATE'), "
                "has_table_privilege(%s, 'INSERT, DELETE, TRUNCATE')",
                [table] * 3,
            )
            assert cursor.fetchone() == (True, True, False), table


def test_read_only_tables_refuse_the_application_role_every_write(db: None) -> None:
    with connection.cursor() as cursor:
        for table in tables("read_only_tables"):
            cursor.execute(
                "SELECT has_table_privilege(%s, 'SELECT'), "
                "has_table_privilege(%s, 'INSERT, UPDATE, DELETE, TRUNCATE')",
                [table] * 2,
            )
            assert cursor.fetchone() == (True, False), table


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE backoffice_auditentry SET verb = 'other'",
        "DELETE FROM backoffice_auditentry",
        "TRUNCATE backoffice_auditentry CASCADE",
    ],
)
def test_append_only_tables_refuse_even_their_owner(committed_db: Database, statement: str) -> None:
    AuditEntry.objects.create(verb="staff.made", subject="backoffice.user", actor_kind="system")
    refused = pytest.raises(psycopg.errors.RestrictViolation, match="append-only")
    with sign_in_as(owner_role(), committed_db.name) as owner, refused:
        owner.execute(statement)
    assert [entry.verb for entry in AuditEntry.objects.all()] == ["staff.made"]


def test_every_append_only_table_is_guarded_by_triggers_that_are_on(db: None) -> None:
    # To these the application role may only add, while the owner's functions change them.
    guarded = set(tables("append_only_tables")) - {"automations_stop"}
    wanted = {(table, kind) for table in guarded for kind in ("row", "truncate")}
    with connection.cursor() as cursor:
        # tgtype: 2 before, 8 delete, 16 update, 32 truncate; tgenabled O: on.
        cursor.execute(
            "SELECT tgrelid::regclass::text, "
            "CASE WHEN tgtype & 32 > 0 THEN 'truncate' ELSE 'row' END "
            "FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') "
            "AND tgtype & 2 > 0 AND (tgtype & 24 = 24 OR tgtype & 32 > 0)"
        )
        assert wanted <= set(cursor.fetchall())
