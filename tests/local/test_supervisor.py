"""The two commands as an operator meets them: real servers, real signals, nothing left behind."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from config.local import processes
from config.local.processes import Identity
from config.local.services import free_port
from config.local.state import ROOT

REAL_VAR = ROOT / "var"
PATIENCE = 300.0
NAMED_SERVERS = ("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE")
LOCAL = (sys.executable, "-m", "config.local")
COUNT_PEOPLE = (
    *(*LOCAL, "manage", "shell", "-v", "0", "-c"),
    "from backoffice.models import User; print(User.objects.count(), 'people')",
)
MAKE_RUN = ("make", "run", f"PYTHON={sys.executable}")

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

    def with_services(self, *command: str, flags: tuple[str, ...] = ()) -> tuple[str, ...]:
        state = ("--state", str(self.var / "test"), *flags)
        return (*LOCAL, "with-services", *state, "--", *command)

    def begin(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def beside(self, *command: str, flags: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        return self.begin(*self.with_services(*command, flags=flags))

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

    def press_ctrl_c(self) -> None:
        os.write(self.screen, b"\x03")

    def ended(self) -> bool:
        return processes.start_time(self.pid) is None

    def wait_until_ended(self) -> None:
        until = time.monotonic() + PATIENCE
        while not self.ended():
            assert time.monotonic() < until, self.said
            self.read()
        os.waitpid(self.pid, 0)
        self.read_the_rest()

    def read_the_rest(self) -> None:
        """The last words may still be on their way when the process has ended."""
        while select.select([self.screen], [], [], 1)[0]:
            try:
                said = os.read(self.screen, 65536)
            except OSError:  # every process has let go of the terminal
                return
            self.said += said.decode(errors="replace")


TypeIn = Callable[..., Terminal]


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


@contextmanager
def new_machine() -> Iterator[Machine]:
    var = Path(tempfile.mkdtemp(prefix="countersign-machine-", dir="/tmp"))
    var.chmod(0o755)
    if (REAL_VAR / "binaries").exists():
        shutil.copytree(REAL_VAR / "binaries", var / "binaries", copy_function=os.link)
    yield Machine(var, free_port())
    for kept in var.glob("*/kept.json"):
        for pid in Machine(var, 0).left(kept.parent.name):
            processes.send(pid, signal.SIGKILL)
    shutil.rmtree(var)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    """One machine for most tests: each start must cope with what the test before left."""
    with new_machine() as made:
        yield made


@pytest.fixture
def fresh_machine() -> Iterator[Machine]:
    with new_machine() as made:
        yield made


@pytest.fixture
def type_in(machine: Machine) -> Iterator[TypeIn]:
    """Type a command into a terminal of its own."""
    opened: list[Terminal] = []

    def begin(*command: str) -> Terminal:
        pid, screen = pty.fork()
        if pid == 0:
            os.chdir(ROOT)
            os.execvpe(command[0], command, machine.env)
        os.set_blocking(screen, False)
        opened.append(Terminal(pid, screen))
        return opened[-1]

    yield begin
    for terminal in opened:
        if not terminal.ended():
            os.kill(terminal.pid, signal.SIGKILL)
        os.close(terminal.screen)


def finish(command: subprocess.Popen[bytes]) -> tuple[int, str]:
    """A command's exit code and what it said."""
    said, _ = command.communicate(timeout=PATIENCE)
    return command.returncode, said.decode()


def login_page(machine: Machine) -> int:
    with urllib.request.urlopen(f"http://localhost:{machine.port}/login/", timeout=20) as answer:
        return int(answer.status)


def test_ctrl_c_ends_every_process_and_a_kill_stops_no_later_start(
    machine: Machine, type_in: TypeIn
) -> None:
    logins = machine.var / "demo-logins.txt"
    logins.unlink(missing_ok=True)
    too_early = finish(machine.begin(*COUNT_PEOPLE))
    assert too_early == (1, "There is no site yet: start it once with make run.\n")
    first = type_in(*MAKE_RUN)
    first.wait_for("Press Ctrl-C")
    assert login_page(machine) == 200
    passwords = logins.read_text()
    assert passwords.strip() in first.said.replace("\r", "")
    assert logins.stat().st_mode & 0o777 == 0o600

    supervisor = int((machine.var / "run" / "lock").read_text())
    made = descendants(supervisor)
    assert len(made) > 9
    os.kill(supervisor, signal.SIGKILL)
    first.wait_until_ended()

    second = type_in(*MAKE_RUN)
    second.wait_for("Press Ctrl-C")
    assert not [each for each in made if each.alive()]
    assert login_page(machine) == 200
    assert logins.read_text() == passwords
    assert finish(machine.begin(*COUNT_PEOPLE)) == (0, "7 people\n")
    assert passwords.strip() not in second.said.replace("\r", "")
    assert "Preparing the database" not in second.said  # what makes a later start quick

    made = descendants(second.pid)
    assert len(made) > 9
    second.press_ctrl_c()
    second.wait_until_ended()
    assert not [each for each in made if each.alive()]
    assert not machine.left("run")
    assert "Stopped." in second.said
    assert "Traceback" not in second.said
    assert finish(machine.begin(*COUNT_PEOPLE)) == (0, "7 people\n")
    assert not machine.left("run")


def test_a_process_that_crashes_is_started_again(machine: Machine, type_in: TypeIn) -> None:
    terminal = type_in(*MAKE_RUN)
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
    terminal.press_ctrl_c()
    terminal.wait_until_ended()
    assert not machine.left("run")


def test_a_worker_that_hears_nothing_is_started_again(
    machine: Machine, type_in: TypeIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A minute for processes that start would be long; a quarter of one is enough here.
    monkeypatch.setenv("STALL_SECONDS", "25")
    terminal = type_in(*MAKE_RUN)
    terminal.wait_for("Press Ctrl-C")
    started = machine.kept("run")["processes"]
    assert isinstance(started, dict)
    worker = started["worker"][0]
    log = machine.var / "log" / "worker.log"
    # The children are there once it works; all of them are frozen, as a machine would freeze them.
    assert processes.wait_until(lambda: len(descendants(worker)) >= 2, PATIENCE)
    assert processes.wait_until(lambda: "queues" in log.read_text(), PATIENCE)
    before = descendants(worker)
    os.killpg(worker, signal.SIGSTOP)
    terminal.wait_for("worker runs but does nothing; starting it again")

    def another() -> bool:
        now = machine.kept("run")["processes"]
        assert isinstance(now, dict)
        return bool(now["worker"][0] != worker)

    assert processes.wait_until(another, PATIENCE)
    assert processes.wait_until(lambda: not [each for each in before if each.alive()], 30)
    terminal.press_ctrl_c()
    terminal.wait_until_ended()
    assert not machine.left("run")


def test_a_port_in_use_is_said_in_one_line(machine: Machine) -> None:
    with socket.socket() as busy:
        # Connections of the site before may still linger on this machine's port.
        busy.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        busy.bind(("127.0.0.1", machine.port))
        busy.listen()
        command = machine.begin(*LOCAL, "run")
        answer = finish(command)
    assert answer == (
        1,
        f"Port {machine.port} can't be used (Address already in use). "
        f"Choose another one with PORT: make run PORT={machine.port + 1}\n",
    )


def test_a_second_start_on_the_same_state_is_refused(machine: Machine) -> None:
    first = machine.beside("sleep", "60")
    lock = machine.var / "test" / "lock"
    own = str(first.pid)
    assert processes.wait_until(lambda: lock.exists() and lock.read_text() == own, PATIENCE)
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


def test_ctrl_c_reaches_the_tests_and_ends_their_servers(machine: Machine, type_in: TypeIn) -> None:
    command = ("sh", "-c", "echo begun; exec sleep 60")
    terminal = type_in(*machine.with_services(*command))
    terminal.wait_for("begun")
    made = descendants(terminal.pid)
    assert len(made) > 3
    terminal.press_ctrl_c()
    terminal.wait_until_ended()
    assert not [each for each in made if each.alive()]
    assert not machine.left("test")


@pytest.mark.skipif(os.getuid() != 0, reason="only root's servers run as another user")
def test_a_project_that_the_servers_user_can_t_enter_keeps_its_modes(
    fresh_machine: Machine,
) -> None:
    fresh_machine.var.chmod(0o700)
    script = "echo $DATABASE_URL; ls -d /var/tmp/countersign-*"
    code, said = finish(fresh_machine.beside("sh", "-c", script, flags=("--throw-away",)))
    assert code == 0, said
    address, *folders = said.split()
    assert address.startswith("postgres://countersign_app:")
    assert folders
    assert fresh_machine.var.stat().st_mode & 0o777 == 0o700
    assert not [folder for folder in folders if Path(folder).exists()]
