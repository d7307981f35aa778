"""Databases for tests: a migrated template, cloned once a session and once per committing test.

The owner role makes and migrates; Django's connection is the application role, which may neither
TRUNCATE nor DROP, so nothing is ever flushed: a test that commits gets a database of its own.
"""

from __future__ import annotations

import hashlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import OperationalError, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from psycopg import sql
from psycopg.errors import LockNotAvailable, QueryCanceled
from pytest_django.plugin import DjangoDbBlocker

from backoffice import refusals
from backoffice.grants import no_temporary_tables

PREFIX = "countersign_test"
ADVISORY_KEY = 7_340_219
LEFT_OUT = ("pool", "options")
STALE_SECONDS = 6 * 3600
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Database:
    """One database of a test, with the URLs that another process needs to reach it."""

    name: str

    @property
    def url(self) -> str:
        return urlsplit(settings.DATABASE_URL)._replace(path=f"/{self.name}").geturl()

    @property
    def owner_url(self) -> str:
        return urlsplit(settings.DATABASE_OWNER_URL)._replace(path=f"/{self.name}").geturl()


def sign_in_as(role: dict[str, Any], name: str = "postgres") -> psycopg.Connection:
    """A plain connection of a role (`settings.OWNER_DATABASE` or Django's own) to a database."""
    # Without the product's timeouts: a session waits for another that is making the template.
    options = {key: role["OPTIONS"][key] for key in role["OPTIONS"] if key not in LEFT_OUT}
    return psycopg.connect(
        **options,
        **({"host": role["HOST"]} if role["HOST"] else {}),
        **({"port": role["PORT"]} if role["PORT"] else {}),
        user=role["USER"],
        password=role["PASSWORD"],
        dbname=name,
        autocommit=True,
    )


def owner_role() -> dict[str, Any]:
    if settings.OWNER_DATABASE is None:
        raise pytest.UsageError(
            "Tests need PostgreSQL: run `make test`, or set DATABASE_URL (application role) and "
            "DATABASE_OWNER_URL (owner with CREATEDB)."
        )
    return dict(settings.OWNER_DATABASE)


def migrations_hash() -> str:
    """A name for the schema: everything that migrating and granting reads."""
    root = Path(settings.ROOT)
    found = [*root.glob("*/migrations/*.py"), *root.glob("*/apps.py")]
    found += root.glob("tests/*/migrations/*.py")
    found += [root / "backoffice" / name for name in ("grants.py", "guards.py", "roles.py")]
    digest = hashlib.sha256((root / "requirements.lock").read_bytes())
    for path in sorted(found):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def serving(name: str) -> Iterator[None]:
    """Point Django's connection, in every thread, at a database."""
    opened: list[BaseDatabaseWrapper] = []

    def keep(connection: BaseDatabaseWrapper, **kwargs: object) -> None:
        opened.append(connection)

    before = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = name
    connection_created.connect(keep)
    try:
        yield
    finally:
        connection_created.disconnect(keep)
        for wrapper in opened:  # those of threads that ended without closing theirs, too
            wrapper.inc_thread_sharing()
            wrapper.close()
            wrapper.dec_thread_sharing()
        connection.settings_dict["NAME"] = before


def make_template() -> str:
    """The migrated template's name; made when no session has made it before."""
    name = f"{PREFIX}_template_{migrations_hash()}"
    with sign_in_as(owner_role()) as server:
        # Two sessions that start together must not both migrate.
        server.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_KEY])
        drop_stale(server, keep=name)
        ready = server.execute(
            "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = %s",
            [name],
        ).fetchone()
        if ready is None or ready[0] is None:  # a killed session left half a template
            drop(name)
            server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            with serving(name):
                call_command("migrate", verbosity=0)
        server.execute(
            sql.SQL("COMMENT ON DATABASE {} IS {}").format(
                sql.Identifier(name), sql.Literal(str(int(time.time())))
            )
        )
    return name


def drop_stale(server: psycopg.Connection, *, keep: str) -> None:
    """Drop what killed sessions and old schemas left, hours ago."""
    rows = server.execute(
        "SELECT datname, shobj_description(oid, 'pg_database') FROM pg_database d "
        "WHERE datname LIKE %s AND datname <> %s AND pg_has_role(datdba, 'USAGE') "
        "AND NOT EXISTS (SELECT 1 FROM pg_stat_activity a WHERE a.datid = d.oid)",
        [PREFIX + r"\_%", keep],
    ).fetchall()
    for name, used in rows:
        made = used or name.split("_")[-2]
        if made.isdigit() and time.time() - int(made) > STALE_SECONDS:
            drop(name)


def clone(template: str) -> Database:
    """A fresh copy of the template; takes about a tenth of a second."""
    name = f"{PREFIX}_{int(time.time())}_{uuid.uuid4().hex[:10]}"
    with sign_in_as(owner_role()) as server:
        server.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
        server.execute(no_temporary_tables(name))  # a template's own rights are not copied
    return Database(name)


def drop(name: str) -> None:
    """Drop a database, ending whatever connections a test forgot."""
    for role in (dict(settings.DATABASES["default"]), owner_role()):
        # Only a role itself may end its sessions, so each does it for its own.
        with sign_in_as(role) as server:
            server.execute(
                "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity "
                "WHERE datname = %s AND usename = current_user AND pid <> pg_backend_pid()",
                [name],
            )
    with sign_in_as(owner_role()) as server:
        server.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(name)))


def at_once(works: Sequence[Callable[[], Result]]) -> list[Result | Exception]:
    """Call each in a thread of its own, all let go at one moment; an exception is its answer.

    The test takes `committed_db`.
    """
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Result]) -> Result | Exception:
        try:
            connection.ensure_connection()
            barrier.wait(30)
            return work()
        except Exception as error:  # noqa: BLE001 - whatever it raised is the answer
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(run, works))


@pytest.fixture(scope="session")
def template_database(django_test_environment: None, django_db_blocker: DjangoDbBlocker) -> str:
    """The name of the migrated template database."""
    with django_db_blocker.unblock():
        return make_template()


@pytest.fixture(scope="session")
def django_db_setup(template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """pytest-django's session database: each test of it is rolled back."""
    database = clone(template_database)
    refusals.disconnect()  # what it records would outlive the rollback
    with serving(database.name):
        yield
        with django_db_blocker.unblock():
            connections.close_all()
    drop(database.name)


@pytest.fixture
def committed_db(
    request: pytest.FixtureRequest, template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Database]:
    """A database of this test's own, for what commits, uses threads or runs other processes."""
    if "db" in request.fixturenames or request.node.get_closest_marker("django_db"):
        pytest.fail("A test takes `committed_db` or `db` (django_db), not both.")
    database = clone(template_database)
    with django_db_blocker.unblock():
        with serving(database.name):
            refusals.connect()
            yield database
            refusals.disconnect()
            connection.close()
        drop(database.name)


@pytest.fixture
def any_db(request: pytest.FixtureRequest) -> None:
    """The test's database: its own if it takes `committed_db`, else the rolled-back one."""
    name = "committed_db" if "committed_db" in request.fixturenames else "db"
    request.getfixturevalue(name)


def without_the_late(strange: list[Exception], of: int) -> list[Exception]:
    """Answers without those that waited until the database sent them away, if these are the fewer.

    Fifty in a row, of one process on a busy machine, may take longer than anybody waits.
    """
    late = [
        error
        for error in strange
        if isinstance(error, OperationalError)
        and isinstance(error.__cause__, LockNotAvailable | QueryCanceled)
    ]
    return [error for error in strange if error not in late] if len(late) < of / 2 else strange
