"""`make sandbox` beside `make run`: another site, with nothing of the first one's."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from config.local import processes
from config.local.services import free_port
from config.local.state import ROOT
from tests.local.test_supervisor import PATIENCE, Machine, new_machine

pytestmark = pytest.mark.skipif(
    not processes.LINUX, reason="reads /proc to prove that no process is left"
)
LIVE = {
    "DATABASE_URL": "postgres://live@127.0.0.1:9/live",
    "DATABASE_OWNER_URL": "postgres://live@127.0.0.1:9/live",
    "REDIS_URL": "redis://127.0.0.1:9/0",
    "SECRETS_KEYS": "that-of-the-live-company",
    "EMAIL_URL": "smtp://127.0.0.1:9",
}


@contextmanager
def site(machine: Machine, what: str, port: int, **more: str) -> Iterator[list[str]]:
    """`make run` or `make sandbox` until the end of the block; answers the lines it said."""
    env = {**machine.env, "PORT": str(port), **more}
    made = subprocess.Popen(
        ["make", what, f"PYTHON={sys.executable}"],
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert made.stdout is not None
    said: list[str] = []
    until = time.monotonic() + PATIENCE
    try:
        while not (said and "Press Ctrl-C" in said[-1]):
            line = made.stdout.readline()
            assert line, said
            assert time.monotonic() < until, said
            said.append(line)
        yield said
    finally:
        supervisor = int((machine.var / what / "lock").read_text())
        processes.send(supervisor, signal.SIGINT)
        made.communicate(timeout=60)


def login_page(port: int) -> str:
    with urllib.request.urlopen(f"http://localhost:{port}/login/", timeout=20) as answer:
        return str(answer.read().decode())


def test_a_sandbox_stands_beside_the_site_and_takes_nothing_of_it_from_the_environment() -> None:
    with new_machine() as machine, site(machine, "run", machine.port):
        port = free_port()
        with site(machine, "sandbox", port, **LIVE) as said:
            assert f"The sandbox of Countersign is running: http://localhost:{port}/\n" in said
            for name in LIVE:
                assert f"The sandbox has its own: {name} is not used.\n" in said
            assert "<title>Sandbox: Sign in" in login_page(port)
            assert "Sandbox" not in login_page(machine.port)
            kept = {name: machine.kept(name) for name in ("run", "sandbox")}
            for own in ("addresses", "secret_key", "secrets_key", "mark"):
                assert kept["run"][own] != kept["sandbox"][own], own
            logins = machine.var / "sandbox" / "demo-logins.txt"
            assert logins.read_text() != (machine.var / "demo-logins.txt").read_text()
        assert not machine.left("sandbox")
        assert machine.left("run")
