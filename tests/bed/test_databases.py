import threading

import psycopg
import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from backoffice.models import LegalEntity, User
from tests.bed.databases import Database, at_once
from tests.bed.people import MakeUser


def make_entity(name: str = "Harbour & Pine Ltd") -> LegalEntity:
    return LegalEntity.objects.create(
        name=name, country="GB", currency="GBP", time_zone="Europe/London"
    )


@pytest.mark.parametrize("_", [1, 2])
def test_each_test_starts_without_the_rows_of_the_one_before(db: None, _: int) -> None:
    assert not LegalEntity.objects.exists()
    make_entity()


def test_django_serves_as_a_role_that_owns_nothing(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner "
            "WHERE r.rolname = current_user"
        )
        assert cursor.fetchone() == (0,)
    with pytest.raises(ProgrammingError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("TRUNCATE backoffice_user CASCADE")


def test_committed_rows_are_seen_by_other_threads(committed_db: Database) -> None:
    make_entity()
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(LegalEntity.objects.count()))
    thread.start()
    thread.join()
    assert seen == [1]


def test_a_committed_database_is_another_database(committed_db: Database) -> None:
    assert not LegalEntity.objects.exists()
    with psycopg.connect(committed_db.url) as outside:
        assert outside.execute("SELECT current_database()").fetchone() == (committed_db.name,)


def test_one_of_many_at_once_gets_the_unique_name(committed_db: Database) -> None:
    answers = at_once([make_entity] * 20)
    assert sum(isinstance(answer, LegalEntity) for answer in answers) == 1
    assert sum(isinstance(answer, IntegrityError) for answer in answers) == 19
    assert LegalEntity.objects.count() == 1


def test_users_have_their_role_and_its_permissions(
    auditor_user: User, administrator_user: User, make_user: MakeUser
) -> None:
    assert auditor_user.has_perm("backoffice.view_auditentry")
    assert not auditor_user.has_perm("backoffice.add_user")
    assert administrator_user.has_perm("backoffice.add_user")
    assert not make_user(None).get_all_permissions()
