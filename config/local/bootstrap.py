"""Makes `.venv` with what the lock files pin. Run by the machine's own Python, before all else.

    python3 config/local/bootstrap.py [--dev]

Only the standard library, and syntax that an old Python still reads, so that it can say that it is
too old.
"""

import hashlib
import os
import subprocess
import sys
from typing import Dict, List, NoReturn, Optional, Tuple

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOCKS = {"run": "requirements.lock", "dev": "requirements-dev.lock"}


def refuse(line: str) -> NoReturn:
    sys.stderr.write(line + "\n")
    raise SystemExit(1)


def say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def quietly(command: List[str], env: Optional[Dict[str, str]] = None) -> Tuple[int, str]:
    """Run a command: its exit code and what it wrote."""
    done = subprocess.run(
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return done.returncode, done.stdout.decode("utf-8", "replace")


def stamp(kind: str) -> str:
    return os.path.join(VENV, ".installed-" + kind)


def wanted(kind: str) -> str:
    with open(os.path.join(ROOT, LOCKS[kind]), "rb") as lock:
        return hashlib.sha256(lock.read()).hexdigest()


def installed(kind: str) -> bool:
    """Whether the environment holds exactly what this lock pins."""
    if not os.path.exists(stamp(kind)):
        return False
    with open(stamp(kind)) as file:
        return file.read() == wanted(kind)


def make_environment() -> None:
    """A virtual environment of the running Python, made anew if its own has gone."""
    say(f"Making .venv with Python {sys.version_info[0]}.{sys.version_info[1]} …")
    code, said = quietly([sys.executable, "-m", "venv", "--clear", VENV])
    if code == 0:
        return
    if "No space left" in said:
        refuse(f"The disk that holds {VENV} is full. Free some space and start again.")
    refuse(
        "This Python can't make virtual environments: install its venv and ensurepip modules "
        "(on Debian and Ubuntu the package python3-venv)."
    )


def uv_environment() -> Dict[str, str]:
    """The environment for uv: the package index and certificates that pip is told of."""
    _, shown = quietly([PYTHON, "-m", "pip", "config", "list"])
    names = {
        "index-url": "UV_DEFAULT_INDEX",
        "extra-index-url": "UV_INDEX",
        "find-links": "UV_FIND_LINKS",
        "cert": "SSL_CERT_FILE",
    }
    env = dict(os.environ)
    for line in shown.splitlines():
        name, _, value = line.partition("=")
        known = names.get(name.rpartition(".")[2])
        if known is not None:
            env.setdefault(known, value.strip("'\""))
    env["UV_INDEX_STRATEGY"] = "unsafe-best-match"  # hashes decide what is installed
    return env


def install(kind: str) -> None:
    """Install what a lock pins: by uv, or by pip where uv can't reach what pip can."""
    lock = os.path.join(ROOT, LOCKS[kind])
    say(f"Installing what {LOCKS[kind]} pins …")
    pip = [PYTHON, "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
    uv = [PYTHON, "-m", "uv", "--quiet", "pip", "sync", "--require-hashes", "--python", PYTHON]
    code, said = quietly([*pip, "uv"])
    if code == 0:
        code, said = quietly([*uv, lock], uv_environment())
    if code != 0:
        code, said = quietly([*pip, "--require-hashes", "-r", lock])
    if code != 0:
        if "No space left" in said:
            refuse(f"The disk that holds {VENV} is full. Free some space and start again.")
        why = ([line for line in said.splitlines() if line.strip()] or ["no reason given"])[-1]
        refuse(f"The package index did not give what {LOCKS[kind]} pins: {why}")


def usable() -> bool:
    """Whether `.venv` holds a Python that runs (its base may have been removed) and pip."""
    return os.path.exists(PYTHON) and quietly([PYTHON, "-c", "import pip"])[0] == 0


def main() -> None:
    if sys.version_info < (3, 11):
        refuse(
            f"Countersign needs Python 3.11 or newer, and {sys.executable} is "
            f"{sys.version_info[0]}.{sys.version_info[1]}. Name a newer one: make PYTHON=python3.12"
        )
    if os.path.islink(VENV):
        return  # an environment that someone shares with us is theirs to change
    kind = "dev" if "--dev" in sys.argv or os.path.exists(stamp("dev")) else "run"
    if installed(kind) and quietly([PYTHON, "-c", ""])[0] == 0:
        return
    if not usable():
        make_environment()
    install(kind)
    with open(stamp(kind), "w") as file:
        file.write(wanted(kind))


if __name__ == "__main__":
    main()
