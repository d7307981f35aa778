"""Watches the site's processes: starts again what ends, and ends everything when told to."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import FrameType

from config.local import processes
from config.local.services import Service, last_words
from config.local.state import ROOT, State

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
STEADY_SECONDS = 60.0  # a process that lived this long starts its next pause from the beginning
STOP_SECONDS = 10.0


@dataclass(slots=True)
class Program:
    """One process of the site: `web`, `worker`, `beat`."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str]
    popen: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    pause: float = FIRST_PAUSE
    due: float = 0.0


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
            if now - program.started > STEADY_SECONDS:
                program.pause = FIRST_PAUSE
            program.due = now + program.pause
            self.say(
                f"{program.name} ended (exit {code}); starting it again in {program.pause:.0f} s. "
                f"Its log: {self.state.log(program.name)}"
            )
            program.pause = min(program.pause * 2, LONGEST_PAUSE)
        elif program.popen is None and now >= program.due:
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
