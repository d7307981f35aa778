"""Processes: started so that they die with us, named so that no other is ever taken for ours."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

# Each process we start carries its state folder's mark, and so do all its children: the next start
# ends exactly what a killed one left behind.
MARK = "COUNTERSIGN_STATE"
LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Identity:
    """A process for all time: a pid comes back, a pid with its start time does not."""

    pid: int
    started: str

    def alive(self) -> bool:
        return start_time(self.pid) == self.started


def start_time(pid: int) -> str | None:
    """When a process started, in the machine's own words; None when no such process runs."""
    if LINUX:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        return None if fields[0] == "Z" else f"{boot}:{fields[19]}"
    found = subprocess.run(
        ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


def identity(pid: int) -> Identity | None:
    """The identity of a running process; None when it has ended."""
    started = start_time(pid)
    return None if started is None else Identity(pid, started)


def adopt_orphans() -> None:
    """Become the parent of grandchildren whose own parent dies, so that they can be ended."""
    if LINUX:
        _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _before_exec(user: str | None, death_signal: int) -> Callable[[], None]:
    """What the child does between fork and exec. Only system calls: no locks, no imports."""
    parent = os.getpid()
    account = pwd.getpwnam(user) if user else None

    def prepare() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        if LINUX:
            # After the change of user, which clears it.
            _libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare


def start(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path,
    log: Path | None = None,
    user: str | None = None,
    death_signal: int = signal.SIGTERM,
    foreground: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process that gets `death_signal` when we die, however we die.

    It leads a group of its own, out of reach of the terminal's Ctrl-C, unless it runs in the
    `foreground`. `log` None leaves its output where ours goes; `user` None keeps ours.
    """
    prepare = _before_exec(user, death_signal)
    if foreground:
        return subprocess.Popen(command, env=env, cwd=cwd, preexec_fn=prepare)
    with log.open("ab") if log else nullcontext() as output:
        return subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=True,
            preexec_fn=prepare,
        )


def carrying(mark: str) -> list[int]:
    """The pids of all processes that carry a mark, other than this one. Linux only; else none."""
    if not LINUX:
        return []
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in environment.split(b"\0"):
            found.append(int(entry.name))
    return found


def working_in(folder: Path) -> list[int]:
    """The pids of processes whose working folder is this one: a database's own. Linux only."""
    if not LINUX:
        return []
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").readlink() == folder:
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def send(pid: int, number: int, *, group: bool = False) -> None:
    """Send a signal to a process or its whole group; one that is gone already is no error."""
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def wait_until(done: Callable[[], bool], seconds: float) -> bool:
    """Whether something became true in time."""
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            return False
        time.sleep(0.02)
    return True


def reap_orphans(known: Sequence[int]) -> None:
    """Bury adopted processes that have ended, but none of `known`, whose Popen waits for them."""
    if not LINUX:
        return
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    try:
        pids = [int(pid) for pid in children.read_text().split()]
    except OSError:
        return
    for pid in pids:
        if pid not in known:
            try:
                os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue


def end(popen: subprocess.Popen[bytes], number: int, seconds: float) -> None:
    """End a process politely, and by force with its whole group when time is up."""
    if popen.poll() is None:
        send(popen.pid, number)
        try:
            popen.wait(seconds)
        except subprocess.TimeoutExpired:
            send(popen.pid, signal.SIGKILL, group=True)
            popen.wait()
    send(popen.pid, signal.SIGKILL, group=True)  # what it left in its group
