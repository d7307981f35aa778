"""Real Celery workers, as processes of their own, against a test's own database."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from django.conf import settings

from tests.bed.databases import Database

LANES = "internal,bulk,sweep"
START_SECONDS = 60.0
StartWorker = Callable[..., "Process"]


@dataclass(frozen=True, slots=True)
class Process:
    """A process that a test started, with the file its output goes to."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        return self.popen.pid

    def says(self, words: str) -> bool:
        return words in self.log.read_text(errors="replace")

    def wait_until_it_says(self, words: str, seconds: float = START_SECONDS) -> None:
        """Wait for words in the log; fails the test when the process ends or time runs out."""
        until = time.monotonic() + seconds
        while not self.says(words):
            if self.popen.poll() is not None or time.monotonic() > until:
                pytest.fail(f"No “{words}” in {self.log}:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """kill -9 of the process and of its children, as when the machine kills it."""
        if self.popen.poll() is None:
            os.killpg(self.pid, signal.SIGKILL)
        self.popen.wait()

    def stop(self) -> None:
        """End it as an operator would, and by force after ten seconds."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


def start(command: list[str], log: Path, env: dict[str, str]) -> Process:
    """Start a process in a group of its own, so that its children can be ended with it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("wb") as output:
        popen = subprocess.Popen(
            command,
            cwd=settings.ROOT,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Process(popen, log)


def run_python(*arguments: str, database_url: str) -> subprocess.CompletedProcess[str]:
    """Run a fresh Python of the product on a database, to its end; a minute at most."""
    env = {"DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "config.settings.test"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=settings.ROOT,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def log_path(request: pytest.FixtureRequest, name: str) -> Path:
    test = re.sub(r"[^\w-]+", "-", request.node.nodeid)[-100:]
    return Path(settings.ROOT, "var", "test-logs", test, f"{name}.log")


@pytest.fixture(scope="session")
def redis_url() -> str:
    """A Redis database of this session's own (`tests.bed.apart`)."""
    return str(settings.REDIS_URL)


@pytest.fixture
def start_worker(
    request: pytest.FixtureRequest, committed_db: Database, redis_url: str
) -> Iterator[StartWorker]:
    """Start Celery workers: `start_worker(concurrency=1, lanes="internal")`; ended with the test.

    The logs of a test that passes are removed; those of a failing test stay under var/test-logs/.
    """
    started: list[Process] = []
    with redis.Redis.from_url(redis_url) as server:
        server.flushdb()

    def begin(
        *,
        concurrency: int = 1,
        lanes: str = LANES,
        pool: str = "prefork",
        env: dict[str, str] | None = None,
    ) -> Process:
        name = f"worker{len(started) + 1}"
        command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", lanes]
        command += ["-P", pool, "-c", str(concurrency), "-n", f"{name}@%h", "-l", "INFO"]
        command += ["--without-gossip", "--without-mingle"]
        process = start(
            command,
            log_path(request, name),
            {
                "DATABASE_URL": committed_db.url,
                "REDIS_URL": redis_url,
                "DJANGO_SETTINGS_MODULE": "config.settings.test",
                **(env or {}),
            },
        )
        started.append(process)
        process.wait_until_it_says(" ready.")
        return process

    yield begin
    for process in started:
        process.stop()
    report = getattr(request.node, "rep_call", None)
    for process in started:
        if report is not None and report.passed:
            shutil.rmtree(process.log.parent, ignore_errors=True)


@pytest.fixture
def celery_worker(start_worker: StartWorker) -> Process:
    """One worker on every lane, ready."""
    return start_worker()
