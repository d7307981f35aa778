"""Stalls: noticed by work that does not move, whatever processes say of themselves."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import redis
from django.core.management import call_command
from django.utils import timezone

from automations.engine import match, progress, wake, watchdog
from automations.engine.database import Broke
from automations.engine.sweep import sweep
from automations.engine.watchdog import Stall
from automations.management.commands import watchdog as command
from automations.models.events import Event, PendingEvent
from automations.models.failures import Failure, FailureAction
from automations.models.progress import EngineHour, Progress, Worker
from automations.models.runs import Run
from automations.services import stops
from backoffice.actors import person
from backoffice.models import Notice, User
from backoffice.notices import holders
from config.local import site
from tests.automations import factories as make
from tests.automations import lines
from tests.bed.databases import Database
from tests.bed.fakes import Outside
from tests.bed.workers import Process, StartWorker, log_path, start

AGO = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def _fresh_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test writes its own signs of life and says its own stall."""
    monkeypatch.setattr(progress, "_due", {})
    monkeypatch.setattr(watchdog, "_said", 0.0)


def age_events() -> None:
    """All that waits has waited for five minutes; events themselves never change."""
    PendingEvent.objects.all().delete()
    old = timezone.now() - AGO
    events = [
        Event(
            **{
                field.attname: getattr(event, field.attname)
                for field in Event._meta.concrete_fields
                if field.attname not in ("id", "recorded_at")
            },
            recorded_at=old,
        )
        for event in Event.objects.all()
    ]
    for event in Event.objects.bulk_create(events):
        PendingEvent.objects.create(event_id=event.pk)


def stages() -> list[str]:
    return [stall.stage for stall in watchdog.diagnose()]


@pytest.mark.django_db
def test_nothing_to_do_is_no_stall_however_long() -> None:
    assert watchdog.diagnose() == []
    Progress.objects.create(stage="match", worker="x", last_claim_at=timezone.now() - AGO)
    assert watchdog.diagnose() == []


@pytest.mark.django_db
def test_events_that_wait_while_others_are_taken_are_no_stall() -> None:
    make.live_rule()
    make.parcels_arrived(3)
    assert stages() == []
    age_events()
    assert stages() == ["match"]
    (stall,) = watchdog.diagnose()
    assert stall.waiting == 3
    match.match_batch(1)
    assert stages() == []
    Progress.objects.update(last_claim_at=timezone.now() - timedelta(seconds=30))
    assert stages() == []
    Progress.objects.update(last_claim_at=timezone.now() - timedelta(seconds=90))
    assert stages() == ["match"]


@pytest.mark.django_db
def test_runs_that_are_due_and_not_done_are_a_stall_unless_everything_is_stopped(
    operations_user: User,
) -> None:
    make.live_rule()
    make.parcels_arrived(2)
    make.match_all()
    Run.objects.update(run_after=timezone.now() - AGO)
    assert stages() == ["execute"]
    stops.stop_rule(None, reason="Stock count.", actor=person(operations_user))
    assert stages() == []


def test_calls_that_nobody_makes_are_a_stall_of_the_external_worker(
    committed_db: Database, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = lines.web_account(outside.url)
    lines.live_caller(account)
    make.parcels_arrived(2)
    make.work_all()
    Run.objects.update(run_after=timezone.now() - AGO)
    (stall,) = watchdog.diagnose()
    assert (stall.stage, stall.counted) == ("call", "2 calls")
    monkeypatch.setattr(wake, "redis_answers", lambda: True)
    monkeypatch.setattr(wake, "waiting", lambda lane: 0)
    assert watchdog.culprits([stall]) == {"external"}
    assert lines.work_lanes(account) == 2
    assert stages() == []
    make.parcels_arrived(1)
    make.work_all()
    Run.objects.filter(state="due").update(run_after=timezone.now() - AGO)
    assert stages() == []
    Progress.objects.filter(stage="call").update(last_claim_at=timezone.now() - AGO)
    assert stages() == ["call"]
    stops.stop_connector(account.key, reason="Moving house.", actor=lines.administrator())
    assert stages() == []


def test_what_the_supervisor_starts_again_is_what_the_watchdog_means() -> None:
    asked = {code: set(names) for names, code in command.CODES.items() if names}
    assert {code: set(names) for code, names in site.MENDS.items()} == asked


@pytest.mark.django_db
def test_work_that_is_rolled_back_again_and_again_is_no_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make.live_rule()
    make.parcels_arrived(2)
    age_events()

    def broken(runs: object) -> int:
        raise RuntimeError("no")

    monkeypatch.setattr(match, "insert", broken)
    with pytest.raises(Broke):
        match._match(10)
    assert not Progress.objects.filter(stage="match").exists()
    assert stages() == ["match"]


@pytest.mark.django_db
def test_a_clock_that_is_not_seen_is_a_stall_and_one_that_never_began_too() -> None:
    sweep()
    assert stages() == []
    Progress.objects.update(last_claim_at=timezone.now() - AGO)
    assert stages() == ["sweep"]
    Progress.objects.all().delete()
    Worker.objects.create(name="x", started_at=timezone.now() - AGO, seen_at=timezone.now())
    assert stages() == ["sweep"]


@pytest.mark.django_db
def test_who_has_only_begun_to_look_waits_a_minute_before_it_cries() -> None:
    make.parcels_arrived(1)
    age_events()
    assert watchdog.diagnose(timezone.now() - timedelta(seconds=30)) == []
    assert watchdog.diagnose(timezone.now() - timedelta(seconds=90)) != []


@pytest.mark.django_db
def test_a_worker_that_was_deaf_from_its_first_moment_is_noticed_by_who_has_looked_for_long() -> (
    None
):
    assert watchdog.diagnose() == []
    assert watchdog.watch(timezone.now() - timedelta(seconds=30)) == []
    (stall,) = watchdog.watch(timezone.now() - timedelta(seconds=90))
    assert stall.stage == "sweep"


@pytest.mark.django_db
def test_who_has_only_begun_to_look_closes_no_case_either() -> None:
    make.parcels_arrived(1)
    age_events()
    assert watchdog.watch() != []
    assert watchdog.watch(timezone.now() - timedelta(seconds=30)) == []
    assert Failure.objects.get().state == "open"


@pytest.mark.django_db
@pytest.mark.requirement("R11")
def test_a_stall_is_a_critical_line_one_urgent_case_and_a_notice_and_closes_by_itself(
    operations_user: User,
    administrator_user: User,
    finance_user: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rule = make.live_rule()
    make.parcels_arrived(2)
    age_events()
    watchdog.watch()
    watchdog.watch()
    (case,) = Failure.objects.all()
    assert (case.kind, case.priority) == ("engine.stalled", Failure.Priority.URGENT)
    assert "Rules have not run since" in case.says
    assert "2 events wait" in case.says
    assert "worker" in case.fallback
    assert [each.levelname for each in caplog.records if "have not run" in each.message] == [
        "CRITICAL"
    ]
    told = set(Notice.objects.values_list("user", flat=True))
    assert told == {operations_user.pk, administrator_user.pk, rule.owner_id} | {
        user.pk for user in holders("automations.tend_engine")
    }
    assert finance_user.pk not in told
    assert set(Notice.objects.values_list("link", flat=True)) == {f"/failures/{case.pk}/"}
    assert EngineHour.objects.get().stalled.bit_count() >= 1

    make.match_all()
    watchdog.watch()
    case.refresh_from_db()
    assert (case.state, case.resolution) == ("resolved", "mended")
    assert FailureAction.objects.get(failure=case, verb="resolved").user is None


@pytest.mark.django_db
def test_a_reported_case_is_found_by_those_who_look_into_the_inbox(
    operations_client: Any,
) -> None:
    make.parcels_arrived(1)
    age_events()
    watchdog.watch()
    page = operations_client.get("/failures/?view=open&kind=engine.stalled").content.decode()
    assert "The engine stands still" in page
    assert "1 event waits" in page


@pytest.mark.parametrize(
    ("found", "redis_is_up", "queued", "expected"),
    [
        ([], True, 0, set()),
        ([Stall("match", timezone.now(), 1)], True, 0, {"worker"}),
        ([Stall("sweep", timezone.now())], True, 12, {"worker"}),
        ([Stall("sweep", timezone.now())], True, 0, {"beat"}),
        (
            [Stall("execute", timezone.now(), 1), Stall("sweep", timezone.now())],
            True,
            0,
            {"worker", "beat"},
        ),
        ([Stall("sweep", timezone.now())], False, 0, set()),
    ],
)
def test_who_is_to_be_started_again(
    monkeypatch: pytest.MonkeyPatch,
    found: list[Stall],
    redis_is_up: bool,
    queued: int,
    expected: set[str],
) -> None:
    monkeypatch.setattr(wake, "redis_answers", lambda: redis_is_up)
    monkeypatch.setattr(wake, "waiting", lambda queue: queued)
    assert watchdog.culprits(found) == expected


@pytest.mark.django_db
def test_the_command_s_exit_code_says_what_to_start_again() -> None:
    with pytest.raises(SystemExit) as ended:
        call_command("watchdog", "--once")
    assert ended.value.code == 0
    make.parcels_arrived(1)
    age_events()
    with pytest.raises(SystemExit) as ended:
        call_command("watchdog", "--once")
    assert ended.value.code == 3
    assert set(command.CODES.values()) == {3, 4, 5, 6, 7, 8, 9, 10}


@pytest.mark.django_db
def test_a_sign_is_written_once_a_second_and_signs_of_the_gone_are_forgotten() -> None:
    progress.claimed("match")
    first = Progress.objects.get().last_claim_at
    progress.claimed("match")
    assert Progress.objects.get().last_claim_at == first
    old = timezone.now() - timedelta(days=2)
    Progress.objects.create(stage="match", worker="gone", last_claim_at=old)
    Progress.objects.create(stage="execute", worker="the last", last_claim_at=old)
    Worker.objects.create(name="gone", started_at=old, seen_at=old)
    progress.forget()
    assert set(Progress.objects.values_list("stage", flat=True)) == {"match", "execute"}
    assert not Progress.objects.filter(worker="gone").exists()
    assert not Worker.objects.exists()


# --- with processes of their own ----------------------------------------------------------------


def wait_until(done: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "It did not get there."
        time.sleep(0.1)


StartDog = Callable[..., Process]


@pytest.fixture
def start_beside(
    committed_db: Database, redis_url: str, request: pytest.FixtureRequest
) -> Iterator[StartDog]:
    """Start a command of the site beside the worker; ended with the test."""
    started: list[Process] = []

    def begin(*command: str) -> Process:
        env = {
            "DATABASE_URL": committed_db.url,
            "REDIS_URL": redis_url,
            "DJANGO_SETTINGS_MODULE": "config.settings.test",
            "STALL_SECONDS": "8",
            "LOG_FORMAT": "json",
        }
        log = log_path(request, f"beside{len(started)}")
        started.append(start([sys.executable, *command], log, env))
        return started[-1]

    yield begin
    for process in started:
        process.stop()


DOG = ("manage.py", "watchdog", "--every", "0.5", "--exit-code")


@pytest.mark.requirement("R11")
def test_a_worker_that_is_frozen_is_noticed_and_the_command_ends_with_its_code(
    committed_db: Database, start_worker: StartWorker, start_beside: StartDog, tmp_path: Path
) -> None:
    make.live_rule()
    worker: Process = start_worker(concurrency=1)
    schedule = str(tmp_path / "schedule")
    start_beside("-m", "config.beat", "--schedule", schedule)
    make.parcels_arrived(5)
    wait_until(lambda: Run.objects.filter(state="done").count() == 5)
    wait_until(lambda: Progress.objects.filter(stage="sweep").exists())
    assert Progress.objects.filter(stage="match").exists()
    assert Progress.objects.filter(stage="execute").exists()
    os.killpg(worker.pid, signal.SIGSTOP)
    try:
        make.parcels_arrived(312)
        dog = start_beside(*DOG)
        code = dog.popen.wait(90)
    finally:
        os.killpg(worker.pid, signal.SIGCONT)
    assert code == 3, dog.log.read_text()
    lines = [json.loads(line) for line in dog.log.read_text().splitlines()]
    (line,) = [line for line in lines if line["level"] == "CRITICAL"]
    assert "312 events wait" in line["message"]
    assert Failure.objects.get(kind="engine.stalled").state == "open"
    wait_until(lambda: Run.objects.filter(state="done").count() == 317)
    assert Worker.objects.count() == 1


def test_a_beat_that_ended_in_silence_is_noticed_while_the_worker_works(
    committed_db: Database, start_worker: StartWorker, start_beside: StartDog, redis_url: str
) -> None:
    start_worker(concurrency=1)
    sweep()
    dog = start_beside(*DOG)
    assert dog.popen.wait(90) == 4, dog.log.read_text()
    with redis.Redis.from_url(redis_url) as server:
        assert server.llen("sweep") == 0


def test_the_watchdog_goes_on_while_all_moves_and_ends_when_asked(
    committed_db: Database, start_beside: StartDog
) -> None:
    dog = start_beside(*DOG)
    until = time.monotonic() + 20
    while time.monotonic() < until:
        progress._due.clear()
        sweep()
        time.sleep(1)
        assert dog.popen.poll() is None, dog.log.read_text()
    dog.popen.terminate()
    assert dog.popen.wait(20) == 0
