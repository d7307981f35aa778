"""Watches the site's processes: starts again what ends, and ends everything when told to."""

from __future__ import annotations

import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import FrameType

from config.local import processes
from config.local.services import Service, last_words
from config.local.state import ROOT, State

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # a process that lived this long starts its next pause from the beginning
STOP_SECONDS = 10.0
DEAF_SECONDS = 5.0  # for the end of one that does nothing; it may not hear that either


@dataclass(slots=True)
class Budget:
    """At most `limit` restarts within `seconds`."""

    limit: int
    seconds: float
    spent: deque[float] = field(default_factory=deque)

    def spend(self, now: float) -> bool:
        """Take one if there is one left."""
        if self.wait(now) > 0:
            return False
        self.spent.append(now)
        return True

    def wait(self, now: float) -> float:
        """Seconds until there is one again; 0 when there is one now."""
        while self.spent and now - self.spent[0] >= self.seconds:
            self.spent.popleft()
        return 0.0 if len(self.spent) < self.limit else self.seconds - (now - self.spent[0])


@dataclass(slots=True)
class Program:
    """One process of the site: `web`, `worker`, `beat`.

    `mends` says which other programs an exit code of this one asks to start again.
    """

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    popen: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0
    mends: Mapping[int, Sequence[str]] = field(default_factory=dict)
    deaths: Budget = field(default_factory=lambda: Budget(10, 600))
    stalls: Budget = field(default_factory=lambda: Budget(3, 900))
    given_up: bool = False


class Stop(Exception):
    """Someone asked us to end."""


class Supervisor:
    """Owns the services and programs of one state folder, from start to end."""

    def __init__(self, state: State, say: Callable[[str], None]) -> None:
        self.state = state
        self.say = say
        self.services: list[Service] = []
        self.programs: list[Program] = []
        self.asked = False

    def listen(self) -> None:
        """Turn Ctrl-C, a terminal that closes and a plain kill into one orderly end."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked = True
            raise Stop

    def start(self, program: Program) -> None:
        program.popen = processes.start(
            program.command,
            env={**program.env, processes.MARK: self.state.mark},
            log=self.state.log(program.name),
            cwd=ROOT,
        )
        program.started = time.monotonic()
        self.state.record(program.name, program.popen.pid)
        if program not in self.programs:
            self.programs.append(program)

    def watch(self) -> None:
        """Start again what ends, with growing pauses, until someone asks us to end."""
        while True:
            now = time.monotonic()
            for service in self.services:
                self._mend_service(service)
            for program in self.programs:
                self._mend(program, now)
            known = [each.popen.pid for each in self.programs + self.services if each.popen]
            processes.reap_orphans(known)
            time.sleep(0.2)

    def _mend_service(self, service: Service) -> None:
        if service.popen is None or service.popen.poll() is None:
            return
        self.say(
            f"{service.name} ended; starting it again. "
            f"It said: {last_words(self.state.log(service.name))}"
        )
        processes.end(service.popen, signal.SIGKILL, 5)
        service.restart()

    def _mend(self, program: Program, now: float) -> None:
        if program.popen is not None and program.popen.poll() is not None:
            code = program.popen.returncode
            # Its children must not serve beside those of the next one.
            processes.end(program.popen, signal.SIGKILL, 5)
            program.popen = None
            if code in program.mends:
                program.due = now
                for each in self.programs:
                    if each.name in program.mends[code]:
                        self._wake(each, now)
            else:
                self._plan(program, code, now)
        elif program.popen is None and now >= program.due:
            self.start(program)

    def _plan(self, program: Program, code: int, now: float) -> None:
        """When to start a program again that ended by itself."""
        if now - program.started > STEADY_SECONDS:
            program.pause = FIRST_PAUSE
        pause = program.pause
        if not program.deaths.spend(now):
            pause = max(pause, program.deaths.wait(now))
            self.say(f"{program.name} ended {program.deaths.limit} times in ten minutes.")
        program.due = now + pause
        self.say(
            f"{program.name} ended (exit {code}); starting it again in {pause:.0f} s. "
            f"Its log: {self.state.log(program.name)}"
        )
        program.pause = min(program.pause * 2, LONGEST_PAUSE)

    def _wake(self, program: Program, now: float) -> None:
        """Start a program again that runs and does nothing."""
        if program.popen is None:
            return
        log = self.state.log(program.name)
        if not program.stalls.spend(now):
            if not program.given_up:
                self.say(
                    f"{program.name} stands still, although it was started again "
                    f"{program.stalls.limit} times in a quarter of an hour. It is left as it is "
                    f"for now; its log: {log}"
                )
            program.given_up = True
            return
        program.given_up = False
        self.say(f"{program.name} runs but does nothing; starting it again. Its log: {log}")
        processes.end(program.popen, signal.SIGTERM, DEAF_SECONDS)
        self.start(program)

    def stop(self) -> None:
        """End the programs, then the services, then whatever of ours is left."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        running = [each.popen for each in self.programs if each.popen is not None]
        for popen in running:
            processes.send(popen.pid, signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for popen in running:
            processes.end(popen, signal.SIGTERM, max(0.1, until - time.monotonic()))
        for service in reversed(self.services):
            service.stop()
        self.state.end_marked()
        self.state.drop_socket_folder()
