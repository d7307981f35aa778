"""`make run`: from an empty folder to the login page."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping
from pathlib import Path

import psycopg

from config.local import processes, services
from config.local.refusal import Refusal
from config.local.services import Options
from config.local.state import ROOT, VAR, State
from config.local.supervisor import Program, Supervisor

HOST = "127.0.0.1"
NEEDED_BYTES = 500_000_000
SANDBOX = "sandbox"
# What leads to the live company or opens what is sealed there, and is nothing to a sandbox.
LIVE = (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "SECRETS_KEYS",
    "EMAIL_URL",
    "SITE_URL",
)
PAGE_SECONDS = 180
SCHEMA = ("*/migrations/*.py", "*/apps.py", "backoffice/*.py", "requirements.lock")
STATIC = ("static/**/*", "requirements.lock", "config/settings/*.py")


def begin(supervisor: Supervisor) -> None:
    """Start everything and print the address and the logins.

    Raises Refusal when something a newcomer can put right stands in the way.
    """
    port = wanted_port()
    refuse_busy(port)
    refuse_full_disk()
    say, state = supervisor.say, supervisor.state
    supervisor.services, addresses = services.start(state, Options(), var=VAR, say=say)
    state.keep(addresses=dict(addresses))  # for `manage` beside the running site
    env = environment(state, addresses)
    first = prepare(supervisor, env)
    say("Starting the site …")
    web, *others = programs(state, env, port)
    supervisor.start(web)
    wait_for_page(supervisor, port)  # before the others take their share of the processors
    for program in others:
        supervisor.start(program)
    greet(supervisor, port, first=first)


def is_sandbox(state: State) -> bool:
    """Whether this is the state of `make sandbox`."""
    return state.home.name == SANDBOX


def logins(state: State) -> Path:
    """Where the demonstration logins are kept."""
    return (state.home if is_sandbox(state) else VAR) / "demo-logins.txt"


def wanted_port() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise Refusal(f"PORT is “{text}”; it must be a number from 1 to 65535.")
    return int(text)


def command() -> str:
    """What of the Makefile was asked for."""
    return SANDBOX if os.environ.get("SANDBOX") else "run"


def refuse_busy(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise Refusal(
                f"Port {port} can't be used ({error.strerror}). "
                f"Choose another one with PORT: make {command()} PORT={min(port + 1, 65535)}"
            ) from None


def refuse_full_disk() -> None:
    free = shutil.disk_usage(VAR).free
    if free < NEEDED_BYTES:
        raise Refusal(
            f"The disk that holds {VAR} is full: {free // 1_000_000} MB are free, "
            f"{NEEDED_BYTES // 1_000_000} MB are needed."
        )


def environment(state: State, addresses: Mapping[str, str]) -> dict[str, str]:
    """What every process of the site finds in its environment."""
    own = {
        "DJANGO_SETTINGS_MODULE": "config.settings.dev",
        "SECRET_KEY": os.environ.get("SECRET_KEY") or state.secret("secret_key"),
        "SECRETS_KEYS": os.environ.get("SECRETS_KEYS") or sealing_key(state),
        "PYTHONUNBUFFERED": "1",
        processes.MARK: state.mark,
    }
    return {**os.environ, **addresses, **own}


def sealing_key(state: State) -> str:
    """The key that secrets of connectors are sealed with here: made once, kept beside the rest."""
    return urlsafe_b64encode(hashlib.sha256(state.secret("secrets_key").encode()).digest()).decode()


# What the watchdog's exit codes ask for.
MENDS = {
    3: ["worker"],
    4: ["beat"],
    5: ["worker", "beat"],
    7: ["external"],
    8: ["external", "worker"],
    9: ["external", "beat"],
    10: ["external", "worker", "beat"],
}


def programs(state: State, env: Mapping[str, str], port: int) -> list[Program]:
    """The processes of the site, as the Procfile lists them."""
    web = [sys.executable, "-m", "config.web", "--interface", "wsgi", "config.wsgi:application"]
    web += ["--host", HOST, "--port", str(port), "--workers", "2", "--blocking-threads", "4"]
    # One that dies is started again beside the other, whose requests in hand go on.
    web += ["--respawn-failed-workers"]
    celery = [sys.executable, "-m", "celery", "-A", "config"]
    lanes = ["worker", "-Q", "internal,bulk,sweep", "-c", "2"]
    calls = ["worker", "-Q", "external", "-P", "threads", "-c", "16", "-n", "external@%h"]
    beat = [sys.executable, "-m", "config.beat", "--schedule", str(state.home / "beat-schedule")]
    found = [
        Program("web", web, {**env, "DATABASE_POOL": "true"}),
        Program("worker", [*celery, *lanes], {**env, "STATEMENT_TIMEOUT": "50s"}),
        Program("external", [*celery, *calls], {**env, "STATEMENT_TIMEOUT": "50s"}),
        Program("beat", beat, env),
        Program(
            "watchdog",
            [sys.executable, "manage.py", "watchdog", "--exit-code"],
            env,
            mends=MENDS,
        ),
    ]
    if has_command("demo_live") and wants_demonstration():
        found.append(Program("demo_live", [sys.executable, "manage.py", "demo_live"], env))
    return found


def prepare(supervisor: Supervisor, env: Mapping[str, str]) -> bool:
    """Schema, people, demonstration data and static files: what is there already is skipped.

    Whether this start made the demonstration logins.
    """
    steps = Steps(supervisor, env)
    steps.once("schema", "Preparing the database …", ["migrate", "-v", "0"], fingerprint(SCHEMA))
    known = logins(supervisor.state)
    first = not known.exists()
    people = ["demo_users", "--logins", str(known)]
    steps.once("people", "Making the demonstration logins …", people, again=first)
    if has_command("demo_company") and wants_demonstration():
        steps.once("company", "Loading the demonstration company …", ["demo_company"])
    collect = ["collectstatic", "--noinput", "-v", "0"]
    steps.once("static", "Collecting static files …", collect, fingerprint(STATIC))
    return first


class Steps:
    """Management commands that run once for a state of what they depend on."""

    def __init__(self, supervisor: Supervisor, env: Mapping[str, str]) -> None:
        self.supervisor = supervisor
        self.env = env

    def once(
        self, name: str, says: str, command: list[str], key: str = "", *, again: bool = False
    ) -> None:
        """Run a management command unless it has succeeded for this database and key before."""
        state = self.supervisor.state
        database = database_identity(self.env["DATABASE_URL"])
        done = state.kept.get("steps", {})
        if not again and database and done.get(name) == f"{database} {key}":
            return
        self.supervisor.say(says)
        self.manage(command)
        database = database_identity(self.env["DATABASE_URL"])
        state.keep(steps={**done, name: f"{database} {key}"})

    def manage(self, command: list[str]) -> None:
        """Run a management command in the foreground; raises Refusal when it fails."""
        manage = [sys.executable, "manage.py", *command]
        running = processes.start(manage, env=self.env, cwd=ROOT)
        try:
            code = running.wait()
        except BaseException:
            processes.send(running.pid, 15)
            running.wait()
            raise
        if code != 0:
            raise Refusal(f"`manage.py {command[0]}` failed (exit {code}); see above.")


def database_identity(url: str) -> str:
    """What tells this database from one made anew in its place.

    Empty for a database without tables, for which nothing has been done yet. Raises Refusal when
    it does not answer.
    """
    try:
        with psycopg.connect(url, connect_timeout=10) as server:
            row = server.execute(
                "SELECT system_identifier, oid FROM pg_control_system(), pg_database "
                "WHERE datname = current_database() "
                "AND to_regclass('django_migrations') IS NOT NULL"
            ).fetchone()
    except psycopg.OperationalError as error:
        raise Refusal(f"The database does not answer: {str(error).splitlines()[-1]}") from None
    return f"{row[0]}/{row[1]}" if row else ""


def wants_demonstration() -> bool:
    """DEMO=no starts with an empty company."""
    return os.environ.get("DEMO", "yes").lower() not in {"no", "0", "false"}


def has_command(name: str) -> bool:
    """Whether a management command exists, without the cost of importing Django."""
    return any(ROOT.glob(f"*/management/commands/{name}.py"))


def fingerprint(patterns: Iterable[str]) -> str:
    """A hash of the files that a step depends on."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and not path.is_relative_to(VAR):
                digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def wait_for_page(supervisor: Supervisor, port: int) -> None:
    """Wait until the login page answers; raises Refusal with the log's last line if it does not."""
    until = time.monotonic() + PAGE_SECONDS
    web = supervisor.programs[0]
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/login/", timeout=20):
                return
        except urllib.error.HTTPError as error:
            log = supervisor.state.log("web")
            raise Refusal(f"The login page answers {error.code}; see {log}") from None
        except OSError:
            assert web.popen is not None
            if web.popen.poll() is not None or time.monotonic() > until:
                said = services.last_words(supervisor.state.log("web"))
                raise Refusal(f"The site did not start: {said}") from None
            time.sleep(0.05)


def greet(supervisor: Supervisor, port: int, *, first: bool) -> None:
    say, known = supervisor.say, logins(supervisor.state)
    what = "The sandbox of Countersign" if is_sandbox(supervisor.state) else "Countersign"
    say(f"\n{what} is running: http://localhost:{port}/")
    if first and known.exists():
        say(known.read_text().rstrip())
    else:
        say(f"Logins: {known}")
    say(f"Logs: {supervisor.state.logs}. Press Ctrl-C to stop.")
