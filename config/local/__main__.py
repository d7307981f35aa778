"""`python -m config.local run`, `… manage COMMAND` and `… with-services -- COMMAND`."""

from __future__ import annotations

import argparse
import errno
import os
import shutil
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

from config.local import browser, processes, services, site
from config.local.refusal import AlreadyRunning, Refusal
from config.local.services import Options
from config.local.state import ROOT, VAR, State
from config.local.supervisor import Stop, Supervisor


def say(line: str) -> None:
    print(line, flush=True)


def whisper(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def with_services(arguments: argparse.Namespace) -> int:
    """Run a command beside its own servers, and end them with it. Its exit code."""
    state = State(Path(arguments.state).resolve())
    state.open()
    try:
        with state.locked():
            state.end_leftovers()
            return _beside(state, arguments)
    finally:
        if arguments.throw_away:
            servers = Path(state.kept.get("servers", state.home))
            shutil.rmtree(servers, ignore_errors=True)
            shutil.rmtree(state.home, ignore_errors=True)


def _beside(state: State, arguments: argparse.Namespace) -> int:
    supervisor = Supervisor(state, whisper)
    supervisor.listen()
    command: subprocess.Popen[bytes] | None = None
    try:
        options = Options(fast=arguments.fast, may_create=True)
        supervisor.services, addresses = services.start(
            state, options, var=VAR, say=lambda line: None
        )
        env = {**os.environ, **addresses, processes.MARK: state.mark}
        command = processes.start(arguments.command, env=env, cwd=ROOT, foreground=True)
        # Ctrl-C reaches the command by itself, through the terminal; we wait for what it says.
        # Only now: a child inherits what its parent ignores.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = command.wait()
        return code if code >= 0 else 128 - code  # as a shell reports a signal
    except Stop:
        if command is not None:
            command.terminate()
            command.wait()
        return 130
    except FileNotFoundError as error:
        raise Refusal(f"There is no command {error.filename}.") from None
    finally:
        supervisor.stop()


def _state(arguments: argparse.Namespace) -> State:
    """That of `make run`, or of the sandbox beside it, which shares nothing with it."""
    if not arguments.sandbox:
        return State(VAR / "run")
    for name in site.LIVE:
        if os.environ.pop(name, ""):
            whisper(f"The sandbox has its own: {name} is not used.")
    os.environ["SANDBOX"] = "yes"
    return State(VAR / site.SANDBOX)


def run(arguments: argparse.Namespace) -> int:
    """The whole site on this machine, until Ctrl-C."""
    processes.adopt_orphans()
    state = _state(arguments)
    state.open()
    with state.locked():
        state.end_leftovers()
        supervisor = Supervisor(state, say)
        supervisor.listen()
        try:
            site.begin(supervisor)
            supervisor.watch()
        except Stop:
            say("\nStopping …")
        finally:
            supervisor.stop()
    say("Stopped.")
    return 0


def manage(arguments: argparse.Namespace) -> int:
    """Run manage.py on the data of `make run`, whether the site runs or not. Its exit code."""
    state = _state(arguments)
    state.open()
    if not site.logins(state).exists():
        raise Refusal(f"There is no site yet: start it once with make {state.home.name}.")
    command = [sys.executable, "manage.py", *arguments.words]
    try:
        with state.locked():
            state.end_leftovers()
            return _beside(state, argparse.Namespace(command=command, fast=False))
    except AlreadyRunning:
        env = site.environment(state, {**state.kept.get("addresses", {}), **os.environ})
        return subprocess.run(command, env=env, cwd=ROOT, check=False).returncode


def provide_browser(arguments: argparse.Namespace) -> int:
    """See that the tests find a browser."""
    browser.provide()
    return 0


def clean(arguments: argparse.Namespace) -> int:
    """Remove all data of all states on this machine; refuses while one of them runs."""
    with ExitStack() as held:
        homes = []
        for lock in VAR.glob("*/lock"):
            state = State(lock.parent)
            state.open()
            held.enter_context(state.locked())
            state.end_leftovers()
            homes.append(Path(state.kept.get("servers", state.home)))
        for home in (*homes, VAR):
            shutil.rmtree(home, ignore_errors=True)
    return 0


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="python -m config.local", description=__doc__)
    commands = made.add_subparsers(required=True)
    running = commands.add_parser("run", help="the site, its servers, worker and beat")
    running.set_defaults(go=run)
    managing = commands.add_parser("manage", help="manage.py on the data of `make run`")
    for each in (running, managing):
        each.add_argument("--sandbox", action="store_true", help="that of `make sandbox`")
    managing.add_argument("words", nargs=argparse.REMAINDER, metavar="command …")
    managing.set_defaults(go=manage)
    commands.add_parser("browser", help="fetch a browser for the tests").set_defaults(
        go=provide_browser
    )
    commands.add_parser("clean", help="remove all data below var/").set_defaults(go=clean)
    beside = commands.add_parser("with-services", help="a command beside its own servers")
    beside.add_argument("--state", default=str(VAR / "test"), help="where their data is kept")
    beside.add_argument("--throw-away", action="store_true", help="remove that folder at the end")
    beside.add_argument("--fast", action="store_true", help="no durability against a power cut")
    beside.add_argument("command", nargs="+")
    beside.set_defaults(go=with_services)
    return made


def main() -> int:
    """Parse, run, and turn what a newcomer can act on into one line."""
    arguments = parser().parse_args()
    os.chdir(ROOT)
    try:
        return int(arguments.go(arguments))
    except Refusal as refusal:
        whisper(str(refusal))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        whisper(f"The disk that holds {VAR} is full. Free some space and start again.")
    return 1


if __name__ == "__main__":
    sys.exit(main())
