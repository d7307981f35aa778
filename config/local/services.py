"""The embedded PostgreSQL and Redis: made once, started as children, reached by secret."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from config.local import binaries, processes
from config.local.binaries import Binaries
from config.local.refusal import Refusal
from config.local.state import SERVICE_USER, State, write_private

OWNER = "countersign_owner"
APPLICATION = "countersign_app"
DATABASE = "countersign"
START_SECONDS = 60
# Durability first: what a commit says has happened must survive the machine's end.
POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_connections": "100",
    "random_page_cost": "1.1",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
    "max_wal_size": "512MB",
}


@dataclass(frozen=True, slots=True)
class Options:
    """`fast` gives up durability against a power cut, for tests; `may_create` lets the owner role
    make databases, which tests clone."""

    fast: bool = False
    may_create: bool = False


class Service:
    """What both servers share: a folder that their user owns, a process, a way to see it answer."""

    name: str
    death_signal: int

    def __init__(self, state: State, found: Binaries) -> None:
        self.state = state
        self.user = SERVICE_USER if os.getuid() == 0 else None
        self.binaries = found
        self.data = state.servers_home(self.user) / self.name
        self.popen: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        path = os.environ.get("PATH", "/usr/bin:/bin")
        return {"PATH": path, "LC_ALL": "C", processes.MARK: self.state.mark}

    def own(self, path: Path) -> None:
        if self.user is not None:
            shutil.chown(path, self.user)

    def addresses(self) -> dict[str, str]:
        """The environment variables that lead to it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it; `wait_until_ready` tells when it answers."""
        self.prepare()
        self.restart()

    def prepare(self) -> None:
        raise NotImplementedError

    def restart(self) -> None:
        """Start it at the address it has already."""
        self.popen = processes.start(
            self.command(),
            env=self.environment(),
            log=self.state.log(self.name),
            cwd=self.data,
            user=self.user,
            death_signal=self.death_signal,
        )
        self.state.record(self.name, self.popen.pid)

    def wait_until_ready(self) -> None:
        """Raises Refusal with the last line of its log when it ends or does not answer."""
        assert self.popen is not None
        until = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.popen.poll() is not None or time.monotonic() > until:
                raise Refusal(f"{self.name} did not start: {last_words(self.state.log(self.name))}")
            time.sleep(0.03)

    def stop(self) -> None:
        if self.popen is not None:
            processes.end(self.popen, self.death_signal, 15)
            self.popen = None


class Postgres(Service):
    name = "postgres"
    # Fast shutdown: sessions are ended, the last checkpoint is written, nothing to recover.
    death_signal = signal.SIGINT

    def __init__(self, state: State, found: Binaries, options: Options) -> None:
        super().__init__(state, found)
        self.options = options
        self.sockets = Path()

    def url(self, user: str, password: str, database: str = DATABASE) -> str:
        return f"postgres://{user}:{password}@/{database}?host={self.sockets}"

    def command(self) -> list[str]:
        settings = {**POSTGRES_SETTINGS, "unix_socket_directories": str(self.sockets)}
        settings["unix_socket_permissions"] = "0700"
        if self.options.fast:
            settings |= {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
            # Races of fifty run side by side.
            settings["max_connections"] = "300"
        flags = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        return [str(self.binaries.postgres / "postgres"), "-D", str(self.data), *flags]

    def prepare(self) -> None:
        if not (self.data / "PG_VERSION").exists():
            self.make()
        self.sockets = self.state.socket_folder()
        self.own(self.sockets)

    def restart(self) -> None:
        self.clear_stale_pid()
        super().restart()

    def make(self) -> None:
        """initdb, in a folder beside its place so that a killed one leaves no half database."""
        beside = self.data.with_name("postgres.new")
        for folder in (beside, self.data):
            shutil.rmtree(folder, ignore_errors=True)
        beside.mkdir(mode=0o700, parents=True)
        self.own(beside)
        password = beside.parent / "initdb.password"
        write_private(password, self.state.secret("superuser"))
        self.own(password)
        command = [str(self.binaries.postgres / "initdb"), "-D", str(beside), "-U", "postgres"]
        command += ["--auth=scram-sha-256", f"--pwfile={password}", "--data-checksums"]
        command += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8", "--no-sync"]
        try:
            made = processes.start(
                command,
                env=self.environment(),
                log=self.state.log("initdb"),
                cwd=beside,
                user=self.user,
            )
            if made.wait() != 0:
                said = last_words(self.state.log("initdb"))
                raise Refusal(f"PostgreSQL could not make its folder: {said}")
        finally:
            password.unlink()
        beside.replace(self.data)

    def clear_stale_pid(self) -> None:
        """Remove a pid file that a kill or a power cut left: its pid may be anyone's by now.

        PostgreSQL would take any process of that number for itself and refuse to start. Ours alone
        work in the data folder, so those are waited for and then ended.
        """
        if processes.LINUX:
            if not processes.wait_until(lambda: not processes.working_in(self.data), 10):
                for pid in processes.working_in(self.data):
                    processes.send(pid, signal.SIGKILL)
                processes.wait_until(lambda: not processes.working_in(self.data), 5)
            (self.data / "postmaster.pid").unlink(missing_ok=True)

    def answers(self) -> bool:
        try:
            psycopg.connect(self.superuser_url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise Refusal(
                    f"{self.state.home}/kept.json no longer has the password of the database in "
                    f"{self.data}. Put it back, or move that folder away to begin anew."
                ) from None
            return False
        return True

    def superuser_url(self, database: str) -> str:
        return self.url("postgres", self.state.secret("superuser"), database)

    def wait_until_ready(self) -> None:
        super().wait_until_ready()
        self.make_roles()

    def make_roles(self) -> None:
        """The two roles and the database, once; see docs/decisions/0002-two-database-roles.md."""
        done = self.data / "countersign-roles"
        if done.exists():
            return
        with psycopg.connect(self.superuser_url("postgres"), autocommit=True) as server:
            for role in (OWNER, APPLICATION):
                known = server.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
                verb = "ALTER" if known.fetchone() else "CREATE"
                may = "CREATEDB" if role == OWNER and self.options.may_create else "NOCREATEDB"
                server.execute(
                    sql.SQL(f"{verb} ROLE {{}} LOGIN {may} PASSWORD {{}}").format(
                        sql.Identifier(role), sql.Literal(self.state.secret(role))
                    )
                )
            known = server.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if known.fetchone() is None:
                server.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")
        done.touch()

    def addresses(self) -> dict[str, str]:
        return {
            "DATABASE_URL": self.url(APPLICATION, self.state.secret(APPLICATION)),
            "DATABASE_OWNER_URL": self.url(OWNER, self.state.secret(OWNER)),
        }


class Redis(Service):
    name = "redis"
    death_signal = signal.SIGTERM

    def __init__(self, state: State, found: Binaries) -> None:
        super().__init__(state, found)
        self.port = 0

    def prepare(self) -> None:
        self.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.own(self.data)
        self.port = free_port()
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.state.secret("redis"),
            "dir": str(self.data),
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": '""',
            "databases": "16",
        }
        write_private(self.settings, "".join(f"{key} {value}\n" for key, value in lines.items()))
        self.own(self.settings)

    @property
    def settings(self) -> Path:
        return self.data / "redis.conf"

    def command(self) -> list[str]:
        return [str(self.binaries.redis), str(self.settings)]

    def answers(self) -> bool:
        # Two lines of its protocol instead of its library, which takes longer to import than Redis
        # takes to start.
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as server:
                server.sendall(f"AUTH {self.state.secret('redis')}\r\nPING\r\n".encode())
                said = server.makefile("rb")
                return [said.readline(), said.readline()] == [b"+OK\r\n", b"+PONG\r\n"]
        except OSError:
            return False

    def addresses(self) -> dict[str, str]:
        return {"REDIS_URL": f"redis://:{self.state.secret('redis')}@127.0.0.1:{self.port}/0"}


def free_port() -> int:
    """A port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def last_words(log: Path) -> str:
    """The last line of a log that tells why something ended."""
    lines = log.read_text(errors="replace").splitlines()[-80:] if log.exists() else []
    marks = ("FATAL", "PANIC", "Error: ", "ImproperlyConfigured: ", "No space left")
    telling = [line for line in lines if any(mark in line for mark in marks)]
    said = (telling or lines or ["it said nothing"])[-1]
    if "No space left" in said:
        return "the disk is full"
    return said.rpartition("ImproperlyConfigured: ")[2]


def start(
    state: State, options: Options, *, var: Path, say: Callable[[str], None]
) -> tuple[list[Service], dict[str, str]]:
    """Start what the environment does not name already: the services and their addresses.

    Raises Refusal when one does not start; those that did are stopped again.
    """
    wanted = _wanted(state, options, var)
    addresses: dict[str, str] = {}
    try:
        for service in wanted:
            say(f"Starting {service.name} …")
            service.start()
        for service in wanted:
            service.wait_until_ready()
            addresses |= service.addresses()
    except BaseException:
        for service in reversed(wanted):
            service.stop()
        raise
    return wanted, addresses


def _wanted(state: State, options: Options, var: Path) -> list[Service]:
    needs_postgres = not os.environ.get("DATABASE_URL")
    needs_redis = not os.environ.get("REDIS_URL")
    if not needs_postgres and not needs_redis:
        return []
    found = _reachable(state, binaries.find(var))
    wanted: list[Service] = []
    if needs_postgres:
        wanted.append(Postgres(state, found, options))
    if needs_redis:
        wanted.append(Redis(state, found))
    return wanted


def _reachable(state: State, found: Binaries) -> Binaries:
    """The binaries, copied to where the servers' user can enter if it can't enter here."""
    user = SERVICE_USER if os.getuid() == 0 else None
    home = state.servers_home(user)
    source = found.postgres.parent.parent.parent
    if home == state.home or not found.postgres.is_relative_to(source):
        return found
    target = home / "binaries" / source.name
    if not (target / "complete").exists():
        shutil.copytree(source, target, dirs_exist_ok=True)
    return Binaries(
        target / found.postgres.relative_to(source),
        target / found.redis.relative_to(source)
        if found.redis.is_relative_to(source)
        else found.redis,
    )
