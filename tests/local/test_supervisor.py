"""The two commands as an operator meets them: real servers, real signals, nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.local import processes
from config.local.processes import Identity
from config.local.services import free_port
from config.local.state import ROOT

REAL_VAR = ROOT / "var"
PATIENCE = 120.0
NAMED_SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")

pytestmark = pytest.mark.skipif(
    not processes.LINUX, reason="reads /proc to prove that no process is left"
)


@dataclass(slots=True)
class Machine:
    """A folder of state of its own and the environment to run the commands in it."""

    var: Path
    port: int

    @property
    def env(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if key not in NAMED_SERVERS}
        kept.pop(processes.MARK, None)
        own = {"COUNTERSIGN_VAR": str(self.var), "PORT": str(self.port), "DEMO": "no"}
        return {**kept, **own}

    def beside(self, *command: str, flags: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        state = ("--state", str(self.var / "test"), *flags)
        return self.local("with-services", *state, "--", *command)

    def local(self, *arguments: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "config.local", *arguments],
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def kept(self, state: str) -> dict[str, object]:
        return dict(json.loads((self.var / state / "kept.json").read_text()))

    def left(self, state: str) -> list[int]:
        """Processes that carry this machine's mark."""
        return processes.carrying(str(self.kept(state)["mark"]))


@dataclass(slots=True)
class Terminal:
    """`make run` in the foreground of a terminal."""

    pid: int
    screen: int
    said: str = ""

    def read(self) -> None:
        try:
            self.said += os.read(self.screen, 65536).decode(errors="replace")
        except OSError:
            time.sleep(0.05)

    def wait_for(self, words: str) -> None:
        until = time.monotonic() + PATIENCE
        while words not in self.said:
            assert time.monotonic() < until, self.said
            self.read()
            assert not self.ended() or words in self.said, self.said

    def ended(self) -> bool:
        return processes.start_time(self.pid) is None

    def wait_until_ended(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.ended():
            assert time.monotonic() < until, self.said
            self.read()
        os.waitpid(self.pid, 0)


def descendants(pid: int) -> list[Identity]:
    """Every process below one, children of children too."""
    found: list[Identity] = []
    waiting = [pid]
    while waiting:
        children = Path(f"/proc/{waiting[0]}/task/{waiting.pop(0)}/children")
        try:
            below = [int(each) for each in children.read_text().split()]
        except OSError:
            continue
        waiting += below
        found += [known for each in below if (known := processes.identity(each))]
    return found


@pytest.fixture
def machine() -> Iterator[Machine]:
    var = Path(tempfile.mkdtemp(prefix="countersign-machine-", dir="/tmp"))
    var.chmod(0o755)
    if (REAL_VAR / "binaries").exists():
        shutil.copytree(REAL_VAR / "binaries", var / "binaries", copy_function=os.link)
    yield Machine(var, free_port())
    for state in ("run", "test"):
        if (var / state / "kept.json").exists():
            for pid in Machine(var, 0).left(state):
                processes.send(pid, signal.SIGKILL)
    shutil.rmtree(var)


@pytest.fixture
def open_terminal(machine: Machine) -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        os.close(terminal.screen)


def make_run(machine: Machine, opened: list[Terminal]) -> Terminal:
    pid, screen = pty.fork()
    if pid == 0:
        os.chdir(ROOT)
        os.execvpe("make", ["make", "run", f"PYTHON={sys.executable}"], machine.env)
    os.set_blocking(screen, False)
    terminal = Terminal(pid, screen)
    opened.append(terminal)
    return terminal


def finish(command: subprocess.Popen[bytes]) -> tuple[int, str]:
    """A command's exit code and what it said."""
    said, _ = command.communicate(timeout=PATIENCE)
    return command.returncode, said.decode()


def login_page(machine: Machine) -> int:
    with urllib.request.urlopen(f"http://localhost:{machine.port}/login/", timeout=20) as answer:
        return int(answer.status)


def test_ctrl_c_ends_every_process_and_a_kill_stops_no_later_start(
    machine: Machine, open_terminal: list[Terminal]
) -> None:
    first = make_run(machine, open_terminal)
    first.wait_for("Press Ctrl-C")
    assert login_page(machine) == 200
    logins = machine.var / "demo-logins.txt"
    passwords = logins.read_text()
    assert passwords.strip() in first.said.replace("\r", "")
    assert logins.stat().st_mode & 0o777 == 0o600

    supervisor = int((machine.var / "run" / "lock").read_text())
    made = descendants(supervisor)
    assert len(made) > 8
    os.kill(supervisor, signal.SIGKILL)
    first.wait_until_ended()

    started = time.monotonic()
    second = make_run(machine, open_terminal)
    second.wait_for("Press Ctrl-C")
    seconds = time.monotonic() - started
    assert not [each for each in made if each.alive()]
    assert login_page(machine) == 200
    assert logins.read_text() == passwords
    assert passwords.strip() not in second.said.replace("\r", "")
    assert seconds < 20, f"the start after a kill took {seconds:.1f} s"

    made = descendants(second.pid)
    assert len(made) > 8
    os.write(second.screen, b"\x03")
    second.wait_until_ended()
    assert not [each for each in made if each.alive()]
    assert not machine.left("run")
    assert "Stopped." in second.said
    assert "Traceback" not in second.said


def test_a_process_that_crashes_is_started_again(
    machine: Machine, open_terminal: list[Terminal]
) -> None:
    terminal = make_run(machine, open_terminal)
    terminal.wait_for("Press Ctrl-C")
    started = machine.kept("run")["processes"]
    assert isinstance(started, dict)
    for name in ("postgres", "redis", "web"):
        os.kill(started[name][0], signal.SIGKILL)
    terminal.wait_for("web ended (exit -9); starting it again in 1 s")
    terminal.wait_for("postgres ended")
    terminal.wait_for("redis ended")

    def answers() -> bool:
        try:
            return login_page(machine) == 200
        except OSError:
            return False

    assert processes.wait_until(answers, 60)
    os.write(terminal.screen, b"\x03")
    terminal.wait_until_ended()
    assert not machine.left("run")


def test_a_port_in_use_is_said_in_one_line(machine: Machine) -> None:
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", machine.port))
        busy.listen()
        command = machine.local("run")
        answer = finish(command)
    assert answer == (
        1,
        f"Port {machine.port} can't be used (Address already in use). "
        f"Choose another one with PORT: make run PORT={machine.port + 1}\n",
    )


def test_a_second_start_on_the_same_state_is_refused(machine: Machine) -> None:
    first = machine.beside("sleep", "60")
    assert processes.wait_until((machine.var / "test" / "postgres" / "PG_VERSION").exists, PATIENCE)
    second = machine.beside("true")
    assert finish(second) == (
        1,
        f"Countersign is running already on {machine.var / 'test'} (process {first.pid}).\n",
    )
    first.terminate()
    finish(first)
    assert not machine.left("test")


def test_a_stale_pid_is_not_taken_for_a_live_server(machine: Machine) -> None:
    assert finish(machine.beside("true")) == (0, "")
    bystander = subprocess.Popen(["sleep", "120"])
    # What a power cut leaves: files that name a pid which is someone else's by now.
    data = machine.var / "test" / "postgres"
    (data / "postmaster.pid").write_text(f"{bystander.pid}\n{data}\n1\n5432\n/tmp\n\n")
    kept = machine.kept("test")
    kept["processes"] = {"postgres": [bystander.pid, "an older start"]}
    (machine.var / "test" / "kept.json").write_text(json.dumps(kept))
    assert finish(machine.beside("true")) == (0, "")
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_the_command_s_exit_code_is_passed_on(machine: Machine) -> None:
    assert finish(machine.beside("sh", "-c", "exit 7")) == (7, "")


@pytest.mark.skipif(os.getuid() != 0, reason="only root's servers run as another user")
def test_a_project_that_the_servers_user_can_t_enter_keeps_its_modes(machine: Machine) -> None:
    machine.var.chmod(0o700)
    script = "echo $DATABASE_URL; ls -d /var/tmp/countersign-*"
    code, said = finish(machine.beside("sh", "-c", script, flags=("--throw-away",)))
    assert code == 0, said
    address, *folders = said.split()
    assert address.startswith("postgres://countersign_app:")
    assert folders
    assert machine.var.stat().st_mode & 0o777 == 0o700
    assert not [folder for folder in folders if Path(folder).exists()]
