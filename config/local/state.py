"""What one start keeps for the next: folders, passwords, the lock, and which processes it made."""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.local import processes
from config.local.processes import Identity
from config.local.refusal import AlreadyRunning, Refusal

ROOT = Path(__file__).resolve().parent.parent.parent
VAR = Path(os.environ.get("COUNTERSIGN_VAR") or ROOT / "var").resolve()
SERVICE_USER = "nobody"  # PostgreSQL refuses to run as root
# macOS allows 103 bytes, Linux 107; Redis cuts a longer path silently.
SOCKET_PATH_LIMIT = 103
SOCKETS = "countersign-"
KEPT_LOG_BYTES = 10_000_000


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    beside = path.with_name(path.name + ".new")
    with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)


def make_folder(path: Path) -> None:
    """Make a folder that every user may enter, whatever the umask; one that exists is left alone.

    Private files in it are 0600 each.
    """
    if not path.exists():
        make_folder(path.parent)
        path.mkdir()
        path.chmod(0o755)


@dataclass(slots=True)
class State:
    """One folder of state (`var/run`, `var/test`): a set of servers and their processes."""

    home: Path
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        return self.home.parent / "log" if self.home.name == "run" else self.home / "log"

    @property
    def mark(self) -> str:
        return self.secret("mark")

    def open(self) -> None:
        """Make the folders and read what the last start kept."""
        for made in (self.home.parent, self.home, self.logs):
            make_folder(made)
        path = self.home / "kept.json"
        self.kept = json.loads(path.read_text()) if path.exists() else {}

    def keep(self, **values: Any) -> None:
        self.kept.update(values)
        write_private(self.home / "kept.json", json.dumps(self.kept, indent=1))

    def secret(self, name: str) -> str:
        """A random password, the same at every start."""
        if name not in self.kept:
            self.keep(**{name: secrets.token_urlsafe(24)})
        return str(self.kept[name])

    def log(self, name: str) -> Path:
        """A process's log; one that has grown large makes room first."""
        path = self.logs / f"{name}.log"
        if path.exists() and path.stat().st_size > KEPT_LOG_BYTES:
            path.replace(path.with_suffix(".log.1"))
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this state alone; the kernel lets go of it however we end. Raises AlreadyRunning."""
        with (self.home / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                raise AlreadyRunning(
                    f"Countersign is running already on {self.home} (process {file.read()})."
                ) from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def record(self, name: str, pid: int) -> None:
        """Remember a process we started."""
        known = processes.identity(pid)
        if known is not None:
            started = dict(self.kept.get("processes", {}))
            started[name] = [known.pid, known.started]
            self.keep(processes=started)

    def recorded(self) -> list[Identity]:
        """The processes of the last start that still run: same pid and same start time."""
        known = [Identity(*entry) for entry in self.kept.get("processes", {}).values()]
        return [each for each in known if each.alive()]

    def leftovers(self) -> list[int]:
        """Pids that a killed start left: those recorded, and whatever carries our mark."""
        ours = {each.pid for each in self.recorded()} | set(processes.carrying(self.mark))
        return sorted(pid for pid in ours if processes.start_time(pid) is not None)

    def end_leftovers(self) -> int:
        """End what a killed start left behind and nothing else. How many there were."""
        found = self.leftovers()
        # They heard of our end by themselves; most are on their way.
        if found and not processes.wait_until(lambda: not self.leftovers(), 3):
            for number, patience in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
                for pid in self.leftovers():
                    processes.send(pid, number)
                if processes.wait_until(lambda: not self.leftovers(), patience):
                    break
        self.keep(processes={})
        return len(found)

    def end_marked(self) -> None:
        """End every process that carries our mark, at the end of a run."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in processes.carrying(self.mark):
                processes.send(pid, number)
            until = time.monotonic() + 2
            while processes.carrying(self.mark) and time.monotonic() < until:
                processes.reap_orphans([])
                time.sleep(0.02)
        self.keep(processes={})

    def servers_home(self, user: str | None) -> Path:
        """Where the servers' data goes: here, or where `user` can enter when it can't enter here.

        A project below /root is closed to the user that PostgreSQL runs as; no mode of a folder
        that is not ours is changed for it.
        """
        if "servers" in self.kept:
            return Path(self.kept["servers"])
        home = self.home
        if user is not None and not can_enter(home):
            home = Path(tempfile.mkdtemp(prefix="countersign-", dir="/var/tmp"))
            home.chmod(0o755)
        self.keep(servers=str(home))
        return home

    def socket_folder(self) -> Path:
        """A fresh short folder for sockets, 0700; raises Refusal when its path is too long."""
        self.drop_socket_folder()
        made = Path(tempfile.mkdtemp(prefix=SOCKETS, dir="/tmp"))
        if len(os.fsencode(made / ".s.PGSQL.5432.lock")) > SOCKET_PATH_LIMIT:
            raise Refusal(f"{made} is too long a path for a socket.")
        self.keep(sockets=str(made))
        return made

    def drop_socket_folder(self) -> None:
        """Remove the socket folder of this start or of one that was killed."""
        folder = Path(self.kept.get("sockets", ""))
        if folder.name.startswith(SOCKETS):
            shutil.rmtree(folder, ignore_errors=True)


def can_enter(folder: Path) -> bool:
    """Whether everyone may pass through a folder and all above it."""
    return all(each.stat().st_mode & 0o001 for each in (folder, *folder.resolve().parents))
