"""The audit trail is a chain: entries are sealed soon, and no change to them stays unseen."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from backoffice import audit, chain
from backoffice.actors import HOUSE, person
from backoffice.chain import Head
from backoffice.models import AuditEntry, Notice, User
from backoffice.tasks import check_audit, seal_audit
from backoffice.trail import AuditCheck, AuditLink, AuditPending
from tests.bed.databases import Database, at_once, owner_role, sign_in_as
from tests.bed.workers import Process, StartWorker, log_path, start

OFF = """
ALTER TABLE backoffice_auditentry DISABLE TRIGGER USER;
ALTER TABLE backoffice_auditlink DISABLE TRIGGER USER;
"""


def record(count: int = 1) -> None:
    for number in range(count):
        audit.record(
            "tests.decided", "tests.thing", number, actor=HOUSE, amount="1.50", words=f"é {number}"
        )


def verify(*known: Head) -> str | None:
    with connection.cursor() as cursor:
        return chain.verify(cursor, known).finding


# --- sealing --------------------------------------------------------------------------------------


def test_an_entry_waits_until_the_sealer_links_it(db: None) -> None:
    record(3)
    assert (AuditLink.objects.count(), AuditPending.objects.count()) == (0, 3)
    assert verify() is None  # what waits is no break
    seal_audit()
    links = list(AuditLink.objects.order_by("position"))
    assert [link.position for link in links] == [1, 2, 3]
    assert [link.entry_id for link in links] == sorted(link.entry_id for link in links)
    assert AuditPending.objects.count() == 0
    assert verify() is None
    assert chain.head() == Head(3, links[-1].sha256)


def test_the_chain_goes_on_where_it_ended(db: None) -> None:
    for _ in range(3):
        record(2)
        chain.seal()
    assert chain.head().position == 6
    assert verify() is None
    assert chain.seal() == 0


def test_what_is_rolled_back_leaves_no_gap(db: None) -> None:
    record()
    with transaction.atomic():
        record()
        transaction.set_rollback(True)
    record()
    assert chain.seal() == 2
    assert verify() is None


def test_an_act_waits_neither_for_the_sealer_nor_for_another_act(committed_db: Database) -> None:
    record()
    with sign_in_as(owner_role(), committed_db.name) as other:
        other.execute("BEGIN")
        other.execute("SELECT backoffice_seal_audit()")  # and has not ended
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '1s'")
        record()
        assert chain.seal() == 0  # one pass at a time, and this one does not wait either
        other.execute("COMMIT")
    assert chain.seal() == 1
    assert verify() is None


def test_sealers_at_once_make_one_chain(committed_db: Database) -> None:
    record(50)

    def act() -> int:
        record(5)
        return chain.seal()

    answers = at_once([act] * 6)
    assert all(isinstance(answer, int) for answer in answers), answers
    chain.seal()
    assert chain.head().position == 80
    assert verify() is None


def test_an_entry_is_of_now_and_numbered_by_its_table(db: None) -> None:
    before = timezone.now()
    made = AuditEntry.objects.create(
        verb="tests.forged", subject="tests.thing", actor_kind="system", at="2020-01-01T00:00Z"
    )
    made.refresh_from_db()
    assert made.at >= before
    with pytest.raises(DatabaseError, match="numbered by its table"), transaction.atomic():
        AuditEntry.objects.create(pk=made.pk + 100, verb="x", subject="x", actor_kind="system")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO backoffice_auditlink VALUES (99, '', now(), 1)",
        "UPDATE backoffice_auditlink SET sha256 = ''",
        "DELETE FROM backoffice_auditlink",
        "DELETE FROM backoffice_auditpending",
        "INSERT INTO backoffice_auditpending VALUES (1)",
        "UPDATE backoffice_auditcheck SET finding = ''",
        "DELETE FROM backoffice_auditcheck",
        "ALTER TABLE backoffice_auditentry DISABLE TRIGGER backoffice_auditentry_enters",
        "ALTER SEQUENCE backoffice_auditentry_id_seq RESTART",
    ],
)
def test_the_application_role_touches_no_link(db: None, statement: str) -> None:
    record(2)
    chain.seal()
    before = list(AuditLink.objects.order_by("position").values())
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)
    assert list(AuditLink.objects.order_by("position").values()) == before


# --- the command, the night, the pages ------------------------------------------------------------


def command(*given: str) -> str:
    out = StringIO()
    call_command("verify_audit", *given, stdout=out)
    return out.getvalue().strip()


def test_the_command_prints_the_head_and_holds_the_chain_against_it(
    db: None, tmp_path: Path
) -> None:
    assert command("--head") == "0:"
    record(3)
    chain.seal()
    head = command("--head")
    assert re.fullmatch(r"3:[0-9a-f]{64}", head)
    kept = tmp_path / "heads"
    kept.write_text(f"{head}\n")
    record()
    chain.seal()
    assert command("--expect", head).startswith("The audit trail holds. Its head is 4:")
    assert "holds" in command("--expect", str(kept))
    with pytest.raises(CommandError, match="Link 2 is not the one that was noted") as refused:
        command("--expect", f"2:{'0' * 64}")
    assert refused.value.returncode == 1
    with pytest.raises(CommandError, match="its end was cut off"):
        command("--expect", f"9:{'0' * 64}")
    with pytest.raises(CommandError, match="A head is") as unread:
        command("--expect", "9:x")
    assert unread.value.returncode == 2


def test_a_break_found_at_night_is_told_and_shown(
    committed_db: Database, administrator_user: User, administrator_client: Client
) -> None:
    record(3)
    chain.seal()
    check_audit()
    assert AuditCheck.objects.get().finding == ""
    assert not Notice.objects.exists()
    assert "holds" in administrator_client.get("/settings/audit/").content.decode()
    with sign_in_as(owner_role(), committed_db.name) as owner:
        owner.execute(OFF)
        owner.execute("UPDATE backoffice_auditentry SET actor_label = 'Another'")
        owner.execute(OFF.replace("DISABLE", "ENABLE"))
    check_audit()
    check_audit()
    assert "was changed" in AuditCheck.objects.latest().finding
    notice = Notice.objects.get(user=administrator_user)
    assert (notice.link, "was changed" in notice.text) == ("/settings/audit/", True)
    for address in ("/settings/audit/", reverse("engine_health")):
        page = administrator_client.get(address).content.decode()
        assert "The audit trail needs a look" in page, address
        assert "does not hold" in page, address


def test_a_tail_cut_off_after_a_check_is_found_by_the_next(committed_db: Database) -> None:
    record(4)
    chain.seal()
    check_audit()
    with sign_in_as(owner_role(), committed_db.name) as owner:
        owner.execute(OFF)
        owner.execute("DELETE FROM backoffice_auditlink WHERE position > 2")
        owner.execute(
            "DELETE FROM backoffice_auditentry"
            " WHERE id NOT IN (SELECT entry_id FROM backoffice_auditlink)"
        )
        owner.execute(OFF.replace("DISABLE", "ENABLE"))
    check_audit()
    assert "its end was cut off" in AuditCheck.objects.latest().finding


def test_auditors_read_the_chain_filter_it_and_take_it_away(
    auditor_client: Client, finance_user: User
) -> None:
    record(2)
    audit.record("rules.refused", "automations.document", 7, actor=person(finance_user), why="No.")
    chain.seal()
    page = auditor_client.get("/settings/audit/").content.decode()
    assert str(chain.head()) in page
    assert "Rules: refused" in page
    refused: Any = auditor_client.get("/settings/audit/_/export/?view=refused&cols=verb,link,hash")
    lines = b"".join(refused.streaming_content).decode().splitlines()
    link = AuditLink.objects.get(entry__verb="rules.refused")
    assert lines == ["What,Link,Hash", f"rules.refused,{link.position},{link.sha256}", "1 row"]


# --- with real processes --------------------------------------------------------------------------


@pytest.fixture
def beat(
    committed_db: Database, redis_url: str, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Process]:
    env = {
        "DATABASE_URL": committed_db.url,
        "REDIS_URL": redis_url,
        "DJANGO_SETTINGS_MODULE": "config.settings.test",
    }
    schedule = str(tmp_path / "schedule")
    command = ["-m", "config.beat", "--schedule", schedule]
    started = start([sys.executable, *command], log_path(request, "beat"), env)
    yield started
    started.stop()


def test_worker_and_beat_seal_within_five_seconds(
    committed_db: Database, start_worker: StartWorker, beat: Process
) -> None:
    start_worker(concurrency=1)
    took = []
    for _ in range(4):
        record(5)
        until = time.monotonic() + 60
        while AuditPending.objects.exists():
            assert time.monotonic() < until, "Nothing is sealed."
            time.sleep(0.1)
        link = AuditLink.objects.select_related("entry").latest("position")
        took.append(link.sealed_at - link.entry.at)
    # The first waits for both to start; one of the others may meet a machine that is busy.
    assert sorted(took[1:])[1] < timedelta(seconds=5), took
    assert verify() is None
