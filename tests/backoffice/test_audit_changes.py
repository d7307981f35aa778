"""A thousand changes to the audit trail by whoever owns its tables: each is found."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from backoffice import audit, chain
from backoffice.actors import HOUSE
from tests.bed.databases import Database, owner_role, sign_in_as

ENTRIES = 60
CHANGES = 1000
SEED = 20_261_128


def record(count: int) -> None:
    for number in range(count):
        audit.record(
            "tests.decided", "tests.thing", number, actor=HOUSE, amount="1.50", words=f"é {number}"
        )


Owner = psycopg.Cursor[Any]


class Tamperer:
    """The owner of the tables, who has switched every guard off and changes one thing at random."""

    def __init__(self, cursor: Owner, seed: int) -> None:
        self.cursor = cursor
        self.random = random.Random(seed)

    def one(self, query: str, *given: Any) -> Any:
        return self.cursor.execute(query, given).fetchone()[0]  # type: ignore[index]

    def entry(self) -> int:
        return self.random.choice(self._ids())

    def two_entries(self) -> list[int]:
        return self.random.sample(self._ids(), 2)

    def position(self) -> int:
        return self.random.randint(1, ENTRIES)

    def _ids(self) -> list[int]:
        self.cursor.execute("SELECT id FROM backoffice_auditentry ORDER BY id")
        return [row[0] for row in self.cursor.fetchall()]

    def relink(self, first: int) -> None:
        """Work the hashes out anew from a link on, as whoever knows how would."""
        self.cursor.execute(
            "SELECT position, entry_id, sealed_at FROM backoffice_auditlink"
            " WHERE position >= %s ORDER BY position",
            [first],
        )
        for position, entry, sealed_at in self.cursor.fetchall():
            self.relink_one(position, entry, sealed_at)

    def relink_one(self, position: int, entry: int, sealed_at: Any) -> None:
        self.cursor.execute(
            "UPDATE backoffice_auditlink l SET sha256 = backoffice_audit_hash(ARRAY["
            " coalesce((SELECT sha256 FROM backoffice_auditlink WHERE position = %(at)s - 1), ''),"
            " %(at)s::text, backoffice_audit_moment(%(sealed)s), e.id::text,"
            " backoffice_audit_moment(e.at), e.verb, e.subject, e.subject_id::text, e.actor_kind,"
            " e.actor_label, e.user_id::text, e.detail::text])"
            " FROM backoffice_auditentry e WHERE e.id = %(entry)s AND l.position = %(at)s",
            {"at": position, "entry": entry, "sealed": sealed_at},
        )


COLUMNS: dict[str, Callable[[random.Random], Any]] = {
    "at": lambda r: f"2020-01-{r.randint(1, 28):02}T00:00Z",
    "verb": lambda r: f"tests.other_{r.random()}",
    "subject": lambda r: f"tests.{r.random()}",
    "subject_id": lambda r: r.randint(1_000, 9_999),
    "actor_kind": lambda r: r.choice(["person", "rule", "outside"]),
    "actor_label": lambda r: f"Somebody {r.random()}",
    "detail": lambda r: r.choice(['{"amount": "1.5"}', "{}", "[]", '{"amount": 1.50}']),
}


def change_a_column(t: Tamperer) -> None:
    column = t.random.choice(list(COLUMNS))
    t.cursor.execute(
        f"UPDATE backoffice_auditentry SET {column} = %s WHERE id = %s",
        [COLUMNS[column](t.random), t.entry()],
    )


def change_one_character(t: Tamperer) -> None:
    number = t.random.randint(0, 9)
    t.cursor.execute(
        "UPDATE backoffice_auditentry"
        " SET detail = jsonb_set(detail, '{amount}', to_jsonb(%s::text)) WHERE id = %s",
        [f"1.5{number + 1}", t.entry()],
    )


def change_and_seal_anew_alone(t: Tamperer) -> None:
    position = t.random.randint(1, ENTRIES - 1)
    entry = t.one("SELECT entry_id FROM backoffice_auditlink WHERE position = %s", position)
    sealed = t.one("SELECT sealed_at FROM backoffice_auditlink WHERE position = %s", position)
    t.cursor.execute("UPDATE backoffice_auditentry SET verb = 'tests.x' WHERE id = %s", [entry])
    t.relink_one(position, entry, sealed)


def change_and_seal_all_anew(t: Tamperer) -> None:
    position = t.position()
    entry = t.one("SELECT entry_id FROM backoffice_auditlink WHERE position = %s", position)
    t.cursor.execute("UPDATE backoffice_auditentry SET verb = 'tests.x' WHERE id = %s", [entry])
    t.relink(position)


def delete_an_entry(t: Tamperer) -> None:
    t.cursor.execute("DELETE FROM backoffice_auditentry WHERE id = %s", [t.entry()])


def delete_an_entry_and_its_link(t: Tamperer) -> None:
    position = t.random.randint(1, ENTRIES - 1)
    entry = t.one(
        "DELETE FROM backoffice_auditlink WHERE position = %s RETURNING entry_id", position
    )
    t.cursor.execute("DELETE FROM backoffice_auditentry WHERE id = %s", [entry])


def delete_and_close_the_gap(t: Tamperer) -> None:
    position = t.position()
    delete = "DELETE FROM backoffice_auditlink WHERE position = %s RETURNING entry_id"
    t.cursor.execute("DELETE FROM backoffice_auditentry WHERE id = %s", [t.one(delete, position)])
    for place in range(position + 1, ENTRIES + 1):
        t.cursor.execute(
            "UPDATE backoffice_auditlink SET position = %s WHERE position = %s", [place - 1, place]
        )
    t.relink(position)


def cut_the_end_off(t: Tamperer) -> None:
    t.cursor.execute(
        "WITH gone AS (DELETE FROM backoffice_auditlink WHERE position >= %s RETURNING entry_id)"
        " DELETE FROM backoffice_auditentry WHERE id IN (SELECT entry_id FROM gone)",
        [t.position()],
    )


def cut_the_links_off(t: Tamperer) -> None:
    t.cursor.execute("DELETE FROM backoffice_auditlink WHERE position >= %s", [t.position()])


def cut_the_end_off_and_write_another(t: Tamperer) -> None:
    cut_the_end_off(t)
    t.cursor.execute(
        "INSERT INTO backoffice_auditentry (at, verb, subject, actor_kind, actor_label, detail)"
        " SELECT now(), 'tests.other', 'tests.thing', 'system', 'x', '{}'"
        " FROM generate_series(1, %s)",
        [ENTRIES],
    )
    t.cursor.execute(
        "INSERT INTO backoffice_auditpending SELECT id FROM backoffice_auditentry"
        " WHERE id NOT IN (SELECT entry_id FROM backoffice_auditlink)"
    )
    t.cursor.execute("SELECT backoffice_seal_audit()")


INSERT = (
    "INSERT INTO backoffice_auditentry (id, at, verb, subject, actor_kind, actor_label, detail)"
    " VALUES (%s, %s, 'tests.forged', 'tests.thing', 'person', 'x', '{}') RETURNING id"
)


def insert_an_entry(t: Tamperer) -> None:
    number = t.random.choice([-1, 0]) * t.random.randint(1, 10**6) + t.random.randint(-9, 0)
    t.cursor.execute(INSERT, [number, f"2020-0{t.random.randint(1, 9)}-01T00:00Z"])


def insert_an_entry_at_the_end(t: Tamperer) -> None:
    t.cursor.execute(INSERT, [t.random.randint(10**6, 10**9), "2027-01-01T00:00Z"])


def insert_an_old_entry_and_let_it_be_sealed(t: Tamperer) -> None:
    day = t.random.randint(1, 28)
    entry = t.one(INSERT, t.random.randint(-(10**9), 0), f"2020-02-{day:02}T00:00Z")
    t.cursor.execute("INSERT INTO backoffice_auditpending VALUES (%s)", [entry])
    t.cursor.execute("SELECT backoffice_seal_audit()")


def insert_a_link_without_an_entry(t: Tamperer) -> None:
    t.cursor.execute(
        "INSERT INTO backoffice_auditlink (position, entry_id, sha256, sealed_at)"
        " VALUES (%s, %s, %s, now())",
        [ENTRIES + 1, 10**9 + t.random.randint(1, 10**6), "ab" * 32],
    )


def exchange_two_entries(t: Tamperer) -> None:
    one, two = t.two_entries()
    t.cursor.execute(
        "UPDATE backoffice_auditentry SET id = CASE id WHEN %s THEN -1 ELSE id END WHERE id = %s",
        [one, one],
    )
    t.cursor.execute("UPDATE backoffice_auditentry SET id = %s WHERE id = %s", [one, two])
    t.cursor.execute("UPDATE backoffice_auditentry SET id = %s WHERE id = -1", [two])


def exchange_two_links(t: Tamperer) -> None:
    one, two = t.random.sample(range(1, ENTRIES + 1), 2)
    for before, after in ((one, -1), (two, one), (-1, two)):
        t.cursor.execute(
            "UPDATE backoffice_auditlink SET position = %s WHERE position = %s", [after, before]
        )


def turn_the_order_round_and_seal_anew(t: Tamperer) -> None:
    exchange_two_links(t)
    t.relink(1)


def change_a_link(t: Tamperer) -> None:
    column, value = t.random.choice(
        [("sha256", "ef" * 32), ("sealed_at", "2020-05-05T05:05Z"), ("position", 10**6)]
    )
    t.cursor.execute(
        f"UPDATE backoffice_auditlink SET {column} = %s WHERE position = %s",
        [value, t.position()],
    )


KINDS: list[Callable[[Tamperer], None]] = [
    change_a_column,
    change_one_character,
    change_and_seal_anew_alone,
    change_and_seal_all_anew,
    delete_an_entry,
    delete_an_entry_and_its_link,
    delete_and_close_the_gap,
    cut_the_end_off,
    cut_the_links_off,
    cut_the_end_off_and_write_another,
    insert_an_entry,
    insert_an_entry_at_the_end,
    insert_an_old_entry_and_let_it_be_sealed,
    insert_a_link_without_an_entry,
    exchange_two_entries,
    exchange_two_links,
    turn_the_order_round_and_seal_anew,
    change_a_link,
]
OFF = """
ALTER TABLE backoffice_auditentry DISABLE TRIGGER USER;
ALTER TABLE backoffice_auditlink DISABLE TRIGGER USER;
"""


@pytest.fixture
def owner(committed_db: Database) -> Iterator[psycopg.Connection]:
    """The owner of the tables, with every guard and key between them switched off."""
    record(ENTRIES // 2)
    chain.seal()
    record(ENTRIES // 2)
    chain.seal()
    with sign_in_as(owner_role(), committed_db.name) as owner:
        (key,) = owner.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'backoffice_auditlink'::regclass"
        ).fetchone() or [""]
        owner.execute(OFF)
        owner.execute(f'ALTER TABLE backoffice_auditlink DROP CONSTRAINT "{key}"')
        owner.execute("ALTER TABLE backoffice_auditentry ALTER id DROP IDENTITY")
        owner.execute(
            "ALTER TABLE backoffice_auditentry ALTER id SET DEFAULT (random() * 1e9)::int"
        )
        yield owner


def test_a_thousand_changes_by_the_owner_of_the_tables_are_all_found(
    owner: psycopg.Connection,
) -> None:
    head = chain.head()
    assert head.position == ENTRIES
    unseen = []
    with owner.cursor() as cursor:
        assert chain.verify(cursor, [head]).finding is None
        for number in range(CHANGES):
            cursor.execute("BEGIN")
            kind = KINDS[number % len(KINDS)]
            kind(Tamperer(cursor, SEED + number))
            if chain.verify(cursor, [head]).finding is None:
                unseen.append((number, kind.__name__))
            cursor.execute("ROLLBACK")
        assert chain.verify(cursor, [head]).finding is None
    assert unseen == []


def test_a_guard_that_is_switched_off_is_found(owner: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        assert chain.verify(cursor, [chain.head()]).finding is None
    with pytest.raises(CommandError, match=r"guard .* is off"):
        call_command("verify_audit")
    owner.execute("ALTER TABLE backoffice_auditentry ENABLE TRIGGER USER")
    owner.execute("ALTER TABLE backoffice_auditlink ENABLE TRIGGER USER")
    call_command("verify_audit", stdout=StringIO())
