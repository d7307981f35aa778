"""The processes under test: what the Procfile names, started, killed, paused and started again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from config.local import processes
from config.local.services import free_port
from config.local.state import VAR

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 90.0
CELERY = (sys.executable, "-m", "celery", "-A", "config")
QUIET = ("-l", "WARNING", "--without-gossip", "--without-mingle")
# What the supervisor of `make run` waits before it starts again what has ended.
PAUSE_SECONDS = 1.0


def compiled() -> dict[str, str]:
    """Settings by which Python keeps what it compiled: nothing here starts only once."""
    return {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(VAR / "chaos" / "compiled")}


@dataclass(frozen=True, slots=True)
class Bed:
    """Where a world lives: its database as both roles reach it, its Redis, a folder for logs."""

    url: str
    owner_url: str
    redis_url: str
    folder: Path


@dataclass(slots=True)
class Program:
    """One of the processes, with how often it was started."""

    name: str
    command: Sequence[str]
    env: dict[str, str] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None
    due: float = 0.0
    starts: int = 0
    # A pause ends at this moment; 0: it is not paused.
    paused_until: float = 0.0

    @property
    def alive(self) -> bool:
        return self.popen is not None and self.popen.poll() is None


class World:
    """All processes of one run. Only the thread that made it starts any: they die with it."""

    def __init__(self, bed: Bed, env: dict[str, str] | None = None) -> None:
        self.bed = bed
        self.port = free_port()
        self.env = {
            **os.environ,
            **compiled(),
            "DATABASE_URL": bed.url,
            "REDIS_URL": bed.redis_url,
            "DJANGO_SETTINGS_MODULE": "tests.chaos.settings",
            "STATEMENT_TIMEOUT": "50s",
            **(env or {}),
        }
        self.programs: dict[str, Program] = {}
        # What stands in for beat where there is none, once a second.
        self.ticking: Callable[[], object] = lambda: None
        self._ticked = 0.0

    # --- what there is -------------------------------------------------------------------------

    def everything(self) -> None:
        """The processes of the Procfile."""
        web = [sys.executable, "-m", "config.web", "--interface", "wsgi", "config.wsgi:application"]
        web += ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self.add("web", web, DATABASE_POOL="true")
        self.worker("internal", "internal,bulk,sweep", "-c", "2")
        self.worker("external", "external", "-P", "threads", "-c", "16")
        schedule = str(self.bed.folder / "beat-schedule")
        self.add("beat", [sys.executable, "-m", "config.beat", "--schedule", schedule])
        self.add("watchdog", [sys.executable, "manage.py", "watchdog"])

    def worker(self, name: str, lanes: str, *options: str) -> None:
        """A Celery worker of some lanes."""
        command = [*CELERY, "worker", "-Q", lanes, "-n", f"{name}@chaos", *options, *QUIET]
        self.add(name, command)

    def add(self, name: str, command: Sequence[str], **env: str) -> None:
        """A program to be started at the next `tend`."""
        self.programs[name] = Program(name, command, env)

    # --- started and started again -------------------------------------------------------------

    def tend(self) -> None:
        """Start what has ended, and let go on what was paused long enough."""
        now = time.monotonic()
        if now - self._ticked > 1.0:
            self._ticked = now
            self.ticking()
        for program in self.programs.values():
            if program.paused_until and now >= program.paused_until:
                program.paused_until = 0.0
                self.send(program.name, signal.SIGCONT)
            if program.alive:
                continue
            if program.popen is not None:
                processes.end(program.popen, signal.SIGKILL, 5)
                program.popen, program.due = None, now + PAUSE_SECONDS
            if now >= program.due:
                self._start(program)

    def _start(self, program: Program) -> None:
        program.starts += 1
        program.popen = processes.start(
            program.command,
            env={**self.env, **program.env},
            cwd=ROOT,
            log=self.bed.folder / f"{program.name}.log",
            death_signal=signal.SIGKILL,
        )

    def tend_for(self, seconds: float) -> None:
        self.tend_until(lambda: False, seconds)

    def tend_until(self, done: Callable[[], bool], seconds: float) -> bool:
        """Tend until something is so; whether it came to be in time."""
        until = time.monotonic() + seconds
        while not done():
            if time.monotonic() > until:
                return False
            self.tend()
            time.sleep(0.05)
        return True

    # --- harmed --------------------------------------------------------------------------------

    def send(self, name: str, number: int) -> None:
        """A signal for a program and all its children."""
        popen = self.programs[name].popen
        if popen is not None and popen.poll() is None:
            processes.send(popen.pid, number, group=True)

    def kill(self, name: str) -> None:
        """kill -9 of a program with its children, as when the machine kills it."""
        self.send(name, signal.SIGKILL)
        popen = self.programs[name].popen
        if popen is not None:
            popen.wait()

    def kill_child(self, name: str, which: int) -> bool:
        """kill -9 of one child of a program; whether there was one."""
        children = self.children(name)
        if not children:
            return False
        processes.send(children[which % len(children)], signal.SIGKILL)
        return True

    def children(self, name: str) -> list[int]:
        program = self.programs[name]
        if not program.alive or program.popen is None:
            return []
        pid = program.popen.pid
        try:
            text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in text.split()]

    def pause(self, name: str, seconds: float) -> None:
        """Stop a program in the middle of whatever it does; `tend` lets it go on."""
        self.send(name, signal.SIGSTOP)
        self.programs[name].paused_until = time.monotonic() + seconds

    def resume(self) -> None:
        """Let everything go on that is paused."""
        for program in self.programs.values():
            if program.paused_until:
                program.paused_until = 0.0
                self.send(program.name, signal.SIGCONT)

    def end(self) -> None:
        """End all of it, by force: nothing is to be tidied up."""
        for program in self.programs.values():
            if program.popen is not None:
                processes.end(program.popen, signal.SIGKILL, 10)
                program.popen = None


@contextmanager
def world(bed: Bed, **env: str) -> Iterator[World]:
    """A world without programs; whatever it starts is ended."""
    bed.folder.mkdir(parents=True, exist_ok=True)
    made = World(bed, env)
    try:
        yield made
    finally:
        made.end()
